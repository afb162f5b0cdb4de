"""Receipts for submits without an answer, where the channel has no echo (decision 6)."""

import pytest

from tests.support.builders import (
    A_CODE,
    SMS_LANE,
    SUBSCRIBER,
    Database,
    a_chain,
    a_receipt,
    accept,
    answer,
    claim,
    receive,
)
from tests.support.clock import START
from whimbrel.clock import DAY, MINUTE, SECOND
from whimbrel.domain.chain import NoAnswer, PartsTaken, Taken
from whimbrel.domain.content import Channel, Text
from whimbrel.domain.receipt import Receipt
from whimbrel.domain.status import LinkState
from whimbrel.store.sqlite import SqliteStore
from whimbrel.store.timers import Tick, expire_links, settle_limbo

S = LinkState
OTHER = "79160000000"
GRACE_OVER = START + MINUTE
SILENCE = NoAnswer(1, START + SECOND, GRACE_OVER)


def from_smsc(number: str = "17", state: LinkState = S.DELIVERED, to: str = SUBSCRIBER) -> Receipt:
    return a_receipt(state, provider_id=number, subscriber=to)


async def begin(store: SqliteStore, *chain_ids: int, text: str = "Hello") -> None:
    """Let SMS to one subscriber be under way."""
    sms = {"channel": Channel.SMS, "content": Text(text), **A_CODE}
    await accept(store, *(a_chain(chain_id, link=sms) for chain_id in chain_ids))
    await claim(store, lane=SMS_LANE)


def parked(database: Database) -> int:
    return int(database.rows("SELECT count(*) FROM parked_receipts")[0][0])


async def grace_over(store: SqliteStore) -> list[tuple[LinkState, LinkState]]:
    settled = await store.write(settle_limbo, Tick(GRACE_OVER, GRACE_OVER + MINUTE))
    return [(one.before, one.after) for one in settled.moved if one]


@pytest.mark.parametrize("early", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("text", ["Hello", "x" * 160, "я" * 70])
async def test_a_receipt_settles_the_one_submit_without_an_answer(
    store: SqliteStore, database: Database, early: bool, text: str
) -> None:
    """It may come before anybody knows that there will be no answer."""
    await begin(store, 1, text=text)
    if early:
        await receive(store, from_smsc(), at=START)
        assert (database.state(), parked(database)) == (S.SUBMITTING, 1)
    moved = await answer(store, SILENCE)
    if not early:
        await receive(store, from_smsc(), at=START + 2 * SECOND)
    elif moved:
        assert (moved.before, moved.after) == (S.SUBMITTING, S.DELIVERED)
    assert (database.state(), database.told(), parked(database)) == (S.DELIVERED, [0, 2], 0)
    assert await grace_over(store) == []


async def test_later_receipts_find_it_by_the_number(store: SqliteStore, database: Database) -> None:
    await begin(store, 1)
    await receive(store, from_smsc(state=S.SENT), at=START)
    await answer(store, SILENCE)
    await receive(store, from_smsc(to="masked"), at=START + 2 * SECOND)
    assert (database.state(), database.told()) == (S.DELIVERED, [0, 2])


async def test_all_receipts_that_wait_are_filed(store: SqliteStore, database: Database) -> None:
    await begin(store, 1)
    await receive(store, from_smsc(state=S.SENT), from_smsc(state=S.FAILED), at=START)
    await answer(store, SILENCE)
    assert (database.state(), database.told(), parked(database)) == (S.FAILED, [0, 5], 0)


async def test_not_while_the_answer_to_another_may_bring_the_number(
    store: SqliteStore, database: Database
) -> None:
    await begin(store, 1, 2)
    await answer(store, SILENCE)
    await receive(store, from_smsc("17"), at=START + 2 * SECOND)
    assert (database.state(1), parked(database)) == (S.UNSURE, 1)
    await answer(store, Taken(1, START + 3 * SECOND, "17"), 2)
    assert [database.state(number) for number in (1, 2)] == [S.UNSURE, S.DELIVERED]
    assert await grace_over(store) == [(S.UNSURE, S.QUEUED)]


async def test_but_before_it_goes_again_if_the_answer_brought_another(
    store: SqliteStore, database: Database
) -> None:
    await begin(store, 1, 2)
    await answer(store, SILENCE)
    await receive(store, from_smsc("17"), at=START + 2 * SECOND)
    await answer(store, Taken(1, START + 3 * SECOND, "18"), 2)
    assert await grace_over(store) == [(S.UNSURE, S.DELIVERED), (S.DELIVERED, S.DELIVERED)]
    assert [database.state(number) for number in (1, 2)] == [S.DELIVERED, S.SUBMITTED]


@pytest.mark.parametrize(
    ("receipt", "at", "text"),
    [
        (from_smsc(to=OTHER), START, "Hello"),
        (a_receipt(provider_id="17", subscriber=SUBSCRIBER, sender="PLOVER"), START, "Hello"),
        (from_smsc(), START - 1, "Hello"),
        (from_smsc(), START, "x" * 161),
        (from_smsc(), START, "я" * 71),
    ],
    ids=["another subscriber", "another account", "before the submit", "two parts", "also two"],
)
async def test_and_no_other(
    store: SqliteStore, database: Database, receipt: Receipt, at: int, text: str
) -> None:
    await begin(store, 1, text=text)
    await receive(store, receipt, at=at)
    await answer(store, SILENCE)
    assert (database.state(), parked(database)) == (S.UNSURE, 1)
    assert await grace_over(store) == [(S.UNSURE, S.QUEUED)]


async def test_of_two_without_an_answer_none_is_meant(
    store: SqliteStore, database: Database
) -> None:
    await begin(store, 1, 2)
    await receive(store, from_smsc(), at=START)
    await answer(store, SILENCE, 1)
    await answer(store, SILENCE, 2)
    assert [database.state(number) for number in (1, 2)] == [S.UNSURE, S.UNSURE]
    assert parked(database) == 1


async def test_parts_that_were_taken_are_known_by_their_numbers(
    store: SqliteStore, database: Database
) -> None:
    await begin(store, 1, text="x" * 161)
    await receive(store, from_smsc("17"), from_smsc("18"), at=START)
    await answer(store, SILENCE, parts=PartsTaken({1: "17"}, 2, ("17",)))
    assert (database.state(), parked(database)) == (S.UNSURE, 1)


@pytest.mark.parametrize("early", [True, False], ids=["before", "after"])
async def test_nor_when_the_other_has_ended_without_a_word(
    store: SqliteStore, database: Database, early: bool
) -> None:
    """The receipt may be the other's, and this one may never have gone: it must not be told so."""
    await accept(
        store,
        a_chain(1, link={"channel": Channel.SMS, "expires_at": START + 30 * SECOND}),
        a_chain(2, link={**A_CODE, "channel": Channel.SMS}),
    )
    await claim(store, lane=SMS_LANE)
    await answer(store, SILENCE, 1)
    await answer(store, SILENCE, 2)
    if early:
        await receive(store, from_smsc(), at=START + 2 * SECOND)
    await store.write(expire_links, START + 30 * SECOND)
    assert database.state(1) is S.EXPIRED
    if not early:
        await receive(store, from_smsc(), at=START + 31 * SECOND)
    assert await grace_over(store) == [(S.UNSURE, S.QUEUED)]
    assert parked(database) == 1


async def test_nor_when_the_other_is_queued_again(store: SqliteStore, database: Database) -> None:
    await begin(store, 1, 2)
    await answer(store, NoAnswer(1, START, START + SECOND), 1)
    await answer(store, SILENCE, 2)
    await store.write(settle_limbo, Tick(START + SECOND, START + MINUTE))
    assert database.state(1) is S.QUEUED
    await receive(store, from_smsc(), at=START + 2 * SECOND)
    assert await grace_over(store) == [(S.UNSURE, S.QUEUED)]
    assert parked(database) == 1


async def test_but_what_was_unanswered_days_ago_says_nothing(
    store: SqliteStore, database: Database
) -> None:
    """No SMS lives longer than two days."""
    long_ago = START - 2 * DAY - SECOND
    await begin(store, 1)
    await answer(store, NoAnswer(1, long_ago, long_ago), 1)
    await store.write(expire_links, START + DAY)
    await begin(store, 2)
    await answer(store, SILENCE, 2)
    await receive(store, from_smsc(), at=START + 2 * SECOND)
    assert database.state(2) is S.DELIVERED
