"""The connection ends at the moment of COMMIT: what is answered is there once, whatever became of
it, and what is refused is not.
"""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable

import pytest

from tests.store.test_groups import note, noted
from tests.support.own_postgres import OwnPostgres
from tests.support.postgres import LIMITS, PostgresDatabase
from tests.support.postgres_proxy import Cut, Proxy, proxied
from tests.support.runner import runner
from whimbrel.store import postgres
from whimbrel.store.engine import Do, OutcomeUnknown, Statement, Steps, StoreUnavailable
from whimbrel.store.migrate import upgrade_postgres
from whimbrel.store.postgres import PostgresStore

_ONE_MORE = Statement("UPDATE senders SET holds = holds + 1 WHERE sender = 'counter'")


class Counting:
    """An operation whose being run twice can be seen."""

    def __init__(self) -> None:
        self.runs = 0

    def add(self, items: list[None]) -> Steps[list[None]]:
        self.runs += 1
        yield Do(_ONE_MORE, [()] * len(items))
        return items


@pytest.fixture
async def proxy(own: OwnPostgres, its_database: PostgresDatabase) -> AsyncIterator[Proxy]:
    async with proxied(its_database.url) as proxy:
        yield proxy


@pytest.fixture
async def store(proxy: Proxy) -> AsyncIterator[PostgresStore]:
    store = await PostgresStore.open(proxy.url, LIMITS)
    await store.write(note, "counter")
    yield store
    await store.close()


def counted(database: PostgresDatabase) -> int:
    return int(database.rows("SELECT holds FROM senders WHERE sender = 'counter'")[0][0])


def last_outcome(database: PostgresDatabase) -> list[tuple[str, ...]]:
    """Return what PostgreSQL says of the transaction that wrote the counter last."""
    return database.rows(
        "SELECT pg_xact_status(xmin::text::xid8) FROM senders WHERE sender = 'counter'"
    )


@pytest.mark.parametrize(
    ("cut", "runs"), [(None, 1), (Cut.BEFORE, 2), (Cut.AFTER, 1), (Cut.UNSEEN, 2)]
)
async def test_what_is_answered_is_there_once(
    store: PostgresStore, its_database: PostgresDatabase, proxy: Proxy, cut: Cut | None, runs: int
) -> None:
    operation = Counting()
    proxy.cut = cut
    await asyncio.gather(*(store.write(operation.add, None) for _ in range(3)))
    assert proxy.cut is None
    assert (operation.runs, counted(its_database)) == (runs, 3)
    assert last_outcome(its_database) == [("committed",)]


@pytest.mark.parametrize(("cut", "runs"), [(Cut.BEFORE, 2), (Cut.AFTER, 1)])
@pytest.mark.parametrize("way", [signal.SIGINT, signal.SIGQUIT])
async def test_so_it_is_if_the_server_is_restarted_meanwhile(
    store: PostgresStore,
    its_database: PostgresDatabase,
    own: OwnPostgres,
    proxy: Proxy,
    *,
    way: signal.Signals,
    cut: Cut,
    runs: int,
) -> None:
    operation = Counting()
    committed_before = counted(its_database)

    async def restart() -> None:
        if cut is Cut.AFTER:
            await until(lambda: counted(its_database) > committed_before)
        await asyncio.to_thread(own.restart, way)

    proxy.before_cut = restart
    proxy.cut = cut
    await store.write(operation.add, None)
    assert (operation.runs, counted(its_database)) == (runs, 1)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not await asyncio.to_thread(condition):  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(0)


async def test_a_number_that_another_transaction_got_after_a_crash_proves_nothing() -> None:
    """What did not reach the disk is forgotten with its number, which is then given out again."""
    with OwnPostgres(durable=False, settings=("wal_writer_delay=10s",)) as own:
        runner().run(upgrade_postgres(own.url))
        database = PostgresDatabase(own.url)
        operation = Counting()
        async with proxied(own.url) as proxy:
            store = await PostgresStore.open(proxy.url, LIMITS)
            await store.write(note, "counter")
            numbers: list[str] = []

            async def crash() -> None:
                numbers.extend(
                    one
                    for (one,) in database.rows(
                        "SELECT backend_xid::text FROM pg_stat_activity WHERE backend_xid <> '0'"
                    )
                )
                database.close()
                await asyncio.to_thread(own.restart, signal.SIGQUIT)
                database.script("INSERT INTO uid_spaces VALUES (9, 0)")  # it takes the number
                numbers.extend(one for (one,) in database.rows("SELECT xmin::text FROM uid_spaces"))

            proxy.before_cut = crash
            proxy.cut = Cut.BEFORE
            await store.write(operation.add, None)
            assert numbers[0] == numbers[1], "this server gave out another number"
            assert (operation.runs, counted(database)) == (2, 1)
            await store.close()
        database.close()


async def test_a_server_that_stays_away_leaves_the_outcome_unknown(
    store: PostgresStore,
    its_database: PostgresDatabase,
    own: OwnPostgres,
    proxy: Proxy,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(postgres, "_COMMIT_QUESTION_SECONDS", 0.5)

    async def stop() -> None:
        await asyncio.to_thread(own.stop, signal.SIGQUIT)

    proxy.before_cut = stop
    proxy.cut = Cut.BEFORE
    with pytest.raises(OutcomeUnknown):
        await store.write(Counting().add, None)
    with pytest.raises(StoreUnavailable) as refused:
        await store.write(note, "later")
    assert refused.type is StoreUnavailable  # that one certainly was not written
    own.start()
    assert await store.write(note, "after") == "noted after"
    assert noted(its_database) == {"counter", "after"}


async def test_what_wrote_nothing_needs_no_proof(store: PostgresStore, proxy: Proxy) -> None:
    def nothing(items: list[None]) -> Steps[list[str]]:
        yield Do(_ONE_MORE, [])
        return ["done"] * len(items)

    proxy.cut = Cut.BEFORE
    assert await store.write(nothing, None) == "done"


async def test_marks_are_one_for_each_writer_and_go_with_their_store(
    store: PostgresStore, its_database: PostgresDatabase
) -> None:
    its_database.script("INSERT INTO commits VALUES ('of one long dead', 5, 0)")
    other = await its_database.open()
    for number in range(3):
        await store.write(note, str(number))
        await other.write(note, f"other {number}")
        await other.write(Counting().add, None)
    assert len(its_database.rows("SELECT writer FROM commits")) == 1 + 1 + 4
    await other.close()
    assert len(its_database.rows("SELECT writer FROM commits")) == 1
