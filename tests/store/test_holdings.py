"""Places to send from: one holder each, who must be a node."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.support.builders import Database
from tests.support.clock import START
from tests.support.nodes import bury, join
from tests.support.postgres import PostgresDatabase
from whimbrel.clock import DAY
from whimbrel.store.engine import Store
from whimbrel.store.holdings import (
    Holding,
    Slot,
    TakenSlot,
    all_holdings,
    give_back_slots,
    take_slots,
)
from whimbrel.store.sqlite import SqliteStore

SLOT = Slot("SMS", "main", 0)


@pytest.fixture
async def nodes(store: SqliteStore) -> Store:
    """A store with the nodes 0, whose token is a, and 1, whose token is b."""
    for token in "ab":
        await join(store, token)
    return store


@pytest.fixture
async def other(store: SqliteStore, database: Database | PostgresDatabase) -> AsyncIterator[Store]:
    """What another process sees of the same database; SQLite has none."""
    if isinstance(database, Database):
        yield store
        return
    second = await database.open()
    yield second
    await second.close()


async def take(store: Store, node_id: int, token: str, slot: Slot = SLOT) -> bool:
    return await store.write(take_slots, TakenSlot(slot, node_id, token, START))


async def give_back(store: Store, node_id: int, token: str, slot: Slot = SLOT) -> None:
    await store.write(give_back_slots, TakenSlot(slot, node_id, token, START))


async def holders(store: Store) -> list[tuple[Slot, int]]:
    held: list[Holding] = await store.read(all_holdings, None)
    return [(Slot(*one[:3]), one.node_id) for one in held]


async def test_a_free_place_is_taken(nodes: Store) -> None:
    assert await take(nodes, 0, "a")
    assert await holders(nodes) == [(SLOT, 0)]


async def test_a_place_that_is_taken_is_not_to_be_had(nodes: Store) -> None:
    await take(nodes, 0, "a")
    assert not await take(nodes, 1, "b")
    assert not await take(nodes, 0, "a")
    assert await take(nodes, 1, "b", SLOT._replace(slot=1))
    assert await take(nodes, 1, "b", SLOT._replace(channel="WHATSAPP"))
    assert await take(nodes, 1, "b", SLOT._replace(account="second"))


async def test_of_two_at_once_one_has_it(nodes: Store, other: Store) -> None:
    wishes = [one for _ in range(5) for one in (take(nodes, 0, "a"), take(other, 1, "b"))]
    assert sorted(await asyncio.gather(*wishes)) == [False] * 9 + [True]
    assert len(await holders(nodes)) == 1


@pytest.mark.parametrize(("node_id", "token"), [(0, "b"), (1, "a"), (2, "a"), (0, "")])
async def test_who_is_no_node_has_nothing(nodes: Store, node_id: int, token: str) -> None:
    assert not await take(nodes, node_id, token)
    assert await holders(nodes) == []


async def test_who_was_buried_has_nothing(nodes: Store) -> None:
    await bury(nodes, 0, "a")
    assert not await take(nodes, 0, "a")


async def test_what_is_given_back_is_free(nodes: Store) -> None:
    await take(nodes, 0, "a")
    await give_back(nodes, 0, "a")
    assert await take(nodes, 1, "b")


async def test_nobody_gives_back_what_is_another_nodes(nodes: Store) -> None:
    await take(nodes, 0, "a")
    await give_back(nodes, 1, "b")
    assert await holders(nodes) == [(SLOT, 0)]


async def test_a_node_that_was_buried_gives_nothing_of_its_successor_back(nodes: Store) -> None:
    """It has the same number, and has taken the same place."""
    await take(nodes, 0, "a")
    await bury(nodes, 0, "a")
    assert (await join(nodes, "c", now=START + DAY)).node_id == 0
    await take(nodes, 0, "c")
    await give_back(nodes, 0, "a")
    assert await holders(nodes) == [(SLOT, 0)]
