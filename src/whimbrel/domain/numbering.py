"""Ranges of Russian numbers: who they were assigned to and where, and how to find one quickly.

Numbers here are *national*: the ten digits behind +7, as an integer. Where ranges come from is
`registry_file.py`'s business, what their zones are for `subscriber_zones.py`'s.
"""

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from whimbrel.domain.operators import mcc_mnc_of

_COUNTRY_CODE = "7"
_DIGITS = 11


class NumberRange(NamedTuple):
    """Adjacent numbers with one fate."""

    first: int
    last: int
    """Inclusive."""
    operator: str
    inn: str
    """The operator's tax number."""
    region: str
    zones: tuple[str, ...]
    """IANA names of all zones in which a subscriber may be; none: the region is not known."""


class Origin(NamedTuple):
    """What a number's range tells to the journey of a message."""

    zones: tuple[str, ...]
    mcc_mnc: str
    """Of the operator to which the number was first assigned; empty: not known."""


def national_number(dest_addr: str) -> int | None:
    """Return the national number of normalised digits, None if they are not a number of +7."""
    if len(dest_addr) != _DIGITS or not dest_addr.startswith(_COUNTRY_CODE):
        return None
    return int(dest_addr[1:])


def merged(ranges: Iterable[NumberRange]) -> Iterator[NumberRange]:
    """Join ascending ranges that touch and differ in nothing else."""
    held: NumberRange | None = None
    for one in ranges:
        if held is not None and held.last + 1 == one.first and held[2:] == one[2:]:
            held = held._replace(last=one.last)
            continue
        if held is not None:
            yield held
        held = one
    if held is not None:
        yield held


class NumberRanges:
    """All ranges in memory, ten bytes for each that differs from the one before it.

    Two sorted columns instead of a tree or a dictionary: a look-up is one bisection.
    """

    __slots__ = ("_ends_at", "_firsts", "_known", "_origins", "_places")

    def __init__(self) -> None:
        # Each stretch goes up to the next one's first number; stretches of nobody are among them.
        self._firsts = array("Q", [0])
        self._places = array("H", [0])
        self._origins: list[Origin | None] = [None]
        self._known: dict[Origin, int] = {}
        self._ends_at = 0

    def extend(self, ranges: Iterable[NumberRange]) -> None:
        """Add ranges, in ascending order and above all that were added before."""
        for one in ranges:
            if one.first > self._ends_at:
                self._append(self._ends_at, 0)
            self._append(one.first, self._place_of(one.zones, mcc_mnc_of(one.inn)))
            self._ends_at = one.last + 1

    def look_up(self, dest_addr: str) -> Origin | None:
        """Return what is known of normalised digits, None if no range holds them."""
        number = national_number(dest_addr)
        if number is None or number >= self._ends_at:
            return None
        return self._origins[self._places[bisect_right(self._firsts, number) - 1]]

    def __len__(self) -> int:
        return len(self._firsts)

    @property
    def size(self) -> int:
        """Bytes of the two columns."""
        return len(self._firsts) * self._firsts.itemsize + len(self._places) * self._places.itemsize

    def _place_of(self, zones: tuple[str, ...], mcc_mnc: str) -> int:
        """Return where an origin is kept; few differ."""
        origin = Origin(zones, mcc_mnc)
        place = self._known.setdefault(origin, len(self._origins))
        if place == len(self._origins):
            self._origins.append(origin)
        return place

    def _append(self, first: int, place: int) -> None:
        if self._places[-1] != place:
            self._firsts.append(first)
            self._places.append(place)
