"""Group commit: design, section 5, "commit, then answer"."""

import asyncio
import sqlite3
from typing import Any

import pytest

from tests.support.builders import Database, a_chain, accept, opened
from whimbrel.store import sqlite
from whimbrel.store.chains import accept_chains, last_chain_id
from whimbrel.store.engine import Do, Statement, Steps, StoreUnavailable
from whimbrel.store.partners import partners_revision
from whimbrel.store.sqlite import SqliteStore

_NOTE = Statement("INSERT INTO senders VALUES (:name, 'WHATSAPP', 0, 0, 0, '', 0)")


class Broken(Exception):
    pass


def note(items: list[str]) -> Steps[list[str]]:
    """Write each item; one that is called `bad` breaks the operation after a write."""
    for item in items:
        yield Do(_NOTE, [(item,)])
        if item == "bad":
            raise Broken
    return [f"noted {item}" for item in items]


def count_group(items: list[None]) -> Steps[list[int]]:
    yield Do(_NOTE, [])
    return [len(items)] * len(items)


def noted(database: Database) -> set[str]:
    return {name for (name,) in database.rows("SELECT sender FROM senders")}


async def test_each_caller_gets_its_own_answer(store: SqliteStore) -> None:
    items = [str(number) for number in range(1_000)]
    answers = await asyncio.gather(*(store.write(note, item) for item in items))
    assert answers == [f"noted {item}" for item in items]


async def test_what_waits_together_is_written_together(store: SqliteStore) -> None:
    assert await asyncio.gather(*(store.write(count_group, None) for _ in range(5))) == [5] * 5


async def test_a_group_has_a_greatest_size(store: SqliteStore) -> None:
    sizes = await asyncio.gather(*(store.write(count_group, None) for _ in range(300)))
    assert sizes == [256] * 256 + [44] * 44


async def test_one_bad_item_spoils_none_of_the_others(
    store: SqliteStore, database: Database
) -> None:
    items = ["one", "bad", "two"]
    answers = await asyncio.gather(
        *(store.write(note, item) for item in items), return_exceptions=True
    )
    assert answers[::2] == ["noted one", "noted two"]
    assert isinstance(answers[1], Broken)
    assert noted(database) == {"one", "two"}


async def test_one_bad_operation_spoils_none_of_the_others(
    store: SqliteStore, database: Database
) -> None:
    bad, good = store.write(note, "bad"), store.write(accept_chains, a_chain())
    with pytest.raises(Broken):
        await bad
    assert (await good).chain_id == 1
    assert database.rows("SELECT chain_id FROM chains") == [(1,)]


async def test_a_value_that_sqlite_cannot_hold_is_one_bad_item(
    store: SqliteStore, database: Database
) -> None:
    answers = await asyncio.gather(
        store.write(note, "\ud800"), store.write(note, "good"), return_exceptions=True
    )
    assert isinstance(answers[0], UnicodeEncodeError)
    assert noted(database) == {"good"}


async def test_what_was_answered_is_seen_by_everybody(
    store: SqliteStore, database: Database
) -> None:
    await accept(store, a_chain())
    assert database.rows("SELECT chain_id FROM chains") == [(1,)]
    assert await store.read(last_chain_id, None) == 1


def test_a_commit_survives_a_power_cut(database: Database) -> None:
    connection = sqlite.connect(database.path)
    pragmas = {
        name: connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("journal_mode", "synchronous", "foreign_keys")
    }
    connection.close()
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


async def test_close_finishes_what_waits(store: SqliteStore, database: Database) -> None:
    answers = [store.write(note, str(number)) for number in range(600)]
    await store.close()
    assert all(answer.done() for answer in answers)
    assert len(noted(database)) == 600


async def test_a_store_that_has_hardly_begun_does_so_too(database: Database) -> None:
    store = SqliteStore(database.path)
    answer = store.write(note, "first and last")
    await store.close()
    assert answer.done()
    assert noted(database) == {"first and last"}


async def test_a_closed_store_takes_nothing(store: SqliteStore) -> None:
    await store.close()
    with pytest.raises(StoreUnavailable):
        store.write(note, "late")


async def test_a_caller_that_has_gone_harms_nobody(store: SqliteStore, database: Database) -> None:
    gone, stays = store.write(note, "gone"), store.write(note, "stays")
    gone.cancel()
    assert await stays == "noted stays"
    assert "stays" in noted(database)


async def test_waiting_counts_what_the_next_group_will_take(store: SqliteStore) -> None:
    answers = [store.write(note, str(number)) for number in range(3)]
    assert store.waiting == 3
    await asyncio.gather(*answers)
    assert store.waiting == 0


# Another process holds the database


@pytest.fixture
def other_process(database: Database) -> Any:
    connection = sqlite3.connect(database.path, isolation_level=None)
    yield connection
    connection.close()


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


async def test_reading_goes_on_beside_a_writer(
    store: SqliteStore, other_process: sqlite3.Connection
) -> None:
    other_process.execute("BEGIN IMMEDIATE")
    other_process.execute("DELETE FROM partners")
    count, *_ = await store.read(partners_revision, None)
    assert count == 2


async def test_a_database_that_fails_is_unavailable_and_recovers(
    store: SqliteStore, database: Database
) -> None:
    database.rows("ALTER TABLE senders RENAME TO away")
    with pytest.raises(StoreUnavailable, match="no such table"):
        await store.write(note, "lost")
    database.rows("ALTER TABLE away RENAME TO senders")
    assert await store.write(note, "found") == "noted found"


async def test_a_store_reopens_with_what_it_had(database: Database) -> None:
    async with opened(database) as store:
        await accept(store, a_chain())
    store = SqliteStore(database.path)
    assert await store.read(last_chain_id, None) == 1
    await store.close()
