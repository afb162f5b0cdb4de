"""What everything in a simulated world shares: chance, time, the trace, and what has gone wrong."""

import hashlib
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from random import Random
from typing import Any, TypeVar

from whimbrel.clock import SECOND
from whimbrel.simulation.faults import Odds
from whimbrel.simulation.loop import Life, SimulatedLoop

T = TypeVar("T")
START = 1_795_400_000_000  # 2026-11-23T02:13:20Z, a Monday
_WIDEST_TRACE = 200_000  # lines that are kept for reading; all of them are in the hash


class SimulatedClock:
    """The machine's clock in a simulated world."""

    def __init__(self, loop: SimulatedLoop) -> None:
        self._loop = loop
        self.skew = 0
        """By how much it is wrong, in milliseconds."""

    def now(self) -> int:
        """Return the moment that the clock shows, in milliseconds UTC."""
        return START + self.skew + round(self._loop.time() * SECOND)

    def elapsed(self) -> float:
        """Return the seconds since the world began."""
        return self._loop.time()


class World:
    """A world without a gateway."""

    def __init__(self, loop: SimulatedLoop, random: Random, odds: Odds) -> None:
        self.loop = loop
        self.random = random
        self.odds = odds
        self.clock = SimulatedClock(loop)
        self.troubled = True
        """Whether faults go on; near the end all heals, so that what was promised can be kept."""
        self.injected = 0
        """How often trouble has struck."""
        self.counts: Counter[str] = Counter()
        self.violations: list[str] = []
        self.lines: list[str] = []
        self.on_note: Callable[[], None] = lambda: None
        self._hash = hashlib.blake2b(digest_size=16)

    @property
    def hash(self) -> str:
        """The hash of all that could be seen from outside so far."""
        return self._hash.hexdigest()

    def note(self, kind: str, *what: object) -> None:
        """Write an event that can be seen from outside into the trace."""
        line = f"{self.loop.time():.3f} {kind} {' '.join(map(str, what))}"
        self._hash.update(line.encode() + b"\n")
        self.counts[kind] += 1
        if len(self.lines) < _WIDEST_TRACE:
            self.lines.append(line)
        self.loop.stir()
        self.on_note()

    def violated(self, promise: str, detail: str) -> None:
        """Note that a promise was not kept."""
        self.note("VIOLATED", promise, detail)
        self.violations.append(f"{promise}: {detail} (at {self.loop.time():.3f} s)")

    def strikes(self, odds: float) -> bool:
        """Tell whether trouble of these odds strikes now."""
        struck = self.troubled and odds > 0 and self.random.random() < odds
        self.injected += struck
        return struck

    def after(self, seconds: float, callback: Callable[..., object], *args: Any) -> None:
        """Call back after a while, whatever happens to the gateway."""
        self.loop.call_later(seconds, callback, *args, context=self.loop.world)

    def spawn(self, work: Coroutine[Any, Any, T], life: Life | None = None) -> Awaitable[T]:
        """Start a task of the world, or of a life."""
        return self.loop.create_task(work, context=life.context if life else self.loop.world)
