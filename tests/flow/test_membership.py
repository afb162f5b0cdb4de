"""Staying a node: beats that are counted, a fence before the end, and no burial out of hand."""

import asyncio

import pytest

from tests.flow.nodes import ROLES, Node, ShakyStore, live, started
from tests.flow.rig import GRACE, Journey
from tests.support.builders import Database, a_chain, accept, claim
from tests.support.clock import START, FakeClock
from tests.support.nodes import nodes_of
from whimbrel.clock import HOUR, SECOND
from whimbrel.domain.chain_id import ChainIds, NumbersUsedUp
from whimbrel.domain.status import LinkState
from whimbrel.flow.membership import BEAT_SECONDS, FENCE_SECONDS, LEASE_SECONDS
from whimbrel.store.engine import Store
from whimbrel.store.sqlite import SqliteStore

S = LinkState


async def alive(store: Store) -> set[str]:
    return {node.name for node in (await nodes_of(store)).values() if node.token}


# Dying


async def test_a_silent_node_is_buried_after_its_lease_and_not_before(
    store: SqliteStore, clock: FakeClock
) -> None:
    _silent, other = await started(store, clock, 2)
    await live(clock, other, seconds=LEASE_SECONDS)
    assert await alive(store) == {"n0", "n1"}
    await live(clock, other, seconds=2)
    assert await alive(store) == {"n1"}
    assert [node.name for node in other.membership.nodes] in (["n0", "n1"], ["n1"])


async def test_it_stops_by_itself_before_anybody_buries_it(
    store: SqliteStore, clock: FakeClock
) -> None:
    silent, other = await started(store, clock, 2)
    moments: dict[str, float] = {}
    while "buried" not in moments:
        clock.advance(SECOND // 4)
        await other.step()
        if not silent.membership.is_mine:
            moments.setdefault("fenced", clock.elapsed())
        if await alive(store) == {"n1"}:
            moments["buried"] = clock.elapsed()
    began = START / SECOND
    assert moments["fenced"] - began == FENCE_SECONDS
    assert LEASE_SECONDS <= moments["buried"] - began <= LEASE_SECONDS + 2
    assert moments["buried"] - moments["fenced"] >= LEASE_SECONDS - FENCE_SECONDS


async def test_its_submits_and_only_its_are_counted_as_interrupted(
    store: SqliteStore, clock: FakeClock, database: Database
) -> None:
    silent, other, third = await started(store, clock, 3)
    await accept(store, a_chain(1), a_chain(2))
    assert silent.membership.node_id == 0
    await claim(store)  # as node 0
    await live(clock, other, third, seconds=LEASE_SECONDS + 2)
    assert (database.state(1), database.state(2)) == (S.UNSURE, S.UNSURE)
    assert other.count("interrupted_submits_total") + third.count("interrupted_submits_total") == 2


async def test_one_that_beats_is_never_buried(store: SqliteStore, clock: FakeClock) -> None:
    nodes = await started(store, clock, 3)
    tokens = [node.membership.token for node in nodes]
    await live(clock, *nodes, seconds=120)
    assert [node.membership.token for node in nodes] == tokens
    assert await alive(store) == {"n0", "n1", "n2"}


async def test_it_beats_no_more_often_than_it_must(store: SqliteStore, clock: FakeClock) -> None:
    [node] = await started(store, clock, 1)
    await live(clock, node, seconds=10 * BEAT_SECONDS, step=SECOND // 2)
    assert (await nodes_of(store))[0].beat == 10


async def test_one_that_leaves_is_gone_at_once(store: SqliteStore, clock: FakeClock) -> None:
    first, second = await started(store, clock, 2)
    await first.membership.leave()
    assert await alive(store) == {"n1"}
    await second.step()
    assert second.membership.with_roles("api") == [1]


async def test_clocks_that_differ_by_hours_bury_nobody(store: SqliteStore) -> None:
    """Neither by their moments nor by a jump: beats are counted, each by its own steady clock."""

    class Wrong(FakeClock):
        def __init__(self, steady: FakeClock, wrong: int) -> None:
            super().__init__()
            self.steady, self.wrong = steady, wrong

        def now(self) -> int:
            return self.steady.now() + self.wrong

        def elapsed(self) -> float:
            return self.steady.elapsed()

    steady = FakeClock()
    ahead, behind = Wrong(steady, HOUR), Wrong(steady, -HOUR)
    nodes = [await Node(store, one, name=f"n{i}").start() for i, one in enumerate((ahead, behind))]
    await live(steady, *nodes, seconds=40)
    ahead.wrong, behind.wrong = -HOUR, HOUR
    await live(steady, *nodes, seconds=40)
    assert [node.membership.node_id for node in nodes] == [0, 1]
    assert await alive(store) == {"n0", "n1"}


# The store goes away


async def test_after_an_outage_nobody_is_buried(store: SqliteStore, clock: FakeClock) -> None:
    nodes = await started(store, clock, 3)
    tokens = [node.membership.token for node in nodes]
    await live(clock, *nodes, seconds=5)
    for node in nodes:
        node.store.away = True
    await live(clock, *nodes, seconds=30)
    assert not any(node.membership.is_mine for node in nodes)
    for node in nodes:  # one is back before the others
        node.store.away = False
        await live(clock, *nodes, seconds=4)
    await live(clock, *nodes, seconds=30)
    assert [node.membership.token for node in nodes] == tokens
    assert all(node.membership.is_mine for node in nodes)


async def test_one_that_died_meanwhile_is_buried_all_the_same(
    store: SqliteStore, clock: FakeClock
) -> None:
    dead, other = await started(store, clock, 2)
    await live(clock, dead, other, seconds=5)
    other.store.away = True
    await live(clock, other, seconds=30)
    other.store.away = False
    await live(clock, other, seconds=LEASE_SECONDS)
    assert await alive(store) == {"n0", "n1"}
    await live(clock, other, seconds=2)
    assert await alive(store) == {"n1"}


async def test_a_store_that_is_slow_for_all_has_nobody_buried(
    store: SqliteStore, clock: FakeClock
) -> None:
    """No write fails, each just takes 16 s: silence that nobody could break is none."""
    nodes = await started(store, clock, 2)
    tokens = [node.membership.token for node in nodes]
    await live(clock, *nodes, seconds=2 * BEAT_SECONDS)

    class Slow(ShakyStore):
        async def write(self, operation, item):  # type: ignore[no-untyped-def]
            result = await super().write(operation, item)
            if operation.__name__ == "beat_nodes":
                clock.advance(16 * SECOND)
            return result

    for node in nodes:
        node.membership._store = Slow(store)
    clock.advance(2 * SECOND)
    for node in nodes:
        await node.step()
        assert not node.membership.is_mine, "its beat began 16 s ago: others have heard it then"
    assert [node.membership.token for node in nodes] == tokens
    assert await alive(store) == {"n0", "n1"}


async def test_a_beat_that_hangs_holds_no_lease(store: SqliteStore, clock: FakeClock) -> None:
    """The lease runs from the beat's beginning: from then on others may count."""
    [node] = await started(store, clock, 1)
    hanging = asyncio.Event()

    class Hanging(ShakyStore):
        async def write(self, operation, item):  # type: ignore[no-untyped-def]
            await hanging.wait()
            return await super().write(operation, item)

    node.membership._store = Hanging(store)
    clock.advance(2 * SECOND)
    beating = asyncio.create_task(node.membership.step())
    await asyncio.sleep(0)
    clock.advance(8 * SECOND - 1)
    assert node.membership.is_mine
    clock.advance(1)
    assert not node.membership.is_mine
    clock.advance(SECOND)
    hanging.set()
    await beating
    assert node.membership.is_mine, "the beat of 9 s ago was heard"
    clock.advance(SECOND)
    assert not node.membership.is_mine


async def test_whoever_has_lost_its_own_lease_buries_nobody(
    store: SqliteStore, clock: FakeClock
) -> None:
    _silent, other = await started(store, clock, 2)
    await live(clock, other, seconds=LEASE_SECONDS)
    other.membership._beaten_at = float("-inf")
    assert other.membership._silent(clock.elapsed() + 1) == []


# Standing still


async def test_a_node_that_stood_still_is_fenced_before_it_does_anything(
    store: SqliteStore, clock: FakeClock
) -> None:
    """As with SIGSTOP and SIGCONT: the first thing that it does is to look at the clock."""
    stopped, other = await started(store, clock, 2)
    await live(clock, other, seconds=40)
    assert not stopped.membership.is_mine
    with pytest.raises(NumbersUsedUp):
        stopped.membership.chain_ids.next(clock.now())


async def test_it_joins_anew_with_another_place_and_greater_numbers(
    store: SqliteStore, clock: FakeClock
) -> None:
    stopped, other = await started(store, clock, 2)
    last = stopped.membership.chain_ids.next(clock.now())
    token = stopped.membership.token
    given_up: list[bool] = []
    stopped.membership.when_given_up(lambda: given_up.append(stopped.membership.is_mine))
    await live(clock, other, seconds=LEASE_SECONDS + 2)
    await stopped.step()
    assert given_up == [False]
    assert (stopped.membership.node_id, stopped.membership.is_mine) == (2, True)
    assert stopped.membership.token != token
    assert stopped.membership.chain_ids.next(clock.now()) > last
    await live(clock, stopped, other, seconds=60)
    assert await alive(store) == {"n0", "n1"}


async def test_a_node_that_was_given_up_does_nothing_until_it_has_joined(
    store: SqliteStore, clock: FakeClock
) -> None:
    """Others were quicker than its own fence, as its steady clock stood still with its machine."""
    node, other = await started(store, clock, 2)
    await other.membership._bury([(await nodes_of(store))[0]])
    assert node.membership.is_mine
    clock.advance(2 * SECOND)
    node.store.loses_answers = True
    await node.step()  # neither the beat nor the join is answered
    node.store.loses_answers = False
    await node.step()
    assert node.membership.is_mine
    assert await alive(store) == {"n0", "n1"}


async def test_a_join_whose_answer_was_lost_leaves_nobody_behind(
    store: SqliteStore, clock: FakeClock
) -> None:
    node = Node(store, clock, name="n0")
    node.store.loses_answers = True
    await node.step()
    node.store.loses_answers = False
    await node.step()
    await live(clock, node, seconds=LEASE_SECONDS + 5)
    held = [one for one in (await nodes_of(store)).values() if one.token]
    assert [one.token for one in held] == [node.membership.token]


# Who takes over at once


async def test_the_only_process_takes_over_at_once(
    store: SqliteStore, clock: FakeClock, database: Database
) -> None:
    await Node(store, clock, alone=True).start()
    await accept(store, a_chain())
    await claim(store)
    again = await Node(store, clock, alone=True).start()
    assert database.state() is S.UNSURE
    assert database.link()["due_at"] == START + GRACE
    assert again.count("interrupted_submits_total") == 1
    assert len(await alive(store)) == 1


async def test_nodes_number_behind_the_only_process_whose_clock_ran_ahead(
    store: SqliteStore, clock: FakeClock
) -> None:
    """As after a copy into PostgreSQL: its numbers go wherever its clock has been."""
    only = await Node(store, clock, alone=True).start()
    last = only.membership.chain_ids.next(START + HOUR)
    await only.membership.leave()
    begin = (await nodes_of(store))[only.membership.node_id].numbers_until
    assert ChainIds(only.membership.node_id, begin=begin).next(START) > last


async def test_a_successor_in_the_same_place_takes_over_at_once(
    store: SqliteStore, clock: FakeClock, database: Database
) -> None:
    await Node(store, clock, name="w1", post="p-1").start()
    await Node(store, clock, name="w11", post="p-11").start()
    await accept(store, a_chain())
    await claim(store)
    again = await Node(store, clock, name="w1 again", post="p-1").start()
    assert await alive(store) == {"w1 again", "w11"}
    assert (database.state(), again.count("interrupted_submits_total")) == (S.UNSURE, 1)


async def test_without_a_place_nobody_is_taken_for_a_predecessor(
    store: SqliteStore, clock: FakeClock
) -> None:
    await started(store, clock, 2)
    assert await alive(store) == {"n0", "n1"}


# Roles


async def test_the_eldest_is_one_of_those_that_have_the_role(
    store: SqliteStore, clock: FakeClock
) -> None:
    roles = [("api",), ("dispatch", "smpp"), ("smpp",), ROLES]
    nodes = [await Node(store, clock, roles=one).start() for one in roles]
    for node in nodes:
        await node.step()
    assert [node.membership.is_eldest("dispatch", "smpp") for node in nodes] == [
        False,
        True,
        False,
        False,
    ]
    assert [node.membership.is_eldest("reports") for node in nodes] == [False] * 3 + [True]
    assert nodes[0].membership.alive("smpp") == 3
    clock.advance(round(FENCE_SECONDS * SECOND))
    assert not nodes[1].membership.is_eldest("dispatch", "smpp")


# What the stages make of it


async def test_a_fenced_node_claims_nothing(journey: Journey, clock: FakeClock) -> None:
    node = await Node(journey.store, clock).start()
    journey.dispatcher._seat = node.membership
    await accept(journey.store, a_chain())
    clock.advance(round(FENCE_SECONDS * SECOND))
    await journey.dispatch()
    assert (journey.connector.submissions, journey.database.state()) == ([], S.QUEUED)
    await node.step()
    await journey.dispatch()
    assert journey.database.state() is S.SUBMITTED


async def test_what_was_claimed_before_the_fence_is_put_back_unsent(
    journey: Journey, clock: FakeClock
) -> None:
    class Seat:
        node_id = 0
        looks = iter([True, False])

        @property
        def is_mine(self) -> bool:
            return next(self.looks)

    journey.dispatcher._seat = Seat()
    await accept(journey.store, a_chain())
    await journey.dispatch()
    link = journey.database.link()
    assert journey.connector.submissions == []
    assert (link["state"], link["attempt"], link["due_at"]) == (S.QUEUED, 0, START)
    assert journey.database.rows("SELECT * FROM submits") == []
