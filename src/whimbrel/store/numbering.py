"""The numbering registry as the CLI imports it and as a running gateway reads it.

A file tells everything about the numbers that begin with some digit, and so replaces all of them;
the files of other digits stay.
"""

from functools import cache
from typing import NamedTuple

from whimbrel.domain.numbering import NumberRange
from whimbrel.store.engine import Ask, Do, Row, Statement, Steps, ask_one

_PAGE = 1_000  # rows; some milliseconds of the event loop
_DIGIT_SPAN = 10**9  # national numbers that share their first digit

_FORGET = Statement("DELETE FROM number_ranges WHERE first >= :first AND first < :beyond")
_INSERT = Statement("""
INSERT INTO number_ranges (first, last, operator, inn, region, zones)
VALUES (:first, :last, :operator, :inn, :region, :zones)
""")
_KEEP_IMPORT = Statement("""
INSERT INTO numbering_imports (digit, source, source_rows, ranges, imported_at)
VALUES (:digit, :source, :source_rows, :ranges, :now)
ON CONFLICT (digit) DO UPDATE SET source = excluded.source, source_rows = excluded.source_rows,
    ranges = excluded.ranges,
    imported_at = CASE WHEN excluded.imported_at > numbering_imports.imported_at
        THEN excluded.imported_at ELSE numbering_imports.imported_at + 1 END
""")
_REVISION = Statement("""
SELECT count(*), coalesce(max(imported_at), 0), coalesce(sum(imported_at), 0)
FROM numbering_imports
""")
_AFTER = Statement("""
SELECT first, last, operator, inn, region, zones FROM number_ranges
WHERE first > :after ORDER BY first LIMIT :most
""")
_HOLDING = Statement("""
SELECT first, last, operator, inn, region, zones FROM number_ranges
WHERE first <= :number ORDER BY first DESC LIMIT 1
""")
_IMPORTS = Statement("""
SELECT i.digit, i.source, i.source_rows, i.ranges, i.imported_at,
    (SELECT count(*) FROM number_ranges r WHERE r.first >= CAST(i.digit AS bigint) * 1000000000
     AND r.first < CAST(i.digit + 1 AS bigint) * 1000000000 AND r.zones = '')
FROM numbering_imports i ORDER BY i.digit
""")


class NumberingImport(NamedTuple):
    """One file of the registry."""

    digits: tuple[int, ...]
    """The first digits of its codes."""
    source: str
    """The file's name."""
    source_rows: int
    ranges: list[NumberRange]
    now: int


class StoredImport(NamedTuple):
    """What is kept of the numbers with one first digit."""

    digit: int
    source: str
    source_rows: int
    """In the whole file."""
    ranges: int
    imported_at: int
    without_zone: int
    """Ranges whose region is not known."""


def import_ranges(imports: list[NumberingImport]) -> Steps[list[None]]:
    """Replace all ranges with the first digits of each file by what is in it."""
    for one in imports:
        yield Do(_FORGET, [(d * _DIGIT_SPAN, (d + 1) * _DIGIT_SPAN) for d in one.digits])
        yield Do(_INSERT, [(*r[:5], ",".join(r.zones)) for r in one.ranges])
        counts = {
            digit: sum(r.first // _DIGIT_SPAN == digit for r in one.ranges) for digit in one.digits
        }
        yield Do(
            _KEEP_IMPORT,
            [(d, one.source, one.source_rows, count, one.now) for d, count in counts.items()],
        )
    return [None] * len(imports)


def numbering_revision(items: list[None]) -> Steps[list[tuple[int, ...]]]:
    """Return a value that changes with every import, for `imported_at` always rises."""
    rows = yield from ask_one(_REVISION)
    return [rows[0]] * len(items)


def number_ranges_after(numbers: list[int]) -> Steps[list[list[NumberRange]]]:
    """Return some of the ranges that begin beyond each number, ascending; [] at the end."""
    answers = yield Ask(_AFTER, [(number, _PAGE) for number in numbers])
    return [[_range(row) for row in rows] for rows in answers]


def find_number_ranges(numbers: list[int]) -> Steps[list[NumberRange | None]]:
    """Return the range that holds each national number, None where there is none."""
    answers = yield Ask(_HOLDING, [(number,) for number in numbers])
    found = [_range(rows[0]) if rows else None for rows in answers]
    return [
        one if one is not None and one.last >= number else None
        for one, number in zip(found, numbers, strict=True)
    ]


def numbering_imports(items: list[None]) -> Steps[list[list[StoredImport]]]:
    """Return what was imported last for each first digit."""
    rows = yield from ask_one(_IMPORTS)
    return [[StoredImport(*row) for row in rows]] * len(items)


def _range(row: Row) -> NumberRange:
    first, last, operator, inn, region, zones = row
    return NumberRange(first, last, operator, inn, region, _zones(zones))


@cache
def _zones(text: str) -> tuple[str, ...]:
    """Cached, since the zones of one place are one object then; there are few places."""
    return tuple(text.split(",")) if text else ()
