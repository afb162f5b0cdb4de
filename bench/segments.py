"""What counting and cutting an SMS costs: `python -m bench.segments`.

`part_count` runs for every report and for pacing, `segments` for every submit. Each figure is the
best of some short runs: a machine that is busy makes code slower, never quicker.
"""

from collections.abc import Callable
from functools import partial
from timeit import Timer

from whimbrel.domain.alphabet import GSM
from whimbrel.domain.segments import part_count, segments

SHORT, GOAL = 70, 1.0
"""A short text of GSM 7-bit, in characters, and microseconds for its count."""
_SECONDS, _RUNS = 0.05, 5

TEXTS = {
    "short, not ASCII": "Voilà: your order costs 25 £, see you at 20:00!",
    "one-time code": "Your code is 471134. Never tell it to anybody.",
    "160 of GSM": "Your order 8770100 is ready & waits for you till 20:00 at Main St. 1. " * 2
    + "x" * 20,
    "70 Cyrillic": "Ваш заказ 8770100 готов, забрать его можно до 20:00 по адресу: Тверска",
    "600 with euro signs": "12 €, " * 100,
    "1000 of GSM": "abcdefghij" * 100,
    "2000 Cyrillic": "Ваш заказ " * 200,
    "2000 emoji": "😀" * 2000,
}


def main() -> None:
    """Print a table, and whether the goal is met."""
    print(f"{'text':>20} {'chars':>6} {'parts':>6} {'part_count us':>14} {'segments us':>12}")
    slowest = 0.0
    for name, text in TEXTS.items():
        counting = _microseconds(partial(part_count, text))
        cutting = _microseconds(partial(segments, text, 7))
        cut = segments(text, 7)
        print(f"{name:>20} {len(text):>6} {len(cut.parts):>6} {counting:>14.2f} {cutting:>12.2f}")
        if len(text) <= SHORT and cut.data_coding == GSM:
            slowest = max(slowest, counting)
    verdict = "met" if slowest <= GOAL else "missed"
    print(f"goal, {GOAL} us for a count of up to {SHORT} characters of GSM 7-bit: {verdict}")


def _microseconds(work: Callable[[], object]) -> float:
    timer = Timer(work)
    once = min(timer.repeat(3, 10)) / 10
    calls = max(1, int(_SECONDS / once))
    return min(timer.repeat(_RUNS, calls)) / calls * 1e6


if __name__ == "__main__":
    main()
