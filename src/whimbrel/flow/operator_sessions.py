"""Operators sign in, stay signed in for a while, and sign out.

A session's token is known to its browser alone: the store has a hash of it. Signing in always makes
a new one, whatever the browser brought along, so that nobody can lay a session out for another to
sign in to.
"""

import hashlib
import secrets
from typing import NamedTuple

from whimbrel.clock import MINUTE, Clock
from whimbrel.domain.operator import Operator
from whimbrel.flow.failed_logins import FailedLogins
from whimbrel.flow.password_checks import PasswordChecks, TooManyChecks, hash_aside
from whimbrel.store.audit import Audited, AuditEntry, audited, note_deeds
from whimbrel.store.engine import Store
from whimbrel.store.operators import (
    NewSession,
    Visit,
    close_sessions,
    find_sessions,
    note_visits,
    open_sessions,
    operators_by_login,
)

_TOKEN_BYTES = 32
_FAILURES_AT_ONCE = 5
_FAILURES_OF_AN_ADDRESS = 30  # whatever the logins
_NOTE_EVERY = MINUTE  # how exactly it is known when a session was used last
_ANY_LOGIN = ""
_open_sessions = audited(open_sessions)


class SignInRefused(Exception):
    """Nobody was signed in."""


class WrongCredentials(SignInRefused):
    """There is no such login, it is disabled, or its password is another. Which, is not told."""


class MustWait(SignInRefused):
    """Too many failures, or too many passwords to check."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds


class Lifetimes(NamedTuple):
    """How long a session lives, in milliseconds: without a request, and in any case."""

    idle: int
    longest: int


class OperatorSessions:
    """Who is signed in."""

    def __init__(self, store: Store, clock: Clock, lifetimes: Lifetimes) -> None:
        self._store = store
        self._clock = clock
        self._lifetimes = lifetimes
        self._passwords = PasswordChecks()
        self._failures = FailedLogins(clock, at_once=_FAILURES_AT_ONCE)
        self._failures_of_addresses = FailedLogins(clock, at_once=_FAILURES_OF_AN_ADDRESS)
        self._nobodys_hash = ""

    async def sign_in(self, login: str, password: str, address: str) -> str:
        """Return the token of a new session. Raises `SignInRefused`, `StoreUnavailable`."""
        wait = max(
            self._failures.wait(address, login),
            self._failures_of_addresses.wait(address, _ANY_LOGIN),
        )
        if wait:
            raise MustWait(wait)
        found = await self._store.read(operators_by_login, login)
        operator = None if found is None or found.disabled else found
        if not await self._is_right(operator, password) or operator is None:
            self._failures.count(address, login)
            self._failures_of_addresses.count(address, _ANY_LOGIN)
            raise WrongCredentials
        return await self._open(operator, address)

    async def knows_password(self, operator: Operator, password: str, address: str) -> bool:
        """Check the password of somebody who is signed in. Raises `MustWait`."""
        if wait := self._failures.wait(address, operator.login):
            raise MustWait(wait)
        if await self._is_right(operator, password):
            return True
        self._failures.count(address, operator.login)
        return False

    async def find(self, token: str) -> Operator | None:
        """Return who is signed in with a token, and note that the session is in use."""
        token_hash, now = _hashed(token), self._clock.now()
        session = await self._store.read(find_sessions, token_hash)
        if session is None or not self._lives(session.created_at, session.seen_at, now):
            return None
        if now - session.seen_at >= _NOTE_EVERY:
            await self._store.write(note_visits, Visit(now, token_hash))
        return session.operator

    async def is_open(self, token: str) -> bool:
        """Tell whether a session is there, without making it live longer."""
        session = await self._store.read(find_sessions, _hashed(token))
        return session is not None and self._lives(
            session.created_at, session.seen_at, self._clock.now()
        )

    async def sign_out(self, token: str, operator: Operator, address: str) -> None:
        """Close a session."""
        await self._store.write(close_sessions, _hashed(token))
        entry = AuditEntry(
            self._clock.now(), operator.login, address, "operator.sign-out", operator.login
        )
        await self._store.write(note_deeds, entry)

    def close(self) -> None:
        """End the threads."""
        self._passwords.close()

    async def _open(self, operator: Operator, address: str) -> str:
        token, now = secrets.token_urlsafe(_TOKEN_BYTES), self._clock.now()
        session = NewSession(
            _hashed(token),
            operator.operator_id,
            address,
            now,
            created_before=now - self._lifetimes.longest,
            seen_before=now - self._lifetimes.idle,
        )
        entry = AuditEntry(now, operator.login, address, "operator.sign-in", operator.login)
        await self._store.write(_open_sessions, Audited(session, entry))
        return token

    async def _is_right(self, operator: Operator | None, password: str) -> bool:
        """Check a password; nobody's takes as long, so that logins cannot be found out."""
        number = operator.operator_id if operator else 0
        try:
            if operator is None and not self._nobodys_hash:
                nobodys = secrets.token_urlsafe(_TOKEN_BYTES)
                self._nobodys_hash = await hash_aside(nobodys)
            known = operator.password_hash if operator else self._nobodys_hash
            return await self._passwords.is_right(number, known, password)
        except TooManyChecks:
            raise MustWait(1.0) from None

    def _lives(self, created_at: int, seen_at: int, now: int) -> bool:
        return now - created_at < self._lifetimes.longest and now - seen_at < self._lifetimes.idle


def _hashed(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
