"""The gateway under cProfile: `python -m bench.profiled FILE serve --config ...`.

Only the event loop's thread is seen. The profiler makes everything slower, calls of Python
functions most of all: it tells where the time goes, not how much there is. What uvloop does itself,
waiting included, counts as the own time of whichever function it has called last.
"""

import cProfile
import pstats
import sys
from pathlib import Path
from typing import Any

from whimbrel.cli import main as whimbrel


def main() -> None:
    """Run the command, and keep the profile of it."""
    target, *arguments = sys.argv[1:]
    sys.argv = ["whimbrel", *arguments]
    profile = cProfile.Profile()
    try:
        profile.runcall(whimbrel)
    finally:
        profile.dump_stats(target)


def report(path: Path, messages: int, lines: int = 40) -> str:
    """Return the functions with the most own time, in microseconds a message."""
    entries: dict[tuple[str, int, str], tuple[int, int, float, float, Any]]
    entries = pstats.Stats(str(path)).stats  # type: ignore[attr-defined]
    ranked = sorted(entries.items(), key=lambda entry: entry[1][2], reverse=True)
    table = [f"{'own us':>9} {'with callees':>13} {'calls':>8}   function, all per message"]
    for (file, line, name), (_, calls, own, cumulated, _) in ranked[:lines]:
        where = name if file == "~" else f"{_short(file)}:{line} {name}"
        table.append(
            f"{own / messages * 1e6:9.1f} {cumulated / messages * 1e6:13.1f} "
            f"{calls / messages:8.2f}   {where}"
        )
    return "\n".join(table)


def _short(file: str) -> str:
    return str(Path(*Path(file).parts[-2:]))


if __name__ == "__main__":
    main()
