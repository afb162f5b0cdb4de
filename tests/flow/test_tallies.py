"""What the stages count is what has happened, once, however late and in whatever order."""

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.flow.rig import Journey, ScriptedConnector, a_fault
from tests.support.builders import (
    WHATSAPP_THEN_SMS,
    Database,
    a_cascade,
    a_chain,
    a_receipt,
    accept,
    an_echo,
    opened,
    reopened,
)
from tests.support.clock import START, FakeClock
from whimbrel.channels.connector import SubmitFault
from whimbrel.clock import DAY, HOUR, MINUTE, SECOND
from whimbrel.domain.chain_id import link_id
from whimbrel.domain.status import ErrorCode, LinkState
from whimbrel.domain.tally import What, bucket_of
from whimbrel.flow.tallies import Tallies
from whimbrel.metrics import Metrics
from whimbrel.store.cancelling import Cancellation, cancel_chains
from whimbrel.store.engine import OutcomeUnknown, Store, StoreUnavailable
from whimbrel.store.sqlite import SqliteStore, connect
from whimbrel.store.tallies import Kind, TallyRange, read_totals

S = LinkState
WA, SMS = "WHATSAPP", "SMS"
EVENTS = (
    What.ACCEPTED, What.RELEASED, What.SUBMITTED, What.DELIVERED, What.READ, What.FAILED,
    What.LATE, What.SPARED,
)  # fmt: skip


async def counted(store: Store, *whats: What) -> dict[tuple[Any, ...], int]:
    """Return what is in the store, by what, channel, position and detail."""
    wish = TallyRange(HOUR, 0, START + 400 * DAY, whats or EVENTS)
    return {tuple(kind): n for kind, n in (await store.read(read_totals, wish)).items()}


async def test_a_message_that_is_read(journey: Journey) -> None:
    await accept(journey.store, a_chain())
    journey.clock.advance(2 * SECOND)
    await journey.dispatch()
    at = journey.clock.advance(5 * SECOND)
    for state in (S.SENT, S.DELIVERED, S.DELIVERED):
        await journey.ingest.file([an_echo(state, at=at)])
    await journey.ingest.file([an_echo(S.READ, at=at + HOUR)])
    await journey.tallies.flush()
    assert await counted(journey.store, *What) == {
        (What.SUBMITTED, WA, 0, 0): 1,
        (What.DELIVERED, WA, 0, 0): 1,
        (What.READ, WA, 0, 0): 1,
        (What.HANDOVER, WA, 0, bucket_of(2_000)): 1,
        (What.DELIVERY, WA, 0, bucket_of(5_000)): 1,
    }


async def test_a_receipt_that_is_earlier_than_the_answer(journey: Journey) -> None:
    await accept(journey.store, a_chain())
    journey.connector.gate = asyncio.Event()
    await journey.dispatcher.step()
    await asyncio.sleep(0)
    await journey.ingest.file([a_receipt(S.DELIVERED, provider_id="wamid.1")])  # parked
    journey.connector.gate.set()
    await journey.dispatcher.drain()
    await journey.tallies.flush()
    found = await counted(journey.store)
    assert found == {(What.SUBMITTED, WA, 0, 0): 1, (What.DELIVERED, WA, 0, 0): 1}


async def test_what_is_read_without_having_been_delivered_has_no_delivery_time(
    journey: Journey,
) -> None:
    await accept(journey.store, a_chain())
    await journey.dispatch()
    await journey.ingest.file([an_echo(S.READ, at=START + HOUR)])
    await journey.tallies.flush()
    assert await counted(journey.store, What.DELIVERED, What.READ, What.DELIVERY) == {
        (What.DELIVERED, WA, 0, 0): 1,
        (What.READ, WA, 0, 0): 1,
    }


async def test_another_attempt_is_no_other_message(journey: Journey) -> None:
    await accept(journey.store, a_chain())
    journey.connector.script += [a_fault(SubmitFault.RETRY), a_fault(SubmitFault.RETRY)]
    await journey.live_until(START + HOUR)
    await journey.tallies.flush()
    assert len(journey.connector.submissions) == 3
    assert await counted(journey.store) == {(What.SUBMITTED, WA, 0, 0): 1}


async def test_a_failure_with_its_code_and_a_delivery_after_all(journey: Journey) -> None:
    await accept(journey.store, a_chain())
    await journey.dispatch()
    await journey.ingest.file([an_echo(S.FAILED, error_code=ErrorCode.FILTERED)])
    await journey.ingest.file([an_echo(S.DELIVERED)])
    await journey.tallies.flush()
    assert await counted(journey.store) == {
        (What.SUBMITTED, WA, 0, 0): 1,
        (What.FAILED, WA, 0, int(ErrorCode.FILTERED)): 1,
        (What.DELIVERED, WA, 0, 0): 1,
        (What.LATE, WA, 0, 0): 1,
    }


async def test_a_cascade_that_falls_through(journey: Journey) -> None:
    await accept(journey.store, a_cascade())
    journey.connector.script.append(
        a_fault(SubmitFault.REFUSED, error_code=ErrorCode.TELESERVICE_NOT_PROVISIONED)
    )
    await journey.dispatch()
    await journey.dispatch()
    await journey.tallies.flush()
    assert await counted(journey.store) == {
        (What.FAILED, WA, 0, int(ErrorCode.TELESERVICE_NOT_PROVISIONED)): 1,
        (What.RELEASED, SMS, 1, 0): 1,
        (What.SUBMITTED, SMS, 1, 0): 1,
    }


async def test_a_cascade_that_is_not_needed(journey: Journey) -> None:
    await accept(journey.store, a_cascade())
    await journey.dispatch()
    await journey.ingest.file([an_echo(S.DELIVERED)])
    await journey.tallies.flush()
    assert await counted(journey.store) == {
        (What.SUBMITTED, WA, 0, 0): 1,
        (What.DELIVERED, WA, 0, 0): 1,
        (What.SPARED, SMS, 1, 0): 1,
    }


async def test_what_is_called_off_has_not_failed(journey: Journey) -> None:
    await accept(journey.store, a_cascade())
    for _ in range(2):
        told = await journey.store.write(cancel_chains, Cancellation(1, START))
        assert told is not None
        for one in told:
            journey.tallies.news(one.news)
    await journey.tallies.flush()
    found = await counted(journey.store, What.CANCELLED, *EVENTS)
    assert found[What.CANCELLED, WA, 0, int(ErrorCode.FILTERED)] == 1
    assert {key[0] for key in found} == {What.CANCELLED}


async def test_a_lifetime_that_ends_and_one_in_which_nobody_reads(journey: Journey) -> None:
    await accept(journey.store, a_cascade())
    await accept(journey.store, a_cascade(chain_id=2, goal=S.READ))
    await journey.dispatch()
    await journey.ingest.file([an_echo(S.DELIVERED, link_id=link_id(2, 0))])
    await journey.live_until(START + HOUR + MINUTE)
    await journey.tallies.flush()
    found = await counted(journey.store)
    assert found[What.FAILED, WA, 0, int(ErrorCode.TIMEOUT)] == 1
    assert found[What.RELEASED, SMS, 1, 0] == 2
    assert found[What.SUBMITTED, SMS, 1, 0] == 2


async def test_a_sender_that_takes_nothing(journey: Journey) -> None:
    await accept(journey.store, a_cascade(*WHATSAPP_THEN_SMS))
    journey.connector.blocked_since = START
    await journey.live_until(START + 2 * MINUTE)
    await journey.tallies.flush()
    found = await counted(journey.store)
    assert found[What.FAILED, WA, 0, int(ErrorCode.UNROUTED)] == 1
    assert found[What.SUBMITTED, SMS, 1, 0] == 1


async def test_a_restart_counts_nothing_twice(
    store: SqliteStore, database: Database, clock: FakeClock
) -> None:
    journey = Journey(store, database, clock)
    await accept(store, a_chain())
    await journey.dispatch()
    await journey.tallies.drain()
    async with reopened(store, database) as again:
        connectors = (ScriptedConnector(), ScriptedConnector("smsc", "sms"))
        other = Journey(again, database, clock, connectors=connectors)
        await other.recover()
        await other.ingest.file([an_echo(S.SENT), an_echo(S.DELIVERED)])
        await other.live_until(START + MINUTE)
        await other.tallies.flush()
        assert await counted(again) == {
            (What.SUBMITTED, WA, 0, 0): 1,
            (What.DELIVERED, WA, 0, 0): 1,
        }


async def test_what_a_store_that_is_away_does_not_take_is_written_later(
    tmp_path: Path, clock: FakeClock
) -> None:
    """And in the minute in which it happened."""
    database, kind = Database(tmp_path / "whimbrel.db"), Kind(What.READ, WA, 0)
    async with opened(database) as store:
        tallies = Tallies(store, clock, Metrics())
        tallies.count(START, kind)
        with locked(database), pytest.raises(StoreUnavailable):
            await tallies.flush()
        tallies.count(START, kind)
        clock.advance(3 * HOUR)
        tallies.count(clock.now(), kind)
        await tallies.flush()
        minute = START - START % MINUTE
        wish = TallyRange(MINUTE, minute, minute + MINUTE, (What.READ,))
        assert await store.read(read_totals, wish) == {kind: 2}
        assert (await counted(store, What.READ)) == {tuple(kind): 3}


@contextlib.contextmanager
def locked(database: Database) -> Iterator[None]:
    """Let another process hold SQLite's lock for longer than anybody waits."""
    other = connect(database.path)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


class Moody:
    """A store whose next writes raise what is in `moods`."""

    def __init__(self, store: Store, *moods: Exception) -> None:
        self.store, self.moods = store, list(moods)

    def write(self, operation: Any, item: Any) -> Any:
        if self.moods:
            raise self.moods.pop(0)
        return self.store.write(operation, item)


async def test_what_may_be_written_is_not_written_again(
    store: SqliteStore, clock: FakeClock
) -> None:
    metrics = Metrics()
    tallies = Tallies(Moody(store, OutcomeUnknown("?")), clock, metrics)  # type: ignore[arg-type]
    tallies.count(START, Kind(What.READ, WA, 0))
    with pytest.raises(OutcomeUnknown):
        await tallies.flush()
    await tallies.flush()
    assert await counted(store, What.READ) == {}
    assert metrics.registry.get_sample_value("whimbrel_tallies_lost_total") == 1


async def test_many_sums_are_written_in_batches_and_none_is_lost(
    store: SqliteStore, clock: FakeClock
) -> None:
    moods = [StoreUnavailable("away")]
    tallies = Tallies(Moody(store, *moods), clock, Metrics())  # type: ignore[arg-type]
    for minute in range(600):
        tallies.count(START + minute * MINUTE, Kind(What.READ, WA, 0))
    with pytest.raises(StoreUnavailable):
        await tallies.flush()
    await tallies.drain()
    assert await counted(store, What.READ) == {(What.READ, WA, 0, 0): 600}


async def test_memory_is_bounded_while_the_store_is_away(
    store: SqliteStore, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("whimbrel.flow.tallies._MOST_WAITING", 2)
    metrics = Metrics()
    tallies = Tallies(store, clock, metrics)
    for minute in (0, 1, 2, 1):
        tallies.count(START + minute * MINUTE, Kind(What.READ, WA, 0))
    await tallies.flush()
    assert await counted(store, What.READ) == {(What.READ, WA, 0, 0): 3}
    assert metrics.registry.get_sample_value("whimbrel_tallies_lost_total") == 1
