"""Failed logins: some at once, then few, per address and login.

By both together, so that nobody can lock somebody else out from another address. Kept in memory
alone, and no longer than it takes to forgive them.
"""

from whimbrel.clock import Clock
from whimbrel.domain.pacing import Rate

_ALLOWED_AT_ONCE = 10
_A_SECOND = 1 / 30
_MOST = 10_000


class FailedLogins:
    """How often each address has failed for each login."""

    def __init__(self, clock: Clock, *, at_once: int = _ALLOWED_AT_ONCE) -> None:
        self._clock = clock
        self._at_once = at_once
        self._rates: dict[tuple[str, str], Rate] = {}

    def wait(self, address: str, login: str) -> float:
        """Tell in how many seconds an address may try a login again; 0: now."""
        rate = self._rates.get((address, login))
        now = self._clock.elapsed()
        return 0.0 if rate is None or rate.room(now, 1) else rate.wait(now)

    def count(self, address: str, login: str) -> None:
        """Count a failure."""
        now = self._clock.elapsed()
        if len(self._rates) >= _MOST:
            self._rates = {key: rate for key, rate in self._rates.items() if rate.wait(now) > 0}
        rate = self._rates.setdefault((address, login), Rate(_A_SECOND, self._at_once))
        rate.take(now)
