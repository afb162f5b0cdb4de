"""Claiming links: leases, order, lanes."""

from typing import Any

import pytest

from tests.support.builders import (
    SENDER,
    SUBSCRIBER,
    Database,
    a_chain,
    a_lane,
    accept,
    answer,
    claim,
)
from tests.support.clock import START
from whimbrel.clock import DAY, MINUTE
from whimbrel.domain.chain import Again, PutBack
from whimbrel.domain.chain_id import chain_of, link_id
from whimbrel.domain.content import Channel, Image
from whimbrel.domain.status import LinkState
from whimbrel.store.chains import ClaimedLink, due_lanes
from whimbrel.store.sqlite import SqliteStore


async def chain_ids(store: SqliteStore, **how: Any) -> list[int]:
    return sorted(chain_of(link.link_id) for link in await claim(store, **how))


async def test_a_claim_writes_the_attempt_and_its_lease(
    store: SqliteStore, database: Database
) -> None:
    await accept(store, a_chain())
    await claim(store, now=START + 5)
    link = database.link()
    assert link["state"] == LinkState.SUBMITTING
    assert (link["attempt"], link["attempted_at"]) == (1, START + 5)
    assert link["due_at"] == START + 5 + MINUTE  # the lease's end


async def test_a_claim_hands_out_all_that_a_submit_needs(store: SqliteStore) -> None:
    image = Image("https://img.example/a.png")
    await accept(
        store, a_chain(schedule="{}", link={"content": image, "closes_at": START + MINUTE})
    )
    assert await claim(store) == [
        ClaimedLink(
            link_id=link_id(1, 0),
            channel=Channel.WHATSAPP,
            sender=SENDER,
            content=image,
            attempt=1,
            ttl=DAY,
            closes_at=START + MINUTE,
            expires_at=START + DAY,
            dest_addr=SUBSCRIBER,
            schedule="{}",
            claimed_at=START,
        )
    ]


async def test_nobody_claims_a_link_twice(store: SqliteStore) -> None:
    await accept(store, a_chain())
    assert await chain_ids(store) == [1]
    assert await chain_ids(store, now=START + DAY - 1) == []


@pytest.mark.parametrize(("now", "claimed"), [(START + 9, []), (START + 10, [1])])
async def test_a_link_waits_for_its_moment(
    store: SqliteStore, now: int, claimed: list[int]
) -> None:
    await accept(store, a_chain(link={"due_at": START + 10}))
    assert await chain_ids(store, now=now) == claimed


@pytest.mark.parametrize(("now", "claimed"), [(START + DAY - 1, [1]), (START + DAY, [])])
async def test_a_link_whose_lifetime_is_over_is_not_claimed(
    store: SqliteStore, now: int, claimed: list[int]
) -> None:
    await accept(store, a_chain(link={"expires_at": START + DAY}))
    assert await chain_ids(store, now=now) == claimed


async def test_the_longest_due_go_first_and_no_more_than_there_is_room(
    store: SqliteStore,
) -> None:
    for number, due_at in [(1, START - 1), (2, START - 5), (3, START - 3), (4, START - 4)]:
        await accept(store, a_chain(number, link={"due_at": due_at}))
    assert await chain_ids(store, room=2) == [2, 4]
    assert await chain_ids(store, room=2) == [1, 3]


async def test_a_claim_takes_from_its_own_lane(store: SqliteStore) -> None:
    await accept(store, a_chain(1), a_chain(2, partner_id=2), a_chain(3, link={"sender": "OTHER"}))
    assert await chain_ids(store, lane=a_lane(2)) == [2]
    assert await chain_ids(store, lane=a_lane(1, "OTHER")) == [3]
    assert await chain_ids(store) == [1]


async def test_the_lanes_tell_when_their_first_link_is_due(store: SqliteStore) -> None:
    assert await store.read(due_lanes, None) == []
    await accept(
        store,
        a_chain(1, link={"due_at": START + 7}),
        a_chain(2, link={"due_at": START + 3}),
        a_chain(3, partner_id=2, link={"due_at": START + DAY}),
        a_chain(4, link={"sender": "OTHER"}),
    )
    assert await store.read(due_lanes, None) == [
        (a_lane(1, "OTHER"), START),
        (a_lane(1), START + 3),
        (a_lane(2), START + DAY),
    ]
    await claim(store, lane=a_lane(1, "OTHER"))
    assert [lane for lane, _ in await store.read(due_lanes, None)] == [a_lane(1), a_lane(2)]


async def test_another_attempt_has_its_own_number_moment_and_hours(
    store: SqliteStore, database: Database
) -> None:
    await accept(store, a_chain())
    await claim(store)
    await answer(store, Again(1, START + 1, START + MINUTE, START + DAY))
    assert await claim(store, now=START + MINUTE - 1) == []
    [again] = await claim(store, now=START + MINUTE)
    assert (again.attempt, again.closes_at) == (2, START + DAY)
    assert database.rows("SELECT attempt, outcome FROM submits") == [(1, "not sent")]


async def test_a_link_that_was_put_back_has_made_no_attempt(
    store: SqliteStore, database: Database
) -> None:
    await accept(store, a_chain())
    await claim(store)
    await answer(store, PutBack(1, START + 1, START + MINUTE))
    [again] = await claim(store, now=START + MINUTE)
    assert again.attempt == 1
    assert database.rows("SELECT * FROM submits") == []
