"""The registry in memory follows the one in the store."""

import pytest

from tests.support.clock import START
from tests.support.registry import LANDLINES, ROWS, some_ranges
from whimbrel.clock import SECOND
from whimbrel.domain.numbering import Origin
from whimbrel.flow.numbering_directory import NumberingDirectory
from whimbrel.store import numbering
from whimbrel.store.engine import Item, Operation, Result
from whimbrel.store.numbering import NumberingImport, import_ranges, number_ranges_after
from whimbrel.store.sqlite import SqliteStore

VLADIVOSTOK = Origin(("Asia/Vladivostok",), "25001")


async def keep(store: SqliteStore, *rows: str, digit: int = 9, now: int = START) -> None:
    ranges = some_ranges(*rows)
    await store.write(import_ranges, NumberingImport((digit,), "file.csv", 1, ranges, now))


async def test_it_knows_nothing_before_the_first_import(store: SqliteStore) -> None:
    directory = NumberingDirectory(store)
    assert await directory.refresh()
    assert directory.ranges.look_up("79146512345") is None
    assert directory.mcc_mnc("79146512345") == ""


async def test_it_follows_the_imports(store: SqliteStore) -> None:
    directory = NumberingDirectory(store)
    await directory.refresh()
    await keep(store)
    assert await directory.refresh()
    assert directory.ranges.look_up("79146512345") == VLADIVOSTOK
    assert directory.mcc_mnc("79146512345") == "25001"
    assert not await directory.refresh()
    await keep(store, *LANDLINES, digit=4)
    assert await directory.refresh()
    assert directory.ranges.look_up("74232345678") == Origin(("Asia/Vladivostok",), "")
    assert directory.ranges.look_up("79146512345") == VLADIVOSTOK
    await keep(store, ROWS[0], now=START + SECOND)
    assert await directory.refresh()
    assert directory.ranges.look_up("79146512345") is None


async def test_another_country_s_number_has_no_network(store: SqliteStore) -> None:
    await keep(store)
    directory = NumberingDirectory(store)
    await directory.refresh()
    assert directory.mcc_mnc("49146512345") == ""
    assert directory.mcc_mnc("4915112345678") == ""


class InterruptedStore:
    """A store whose registry is imported anew once, just before a second page of it is read."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store
        self._pages = 0

    async def read(self, operation: Operation[Item, Result], item: Item) -> Result:
        if operation is number_ranges_after:
            self._pages += 1
            if self._pages == 2:
                await keep(self._store, ROWS[0])
        return await self._store.read(operation, item)


async def test_an_import_while_it_reads_is_read_the_next_time(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(numbering, "_PAGE", 1)
    await keep(store)
    directory = NumberingDirectory(InterruptedStore(store))  # type: ignore[arg-type]
    assert await directory.refresh()
    assert await directory.refresh()
    assert directory.ranges.look_up("79161234567") == Origin(("Europe/Moscow",), "25001")
    assert directory.ranges.look_up("79146512345") is None
    assert not await directory.refresh()
