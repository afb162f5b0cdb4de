"""What only SQLite has: a file that is one writer's at a time."""

import asyncio
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.store.test_groups import note, noted
from tests.support.builders import Database
from whimbrel.store import sqlite
from whimbrel.store.engine import StoreUnavailable
from whimbrel.store.partners import partners_revision
from whimbrel.store.sqlite import SqliteStore


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database(tmp_path / "whimbrel.db")


@pytest.fixture
def other_process(database: Database) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(database.path, isolation_level=None)
    yield connection
    connection.close()


def test_a_commit_survives_a_power_cut(database: Database) -> None:
    connection = sqlite.connect(database.path)
    pragmas = {
        name: connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("journal_mode", "synchronous", "foreign_keys")
    }
    connection.close()
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


async def test_a_locked_database_is_unavailable_after_a_while(
    store: SqliteStore, other_process: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "_BUSY_LIMIT", 0.01)
    other_process.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable):
        await store.write(note, "refused")


async def test_and_nothing_of_it_is_written_afterwards(
    store: SqliteStore,
    database: Database,
    other_process: sqlite3.Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sqlite, "_BUSY_LIMIT", 0.01)
    other_process.execute("BEGIN IMMEDIATE")
    await asyncio.gather(store.write(note, "refused"), return_exceptions=True)
    other_process.execute("ROLLBACK")
    assert await store.write(note, "taken") == "noted taken"
    assert noted(database) == {"taken"}


async def test_a_short_lock_is_waited_for(
    store: SqliteStore, other_process: sqlite3.Connection
) -> None:
    other_process.execute("BEGIN IMMEDIATE")
    answer = store.write(note, "patient")
    await asyncio.sleep(0)  # the store takes the group up and meets the lock
    await asyncio.sleep(0)
    assert (store.waiting, answer.done()) == (0, False)
    other_process.execute("ROLLBACK")
    assert await answer == "noted patient"


async def test_reading_goes_on_beside_another_processes_write(
    store: SqliteStore, other_process: sqlite3.Connection
) -> None:
    other_process.execute("BEGIN IMMEDIATE")
    other_process.execute("DELETE FROM partners")
    count, *_ = await store.read(partners_revision, None)
    assert count == 2
