"""The only reader of time.

Every other module is handed a `Clock`, so that a test or a simulation owns the time. Moments are
integers: milliseconds since 1970-01-01 UTC.
"""

import time
from typing import Protocol

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR


class Clock(Protocol):
    """What the flow needs to know about time."""

    def now(self) -> int:
        """Return the moment, in milliseconds UTC. It may jump when the machine's clock is set."""
        ...

    def elapsed(self) -> float:
        """Return seconds from an arbitrary start, never falling: for durations and pacing."""
        ...


# Linux's goes on while the machine is suspended: leases of others do not wait for it.
_STEADY = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class SystemClock:
    """The machine's clock."""

    def now(self) -> int:
        """Return the machine's wall clock, in milliseconds UTC."""
        return time.time_ns() // 1_000_000

    def elapsed(self) -> float:
        """Return the machine's steady clock, in seconds."""
        return time.clock_gettime(_STEADY)
