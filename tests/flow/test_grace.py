"""How long an unanswered submit waits for a receipt while none can come (decision 6)."""

import contextlib
import sqlite3

import pytest

from tests.flow.rig import GRACE, PATIENCE, Journey, a_fault
from tests.support.builders import (
    A_CODE,
    SUBSCRIBER,
    Database,
    a_cascade,
    a_chain,
    a_receipt,
    accept,
    an_echo,
)
from tests.support.clock import START
from whimbrel.channels.connector import LateAnswer, SubmitFault
from whimbrel.clock import SECOND
from whimbrel.domain.chain import Chain, PartsTaken
from whimbrel.domain.chain_id import link_id
from whimbrel.domain.content import Channel
from whimbrel.domain.status import LinkState
from whimbrel.store import sqlite
from whimbrel.store.engine import StoreUnavailable

S = LinkState
SMS = {"channel": Channel.SMS, **A_CODE}
OUTAGE = 5 * GRACE


async def lose(journey: Journey, chain: Chain) -> None:
    """Let the connection be lost before the answer came."""
    journey.sms.script.append(a_fault(SubmitFault.NO_ANSWER))
    await accept(journey.store, chain)
    await journey.dispatch()
    journey.sms.blocked_since = journey.clock.now()
    await journey.dispatcher.note_connection(journey.sms_line)


async def come_back(journey: Journey) -> None:
    journey.sms.blocked_since = None
    await journey.dispatcher.note_connection(journey.sms_line)


async def pass_time(journey: Journey, milliseconds: int) -> None:
    for _ in range(milliseconds // SECOND):
        journey.clock.advance(SECOND)
        await journey.timers.step()
        await journey.dispatch()


async def test_the_receipt_that_comes_with_the_connection_settles_it(
    journey: Journey, database: Database
) -> None:
    await lose(journey, a_chain(link=SMS))
    await pass_time(journey, OUTAGE)
    assert database.state() is S.UNSURE
    await come_back(journey)
    await pass_time(journey, GRACE - SECOND)
    await journey.ingest.file([a_receipt(S.DELIVERED, provider_id="17", subscriber=SUBSCRIBER)])
    await pass_time(journey, 2 * GRACE)
    assert (database.state(), len(journey.sms.submissions)) == (S.DELIVERED, 1)


async def test_graces_begin_anew_also_where_the_store_was_away_when_the_connection_came(
    journey: Journey, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "_BUSY_LIMIT", 0.01)
    await lose(journey, a_chain(link=SMS))
    journey.clock.advance(OUTAGE)
    other = sqlite3.connect(database.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    async def come_free(_: float) -> None:
        other.execute("ROLLBACK")

    monkeypatch.setattr("whimbrel.flow.until_written.sleep", come_free)
    await come_back(journey)
    other.close()
    await pass_time(journey, GRACE - SECOND)
    await journey.ingest.file([a_receipt(S.DELIVERED, provider_id="17", subscriber=SUBSCRIBER)])
    assert (database.state(), len(journey.sms.submissions)) == (S.DELIVERED, 1)


@pytest.mark.parametrize("outage", [GRACE // 2, OUTAGE])
async def test_without_one_it_goes_again_a_whole_grace_after(
    journey: Journey, database: Database, outage: int
) -> None:
    await lose(journey, a_chain(link=SMS))
    await pass_time(journey, outage)
    await come_back(journey)
    await pass_time(journey, GRACE - SECOND)
    assert (database.state(), len(journey.sms.submissions)) == (S.UNSURE, 1)
    await pass_time(journey, SECOND)
    assert (database.state(), len(journey.sms.submissions)) == (S.SUBMITTED, 2)


async def test_its_lifetime_ends_all_the_same(journey: Journey, database: Database) -> None:
    await lose(journey, a_chain(link={**SMS, "expires_at": journey.clock.now() + 2 * GRACE}))
    await pass_time(journey, OUTAGE)
    assert (database.state(), database.told()) == (S.EXPIRED, [5])


async def test_a_link_with_another_behind_it_does_not_wait(
    journey: Journey, database: Database
) -> None:
    await lose(journey, a_cascade(SMS, {"channel": Channel.WHATSAPP}))
    await pass_time(journey, GRACE + SECOND)
    assert database.state() is S.QUEUED
    await pass_time(journey, PATIENCE)
    await journey.cascade.bypass()
    assert database.states()[0] is S.FAILED


async def test_a_connection_that_stayed_changes_nothing(
    journey: Journey, database: Database
) -> None:
    journey.sms.script.append(a_fault(SubmitFault.NO_ANSWER))
    await accept(journey.store, a_chain(link=SMS))
    await journey.dispatch()
    await pass_time(journey, GRACE)
    assert (database.state(), len(journey.sms.submissions)) == (S.SUBMITTED, 2)


async def test_it_begins_anew_also_if_the_store_is_away_when_the_connection_is_back(
    journey: Journey, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "_BUSY_LIMIT", 0.01)
    await lose(journey, a_chain(link=SMS))
    await pass_time(journey, GRACE // 2)
    with contextlib.closing(sqlite3.connect(database.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")

        async def unlock(_: float) -> None:
            other.execute("ROLLBACK")

        monkeypatch.setattr("whimbrel.flow.until_written.sleep", unlock)
        await come_back(journey)
    await pass_time(journey, GRACE - SECOND)
    assert (database.state(), len(journey.sms.submissions)) == (S.UNSURE, 1)
    await pass_time(journey, SECOND)
    assert (database.state(), len(journey.sms.submissions)) == (S.SUBMITTED, 2)


async def test_what_was_taken_after_all_does_not_go_again(
    journey: Journey, database: Database
) -> None:
    """Its grace was over, but its turn had not come again."""
    journey.sms.script.append(a_fault(SubmitFault.NO_ANSWER))
    began_at = journey.clock.now()
    await accept(journey.store, a_chain(link=SMS))
    await journey.dispatch()
    journey.clock.advance(GRACE)
    await journey.timers.step()
    assert database.state() is S.QUEUED
    taken = PartsTaken({1: "17"}, known_as=("17",))
    await journey.dispatcher.answered_late(LateAnswer(link_id(1, 0), 1, began_at, taken))
    await journey.dispatch()
    assert (database.state(), len(journey.sms.submissions)) == (S.SUBMITTED, 1)
    await journey.ingest.file([a_receipt(S.DELIVERED, provider_id="17")])
    assert (database.state(), database.told()) == (S.DELIVERED, [0, 2])


# The store is away


async def test_a_grace_does_not_run_out_while_no_receipt_can_be_filed(
    journey: Journey, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "_BUSY_LIMIT", 0.01)
    await accept(journey.store, a_chain())
    journey.connector.script.append(a_fault(SubmitFault.NO_ANSWER))
    await journey.dispatch()
    with contextlib.closing(sqlite3.connect(database.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        for _ in range(2):
            journey.clock.advance(GRACE)
            with pytest.raises(StoreUnavailable):
                await journey.timers.step()
    await journey.timers.step()
    back_at = START + 2 * GRACE
    assert (database.state(), database.link()["due_at"]) == (LinkState.UNSURE, back_at + GRACE)
    await journey.ingest.file([an_echo(LinkState.SENT)])
    journey.clock.advance(GRACE)
    await journey.timers.step()
    await journey.dispatch()
    assert (database.state(), len(journey.connector.submissions)) == (LinkState.SENT, 1)


async def test_a_store_that_was_busy_for_a_moment_prolongs_nothing(
    journey: Journey, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "_BUSY_LIMIT", 0.01)
    await accept(journey.store, a_chain())
    journey.connector.script.append(a_fault(SubmitFault.NO_ANSWER))
    await journey.dispatch()
    with contextlib.closing(sqlite3.connect(database.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable):
            await journey.timers.step()
    journey.clock.advance(100)
    await journey.timers.step()
    assert database.link()["due_at"] == START + GRACE
