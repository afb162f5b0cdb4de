"""Files of the Russian numbering registry: small ones of its form, and the real one.

The real file is too large for this repository and is looked for beside it.
"""

import functools
from pathlib import Path

import pytest

from whimbrel.domain.numbering import NumberRange, NumberRanges
from whimbrel.domain.registry_file import HEADER, assign, read_registry

FILE = Path(__file__).parents[2].parent / "shared" / "data" / "DEF-9xx.csv"
MTS = ('ПАО "МТС"', "7740000076")
NOBODY = ('ООО "НИКТО"', "1234567890")

ROWS = (
    "916;0000000;9999999;10000000;{mts};г. Москва * Московская область;Город Москва;7740000076",
    "914;6500000;6999999;500000;{mts};Приморский край;Приморский край;7740000076",
    "914;1100000;1199999;100000;{mts};Республика Саха /Якутия/;Республика Саха (Якутия);7740000076",
    '958;0000000;0000099;100;ООО "НИКТО";Российская Федерация;Российская Федерация;1234567890',
)
"""Moscow, Vladivostok, Yakutia (which has five zones) and everywhere."""
LANDLINES = ('423;2000000;2999999;1000000;ООО "НИКТО";г. Владивосток|Приморский край;-;1234567890',)


def registry_text(*rows: str) -> str:
    """Return a file with these rows, or with `ROWS`."""
    return "\n".join([";".join(HEADER), *(rows or ROWS)]).replace("{mts}", MTS[0]) + "\n"


def write_registry(path: Path, *rows: str) -> Path:
    path.write_text(registry_text(*rows), encoding="utf-8-sig")
    return path


def some_ranges(*rows: str) -> list[NumberRange]:
    """Return the ranges of a file with these rows, or with `ROWS`."""
    return assign(read_registry(registry_text(*rows).splitlines())).ranges


def a_look_up(*rows: str) -> NumberRanges:
    ranges = NumberRanges()
    ranges.extend(some_ranges(*rows))
    return ranges


def real_file() -> Path:
    """Return the real file of mobile numbers; skips the calling test if it is not there."""
    if not FILE.exists():
        pytest.skip(f"NOT CHECKED AGAINST THE REAL REGISTRY: {FILE} is missing")
    return FILE


@functools.cache
def real_ranges() -> NumberRanges:
    """Return the look-up of the real file."""
    ranges = NumberRanges()
    with real_file().open(encoding="utf-8-sig") as lines:
        ranges.extend(assign(read_registry(lines)).ranges)
    return ranges
