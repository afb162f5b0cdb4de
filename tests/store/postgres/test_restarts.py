"""The server stops, crashes and hangs under a store, which lives on."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Awaitable

import pytest

from tests.store.test_groups import look, note, noted
from tests.support.own_postgres import OwnPostgres
from tests.support.postgres import LIMITS, PostgresDatabase
from whimbrel.store import postgres
from whimbrel.store.engine import Ask, Statement, Steps, StoreUnavailable
from whimbrel.store.postgres import PostgresStore

DIE = Statement("SELECT pg_terminate_backend(pg_backend_pid())")
QUICKLY = 3.0  # what a Partner waits for code 1


@pytest.fixture
async def store(its_database: PostgresDatabase) -> AsyncIterator[PostgresStore]:
    store = await its_database.open()
    yield store
    await store.close()


async def refusal_of(work: Awaitable[object]) -> float:
    """Return how long it took to hear that the store is not there."""
    began_at = time.monotonic()
    with pytest.raises(StoreUnavailable):
        await work
    return time.monotonic() - began_at


@pytest.mark.parametrize("way", [signal.SIGINT, signal.SIGQUIT])
async def test_a_server_that_is_away_is_told_at_once_and_found_again(
    store: PostgresStore, its_database: PostgresDatabase, own: OwnPostgres, way: signal.Signals
) -> None:
    await store.write(note, "before")
    own.stop(way)
    assert await refusal_of(store.write(note, "meanwhile")) < QUICKLY
    assert await refusal_of(store.read(look, None)) < QUICKLY
    own.start()
    assert await store.write(note, "after") == "noted after"
    assert await store.read(look, None) == {"before", "after"}
    assert noted(its_database) == {"before", "after"}


@pytest.mark.parametrize("way", [signal.SIGINT, signal.SIGQUIT])
async def test_a_restart_under_load_loses_and_doubles_nothing(
    store: PostgresStore, its_database: PostgresDatabase, own: OwnPostgres, way: signal.Signals
) -> None:
    answered: list[str] = []
    refused: set[str] = set()
    over = asyncio.Event()
    stopped = asyncio.Event()

    async def write(name: str) -> None:
        for number in range(100_000):
            if over.is_set():
                return
            item = f"{name}-{number}"
            try:
                await store.write(note, item)
            except StoreUnavailable:
                refused.add(item)
                stopped.set()
                await asyncio.sleep(0.02)  # as a client does
            else:
                answered.append(item)

    writers = [asyncio.create_task(write(str(number))) for number in range(20)]
    await store.write(note, "first")
    await asyncio.to_thread(own.restart, way)
    await store.write(note, "last")
    over.set()
    await asyncio.gather(*writers)
    assert noted(its_database) == {"first", "last", *answered}
    assert refused.isdisjoint(answered)


@pytest.mark.parametrize("waiting", [1, 2_000])
async def test_closing_does_not_wait_for_a_server_that_is_gone(
    its_database: PostgresDatabase, own: OwnPostgres, waiting: int
) -> None:
    store = await its_database.open()
    await store.write(note, "before")
    own.stop(signal.SIGQUIT)
    answers = [store.write(note, str(number)) for number in range(waiting)]
    began_at = time.monotonic()
    await store.close()
    assert time.monotonic() - began_at < QUICKLY
    outcomes = await asyncio.gather(*answers, return_exceptions=True)
    assert {type(one) for one in outcomes} == {StoreUnavailable}


async def test_a_server_that_hangs_is_given_up(
    its_database: PostgresDatabase, own: OwnPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the network swallows everything. What waits behind the first does not wait longer."""
    monkeypatch.setattr(postgres, "_CLIENT_MARGIN", 0.5)
    monkeypatch.setattr(postgres, "_CONNECT_SECONDS", 0.5)
    store = await PostgresStore.open(its_database.url, LIMITS._replace(statement=1.0))
    await store.write(note, "before")
    with own.frozen():
        answers = [store.write(note, str(number)) for number in range(1_000)]
        began_at = time.monotonic()
        outcomes = await asyncio.gather(*answers, return_exceptions=True)
        assert time.monotonic() - began_at < 4.0
    assert {type(one) for one in outcomes} == {StoreUnavailable}
    assert await store.write(note, "after") == "noted after"
    await store.close()


# Single connections


async def test_connections_that_died_idle_cost_nobody_an_answer(
    store: PostgresStore, its_database: PostgresDatabase
) -> None:
    await asyncio.gather(*(store.read(look, None) for _ in range(6)), store.write(note, "before"))
    its_database.rows(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'whimbrel'"
    )
    assert await store.write(note, "after") == "noted after"
    assert await store.read(look, None) == {"before", "after"}


@pytest.mark.parametrize("between", [False, True], ids=["in a statement", "between statements"])
async def test_a_transaction_that_loses_its_connection_is_run_again(
    store: PostgresStore, its_database: PostgresDatabase, *, between: bool
) -> None:
    runs = 0

    def accept_and_die(items: list[None]) -> Steps[list[None]]:
        nonlocal runs
        runs += 1
        yield from note(["kept once"])
        if runs == 1 and between:
            its_database.rows(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_xid <> '0'"
            )
        elif runs == 1:
            yield Ask(DIE, [()])
        return [None] * len(items)

    await store.write(accept_and_die, None)
    assert runs == 2
    assert noted(its_database) == {"kept once"}


async def test_one_that_loses_it_again_and_again_is_unavailable(
    store: PostgresStore, its_database: PostgresDatabase
) -> None:
    def die(items: list[None]) -> Steps[list[None]]:
        yield from note(["never"])
        yield Ask(DIE, [()])
        return items

    with pytest.raises(StoreUnavailable):
        await store.write(die, None)
    assert noted(its_database) == set()
    assert await store.write(note, "after") == "noted after"
