"""What is kept of links that may have gone, and of which nothing is heard (decision 16)."""

import pytest

from tests.support.builders import (
    A_CODE,
    SMS_LANE,
    SUBSCRIBER,
    Database,
    a_chain,
    a_lane,
    a_receipt,
    accept,
    an_echo,
    answer,
    claim,
    receive,
)
from tests.support.clock import START
from whimbrel.clock import DAY, MINUTE, SECOND
from whimbrel.domain.chain import NoAnswer, Taken
from whimbrel.domain.chain_id import link_id
from whimbrel.domain.content import Channel
from whimbrel.domain.status import LinkState
from whimbrel.domain.unanswered import Unanswered, Verdict
from whimbrel.store.sqlite import SqliteStore
from whimbrel.store.submits import SubmitRecord, record_submits
from whimbrel.store.timers import Ended, Settled, Tick, settle_limbo

S, U, V = LinkState, Unanswered, Verdict
SMS = {"channel": Channel.SMS}
GRACE = MINUTE
LONG_NOTE = "no answer in 30 s; fails: its lifetime is not short, and it may have gone"


async def say_nothing(
    store: SqliteStore, chain_id: int = 1, attempt: int = 1, now: int = START
) -> None:
    event = NoAnswer(attempt, now, now + GRACE)
    record = SubmitRecord(link_id(chain_id, 0), event, now, detail="no answer in 30 s")
    await store.write(record_submits, record)


async def settle(store: SqliteStore, now: int = START + GRACE, **tick: object) -> Settled:
    return await store.write(settle_limbo, Tick(now, now + GRACE, **tick))  # type: ignore[arg-type]


def details(database: Database) -> list[str | None]:
    rows = database.rows("SELECT detail FROM submits ORDER BY link_id, attempt")
    return [detail for (detail,) in rows]


async def test_each_partner_has_its_own_rule(store: SqliteStore, database: Database) -> None:
    await accept(store, a_chain(1), a_chain(2, partner_id=2), a_chain(3, link=A_CODE))
    for lane in (a_lane(), a_lane(2)):
        await claim(store, lane=lane)
    for number in (1, 2, 3):
        await say_nothing(store, number)
    settled = await settle(store, rules={2: U.RESEND})
    assert (settled.found, settled.interrupted) == (3, 0)
    whatsapp = Channel.WHATSAPP
    assert set(settled.ended) == {
        Ended(whatsapp, V.LONG),
        Ended(whatsapp, V.WANTED),
        Ended(whatsapp, V.SHORT),
    }
    assert [database.state(number) for number in (1, 2, 3)] == [S.FAILED, S.QUEUED, S.QUEUED]


async def test_what_was_decided_stands_with_its_submit(
    store: SqliteStore, database: Database
) -> None:
    await accept(store, a_chain(link=A_CODE))
    now = START
    for attempt in (1, 2, 3):
        await claim(store, now=now)
        await say_nothing(store, attempt=attempt, now=now)
        now += GRACE
        await settle(store, now)
    again = "no answer in 30 s; goes again: its lifetime is short"
    spent = "no answer in 30 s; fails: 3 submits of which nothing was heard are enough"
    assert details(database) == [again, again, spent]
    assert database.state() is S.FAILED


async def test_a_submit_without_a_word_of_its_own_has_the_decision_for_one(
    store: SqliteStore, database: Database
) -> None:
    await accept(store, a_chain())
    await claim(store)
    await answer(store, NoAnswer(1, START, START + GRACE))
    await settle(store)
    assert details(database) == ["fails: its lifetime is not short, and it may have gone"]


async def test_it_is_still_there_when_the_answer_comes_after_all(
    store: SqliteStore, database: Database
) -> None:
    await accept(store, a_chain())
    await claim(store)
    await say_nothing(store)
    await settle(store)
    await answer(store, Taken(1, START + 2 * GRACE, "wamid.1"))
    assert database.rows("SELECT outcome, provider_id, detail FROM submits") == [
        ("submitted", "wamid.1", LONG_NOTE)
    ]
    await receive(store, a_receipt(S.DELIVERED))
    assert (database.state(), database.told()) == (S.DELIVERED, [5, 2])


async def test_what_a_receipt_has_settled_is_not_decided_about(
    store: SqliteStore, database: Database
) -> None:
    """In the same moment: it was parked while an answer might come, and is looked at again."""
    await accept(store, a_chain(1, link=SMS), a_chain(2, link=SMS))
    await claim(store, lane=SMS_LANE)
    await say_nothing(store)
    receipt = a_receipt(S.DELIVERED, provider_id="17", subscriber=SUBSCRIBER)
    await receive(store, receipt, at=START + SECOND)
    await answer(store, Taken(1, START + 2 * SECOND, "18"), 2)
    settled = await settle(store)
    assert (settled.ended, database.state()) == ([], S.DELIVERED)
    assert details(database) == ["no answer in 30 s", None]


async def test_nor_what_waits_for_its_connection(store: SqliteStore, database: Database) -> None:
    await accept(store, a_chain(link=SMS))
    await claim(store, lane=SMS_LANE)
    await say_nothing(store)
    settled = await settle(store, unheard=frozenset({("SMS", "WHIMBREL")}))
    assert (settled.found, settled.ended, database.state()) == (1, [], S.UNSURE)
    assert details(database) == ["no answer in 30 s"]


async def test_a_lost_lease_is_told_apart(store: SqliteStore, database: Database) -> None:
    await accept(store, a_chain())
    await claim(store)  # for a minute
    settled = await settle(store)
    assert (settled.interrupted, settled.ended, database.state()) == (1, [], S.UNSURE)
    settled = await settle(store, START + 2 * GRACE)
    assert (settled.interrupted, settled.ended) == (0, [Ended(Channel.WHATSAPP, V.LONG)])
    [detail] = details(database)
    assert detail
    assert detail.startswith("the gateway stopped, or lost its lease, before the answer came; ")


@pytest.mark.parametrize("back", [True, False])
async def test_only_submits_of_which_nothing_was_heard_are_copies(
    store: SqliteStore, database: Database, back: bool
) -> None:
    await accept(store, a_chain(link=A_CODE))
    now = START
    for attempt in range(1, 4):
        await claim(store, now=now)
        await say_nothing(store, attempt=attempt, now=now)
        if back:
            echo = an_echo(S.FAILED, attempt=attempt, retry_pause=GRACE)
            await receive(store, echo, at=now)
        now += GRACE
        await settle(store, now)
    assert database.state() is (S.QUEUED if back else S.FAILED)
    assert await claim(store, now=START + DAY - 1) == [] or back
