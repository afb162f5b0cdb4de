"""The gateway as `whimbrel serve` runs it, by a clock that is ahead of the machine's.

    python gateway_ahead.py CONFIG MILLISECONDS

A gateway that was killed, and runs again with more milliseconds, meets what became due while it was
dead, and nobody has to wait for that.
"""

import sys
from pathlib import Path

import uvloop

from whimbrel import app
from whimbrel.clock import SECOND, SystemClock
from whimbrel.logs import configure_logs
from whimbrel.settings import load


class ClockAhead(SystemClock):
    """The machine's clock, and so many milliseconds."""

    def __init__(self, milliseconds: int) -> None:
        self._milliseconds = milliseconds

    def now(self) -> int:
        return super().now() + self._milliseconds

    def elapsed(self) -> float:
        return super().elapsed() + self._milliseconds / SECOND


def main(config: Path, milliseconds: int) -> None:
    settings = load(config)
    configure_logs(settings.log.level)
    uvloop.run(
        app.serve(
            settings,
            on_ready=lambda url: print(f"Whimbrel is ready on {url}", flush=True),
            clock=ClockAhead(milliseconds),
        )
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
