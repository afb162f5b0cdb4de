"""Filing receipts."""

import sqlite3

import pytest

from tests.flow.rig import Journey
from tests.support.builders import Database, a_chain, a_receipt, accept, an_echo
from tests.support.clock import START
from whimbrel.clock import MINUTE
from whimbrel.domain.status import ErrorCode, LinkState
from whimbrel.store import sqlite
from whimbrel.store.engine import StoreUnavailable

S = LinkState


@pytest.fixture
async def handed_over(journey: Journey) -> Journey:
    await accept(journey.store, a_chain())
    await journey.dispatch()
    journey.woken.clear()
    return journey


async def test_receipts_are_on_disk_when_the_call_returns(
    handed_over: Journey, database: Database
) -> None:
    await handed_over.ingest.file([a_receipt(S.SENT), a_receipt(S.DELIVERED), a_receipt(S.READ)])
    assert (database.state(), database.told()) == (S.READ, [0, 2, 9])
    assert handed_over.woken["reports"] == 1


async def test_they_are_counted_by_what_became_of_them(handed_over: Journey) -> None:
    await handed_over.ingest.file(
        [a_receipt(S.READ), a_receipt(S.READ), a_receipt(S.SENT, provider_id="unheard of")]
    )
    for state, verdict in [("read", "matched"), ("read", "repeated"), ("sent", "parked")]:
        assert handed_over.count("receipts_total", state=state, verdict=verdict) == 1


@pytest.mark.parametrize(
    ("first", "then", "late"),
    [
        ([S.FAILED], S.DELIVERED, 1),
        ([S.FAILED], S.READ, 1),
        ([S.FAILED, S.DELIVERED], S.READ, 1),
        ([S.DELIVERED], S.FAILED, 0),
        ([S.SENT], S.DELIVERED, 0),
    ],
)
async def test_a_delivery_after_undelivered_is_counted_once(
    handed_over: Journey, first: list[LinkState], then: LinkState, late: int
) -> None:
    for state in [*first, then]:
        await handed_over.ingest.file([a_receipt(state)])
    assert handed_over.count("late_deliveries_total") == late


async def test_what_the_channel_gave_back_goes_again(
    handed_over: Journey, database: Database
) -> None:
    await handed_over.ingest.file([an_echo(S.FAILED, retry_pause=MINUTE)])
    assert handed_over.woken["dispatch"] == 1
    assert await handed_over.dispatch() == START + MINUTE
    handed_over.clock.advance(MINUTE)
    await handed_over.dispatch()
    assert [one.attempt for one in handed_over.connector.submissions] == [1, 2]
    assert database.told() == [0]


async def test_doubled_failures_send_one_more_message(handed_over: Journey) -> None:
    for _ in range(10):
        await handed_over.ingest.file([an_echo(S.FAILED, retry_pause=MINUTE)])
    handed_over.clock.advance(MINUTE)
    await handed_over.dispatch()
    for _ in range(10):
        await handed_over.ingest.file([an_echo(S.FAILED, retry_pause=MINUTE)])
    handed_over.clock.advance(MINUTE)
    await handed_over.dispatch()
    assert len(handed_over.connector.submissions) == 2


async def test_a_receipt_that_blames_the_sender_is_passed_on_once(handed_over: Journey) -> None:
    blame = an_echo(S.FAILED, sender_broken=True, error_code=ErrorCode.UNROUTED, code="131031")
    await handed_over.ingest.file([blame])
    await handed_over.ingest.file([blame])
    assert handed_over.blamed == [blame]


async def test_a_store_that_is_locked_is_told_to_the_channel(
    handed_over: Journey, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "_BUSY_LIMIT", 0.01)
    other = sqlite3.connect(database.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable):
        await handed_over.ingest.file([a_receipt(S.SENT), a_receipt(S.READ)])
    other.close()
    assert database.state() is S.SUBMITTED
