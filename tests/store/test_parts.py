"""Receipts about the parts of long messages."""

from collections.abc import Iterable, Mapping
from itertools import permutations

import pytest

from tests.support.builders import (
    SMS_LANE,
    SUBSCRIBER,
    Database,
    a_cascade,
    a_chain,
    a_receipt,
    accept,
    answer,
    claim,
    receive,
)
from tests.support.clock import START
from whimbrel.clock import DAY, MINUTE, SECOND
from whimbrel.domain.chain import Again, NoAnswer, PartsTaken, Taken
from whimbrel.domain.chain_id import link_id
from whimbrel.domain.content import Channel
from whimbrel.domain.receipt import Receipt
from whimbrel.domain.status import ErrorCode, LinkState
from whimbrel.store.receipts import ParkedSweep, sweep_parked
from whimbrel.store.sqlite import SqliteStore

S = LinkState
SMS = {"channel": Channel.SMS}
WHY = {"error_code": ErrorCode.ABSENT_SUBSCRIBER, "code": "027", "detail": "UNDELIV"}


def numbers(chain_id: int = 1, parts: Iterable[int] = (1, 2, 3)) -> dict[int, str]:
    return {part: f"{chain_id}-{part}" for part in parts}


def taken_parts(provider_ids: Mapping[int, str]) -> PartsTaken:
    return PartsTaken(provider_ids, 3, tuple(provider_ids.values()))


async def hand_over(store: SqliteStore, chain_id: int = 1) -> None:
    """Let an SMS of three parts be taken."""
    await accept(store, a_chain(chain_id, link=SMS))
    await claim(store, lane=SMS_LANE)
    parts = taken_parts(numbers(chain_id))
    await answer(store, Taken(1, START, parts.provider_ids[1]), chain_id, parts=parts)


def of_part(part: int, state: LinkState = S.DELIVERED, chain_id: int = 1, at: int = 0) -> Receipt:
    why = WHY if state is S.FAILED else {}
    return a_receipt(state, provider_id=f"{chain_id}-{part}", at=START + at, **why)


async def file(store: SqliteStore, *receipts: Receipt, together: bool) -> list[str]:
    """File receipts and return the verdicts."""
    if together:
        return [one.verdict for one in await receive(store, *receipts)]
    return [(await receive(store, one))[0].verdict for one in receipts]


both_ways = pytest.mark.parametrize("together", [True, False], ids=["one group", "one by one"])


@both_ways
async def test_it_is_delivered_when_the_last_part_is(
    store: SqliteStore, database: Database, together: bool
) -> None:
    await hand_over(store)
    await file(store, of_part(2, at=2), of_part(3, at=9), together=together)
    assert (database.state(), database.told()) == (S.SENT, [0])
    await receive(store, of_part(1, at=1))
    assert (database.state(), database.told()) == (S.DELIVERED, [0, 2])
    assert database.link()["done_at"] == START + 9  # when the last of them arrived


@both_ways
async def test_every_order_of_part_receipts_ends_alike(
    store: SqliteStore, database: Database, together: bool
) -> None:
    words = [(1, S.DELIVERED), (2, S.DELIVERED), (3, S.SENT), (3, S.DELIVERED)]
    for number, order in enumerate(permutations(words), 1):
        await hand_over(store, number)
        receipts = [of_part(part, state, number) for part, state in order]
        await file(store, *receipts, *receipts[:2], together=together)
        assert (database.state(number), database.told(number)) == (S.DELIVERED, [0, 2]), order


@both_ways
async def test_a_part_that_failed_fails_the_whole_whenever_it_is_told(
    store: SqliteStore, database: Database, together: bool
) -> None:
    words = [(1, S.DELIVERED), (2, S.FAILED), (3, S.SENT), (3, S.DELIVERED)]
    for number, order in enumerate(permutations(words), 1):
        await hand_over(store, number)
        await file(
            store, *(of_part(part, state, number) for part, state in order), together=together
        )
        link = database.link(number)
        assert (link["state"], link["error_code"]) == (S.FAILED, ErrorCode.ABSENT_SUBSCRIBER), order
        assert database.told(number) == [0, 5], order
    history = set(database.rows("SELECT code, detail FROM receipts WHERE state = 50"))
    assert history == {("027", "part 2 of 3 UNDELIV")}


@both_ways
async def test_and_lets_the_next_link_go_once(
    store: SqliteStore, database: Database, together: bool
) -> None:
    await accept(store, a_cascade(SMS, SMS))
    await claim(store, lane=SMS_LANE)
    await answer(store, Taken(1, START, "1-1"), parts=taken_parts(numbers()))
    failures = [of_part(part, S.FAILED) for part in (1, 2, 3, 3, 2, 1)]
    await file(store, *failures, together=together)
    assert database.states() == [S.FAILED, S.QUEUED]
    assert len(await claim(store, lane=SMS_LANE)) == 1
    await file(store, *failures, together=together)
    assert database.states() == [S.FAILED, S.SUBMITTING]


async def test_a_part_that_failed_and_arrived_after_all_is_the_truth(
    store: SqliteStore, database: Database
) -> None:
    await hand_over(store)
    await receive(store, of_part(1), of_part(2), of_part(3, S.FAILED))
    await receive(store, of_part(3))
    assert (database.state(), database.told()) == (S.DELIVERED, [0, 5, 2])


async def test_news_of_a_part_are_matched_and_doubles_are_repeated(store: SqliteStore) -> None:
    await hand_over(store)
    verdicts = await file(store, of_part(1), of_part(1), of_part(1, S.SENT), together=True)
    assert verdicts == ["matched", "repeated", "repeated"]


# Taken over several attempts


async def take_one(store: SqliteStore, event: Again | NoAnswer) -> None:
    """Let the first part be taken, and no other."""
    await accept(store, a_chain(link=SMS))
    await claim(store, lane=SMS_LANE)
    await answer(store, event, parts=taken_parts(numbers(parts=[1])))


THROTTLED = Again(1, START, START + SECOND)
SILENCE = NoAnswer(1, START, START + MINUTE)


async def test_what_was_taken_need_not_go_again(store: SqliteStore) -> None:
    await take_one(store, THROTTLED)
    [again] = await claim(store, lane=SMS_LANE, now=START + SECOND)
    assert (again.attempt, dict(again.taken)) == (2, {1: "1-1"})


@pytest.mark.parametrize("event", [THROTTLED, SILENCE])
@pytest.mark.parametrize("state", [S.SENT, S.DELIVERED])
async def test_a_part_that_arrives_does_not_keep_the_others_from_going(
    store: SqliteStore, database: Database, event: Again | NoAnswer, state: LinkState
) -> None:
    await take_one(store, event)
    before = database.state()
    await receive(store, of_part(1, state))
    assert database.state() is before


@pytest.mark.parametrize("first", ["before the others went", "after them"])
async def test_the_parts_of_all_attempts_make_the_whole(
    store: SqliteStore, database: Database, first: str
) -> None:
    await take_one(store, THROTTLED)
    if first == "before the others went":
        await receive(store, of_part(1))
    await claim(store, lane=SMS_LANE, now=START + SECOND)
    await answer(store, Taken(2, START + SECOND, "1-1"), parts=taken_parts(numbers()))
    await receive(store, of_part(3), of_part(2))
    if first == "after them":
        await receive(store, of_part(1))
    assert (database.state(), database.told()) == (S.DELIVERED, [0, 2])


@pytest.mark.parametrize("under_way", [True, False])
async def test_a_part_that_failed_ends_it_though_others_have_yet_to_go(
    store: SqliteStore, database: Database, under_way: bool
) -> None:
    await take_one(store, THROTTLED)
    if under_way:
        await claim(store, lane=SMS_LANE, now=START + SECOND)
    await receive(store, of_part(1, S.FAILED))
    assert (database.state(), database.told()) == (S.FAILED, [5])
    assert await claim(store, lane=SMS_LANE, now=START + DAY - 1) == []


# Before the submit is recorded


async def test_receipts_of_parts_wait_for_their_numbers(
    store: SqliteStore, database: Database
) -> None:
    await accept(store, a_chain(link=SMS))
    await claim(store, lane=SMS_LANE)
    assert await file(store, *map(of_part, (3, 1, 2)), together=True) == ["parked"] * 3
    moved = await answer(store, Taken(1, START + 1, "1-1"), parts=taken_parts(numbers()))
    assert moved
    assert (moved.before, moved.after) == (S.SUBMITTING, S.DELIVERED)
    assert (database.state(), database.told()) == (S.DELIVERED, [0, 2])
    assert database.rows("SELECT count(*) FROM parked_receipts") == [(0,)]


async def test_they_are_found_in_every_spelling_of_the_number(
    store: SqliteStore, database: Database
) -> None:
    """The answer was hexadecimal, the receipts are decimal and have zeros in front."""
    await accept(store, a_chain(link=SMS))
    await claim(store, lane=SMS_LANE)
    for number, alias in (("0000000026", "1a"), ("0000000027", "1b")):
        early = a_receipt(provider_id=number, aliases=(alias,), subscriber=SUBSCRIBER)
        await receive(store, early)
    known_as = ("1a", "26", "0000000026", "1b", "27", "0000000027")
    parts = PartsTaken({1: "1a", 2: "1b"}, 2, known_as)
    await answer(store, Taken(1, START, "1a"), parts=parts)
    assert database.state() is S.DELIVERED


async def test_the_sweep_knows_the_numbers_of_parts(store: SqliteStore, database: Database) -> None:
    await receive(store, *map(of_part, (1, 2, 3)))
    waiting = database.rows("SELECT * FROM parked_receipts")
    await hand_over(store)
    # As if they had been parked between the submit's look and its commit, by another process.
    database.rows("UPDATE parts SET state = 30")
    database.rows("DELETE FROM receipts")
    database.rows("UPDATE links SET state = 30, told = 0")
    database.rows("DELETE FROM reports WHERE status <> 0")
    for row in waiting:
        database.rows("INSERT INTO parked_receipts VALUES (?, ?, ?, ?, ?)", *row)
    moved = await store.write(sweep_parked, ParkedSweep(START, 0))
    assert [(one.link_id, one.after) for one in moved][-1] == (link_id(1, 0), S.DELIVERED)
    assert (database.state(), database.told()) == (S.DELIVERED, [0, 2])
