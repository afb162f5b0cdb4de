"""Copies a SQLite store into a PostgreSQL database, table by table in the order of their keys.

Each batch is one COPY, and there whole or not at all. So the number of rows in a table there says
where to go on, whatever killed the copy before: the rows come in the source's order, and a probe of
the last one tells whether they are the source's at all. What is there in the end is compared value
by value.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import NamedTuple, Protocol, TypeVar

from sqlalchemy import Table

from whimbrel.store.copy_source import COPIED, SqliteSource, key_of
from whimbrel.store.copy_target import CopyRefused, PostgresTarget
from whimbrel.store.engine import Params, Row

T = TypeVar("T")
There = TypeVar("There")
_BATCH = 10_000  # rows: a second's work that a kill may undo, and some tens of megabytes
_MOST_SHOWN = 5  # rows that differ; the first of them tells what has happened


class Progress(Protocol):
    """Who is told how far it is."""

    def began(self, table: str, done: int, total: int) -> None:
        """A table is begun, of which some rows are there already."""
        ...

    def went_on(self, rows: int) -> None:
        """So many rows more are done."""
        ...

    def ended(self) -> None:
        """The table is done."""
        ...


class Compared(NamedTuple):
    """A table on both sides."""

    table: str
    rows: int
    texts_with_nul: int
    differences: list[str]
    """Each in words; none: it is the same on both sides."""


async def copy_tables(source: SqliteSource, target: PostgresTarget, progress: Progress) -> int:
    """Copy what is not there yet; return how many rows that was. Raises `CopyRefused`."""
    places = {table: await target.count(table) for table in COPIED}
    for table, place in places.items():
        await _probe(source, target, table, place)
    copied = 0
    for table, place in places.items():
        progress.began(table.name, place, source.count(table))
        async for count in _copy(source, target, table, place):
            progress.went_on(count)
            copied += count
        progress.ended()
    return copied


async def _probe(source: SqliteSource, target: PostgresTarget, table: Table, place: int) -> None:
    """Refuse a target whose rows are not the first ones of this source."""
    if not place:
        return
    strangers = CopyRefused(
        f"table {table.name} there has rows that are not of this file: copy the file with which it "
        "was begun, or empty the database"
    )
    if place > source.count(table):
        raise strangers
    key = source.key_at(table, place - 1)
    found = await target.digests_of_rows(table, [key])
    if found.get(key) != source.digest_of_row(table, key):
        raise strangers


async def _copy(
    source: SqliteSource, target: PostgresTarget, table: Table, place: int
) -> AsyncIterator[int]:
    """Copy a table from a place on; yield the size of each batch when it is there."""
    after = source.key_at(table, place - 1) if place else None
    batch = await asyncio.to_thread(source.batch, table, after, _BATCH)
    while batch:
        last = _key(table, batch[-1])
        following, _ = await _both(
            source,
            lambda last=last: source.batch(table, last, _BATCH),  # type: ignore[misc]
            target.take(table, batch),
        )
        yield len(batch)
        batch = following


def _key(table: Table, row: Row) -> Params:
    return tuple(row[list(table.columns.keys()).index(name)] for name in key_of(table))


async def compare_tables(
    source: SqliteSource, target: PostgresTarget, progress: Progress
) -> list[Compared]:
    """Compare all values of all tables, both sides at once."""
    compared = []
    for table in COPIED:
        progress.began(table.name, 0, source.count(table))
        (here, with_nul), there = await _both(
            source,
            lambda table=table: source.digest(table, progress.went_on),  # type: ignore[misc]
            target.digest(table),
        )
        differences = []
        if here != there:
            differences = [one async for one in _differences(source, target, table)]
            if there.rows > here.rows:
                differences.append(f"{there.rows - here.rows} rows more than in the file")
        compared.append(Compared(table.name, here.rows, with_nul, differences))
        progress.ended()
    return compared


async def _both(
    source: SqliteSource, reading: Callable[[], T], there: Awaitable[There]
) -> tuple[T, There]:
    """Read the source on a thread while the target is at work; neither outlives the other."""
    here = asyncio.ensure_future(asyncio.to_thread(reading))
    try:
        done = await there
        return await asyncio.shield(here), done
    except BaseException:
        source.interrupt()
        await asyncio.gather(here, return_exceptions=True)
        raise


async def _differences(
    source: SqliteSource, target: PostgresTarget, table: Table
) -> AsyncIterator[str]:
    """Yield the first rows of the source that are missing or different in the target."""
    after, shown = None, 0
    while rows := await asyncio.to_thread(source.digests_of_rows, table, after, _BATCH):
        found = await target.digests_of_rows(table, rows)
        for key, number in rows.items():
            if found.get(key) != number:
                what = "differs" if key in found else "is missing"
                named = ", ".join(
                    f"{name} {value}" for name, value in zip(key_of(table), key, strict=True)
                )
                yield f"the row with {named} {what}"
                shown += 1
                if shown == _MOST_SHOWN:
                    return
        after = next(reversed(rows))
