"""Places on one store: given once, numbers never twice, and what becomes of a dead node's work."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.builders import (
    A_CODE,
    Database,
    a_chain,
    a_lane,
    accept,
    an_echo,
    answer,
    receive,
    submit,
)
from tests.support.clock import START
from tests.support.nodes import AHEAD, GRACE, a_node, bury, join, nodes_of
from tests.support.postgres import PostgresDatabase
from whimbrel.clock import DAY, HOUR, MINUTE, SECOND
from whimbrel.domain.chain import NoAnswer, Taken
from whimbrel.domain.chain_id import MOST_NODES, ChainIds, NumbersUsedUp, link_id
from whimbrel.domain.status import LinkState
from whimbrel.store.chains import Claim, claim_links
from whimbrel.store.engine import Store, StoreUnavailable
from whimbrel.store.holdings import Slot, TakenSlot, all_holdings, take_slots
from whimbrel.store.nodes import Beat, Joined, StoredNode, beat_nodes, join_nodes
from whimbrel.store.reports import ReportClaim, claim_reports
from whimbrel.store.sqlite import SqliteStore
from whimbrel.store.submits import SubmitRecord, record_submits
from whimbrel.store.timers import Tick, settle_limbo

S = LinkState
LANE = "1/"
"""The reports' lane of Partner 1's own URL."""


@pytest.fixture
async def other(store: SqliteStore, database: Database | PostgresDatabase) -> AsyncIterator[Store]:
    """What another process sees of the same database; SQLite has none."""
    if isinstance(database, Database):
        yield store
        return
    second = await database.open()
    yield second
    await second.close()


async def beat(store: Store, node_id: int, token: str, now: int = START) -> int | None:
    return await store.write(beat_nodes, Beat(now, now + AHEAD, node_id, token))


async def claim_as(store: Store, node_id: int, *, now: int = START, room: int = 100) -> list[int]:
    claimed = await store.write(claim_links, Claim(a_lane(), room, now, now + MINUTE, node_id))
    return [link.link_id >> 4 for link in claimed]


# Joining


async def test_the_first_node_has_the_least_number_and_may_use_all_of_its(store: Store) -> None:
    assert await join(store, "a") == Joined(0, 0)
    assert (await nodes_of(store))[0] == StoredNode(
        0, "a", "one", "api dispatch reports smpp", "0.1.0", START, START, 0, START + AHEAD
    )


async def test_each_node_has_a_number_of_its_own(store: Store) -> None:
    assert [(await join(store)).node_id for _ in range(5)] == [0, 1, 2, 3, 4]


async def test_many_that_join_at_once_have_different_numbers(store: Store, other: Store) -> None:
    stores = [store, other] * 8
    joined = await asyncio.gather(*(join(one, f"t{i}") for i, one in enumerate(stores)))
    assert sorted(one.node_id for one in joined) == list(range(16))
    held = {node.token: node.node_id for node in (await nodes_of(store)).values()}
    assert held == {f"t{i}": one.node_id for i, one in enumerate(joined)}


async def test_two_that_want_the_last_place_do_not_both_get_it(store: Store, other: Store) -> None:
    for _ in range(MOST_NODES - 1):
        await join(store)
    both = await asyncio.gather(join(store), join(other), return_exceptions=True)
    assert [one.node_id for one in both if isinstance(one, Joined)] == [MOST_NODES - 1]
    [refused] = [one for one in both if isinstance(one, BaseException)]
    assert isinstance(refused, StoreUnavailable)


async def test_a_node_more_than_there_are_places_is_told_so(store: Store) -> None:
    for index in range(MOST_NODES):
        await join(store, f"t{index}")
    with pytest.raises(StoreUnavailable, match="64 nodes are at work on this store"):
        await join(store)
    await bury(store, 7, "t7")
    assert (await join(store)).node_id == 7


async def test_a_place_that_has_rested_is_given_again(store: Store) -> None:
    await join(store, "a")
    await bury(store, 0, "a")
    later = START + AHEAD
    joined = await join(store, "b", now=later)
    assert joined == Joined(0, START + AHEAD)
    node = (await nodes_of(store))[0]
    assert (node.token, node.started_at, node.numbers_until) == ("b", later, later + AHEAD)


async def test_a_place_that_has_not_rested_is_passed_over(store: Store) -> None:
    """Whoever took it would have to make numbers of the future."""
    await join(store, "a")
    await bury(store, 0, "a")
    assert await join(store, "b", now=START + AHEAD - 1) == Joined(1, 0)


async def test_the_place_that_rests_for_the_shortest_is_taken_if_all_rest(store: Store) -> None:
    for index in range(MOST_NODES):
        ahead = AHEAD - 1 if index == 9 else AHEAD
        await join(store, f"t{index}", numbers_until=START + ahead)
        await bury(store, index, f"t{index}")
    assert await join(store) == Joined(9, START + AHEAD - 1)


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["join", "beat", "leave"]), st.integers(0, 5), st.integers(-90, 90)
        ),
        max_size=15,
    )
)
async def test_no_number_is_made_twice_whoever_comes_and_goes_by_whatever_clock(
    tmp_path: Path, steps: list[tuple[str, int, int]]
) -> None:
    """Each process makes numbers whenever it may, by a clock that is wrong by up to 90 s."""
    store = await Database(tmp_path / "whimbrel.db").open()
    processes: dict[int, tuple[str, int, ChainIds]] = {}
    made: list[int] = []
    now = START
    try:
        for node in (await nodes_of(store)).values():
            if node.token:
                await bury(store, node.node_id, node.token)
        for what, who, wrong in steps:
            now += 1 * SECOND
            clock = now + wrong * SECOND
            if what == "join" and who not in processes:
                new = a_node(now=clock)
                joined = await store.write(join_nodes, new)
                ids = ChainIds(joined.node_id, joined.numbers_from, new.numbers_until)
                processes[who] = (new.token, joined.node_id, ids)
            elif what == "beat" and who in processes:
                token, node_id, ids = processes[who]
                until = await beat(store, node_id, token, clock)
                assert until is not None
                ids.until = until
            elif what == "leave" and who in processes:
                token, node_id, _ = processes.pop(who)
                assert await bury(store, node_id, token, clock) == 0
            for _, _, ids in processes.values():
                made += make_some(ids, clock)
    finally:
        await store.close()
    assert len(made) == len(set(made))


def make_some(ids: ChainIds, now: int) -> list[int]:
    made = []
    for moment in (now, now + AHEAD):
        with contextlib.suppress(NumbersUsedUp):
            made.append(ids.next(moment))
    return made


# Beats


async def test_a_beat_says_until_when_numbers_are_its_own(store: Store) -> None:
    await join(store, "a")
    assert await beat(store, 0, "a", START + SECOND) == START + SECOND + AHEAD
    node = (await nodes_of(store))[0]
    assert (node.beat, node.seen_at) == (1, START + SECOND)


async def test_a_clock_that_is_set_back_takes_no_numbers_away(store: Store) -> None:
    await join(store, "a")
    assert await beat(store, 0, "a", START - HOUR) == START + AHEAD


async def test_a_node_that_was_buried_beats_no_more(store: Store) -> None:
    await join(store, "a")
    await bury(store, 0, "a")
    assert await beat(store, 0, "a") is None
    await join(store, "b", now=START + DAY)
    assert await beat(store, 0, "a") is None
    assert (await nodes_of(store))[0].token == "b"


# Burial


async def test_a_node_is_buried_once(store: Store) -> None:
    await join(store, "a")
    await accept(store, a_chain(1), a_chain(2))
    await claim_as(store, 0)
    assert await bury(store, 0, "a") == 2
    assert await bury(store, 0, "a") is None


async def test_of_two_that_bury_it_at_once_one_does(store: Store, other: Store) -> None:
    await join(store, "a")
    await accept(store, *(a_chain(number) for number in range(1, 21)))
    await claim_as(store, 0)
    counts = await asyncio.gather(bury(store, 0, "a"), bury(other, 0, "a"))
    assert sorted(counts, key=str) == [20, None]


async def test_a_node_that_has_beaten_since_it_was_looked_at_is_spared(store: Store) -> None:
    await join(store, "a")
    seen = (await nodes_of(store))[0].beat
    await beat(store, 0, "a")
    assert await bury(store, 0, "a", beat=seen) is None
    assert await beat(store, 0, "a") is not None
    assert await bury(store, 0, "a", beat=seen + 2) == 0


async def test_its_submits_wait_for_receipts(store: Store, database: Database) -> None:
    await join(store, "a")
    await accept(store, a_chain(1, link=A_CODE), a_chain(2, link=A_CODE))
    await claim_as(store, 0)
    await bury(store, 0, "a", START + SECOND)
    for chain_id in (1, 2):
        link = database.link(chain_id)
        assert (link["state"], link["due_at"]) == (S.UNSURE, START + SECOND + GRACE)
    [told, _] = database.rows("SELECT outcome, detail, started_at FROM submits")
    assert told == (
        "no answer",
        "the gateway stopped, or lost its lease, before the answer came",
        START,
    )
    await receive(store, an_echo())
    assert (database.state(1), database.state(2)) == (S.DELIVERED, S.UNSURE)


async def test_what_is_another_nodes_is_left_alone(store: Store, database: Database) -> None:
    await join(store, "a")
    await join(store, "b")
    await accept(store, a_chain(1), a_chain(2))
    assert len(await claim_as(store, 0, room=1)) == 1
    [of_b] = await claim_as(store, 1)
    assert await bury(store, 0, "a") == 1
    assert database.state(of_b) is S.SUBMITTING


async def test_an_answer_that_the_dead_node_still_gives_counts(
    store: Store, database: Database
) -> None:
    """It was only slow: what it has sent, it has sent."""
    await join(store, "a")
    await accept(store, a_chain())
    await claim_as(store, 0)
    await bury(store, 0, "a")
    await answer(store, Taken(1, START + SECOND, "wamid.1"))
    assert database.state() is S.SUBMITTED
    assert database.rows("SELECT outcome, provider_id FROM submits") == [("submitted", "wamid.1")]


async def test_who_buries_it_too_late_unsays_no_answer(store: Store, database: Database) -> None:
    """Two look at a link at the same moment; the answer is recorded between look and burial."""
    await join(store, "a")
    await accept(store, a_chain())
    await claim_as(store, 0)
    await answer(store, Taken(1, START + SECOND, "wamid.1"))
    late = SubmitRecord(link_id(1, 0), NoAnswer(1, START + SECOND, START + GRACE), START)
    await store.write(record_submits, late)
    assert database.state() is S.SUBMITTED
    assert database.rows("SELECT outcome, provider_id FROM submits") == [("submitted", "wamid.1")]


async def test_its_reports_are_due_at_once(store: Store, database: Database) -> None:
    await join(store, "a")
    await submit(store)
    [report] = await store.write(claim_reports, ReportClaim(LANE, 9, START, START + HOUR, 0))
    assert await store.write(claim_reports, ReportClaim(LANE, 9, START + 1, START + HOUR, 1)) == []
    await bury(store, 0, "a", START + SECOND)
    assert database.rows("SELECT node_id, next_at FROM reports") == [(None, START + SECOND)]
    [again] = await store.write(
        claim_reports, ReportClaim(LANE, 9, START + SECOND, START + HOUR, 1)
    )
    assert again.report_id == report.report_id


async def test_its_places_to_send_from_are_free(store: Store) -> None:
    await join(store, "a")
    await join(store, "b")
    one, two = Slot("SMS", "main", 0), Slot("SMS", "main", 1)
    assert await store.write(take_slots, TakenSlot(one, 0, "a", START))
    assert await store.write(take_slots, TakenSlot(two, 1, "b", START))
    await bury(store, 0, "a")
    assert [holding.slot for holding in await store.read(all_holdings, None)] == [1]
    assert await store.write(take_slots, TakenSlot(one, 1, "b", START))


async def test_the_links_of_a_living_node_are_its_own_to_settle(
    store: Store, database: Database
) -> None:
    """Its lease may be over by another's clock; whether it lives is for beats to tell."""
    await join(store, "a")
    await join(store, "b")
    await accept(store, a_chain())
    await claim_as(store, 0)
    over = START + 2 * MINUTE
    await store.write(settle_limbo, Tick(over, over + GRACE, node_id=1))
    assert database.state() is S.SUBMITTING
    await store.write(settle_limbo, Tick(over, over + GRACE, node_id=0))
    assert database.state() is S.UNSURE


async def test_a_link_of_nobody_is_settled_by_anybody_in_the_end(
    store: Store, database: Database
) -> None:
    """Claimed by a node while it was being buried, which then died without having sent it."""
    await accept(store, a_chain())
    await claim_as(store, 5)
    over = START + MINUTE + 5 * MINUTE
    await store.write(settle_limbo, Tick(over - 1, over + GRACE, node_id=1))
    assert database.state() is S.SUBMITTING
    await store.write(settle_limbo, Tick(over, over + GRACE, node_id=1))
    assert database.state() is S.UNSURE
