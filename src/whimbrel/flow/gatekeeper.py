"""Who may call: login, subnet, password and pace, in the order of `protocol.md`, section 8."""

import asyncio
import hashlib
import hmac
import math
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from whimbrel.clock import Clock
from whimbrel.domain.pacing import Rate
from whimbrel.domain.partner import Partner
from whimbrel.domain.password import password_is_right
from whimbrel.domain.refusal import Refusal, RefusalCode
from whimbrel.flow.partner_directory import PartnerDirectory
from whimbrel.flow.partner_pace import OwnPace, PartnerPace

_FAILURES_ALLOWED = 10  # at once, from one address for one login
_FAILURES_RATE = 1 / 30  # and then one in 30 s
_CHECKS_AT_ONCE = 2  # argon2 takes a core and 64 MiB each
_CHECKS_WAITING = 20  # a second's worth; a flood of guesses must not queue for minutes
_BUSY_RETRY_AFTER = 1
_MOST_THROTTLES = 10_000


class Gatekeeper:
    """Lets Partners in."""

    def __init__(
        self,
        partners: PartnerDirectory,
        clock: Clock,
        *,
        pace: PartnerPace | None = None,
        nodes: Callable[[], int] = lambda: 1,
    ) -> None:
        """`nodes` tells how many let Partners in; each admits its part of a Partner's requests."""
        self._partners = partners
        self._passwords = _Passwords()
        self._throttle = _FailureThrottle(clock)
        self._pace = pace or OwnPace(clock)
        self._nodes = nodes
        self._under_way: dict[int, int] = {}

    async def admit(self, login: str, password: str, address: str) -> Partner:
        """Return the Partner that calls from `address`. Raises `Refusal` 5, 2, 3 or 6.

        Failures are throttled by address and login together, so that nobody can lock a Partner out
        from another address.
        """
        partner = self._partners.by_login(login)
        if partner is None or partner.disabled:
            self._throttle.check(address, login)
            self._throttle.count(address, login)
            word = "is disabled" if partner else "is not known"
            raise Refusal(RefusalCode.INVALID_LOGIN, f"login: this login {word}.")
        if not partner.admits(address):
            raise Refusal(
                RefusalCode.INVALID_IP_ADDRESS,
                f"login: requests from {address} are not allowed for this login.",
            )
        self._throttle.check(address, login)
        if not await self._passwords.is_right(partner, password):
            self._throttle.count(address, login)
            raise Refusal(
                RefusalCode.INVALID_PASSWORD, "password: it is not this login's password."
            )
        await self._pace.take(partner)
        return partner

    @contextmanager
    def under_way(self, partner: Partner) -> Iterator[None]:
        """Count a request while it is under way. Raises `Refusal` 3 for one too many.

        Among nodes, each has an even part of the limit, rounded up.
        """
        limit, count = partner.profile.concurrency, self._under_way.get(partner.partner_id, 0)
        if limit and count >= -(-limit // max(1, self._nodes())):
            raise Refusal(
                RefusalCode.TOO_MANY_CONNECTIONS,
                f"login: more than {limit} requests under way at once.",
                retry_after=1,
            )
        self._under_way[partner.partner_id] = count + 1
        try:
            yield
        finally:
            self._under_way[partner.partner_id] -= 1

    def close(self) -> None:
        """End the threads."""
        self._passwords.close()


class _Passwords:
    """Checks passwords, and remembers the last right one of each Partner.

    argon2 on every request would cost 50 ms each. The memo holds a keyed digest, never the
    password, under a key that dies with the process; a changed password makes it worthless.
    """

    def __init__(self) -> None:
        self._key = os.urandom(32)
        self._memo: dict[int, tuple[str, bytes]] = {}
        self._pool = ThreadPoolExecutor(_CHECKS_AT_ONCE, thread_name_prefix="argon2")
        self._checks: dict[tuple[str, bytes], asyncio.Task[bool]] = {}

    async def is_right(self, partner: Partner, password: str) -> bool:
        """Check a password. Raises `Refusal` 3 when too many wait for such a check."""
        digest = hashlib.blake2b(password.encode(), key=self._key, digest_size=32).digest()
        known = self._memo.get(partner.partner_id)
        if (
            known is not None
            and known[0] == partner.password_hash
            and hmac.compare_digest(known[1], digest)
        ):
            return True
        # A Partner's first requests come together, and wait for one check, not each for its own.
        check = self._checks.get((partner.password_hash, digest))
        if check is None:
            check = self._start_check(partner.password_hash, password, digest)
        if not await asyncio.shield(check):
            return False
        self._memo[partner.partner_id] = (partner.password_hash, digest)
        return True

    def _start_check(self, password_hash: str, password: str, digest: bytes) -> asyncio.Task[bool]:
        if len(self._checks) >= _CHECKS_WAITING:
            raise Refusal(
                RefusalCode.TOO_MANY_CONNECTIONS,
                "password: too many passwords are being checked.",
                retry_after=_BUSY_RETRY_AFTER,
            )
        check = asyncio.create_task(self._check(password_hash, password))
        self._checks[password_hash, digest] = check
        check.add_done_callback(lambda _: self._checks.pop((password_hash, digest)))
        return check

    async def _check(self, password_hash: str, password: str) -> bool:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, password_is_right, password_hash, password)

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)


class _FailureThrottle:
    """Failed logins: some at once, then few, per address and login."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._rates: dict[tuple[str, str], Rate] = {}

    def check(self, address: str, login: str) -> None:
        """Refuse an address that has failed too often for this login (code 3)."""
        rate = self._rates.get((address, login))
        if rate is None:
            return
        now = self._clock.elapsed()
        if not rate.room(now, 1):
            raise Refusal(
                RefusalCode.TOO_MANY_CONNECTIONS,
                "password: too many failed logins from this address.",
                retry_after=math.ceil(rate.wait(now)),
            )

    def count(self, address: str, login: str) -> None:
        now = self._clock.elapsed()
        if len(self._rates) >= _MOST_THROTTLES:
            self._rates = {key: rate for key, rate in self._rates.items() if rate.wait(now) > 0}
        rate = self._rates.setdefault((address, login), Rate(_FAILURES_RATE, _FAILURES_ALLOWED))
        rate.take(now)
