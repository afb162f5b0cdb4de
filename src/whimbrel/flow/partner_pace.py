"""How many requests a second each Partner may send: kept here, or shared by all nodes.

Alone, a process counts in memory. Among others it draws a tenth of a second's worth at a time from
what the store keeps, and lets nobody in on credit: together the nodes never exceed the rate and the
burst, and what one has drawn and not used within a second is forfeited.
"""

import asyncio
import math
from typing import Protocol

from whimbrel.clock import SECOND, Clock
from whimbrel.domain.pacing import Rate
from whimbrel.domain.partner import Partner
from whimbrel.domain.refusal import Refusal, RefusalCode
from whimbrel.store.allowances import Draw, draw_allowances
from whimbrel.store.engine import Store, StoreUnavailable

_DRAWN_AT_ONCE = 0.1  # seconds' worth
_KEPT_SECONDS = 1.0
_STORE_RETRY_AFTER = 1


class PartnerPace(Protocol):
    """Lets requests of Partners in at their rate."""

    async def take(self, partner: Partner) -> None:
        """Count a request. Raises `Refusal` 3 beyond the rate, 1 if nobody can tell."""
        ...


class OwnPace:
    """The rates of the only process."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._rates: dict[int, tuple[float, int, Rate]] = {}

    async def take(self, partner: Partner) -> None:
        """Count a request. Raises `Refusal` 3."""
        profile = partner.profile
        if not profile.rate:
            return
        known = self._rates.get(partner.partner_id)
        if known is None or known[:2] != (profile.rate, profile.burst):
            known = (profile.rate, profile.burst, Rate(profile.rate, profile.burst))
            self._rates[partner.partner_id] = known
        rate, now = known[2], self._clock.elapsed()
        if not rate.room(now, 1):
            raise _too_fast(partner, rate.wait(now))
        rate.take(now)


class SharedPace:
    """The rates of all nodes on one store."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._purses: dict[int, _Purse] = {}

    async def take(self, partner: Partner) -> None:
        """Count a request. Raises `Refusal` 3, and 1 while the store is away."""
        if not partner.profile.rate:
            return
        purse = self._purses.setdefault(partner.partner_id, _Purse())
        if purse.spend(self._clock.elapsed()):
            return
        async with purse.drawing:  # one draw fills it for all who wait here
            if purse.spend(self._clock.elapsed()):
                return
            wait = purse.empty_until - self._clock.elapsed()
            if wait <= 0:
                wait = await self._draw(partner, purse)
            if not purse.spend(self._clock.elapsed()):
                raise _too_fast(partner, wait)

    async def _draw(self, partner: Partner, purse: "_Purse") -> float:
        """Fill the purse; return in how many seconds there may be more."""
        profile = partner.profile
        wanted = max(1, min(profile.burst, math.ceil(profile.rate * _DRAWN_AT_ONCE)))
        draw = Draw(partner.partner_id, profile.rate, profile.burst, wanted, self._clock.now())
        try:
            granted = await self._store.write(draw_allowances, draw)
        except StoreUnavailable as error:
            raise Refusal(
                RefusalCode.SERVICE_UNAVAILABLE,
                "The gateway cannot count requests now; nothing was accepted.",
                retry_after=_STORE_RETRY_AFTER,
            ) from error
        purse.fill(granted.requests, self._clock.elapsed(), granted.wait / SECOND)
        return granted.wait / SECOND


class _Purse:
    """What this node has drawn for a Partner."""

    def __init__(self) -> None:
        self.drawing = asyncio.Lock()
        self.empty_until = float("-inf")
        """Nothing is to be had before: a flood of requests does not reach the store."""
        self._left = 0
        self._good_until = float("-inf")

    def spend(self, now: float) -> bool:
        if not self._left or now >= self._good_until:
            return False
        self._left -= 1
        return True

    def fill(self, requests: int, now: float, wait: float) -> None:
        self._left = requests
        self._good_until = now + _KEPT_SECONDS
        self.empty_until = now if requests else now + wait


def _too_fast(partner: Partner, wait: float) -> Refusal:
    return Refusal(
        RefusalCode.TOO_MANY_CONNECTIONS,
        f"login: more than {partner.profile.rate:g} requests a second.",
        retry_after=max(1, math.ceil(wait)),
    )
