"""How each receiver of reports behaves, so that a slow or dead one harms nobody else.

A receiver is a lane: one Partner before one scheme, host and port. It has a cap of reports under
way, and a breaker that opens after failures in a row: then a single report goes as a probe after
each pause, and the others keep their attempts for better times.
"""

from whimbrel.clock import MINUTE, SECOND

_FAILURES_TO_OPEN = 5
_FIRST_PAUSE = 5 * SECOND
_LONGEST_PAUSE = 1 * MINUTE


class Receiver:
    """One lane's cap and breaker."""

    def __init__(self, cap: int) -> None:
        self.under_way = 0
        self._cap = cap
        self._failures = 0
        self._closed_from = 0

    def room(self, now: int) -> int:
        """Tell how many reports may be claimed now."""
        if self._failures < _FAILURES_TO_OPEN:
            return self._cap - self.under_way
        return 1 if now >= self._closed_from and not self.under_way else 0

    def next_room_at(self, now: int) -> int | None:
        """Return when there may be room again; None: when a report that is under way ends."""
        if self.under_way:
            return None
        return max(self._closed_from, now + 1)

    def worked(self) -> None:
        """Count an acknowledged report: the breaker closes."""
        self._failures = 0

    def failed(self, now: int) -> None:
        """Count a failed report."""
        self._failures += 1
        over = self._failures - _FAILURES_TO_OPEN
        if over >= 0:
            self._closed_from = now + min(_FIRST_PAUSE << min(over, 10), _LONGEST_PAUSE)

    @property
    def idle(self) -> bool:
        """Tell whether there is nothing to remember."""
        return not self.under_way and not self._failures
