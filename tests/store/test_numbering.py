"""The numbering registry in the store."""

import pytest

from tests.support.builders import Database
from tests.support.clock import START
from tests.support.registry import LANDLINES, ROWS, some_ranges
from whimbrel.clock import SECOND
from whimbrel.domain.numbering import NumberRange
from whimbrel.store import numbering
from whimbrel.store.numbering import (
    NumberingImport,
    StoredImport,
    find_number_ranges,
    import_ranges,
    number_ranges_after,
    numbering_imports,
    numbering_revision,
)
from whimbrel.store.sqlite import SqliteStore

MOBILE, LANDLINE = (9,), (4,)


async def keep(
    store: SqliteStore, *rows: str, digits: tuple[int, ...] = MOBILE, now: int = START
) -> None:
    what = NumberingImport(digits, "file.csv", len(rows or ROWS), some_ranges(*rows), now)
    await store.write(import_ranges, what)


async def stored(store: SqliteStore) -> list[NumberRange]:
    ranges: list[NumberRange] = []
    while page := await store.read(number_ranges_after, ranges[-1].last if ranges else -1):
        ranges += page
    return ranges


async def test_an_import_comes_back_as_it_was(store: SqliteStore) -> None:
    await keep(store)
    assert await stored(store) == some_ranges()


@pytest.mark.parametrize("page", [1, 2, 3, 4, 5])
async def test_it_is_read_in_pages(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch, page: int
) -> None:
    monkeypatch.setattr(numbering, "_PAGE", page)
    await keep(store)
    assert await stored(store) == some_ranges()


async def test_the_same_import_again_changes_nothing_but_its_moment(
    store: SqliteStore, database: Database
) -> None:
    await keep(store)
    before = database.rows("SELECT * FROM number_ranges ORDER BY first")
    await keep(store, now=START + SECOND)
    assert database.rows("SELECT * FROM number_ranges ORDER BY first") == before
    assert await store.read(numbering_imports, None) == [
        StoredImport(9, "file.csv", len(ROWS), len(before), START + SECOND, 0)
    ]


async def test_an_import_replaces_what_was_there_of_its_digit(store: SqliteStore) -> None:
    await keep(store)
    await keep(store, ROWS[1])
    assert await stored(store) == some_ranges(ROWS[1])


async def test_files_of_other_digits_stay(store: SqliteStore) -> None:
    await keep(store)
    await keep(store, *LANDLINES, digits=LANDLINE)
    assert await stored(store) == [*some_ranges(*LANDLINES), *some_ranges()]
    await keep(store, ROWS[0])
    assert await stored(store) == [*some_ranges(*LANDLINES), *some_ranges(ROWS[0])]
    kept = await store.read(numbering_imports, None)
    assert [(one.digit, one.ranges) for one in kept] == [(4, 1), (9, 1)]


async def test_one_file_may_be_about_two_digits(store: SqliteStore) -> None:
    await keep(store, *LANDLINES, *ROWS, digits=(4, 9))
    kept = await store.read(numbering_imports, None)
    assert [(one.digit, one.ranges) for one in kept] == [(4, 1), (9, len(some_ranges()))]


async def test_ranges_without_a_zone_are_counted(store: SqliteStore) -> None:
    await keep(store, "916;0000000;9999999;10000000;X;Атлантида;-;1")
    [kept] = await store.read(numbering_imports, None)
    assert kept.without_zone == 1


async def test_a_failed_import_leaves_what_was_there(store: SqliteStore) -> None:
    """One transaction: the ranges that were deleted come back."""
    await keep(store)
    twice = NumberingImport(MOBILE, "file.csv", 2, some_ranges(ROWS[0]) * 2, START)
    with pytest.raises(Exception, match=r"(?i)unique"):
        await store.write(import_ranges, twice)
    assert await stored(store) == some_ranges()


@pytest.mark.parametrize(
    ("number", "region"),
    [
        (9160000000, "Город Москва"),
        (9169999999, "Город Москва"),
        (9146500000, "Приморский край"),
        (9580000099, "Российская Федерация"),
        (9580000100, None),
        (9159999999, None),
        (9170000000, None),
        (0, None),
        (9999999999, None),
    ],
)
async def test_a_number_is_found(store: SqliteStore, number: int, region: str | None) -> None:
    await keep(store)
    found = await store.read(find_number_ranges, number)
    assert (found and found.region) == region


async def test_nothing_is_found_before_the_first_import(store: SqliteStore) -> None:
    assert await store.read(find_number_ranges, 9160000000) is None
    assert await store.read(numbering_imports, None) == []


@pytest.mark.parametrize("moment", [START + SECOND, START, START - SECOND])
async def test_the_revision_tells_of_every_import_whatever_the_clock_says(
    store: SqliteStore, moment: int
) -> None:
    seen = [await store.read(numbering_revision, None)]
    for now in (START, moment, moment):
        await keep(store, now=now)
        seen.append(await store.read(numbering_revision, None))
    await keep(store, *LANDLINES, digits=LANDLINE, now=moment)
    seen.append(await store.read(numbering_revision, None))
    assert len(set(seen)) == len(seen)
    assert await store.read(numbering_revision, None) == seen[-1]
