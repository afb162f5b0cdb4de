"""Who may call: login, subnet, password and pace, in the order of `protocol.md`, section 8."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from whimbrel.clock import Clock
from whimbrel.domain.partner import Partner
from whimbrel.domain.refusal import Refusal, RefusalCode
from whimbrel.flow.failed_logins import FailedLogins
from whimbrel.flow.partner_directory import PartnerDirectory
from whimbrel.flow.partner_pace import OwnPace, PartnerPace
from whimbrel.flow.password_checks import PasswordChecks, TooManyChecks

_BUSY_RETRY_AFTER = 1


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
        self._passwords = PasswordChecks()
        self._failures = FailedLogins(clock)
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
            self._refuse_guessing(address, login)
            self._failures.count(address, login)
            word = "is disabled" if partner else "is not known"
            raise Refusal(RefusalCode.INVALID_LOGIN, f"login: this login {word}.")
        if not partner.admits(address):
            raise Refusal(
                RefusalCode.INVALID_IP_ADDRESS,
                f"login: requests from {address} are not allowed for this login.",
            )
        self._refuse_guessing(address, login)
        if not await self._is_right(partner, password):
            self._failures.count(address, login)
            raise Refusal(
                RefusalCode.INVALID_PASSWORD, "password: it is not this login's password."
            )
        await self._pace.take(partner)
        return partner

    def _refuse_guessing(self, address: str, login: str) -> None:
        """Refuse an address that has failed too often for this login (code 3)."""
        if wait := self._failures.wait(address, login):
            raise Refusal(
                RefusalCode.TOO_MANY_CONNECTIONS,
                "password: too many failed logins from this address.",
                retry_after=math.ceil(wait),
            )

    async def _is_right(self, partner: Partner, password: str) -> bool:
        try:
            return await self._passwords.is_right(
                partner.partner_id, partner.password_hash, password
            )
        except TooManyChecks:
            raise Refusal(
                RefusalCode.TOO_MANY_CONNECTIONS,
                "password: too many passwords are being checked.",
                retry_after=_BUSY_RETRY_AFTER,
            ) from None

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
