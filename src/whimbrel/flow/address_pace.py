"""How often strangers may ask: beyond some requests, an address has to wait.

For what anybody may ask without a login, and what nobody honest asks often: short URLs that are not
there, since UIDs can only be guessed, and dry runs of the public generator. Addresses are kept in
memory alone, and no longer than it takes to forgive them.
"""

import ipaddress

from whimbrel.clock import Clock
from whimbrel.domain.pacing import Rate

_MOST_ADDRESSES = 10_000


class AddressPace:
    """How often each address has asked."""

    def __init__(self, clock: Clock, *, at_once: int = 60, a_second: float = 0.5) -> None:
        """The default minds that a thousand people may share a carrier's address."""
        self._clock = clock
        self._at_once, self._a_second = at_once, a_second
        self._rates: dict[str, Rate] = {}

    def wait(self, address: str) -> float:
        """Tell in how many seconds an address may ask again."""
        rate = self._rates.get(_neighbourhood(address)) if self._rates else None
        return rate.wait(self._clock.elapsed()) if rate else 0.0

    def count(self, address: str) -> None:
        """Count a request."""
        if len(self._rates) >= _MOST_ADDRESSES:
            self._rates.clear()  # so many at once are not held back by this
        who = _neighbourhood(address)
        rate = self._rates.setdefault(who, Rate(self._a_second, self._at_once))
        rate.take(self._clock.elapsed())

    async def forgive(self) -> None:
        """Forget the addresses that have been quiet for long enough. Call it now and then."""
        now = self._clock.elapsed()
        self._rates = {
            who: rate
            for who, rate in self._rates.items()
            if rate.room(now, self._at_once) < self._at_once
        }


def _neighbourhood(address: str) -> str:
    """Return an IPv4 address as it is, an IPv6 address as its /64, which is one subscriber's."""
    if ":" not in address:
        return address
    try:
        return str(ipaddress.IPv6Network((address, 64), strict=False))
    except ValueError:
        return address
