"""Things that fall due: one heap and one timer, however many things there are.

Knows nothing about what the things are.
"""

import asyncio
import heapq
import itertools
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from whimbrel.clock import Clock

T = TypeVar("T")

# Seconds. Loops count timers in milliseconds: without it a timer rings too early, and again, and
# again, for the fraction that was rounded off. It also gathers what is due at about the same time.
TICK = 0.001


class Timeline(Generic[T]):
    """Hands each item to `fire` when its time has come, in order of time, then of arrival.

    All items that are due at one wake-up are fired in one go: this is what lets webhooks batch
    under load without ever delaying a lone one.
    """

    def __init__(self, clock: Clock, fire: Callable[[T], None]) -> None:
        self._clock = clock
        self._fire = fire
        self._heap: list[tuple[float, int, T]] = []
        self._order = itertools.count()
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._heap)

    def add(self, after: float, item: T) -> None:
        """Let `item` fall due in `after` seconds, to within two milliseconds."""
        entry = (self._clock.elapsed() + after, next(self._order), item)
        heapq.heappush(self._heap, entry)
        if self._heap[0] is entry:
            self._set_timer()

    def remaining(self) -> Iterator[tuple[float, T]]:
        """Yield what has not fallen due yet, earliest first, with the seconds that it has left."""
        now = self._clock.elapsed()
        for at, _, item in sorted(self._heap):
            yield max(0.0, at - now), item

    def stop(self) -> None:
        """Fire nothing any more; what remains stays readable."""
        if self._timer:
            self._timer.cancel()

    def _set_timer(self) -> None:
        if self._timer:
            self._timer.cancel()
        delay = max(0.0, self._heap[0][0] - self._clock.elapsed())
        self._timer = asyncio.get_running_loop().call_later(delay + TICK, self._ring)

    def _ring(self) -> None:
        now = self._clock.elapsed()
        while self._heap and self._heap[0][0] <= now:
            self._fire(heapq.heappop(self._heap)[2])
        if self._heap:
            self._set_timer()
