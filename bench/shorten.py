"""How long the search for URLs takes: `python -m bench.shorten`.

Hostile texts are near-URLs of many kinds, over and over: each is searched at 32 and at 64 KiB, and
twice as much takes a search in linear time twice as long. Usual texts are searched as at
acceptance; one without `://` is not searched at all.
"""

import argparse
import sys
from collections.abc import Callable
from functools import partial
from math import inf
from statistics import median
from time import process_time

from whimbrel.clock import DAY
from whimbrel.domain.short_url import Draft, ShortUrlRules, drafted
from whimbrel.domain.url_search import find_urls

_HALF, _WHOLE = 32 * 1024, 64 * 1024
GOAL_RATIO = 3.0  # 2 is linear, 4 is quadratic
_ATTEMPTS = 3  # other work on the same core can spoil one
RULES = ShortUrlRules(
    base="https://go.example",
    threshold=26,
    uid_length=8,
    shared=False,
    idle=90 * DAY,
    lifetime=None,
)
HOSTILE = {
    "no host": "http://",
    "URLs inside a URL": "https://a/",
    "brackets that nothing closes": "http://a/(",
    "square ones": "http://a/[",
    "all kinds of them": "http://a/([{",
    "question marks": "http://a/??",
    "dots": "http://a/..",
    "a bang too many": "http://a/!!",
    "an end after each": "http://a<",
    "labels of one letter": "http://" + "a." * 500 + "-",
    "labels of xn--": "http://" + "xn--a." * 500 + "-",
    "labels of sixty letters": "http://" + "a" * 60 + ".",
    "users without a host": "http://" + "u" * 49 + "@",
    "hosts that end wrongly": "http://a.-",
    "ports that are none": "http://a:99999",
    "markup": "*http://a/",
    "markup that ends far off": "_*~http://a<" * 20 + "*" * 3_000,
    "apostrophes": "'http://a/x'",
    "guillemets": "«http://a/»",
    "commas before URLs": "http://a/,",
    "nothing but commas": ",",
    "nothing but schemes": "https:",
    "emoji after hosts": "http://a" + "👍" * 40,
    "zero-width spaces": "http://a/\u200b",
    "Cyrillic": "https://пример.рф/путь?q=«»",
}
USUAL = {
    "without a URL": "Ваш код 4711. Никому его не сообщайте.",
    "with a short one": "Ваш заказ готов: https://s.example/a. Ждём!",
    "with a long one": "Ваш заказ готов: https://shop.example/orders/8770100?from=sms. Ждём!",
    "with a long one in Cyrillic": "Заказ: «https://магазин.рф/заказы/8770100?от=смс», ждём!",
    "1,000 characters and three long ones": (
        "Весна! " * 110 + "*https://shop.example/sale/spring?utm_source=whatsapp* " * 3
    ),
}


def best_of(repeats: int, *works: Callable[[], object]) -> list[float]:
    """Return the seconds of the processor that each one's quickest run took, all taken in turns."""
    best = [inf] * len(works)
    for _ in range(repeats):
        for place, work in enumerate(works):
            begin = process_time()
            work()
            best[place] = min(best[place], process_time() - begin)
    return best


def search(text: str) -> int:
    """Count the URLs in a text."""
    return sum(1 for _ in find_urls(text))


def as_at_acceptance(text: str) -> Draft | None:
    """Do what `flow/checks.py` does with a text."""
    return drafted(text, RULES) if "://" in text else None


def repeat(count: int, text: str) -> None:
    """Do it so often that the clock can tell."""
    for _ in range(count):
        as_at_acceptance(text)


def measure_hostile(repeats: int) -> list[float]:
    """Print a line for each kind of near-URLs, and return the ratios."""
    ratios = []
    print(f"{'near-URLs':32} {'32 KiB, ms':>10} {'64 KiB, ms':>10} {'ratio':>6}")
    for name, piece in HOSTILE.items():
        texts = [(piece * (size // len(piece) + 1))[:size] for size in (_HALF, _WHOLE)]
        for _ in range(_ATTEMPTS):
            half, whole = best_of(repeats, *(partial(search, text) for text in texts))
            if whole / half < GOAL_RATIO:
                break
        ratios.append(whole / half)
        print(f"{name:32} {half * 1e3:10.2f} {whole * 1e3:10.2f} {ratios[-1]:6.2f}")
    return ratios


def measure_usual(repeats: int) -> None:
    """Print how long usual texts take."""
    print(f"\n{'usual texts':40} {'us':>8}")
    count = 200
    for name, text in USUAL.items():
        [seconds] = best_of(repeats, partial(repeat, count, text))
        print(f"{name:40} {seconds / count * 1e6:8.2f}")


def main() -> None:
    """Measure, and fail if any kind of text takes more than linear time."""
    parser = argparse.ArgumentParser(description="How long the search for URLs takes.")
    parser.add_argument("--repeats", type=int, default=15)
    repeats = parser.parse_args().repeats
    ratios = measure_hostile(repeats)
    print(f"{'median':32} {'':10} {'':10} {median(ratios):6.2f}")
    measure_usual(repeats)
    if max(ratios) > GOAL_RATIO:
        sys.exit(f"a ratio of {max(ratios):.2f}: not linear")


if __name__ == "__main__":
    main()
