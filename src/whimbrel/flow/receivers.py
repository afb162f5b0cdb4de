"""How each receiver of reports behaves, so that a slow or dead one harms nobody else.

A receiver is a lane: one Partner before one scheme, host and port. It has a cap of POSTs under way,
and a breaker that opens after failures in a row: then a single report goes as a probe after
each pause, and the others keep their attempts for better times.
"""

import asyncio

from whimbrel.clock import MINUTE, SECOND

AHEAD = 4  # times the cap: claimed before a slot is free, so that none waits for the store
_FAILURES_TO_OPEN = 5
_FIRST_PAUSE = 5 * SECOND
_LONGEST_PAUSE = 1 * MINUTE


class Receiver:
    """One lane's cap and breaker."""

    def __init__(self, cap: int) -> None:
        """`cap` is how many POSTs may be under way at once."""
        self.slots = asyncio.Semaphore(cap)
        self.in_hand = 0
        self._most_in_hand = AHEAD * cap
        self._failures = 0
        self._shut_until = 0

    @property
    def shut(self) -> bool:
        """Tell whether the breaker is open: nothing goes but a probe."""
        return self._failures >= _FAILURES_TO_OPEN

    @property
    def shut_until(self) -> int:
        """The moment of the next probe."""
        return self._shut_until

    def room(self, now: int) -> int:
        """Tell how many reports may be claimed now."""
        if not self.shut:
            return self._most_in_hand - self.in_hand
        return 1 if now >= self._shut_until and not self.in_hand else 0

    def next_room_at(self, now: int) -> int | None:
        """Return when there may be room again; None: when a report that is in hand ends."""
        if self.in_hand:
            return None
        return max(self._shut_until, now + 1)

    def worked(self) -> None:
        """Count an acknowledged report: the breaker closes."""
        self._failures = 0

    def failed(self, now: int) -> None:
        """Count a failed report."""
        self._failures += 1
        over = self._failures - _FAILURES_TO_OPEN
        if over >= 0:
            self._shut_until = now + min(_FIRST_PAUSE << min(over, 10), _LONGEST_PAUSE)

    @property
    def idle(self) -> bool:
        """Tell whether there is nothing to remember."""
        return not self.in_hand and not self._failures
