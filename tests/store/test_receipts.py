"""Filing receipts, however they come: design, section 5, and `pains.md`, 2, 3 and 5."""

from collections.abc import Callable
from itertools import permutations
from typing import Any

import pytest

from tests.support.builders import (
    SMS_LANE,
    SUBSCRIBER,
    Database,
    a_chain,
    a_receipt,
    accept,
    an_echo,
    answer,
    claim,
    receive,
    submit,
)
from tests.support.clock import START
from whimbrel.clock import DAY, MINUTE
from whimbrel.domain.chain import NoAnswer, Taken
from whimbrel.domain.chain_id import link_id
from whimbrel.domain.content import Channel, Text
from whimbrel.domain.receipt import Receipt
from whimbrel.domain.status import ErrorCode, LinkState
from whimbrel.domain.tally import What
from whimbrel.store.links import Moved, News
from whimbrel.store.receipts import Filed, ParkedSweep, sweep_parked
from whimbrel.store.sqlite import SqliteStore

S = LinkState
SOON = ParkedSweep(since=START, forget_before=0)


def parked(database: Database) -> int:
    return int(database.rows("SELECT count(*) FROM parked_receipts")[0][0])


@pytest.mark.parametrize(
    "receipt",
    [a_receipt(S.DELIVERED), an_echo(S.DELIVERED), an_echo(S.DELIVERED, provider_id="unheard of")],
    ids=["channel's number", "both", "our number"],
)
async def test_a_receipt_finds_its_link(
    store: SqliteStore, database: Database, receipt: Receipt
) -> None:
    await submit(store)
    news = News(What.DELIVERED, link_id(1, 0), Channel.WHATSAPP, START, took=0)
    moved = Moved(link_id(1, 0), S.SUBMITTED, S.DELIVERED, told=2, news=(news,))
    assert await receive(store, receipt) == [Filed("matched", moved)]
    assert database.state() is S.DELIVERED
    assert database.told() == [0, 2]


async def test_a_number_is_taken_as_it_is(store: SqliteStore) -> None:
    await submit(store, provider_id="wamid.AbC==")
    assert [one.verdict for one in await receive(store, a_receipt(provider_id="wamid.abc=="))] == [
        "parked"
    ]


async def test_a_receipt_is_kept_in_the_history(store: SqliteStore, database: Database) -> None:
    await submit(store)
    failed = a_receipt(
        S.FAILED, at=START + 5, error_code=ErrorCode.FILTERED, code="131047", detail="Too late"
    )
    await receive(store, failed, at=START + 9)
    assert database.rows("SELECT * FROM receipts") == [
        (link_id(1, 0), 1, S.FAILED, START + 5, START + 9, "131047", "Too late")
    ]


@pytest.mark.parametrize("together", [True, False], ids=["one group", "one by one"])
async def test_doubles_are_repeated_and_nothing_more(
    store: SqliteStore, database: Database, together: bool
) -> None:
    await submit(store)
    doubles = [a_receipt(S.FAILED, error_code=ErrorCode.FILTERED)] * 10
    if together:
        filed = await receive(store, *doubles)
    else:
        filed = [(await receive(store, double))[0] for double in doubles]
    assert [one.verdict for one in filed] == ["matched"] + ["repeated"] * 9
    assert database.told() == [0, 5]


async def test_a_receipt_of_another_attempt_is_no_double(
    store: SqliteStore, database: Database
) -> None:
    await submit(store)
    again = an_echo(S.FAILED, retry_pause=MINUTE)
    await receive(store, again)
    await claim(store, now=START + MINUTE)
    filed = await receive(store, an_echo(S.FAILED, attempt=2))
    assert filed[0].verdict == "matched"
    assert database.state() is S.FAILED


# Before the submit is recorded


async def test_an_echo_needs_no_answer_to_the_submit(
    store: SqliteStore, database: Database
) -> None:
    await accept(store, a_chain())
    await claim(store)
    await receive(store, an_echo(S.SENT))
    assert database.state() is S.SENT
    await answer(store, Taken(1, START + 1, "wamid.1"))
    assert (database.state(), database.told()) == (S.SENT, [0])


async def test_a_receipt_for_nobody_is_parked_and_matched_when_its_number_comes(
    store: SqliteStore, database: Database
) -> None:
    await accept(store, a_chain())
    await claim(store)
    filed = await receive(store, a_receipt(S.READ), a_receipt(S.SENT), a_receipt(S.DELIVERED))
    assert [one.verdict for one in filed] == ["parked"] * 3
    assert database.state() is S.SUBMITTING
    await answer(store, Taken(1, START + 1, "wamid.1"))
    assert (database.state(), database.told(), parked(database)) == (S.READ, [0, 2, 9], 0)


async def test_a_double_is_parked_once(store: SqliteStore, database: Database) -> None:
    await receive(store, a_receipt(), a_receipt())
    assert parked(database) == 1


async def test_the_sweep_matches_what_the_commit_missed(
    store: SqliteStore, database: Database
) -> None:
    await receive(store, a_receipt(S.SENT), a_receipt(S.DELIVERED))
    waiting = database.rows("SELECT * FROM parked_receipts")
    await submit(store)
    # As if they had been parked between the submit's look and its commit, by another process.
    database.rows("DELETE FROM receipts")
    database.rows("UPDATE links SET state = 30, told = 0")
    database.rows("DELETE FROM reports WHERE status <> 0")
    for row in waiting:
        database.rows("INSERT INTO parked_receipts VALUES (?, ?, ?, ?, ?)", *row)
    await store.write(sweep_parked, SOON)
    assert (database.state(), database.told(), parked(database)) == (S.DELIVERED, [0, 2], 0)


async def test_what_waits_too_long_is_forgotten(store: SqliteStore, database: Database) -> None:
    await receive(store, a_receipt(provider_id="old"), at=START)
    await receive(store, a_receipt(provider_id="young"), at=START + DAY)
    await store.write(sweep_parked, ParkedSweep(since=START, forget_before=START + DAY))
    assert database.rows("SELECT provider_id FROM parked_receipts") == [("young",)]


# From somebody else


@pytest.mark.parametrize("make", [a_receipt, an_echo])
async def test_a_receipt_moves_no_other_senders_link(
    store: SqliteStore, database: Database, make: Callable[..., Receipt]
) -> None:
    await submit(store)
    filed = await receive(store, make(S.READ, sender="SOMEBODY ELSE"))
    assert filed == [Filed("parked")]
    assert (database.state(), database.told()) == (S.SUBMITTED, [0])
    await store.write(sweep_parked, SOON)
    assert (database.state(), parked(database)) == (S.SUBMITTED, 1)


@pytest.mark.parametrize("attempt", [0, 2])
async def test_an_attempt_that_was_never_made_is_nobodys(
    store: SqliteStore, database: Database, attempt: int
) -> None:
    await submit(store)
    filed = await receive(store, an_echo(S.READ, attempt=attempt, provider_id="unheard of"))
    assert filed == [Filed("parked")]
    assert database.state() is S.SUBMITTED


async def test_one_that_cannot_be_filed_spoils_none_of_its_batch(
    store: SqliteStore, database: Database
) -> None:
    await submit(store)
    strangers = [an_echo(link_id=link_id(99, 0), provider_id="wamid.99"), a_receipt(S.DELIVERED)]
    assert [one.verdict for one in await receive(store, *strangers)] == ["parked", "matched"]
    assert database.state() is S.DELIVERED


# By the channel's numbers, which an SMSC gives out again

OTHER = "79160000000"
ACCOUNT = ("WHIMBREL", "PLOVER")  # the senders of one account


async def test_the_newest_of_two_messages_with_one_number_is_meant(
    store: SqliteStore, database: Database
) -> None:
    await submit(store, 1, "17")
    await submit(store, 2, "17")
    await receive(store, a_receipt(provider_id="17"))
    assert [database.state(number) for number in (1, 2)] == [S.SUBMITTED, S.DELIVERED]


@pytest.mark.parametrize(
    "subscriber", [OTHER, f"+{OTHER}", f"8{OTHER[1:]}", f"00{OTHER}", OTHER[1:]]
)
async def test_but_the_subscriber_decides_where_the_receipt_names_one(
    store: SqliteStore, database: Database, subscriber: str
) -> None:
    await submit(store, 1, "17", dest_addr=OTHER)
    await submit(store, 2, "17")
    await receive(store, a_receipt(provider_id="17", subscriber=subscriber))
    assert [database.state(number) for number in (1, 2)] == [S.DELIVERED, S.SUBMITTED]


async def test_a_number_as_it_was_given_is_believed_whatever_the_subscribers_form(
    store: SqliteStore, database: Database
) -> None:
    await submit(store, 1, "17")
    await receive(store, a_receipt(provider_id="17", subscriber="masked***67"))
    assert database.state() is S.DELIVERED


@pytest.mark.parametrize(
    ("subscriber", "state"),
    [("79161234567", S.DELIVERED), (OTHER, S.SUBMITTED), (None, S.SUBMITTED), ("", S.SUBMITTED)],
)
async def test_another_spelling_is_believed_only_of_the_right_subscriber(
    store: SqliteStore, database: Database, subscriber: str | None, state: LinkState
) -> None:
    await submit(store, 1, "17")
    await receive(store, a_receipt(provider_id="11", aliases=("17",), subscriber=subscriber))
    assert database.state() is state


async def test_the_number_as_it_was_given_comes_before_its_other_spellings(
    store: SqliteStore, database: Database
) -> None:
    await submit(store, 1, "11")
    await submit(store, 2, "17")
    receipt = a_receipt(provider_id="11", aliases=("17",), subscriber="79161234567")
    await receive(store, receipt)
    assert [database.state(number) for number in (1, 2)] == [S.DELIVERED, S.SUBMITTED]


@pytest.mark.parametrize(
    ("senders", "state"), [(ACCOUNT, S.DELIVERED), ((), S.SUBMITTED)], ids=["its", "no other"]
)
async def test_a_receipt_may_be_about_any_sender_of_its_account(
    store: SqliteStore, database: Database, senders: tuple[str, ...], state: LinkState
) -> None:
    await submit(store, 1, "17")
    await receive(store, a_receipt(provider_id="17", sender="PLOVER", senders=senders))
    assert database.state() is state


async def test_what_was_parked_before_the_submit_began_is_about_another_message(
    store: SqliteStore, database: Database
) -> None:
    await receive(store, a_receipt(provider_id="17"), at=START - DAY)
    await submit(store, 1, "17")
    assert (database.state(), parked(database)) == (S.SUBMITTED, 1)


async def test_nor_does_it_stand_in_the_way_of_an_early_receipt(
    store: SqliteStore, database: Database
) -> None:
    await receive(store, a_receipt(provider_id="17"), at=START - DAY)
    await accept(store, a_chain())
    await claim(store)
    await receive(store, a_receipt(provider_id="17"), at=START)
    await answer(store, Taken(1, START, "17"))
    assert (database.state(), parked(database)) == (S.DELIVERED, 0)


async def test_the_numbers_of_two_accounts_are_parked_beside_each_other(
    store: SqliteStore, database: Database
) -> None:
    await accept(store, a_chain())
    await claim(store)
    await receive(store, a_receipt(provider_id="17"), a_receipt(provider_id="17", sender="PLOVER"))
    assert parked(database) == 2
    await answer(store, Taken(1, START, "17"))
    assert (database.state(), parked(database)) == (S.DELIVERED, 1)


# Of a submit without an answer, where the channel has no echo


async def unanswered(store: SqliteStore, chain_id: int = 1, **link: Any) -> None:
    """Let an SMS be submitted, and its answer be lost with the connection."""
    await accept(store, a_chain(chain_id, link={"channel": Channel.SMS, **link}))
    await claim(store, lane=SMS_LANE)
    await answer(store, NoAnswer(1, START, START + MINUTE), chain_id)


OF_IT = a_receipt(provider_id="17", subscriber=SUBSCRIBER)


async def test_the_number_that_nobody_knows_is_that_of_the_submit_without_an_answer(
    store: SqliteStore, database: Database
) -> None:
    await unanswered(store)
    await receive(store, a_receipt(S.SENT, provider_id="17", subscriber=SUBSCRIBER))
    await receive(store, a_receipt(provider_id="17"))  # known from now on
    assert (database.state(), database.told()) == (S.DELIVERED, [0, 2])


@pytest.mark.parametrize(
    "receipt",
    [
        a_receipt(provider_id="17"),
        a_receipt(provider_id="17", subscriber=OTHER),
        a_receipt(provider_id="17", subscriber=SUBSCRIBER, sender="PLOVER"),
    ],
    ids=["of nobody", "of somebody else", "of another sender"],
)
async def test_unless_it_may_be_anothers(
    store: SqliteStore, database: Database, receipt: Receipt
) -> None:
    await unanswered(store)
    await receive(store, receipt)
    assert (database.state(), parked(database)) == (S.UNSURE, 1)


@pytest.mark.parametrize("text", ["Hello " * 27, "Привет! " * 9])
async def test_or_the_message_is_long(store: SqliteStore, database: Database, text: str) -> None:
    await unanswered(store, content=Text(text))
    await receive(store, OF_IT)
    assert (database.state(), parked(database)) == (S.UNSURE, 1)


async def test_or_there_are_two(store: SqliteStore, database: Database) -> None:
    await unanswered(store, 1)
    await unanswered(store, 2)
    await receive(store, OF_IT)
    assert [database.state(number) for number in (1, 2)] == [S.UNSURE, S.UNSURE]


async def test_or_another_is_under_way_whose_receipt_overtook_its_answer(
    store: SqliteStore, database: Database
) -> None:
    await unanswered(store, 1)
    await accept(store, a_chain(2, link={"channel": Channel.SMS}))
    await claim(store, lane=SMS_LANE)
    await receive(store, OF_IT)
    await answer(store, Taken(1, START, "17"), 2)
    assert [database.state(number) for number in (1, 2)] == [S.UNSURE, S.DELIVERED]


# In any order


@pytest.mark.parametrize("together", [True, False], ids=["one group", "one by one"])
@pytest.mark.parametrize("make", [a_receipt, an_echo])
async def test_every_order_of_doubled_receipts_ends_in_read(
    store: SqliteStore, database: Database, make: Callable[..., Receipt], together: bool
) -> None:
    states = [S.SENT, S.DELIVERED, S.READ]
    orders = list(permutations([*states, *states[1:]]))
    for number, order in enumerate(orders, 1):
        await submit(store, number, f"wamid.{number}")
        known: dict[str, Any] = {"provider_id": f"wamid.{number}"}
        if make is an_echo:
            known["link_id"] = link_id(number, 0)
        receipts = [make(state, **known) for state in order]
        if together:
            await receive(store, *receipts)
        else:
            for receipt in receipts:
                await receive(store, receipt)
    ends = {
        (database.state(number), *database.told(number)) for number in range(1, len(orders) + 1)
    }
    assert ends == {(S.READ, 0, 2, 9)}


@pytest.mark.parametrize("order", list(permutations([S.SENT, S.FAILED])))
@pytest.mark.parametrize(
    ("retry_pause", "end"), [(None, S.FAILED), (MINUTE, S.QUEUED)], ids=["final", "given back"]
)
async def test_a_failure_ends_its_attempt_whenever_the_sent_comes(
    store: SqliteStore,
    database: Database,
    order: tuple[LinkState, LinkState],
    retry_pause: int | None,
    end: LinkState,
) -> None:
    await submit(store)
    for state in order:
        pause = retry_pause if state is S.FAILED else None
        await receive(store, a_receipt(state, retry_pause=pause))
    assert database.state() is end


async def test_nor_does_a_late_sent_stop_the_attempt_that_followed(
    store: SqliteStore, database: Database
) -> None:
    await submit(store)
    await receive(store, an_echo(S.FAILED, retry_pause=MINUTE))
    await claim(store, now=START + MINUTE)
    filed = await receive(store, an_echo(S.SENT))
    assert filed == [Filed("matched")]
    assert database.state() is S.SUBMITTING


async def test_a_delivery_after_the_failure_is_the_truth(
    store: SqliteStore, database: Database
) -> None:
    await submit(store)
    await receive(store, a_receipt(S.FAILED, error_code=ErrorCode.FILTERED))
    await receive(store, a_receipt(S.DELIVERED, at=START + 7))
    link = database.link()
    assert (link["state"], link["error_code"], link["done_at"]) == (S.DELIVERED, 0, START + 7)
    assert database.told() == [0, 5, 2]


async def test_a_failure_after_the_delivery_is_not(store: SqliteStore, database: Database) -> None:
    await submit(store)
    await receive(store, a_receipt(S.DELIVERED))
    await receive(store, a_receipt(S.FAILED, error_code=ErrorCode.FILTERED))
    assert (database.state(), database.told()) == (S.DELIVERED, [0, 2])


# A failure that is worth another attempt


async def test_what_the_channel_gave_back_is_queued_after_its_pause(
    store: SqliteStore, database: Database
) -> None:
    await submit(store)
    await receive(store, a_receipt(S.FAILED, retry_pause=MINUTE, tries=2), at=START + 10)
    assert database.state() is S.QUEUED
    assert database.link()["due_at"] == START + 10 + MINUTE
    assert database.told() == [0]


async def test_its_tries_are_counted(store: SqliteStore, database: Database) -> None:
    await submit(store)
    await receive(store, a_receipt(S.FAILED, retry_pause=MINUTE, tries=1))
    assert database.state() is S.FAILED


async def test_a_partner_hears_of_one_handing_over_whatever_the_attempts(
    store: SqliteStore, database: Database
) -> None:
    await submit(store)
    await receive(store, a_receipt(S.FAILED, retry_pause=MINUTE))
    await claim(store, now=START + MINUTE)
    await answer(store, Taken(2, START + MINUTE, "wamid.2"))
    await receive(store, a_receipt(S.DELIVERED, provider_id="wamid.2"))
    assert database.told() == [0, 2]


async def test_the_numbers_of_all_attempts_are_known(
    store: SqliteStore, database: Database
) -> None:
    await submit(store)
    await receive(store, a_receipt(S.FAILED, retry_pause=MINUTE))
    await claim(store, now=START + MINUTE)
    await answer(store, Taken(2, START + MINUTE, "wamid.2"))
    await receive(store, a_receipt(S.READ, provider_id="wamid.1"))
    assert database.state() is S.READ


async def test_an_answer_after_its_lease_was_lost_still_brings_the_number(
    store: SqliteStore, database: Database
) -> None:
    await accept(store, a_chain())
    await claim(store)
    await answer(store, NoAnswer(1, START + 1, START + MINUTE))
    await answer(store, Taken(1, START + 2, "wamid.1"))
    await receive(store, a_receipt(S.DELIVERED))
    assert database.state() is S.DELIVERED
    assert database.rows("SELECT outcome FROM submits") == [("submitted",)]
