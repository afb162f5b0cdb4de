"""What PostgreSQL refuses: locks, time, values."""

import asyncio
import time

import pytest

from tests.store.test_groups import look, note, noted
from tests.support.builders import a_chain, accept
from tests.support.postgres import LIMITS, PostgresDatabase
from whimbrel.store.engine import Ask, Do, Statement, Steps, StoreUnavailable
from whimbrel.store.postgres.store import PostgresStore

_SLEEP = Statement("SELECT 1 FROM pg_sleep(CAST(:seconds AS float8))")
_RENAME = Statement("UPDATE senders SET reason = :reason WHERE sender = :sender")
_HOLDS = Statement("SELECT holds FROM senders WHERE sender = :sender")
_MEET = Statement("SELECT 1 FROM pg_advisory_xact_lock_shared(1)")
_AT_THE_MEETING = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"


def holds(items: list[str]) -> Steps[list[int]]:
    rows = yield Ask(_HOLDS, [(one,) for one in items])
    return [one[0][0] for one in rows]


async def test_a_statement_has_its_time(database: PostgresDatabase) -> None:
    def sleep(items: list[float]) -> Steps[list[None]]:
        yield Ask(_SLEEP, [(one,) for one in items])
        return [None] * len(items)

    store = await PostgresStore.open(database.url, LIMITS._replace(statement=0.2))
    began_at = time.monotonic()
    with pytest.raises(StoreUnavailable, match="statement timeout"):
        await store.write(sleep, 60.0)
    assert time.monotonic() - began_at < 20.0
    assert await store.write(note, "after") == "noted after"
    await store.close()


async def test_a_row_that_another_holds_is_waited_for_so_long(
    store: PostgresStore, database: PostgresDatabase
) -> None:
    def rename(items: list[str]) -> Steps[list[None]]:
        yield Do(_RENAME, [(one, "shared") for one in items])
        return [None] * len(items)

    await store.write(note, "shared")
    impatient = await PostgresStore.open(database.url, LIMITS._replace(lock=0.1))
    database.script("BEGIN; UPDATE senders SET holds = 5 WHERE sender = 'shared'")
    try:
        with pytest.raises(StoreUnavailable, match="lock timeout"):
            await impatient.write(rename, "never")
        patient = store.write(rename, "at last")
        await impatient.read(look, None)  # reading waits for nobody
        assert not patient.done()
    finally:
        database.script("COMMIT")
    await patient
    assert database.rows("SELECT reason, holds FROM senders") == [("at last", 5)]
    await impatient.close()


async def test_a_deadlock_of_two_stores_costs_neither_its_write(
    store: PostgresStore, database: PostgresDatabase
) -> None:
    """Each holds what the other wants next; PostgreSQL ends one, which is run again."""
    other = await database.open()
    runs = 0

    def in_order(items: list[tuple[str, str]]) -> Steps[list[None]]:
        nonlocal runs
        runs += 1
        [(first, second)] = items
        yield Do(_RENAME, [(first, first)])
        yield Ask(_MEET, [()])
        yield Do(_RENAME, [(first, second)])
        return [None]

    await asyncio.gather(store.write(note, "a"), store.write(note, "b"))
    database.script("SELECT pg_advisory_lock(1)")
    writes = [store.write(in_order, ("a", "b")), other.write(in_order, ("b", "a"))]
    async with asyncio.timeout(5):
        while database.rows(_AT_THE_MEETING) != [(2,)]:  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(0)
    database.script("SELECT pg_advisory_unlock(1)")
    await asyncio.gather(*writes)
    assert runs == 3
    # Whoever was run again wrote last, both rows.
    assert len({reason for (reason,) in database.rows("SELECT reason FROM senders")}) == 1
    await other.close()


async def test_what_cannot_be_sent_is_one_bad_item(
    store: PostgresStore, database: PostgresDatabase
) -> None:
    answers = await asyncio.gather(
        *(store.write(note, one) for one in ("good", 7, "better")),  # type: ignore[arg-type]
        return_exceptions=True,
    )
    assert answers[::2] == ["noted good", "noted better"]
    assert "expected str" in str(answers[1])
    assert not isinstance(answers[1], StoreUnavailable)
    assert noted(database) == {"good", "better"}


async def test_a_nul_is_kept_as_the_sign_for_what_cannot_be_shown(
    store: PostgresStore, database: PostgresDatabase
) -> None:
    answers = await asyncio.gather(*(store.write(note, one) for one in ("one", "tw\0", "three")))
    assert answers == ["noted one", "noted tw\0", "noted three"]
    assert noted(database) == {"one", "tw\ufffd", "three"}
    assert await store.read(holds, "tw\0") == 0


async def test_a_number_may_have_53_bits(store: PostgresStore, database: PostgresDatabase) -> None:
    await accept(store, a_chain(2**53 - 1))
    assert database.link(2**53 - 1)["chain_id"] == 2**53 - 1


async def test_a_table_that_changed_since_is_read_anew(
    store: PostgresStore, database: PostgresDatabase
) -> None:
    """Another version's migration may run while we do."""
    await store.write(note, "one")
    for _ in range(3):
        await store.write(holds, "one")
        await store.read(holds, "one")
    database.script("ALTER TABLE senders ALTER COLUMN holds TYPE bigint")
    try:
        assert await store.write(holds, "one") == 0
        assert await store.read(holds, "one") == 0
    finally:
        database.script("ALTER TABLE senders ALTER COLUMN holds TYPE integer")
    assert await store.write(holds, "one") == 0
