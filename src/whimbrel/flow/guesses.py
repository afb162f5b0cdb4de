"""Who asks for short URLs that are not there: beyond some, an address has to wait.

UIDs cannot be told from each other, so that guessing is all that a stranger can do. Addresses are
kept in memory alone, and no longer than it takes to forgive them.
"""

import ipaddress

from whimbrel.clock import Clock
from whimbrel.domain.pacing import Rate

_AT_ONCE, _A_SECOND = 60, 0.5  # a thousand people may share a carrier's address
_MOST_GUESSERS = 10_000


class Guesses:
    """How often each address has asked for what is not there."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._rates: dict[str, Rate] = {}

    def wait(self, address: str) -> float:
        """Tell in how many seconds an address may ask for something that is not in memory."""
        rate = self._rates.get(_neighbourhood(address)) if self._rates else None
        return rate.wait(self._clock.elapsed()) if rate else 0.0

    def count(self, address: str) -> None:
        """Count a request for what is not there."""
        if len(self._rates) >= _MOST_GUESSERS:
            self._rates.clear()  # so many at once are not held back by this
        who = _neighbourhood(address)
        self._rates.setdefault(who, Rate(_A_SECOND, _AT_ONCE)).take(self._clock.elapsed())

    async def forgive(self) -> None:
        """Forget the addresses that have been quiet for long enough. Call it now and then."""
        now = self._clock.elapsed()
        self._rates = {
            who: rate for who, rate in self._rates.items() if rate.room(now, _AT_ONCE) < _AT_ONCE
        }


def _neighbourhood(address: str) -> str:
    """Return an IPv4 address as it is, an IPv6 address as its /64, which is one subscriber's."""
    if ":" not in address:
        return address
    try:
        return str(ipaddress.IPv6Network((address, 64), strict=False))
    except ValueError:
        return address
