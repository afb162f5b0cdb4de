"""A clock that a test owns."""

from whimbrel.clock import SECOND

START = 1_795_400_000_000  # 2026-11-23T02:13:20Z, a Monday


class FakeClock:
    """Stands still until it is told to go on."""

    def __init__(self, now: int = START) -> None:
        self.moment = now

    def now(self) -> int:
        return self.moment

    def elapsed(self) -> float:
        return self.moment / SECOND

    def advance(self, milliseconds: int) -> int:
        self.moment += milliseconds
        return self.moment
