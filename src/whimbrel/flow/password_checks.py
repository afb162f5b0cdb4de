"""Checks passwords beside the event loop, and remembers the last right one of each holder.

argon2 on every request would cost 50 ms each. The memo holds a keyed digest, never the password,
under a key that dies with the process; a changed password makes it worthless.
"""

import asyncio
import hashlib
import hmac
import os
from concurrent.futures import ThreadPoolExecutor

from whimbrel.domain.password import hash_password, password_is_right

_CHECKS_AT_ONCE = 2  # argon2 takes a core and 64 MiB each
_CHECKS_WAITING = 20  # a second's worth; a flood of guesses must not queue for minutes


async def hash_aside(password: str) -> str:
    """Return what is stored for a password, made beside the event loop. Raises `BadPassword`."""
    return await asyncio.to_thread(hash_password, password)


class TooManyChecks(Exception):
    """More passwords wait for a check than can be checked within a second or so."""


class PasswordChecks:
    """The passwords of one kind of holder, by number."""

    def __init__(self) -> None:
        self._key = os.urandom(32)
        self._memo: dict[int, tuple[str, bytes]] = {}
        self._pool = ThreadPoolExecutor(_CHECKS_AT_ONCE, thread_name_prefix="argon2")
        self._checks: dict[tuple[str, bytes], asyncio.Task[bool]] = {}

    async def is_right(self, holder: int, password_hash: str, password: str) -> bool:
        """Check a holder's password. Raises `TooManyChecks`."""
        digest = hashlib.blake2b(password.encode(), key=self._key, digest_size=32).digest()
        known = self._memo.get(holder)
        if (
            known is not None
            and known[0] == password_hash
            and hmac.compare_digest(known[1], digest)
        ):
            return True
        # A Partner's first requests come together, and wait for one check, not each for its own.
        check = self._checks.get((password_hash, digest))
        if check is None:
            check = self._start(password_hash, password, digest)
        if not await asyncio.shield(check):
            return False
        self._memo[holder] = (password_hash, digest)
        return True

    def _start(self, password_hash: str, password: str, digest: bytes) -> asyncio.Task[bool]:
        if len(self._checks) >= _CHECKS_WAITING:
            raise TooManyChecks
        check = asyncio.create_task(self._check(password_hash, password))
        self._checks[password_hash, digest] = check
        check.add_done_callback(lambda _: self._checks.pop((password_hash, digest)))
        return check

    async def _check(self, password_hash: str, password: str) -> bool:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, password_is_right, password_hash, password)

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown(wait=False, cancel_futures=True)
