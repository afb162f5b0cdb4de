"""The files of the official Russian numbering registry: how to read one, and what makes a row good.

The registry is published as one file for each first digit of the code (ABC-3xx, ABC-4xx, ABC-8xx,
DEF-9xx): UTF-8, semicolons, no quoting, one row for each range that is assigned to an operator.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

from whimbrel.domain.numbering import NumberRange, merged
from whimbrel.domain.russian_regions import locate

HEADER = ("АВС/ DEF", "От", "До", "Емкость", "Оператор", "Регион", "Территория ГАР", "ИНН")
_NUMBERS_A_CODE = 10_000_000
_CODE = re.compile(r"[1-9][0-9]{2}")
_NUMBER = re.compile(r"[0-9]{7}")
_CAPACITY = re.compile(r"[0-9]{1,8}")


class BadRegistryFile(ValueError):
    """The text is not a file of the registry. The message tells why."""


class _BadRow(ValueError):
    """A row breaks a rule. The message tells the rule."""


class RowFault(NamedTuple):
    """A row that breaks a rule."""

    line: int
    """Its line in the file; the header is line 1."""
    rule: str


class RegistryRow(NamedTuple):
    """A good row, as it was written."""

    line: int
    first: int
    """The first national number, ten digits."""
    last: int
    operator: str
    region: str
    territory: str
    inn: str


class RegistryFile(NamedTuple):
    """What one file holds."""

    rows: list[RegistryRow]
    """The good ones, ascending by number."""
    faults: list[RowFault]

    @property
    def first_digits(self) -> list[str]:
        """The first digits of the codes in the file: it tells everything about these."""
        return sorted({str(row.first)[0] for row in self.rows})


class Assignment(NamedTuple):
    """The ranges of a file, ready to be stored."""

    ranges: list[NumberRange]
    unknown_regions: dict[str, int]
    """Regions that no zone is known for, as they are written, with their numbers of rows."""


def read_registry(lines: Iterable[str]) -> RegistryFile:
    """Read a file line by line, without its byte order mark.

    A row that breaks a rule is among the faults, and so is one whose numbers another row has.
    Raises `BadRegistryFile` if the first line is not the registry's header.
    """
    rows: list[RegistryRow] = []
    faults: list[RowFault] = []
    numbered = enumerate(lines, start=1)
    _, header = next(numbered, (1, ""))
    if tuple(header.rstrip("\r\n").split(";")) != HEADER:
        raise BadRegistryFile(f"the first line is not {';'.join(HEADER)}")
    for line, text in numbered:
        bare = text.rstrip("\r\n")
        if not bare:
            continue
        try:
            rows.append(_read_row(line, bare.split(";")))
        except _BadRow as error:
            faults.append(RowFault(line, str(error)))
    return _without_overlaps(rows, faults)


def _read_row(line: int, cells: list[str]) -> RegistryRow:
    if len(cells) != len(HEADER):
        raise _BadRow(f"a row has {len(HEADER)} columns, not {len(cells)}")
    code, start, end, capacity, operator, region, territory, inn = (cell.strip() for cell in cells)
    if not _CODE.fullmatch(code):
        raise _BadRow(f"{HEADER[0]}: a code is three digits, the first of them not 0")
    for name, number in ((HEADER[1], start), (HEADER[2], end)):
        if not _NUMBER.fullmatch(number):
            raise _BadRow(f"{name}: a number is seven digits")
    if start > end:
        raise _BadRow(f"{HEADER[1]}: it is beyond {HEADER[2]}")
    if not _CAPACITY.fullmatch(capacity) or int(capacity) != int(end) - int(start) + 1:
        raise _BadRow(f"{HEADER[3]}: it is not the number of numbers in the range")
    base = int(code) * _NUMBERS_A_CODE
    return RegistryRow(line, base + int(start), base + int(end), operator, region, territory, inn)


def _without_overlaps(rows: list[RegistryRow], faults: list[RowFault]) -> RegistryFile:
    """Keep, of rows that share numbers, the one that begins first."""
    kept: list[RegistryRow] = []
    found = list(faults)
    for row in sorted(rows, key=lambda row: (row.first, row.line)):
        if kept and row.first <= kept[-1].last:
            found.append(RowFault(row.line, f"its numbers are in line {kept[-1].line} too"))
        else:
            kept.append(row)
    return RegistryFile(kept, sorted(found))


def assign(file: RegistryFile) -> Assignment:
    """Place the rows in their zones, and join those that touch and are alike."""
    unknown: dict[str, int] = {}
    ranges = []
    for row in file.rows:
        place = locate(row.region, row.territory)
        if not place.zones:
            unknown[place.name] = unknown.get(place.name, 0) + 1
        ranges.append(
            NumberRange(row.first, row.last, row.operator, row.inn, place.name, place.zones)
        )
    return Assignment(list(merged(ranges)), unknown)
