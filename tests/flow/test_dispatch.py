"""Handing links over: design, section 5, and `pains.md`, 4, 8, 19 and 22."""

import asyncio
import random
import sqlite3
from collections.abc import Iterator
from itertools import pairwise

import pytest

from tests.flow.rig import GRACE, LEASE, Journey, a_fault
from tests.support.builders import (
    A_CODE,
    SENDER,
    SUBSCRIBER,
    Database,
    a_chain,
    accept,
    an_echo,
)
from tests.support.clock import START, FakeClock
from whimbrel.channels.connector import Submission, SubmitError, SubmitFault
from whimbrel.clock import DAY, HOUR, MINUTE, SECOND
from whimbrel.domain.chain_id import link_id
from whimbrel.domain.content import Image, Text
from whimbrel.domain.schedule import Schedule, closes_at, parse
from whimbrel.domain.status import ErrorCode, LinkState
from whimbrel.domain.zones import MOSCOW
from whimbrel.store import sqlite
from whimbrel.store.senders import paused_senders
from whimbrel.store.sqlite import SqliteStore

S, F = LinkState, SubmitFault


def outcomes(database: Database) -> list[str]:
    return [word for (word,) in database.rows("SELECT outcome FROM submits ORDER BY attempt")]


# What a submit comes to


@pytest.mark.parametrize("content", [Text("Привет"), Image("https://img.example/a.png")])
async def test_a_link_is_handed_over_as_it_was_accepted(
    journey: Journey, content: Text | Image
) -> None:
    await accept(journey.store, a_chain(link={"content": content}))
    await journey.dispatch()
    handed = Submission(link_id(1, 0), 1, SENDER, SUBSCRIBER, content, DAY)
    assert journey.connector.submissions == [handed]


async def test_a_taken_link_has_its_number_and_its_report(
    journey: Journey, database: Database
) -> None:
    await accept(journey.store, a_chain())
    await journey.dispatch()
    link = database.link()
    assert (link["state"], link["provider_id"]) == (S.SUBMITTED, "wamid.1")
    assert (link["submitted_at"], link["expires_at"]) == (START, START + DAY)
    assert database.told() == [0]
    assert journey.woken["reports"] > 0


async def test_the_attempt_is_on_disk_before_the_request_is_on_the_wire(
    journey: Journey, database: Database
) -> None:
    seen = []
    journey.connector.watch = lambda _: seen.append(database.link())
    await accept(journey.store, a_chain())
    await journey.dispatch()
    [link] = seen
    assert (link["state"], link["attempt"], link["attempted_at"]) == (S.SUBMITTING, 1, START)


async def test_a_refused_link_has_failed_for_good(journey: Journey, database: Database) -> None:
    journey.connector.usual_fault = a_fault(F.REFUSED, error_code=ErrorCode.CALL_BARRED)
    await accept(journey.store, a_chain())
    await journey.dispatch()
    assert (database.state(), database.told()) == (S.FAILED, [5])
    assert database.link()["error_code"] == ErrorCode.CALL_BARRED
    assert database.rows("SELECT outcome, code, detail FROM submits") == [
        ("refused", "131000", "in words")
    ]


@pytest.mark.parametrize(
    ("fault", "pause"),
    [
        (a_fault(F.RETRY), 2 * SECOND),
        (a_fault(F.RETRY, pause=10 * MINUTE), 10 * MINUTE),
        (a_fault(F.NUMBER_THROTTLED), 1 * SECOND),
        (a_fault(F.PAIR_THROTTLED), 1 * SECOND),
        (a_fault(F.SENDER_BROKEN), 0),
    ],
    ids=str,
)
async def test_what_surely_did_not_go_is_queued_again(
    journey: Journey, database: Database, fault: SubmitError, pause: int
) -> None:
    journey.connector.script.append(fault)
    await accept(journey.store, a_chain())
    await journey.dispatch()
    link = database.link()
    assert (link["state"], link["attempt"], link["due_at"]) == (S.QUEUED, 1, START + pause)
    assert (outcomes(database), database.told()) == (["not sent"], [])


async def test_its_pauses_grow(journey: Journey) -> None:
    moments: list[int] = []
    journey.connector.watch = lambda _: moments.append(journey.clock.now())
    journey.connector.usual_fault = a_fault(F.RETRY)
    await accept(journey.store, a_chain())
    await journey.dispatch_until(START + HOUR)
    pauses = [(later - earlier) / SECOND for earlier, later in pairwise(moments)]
    assert pauses[:10] == [2, 4, 8, 16, 32, 64, 128, 256, 300, 300]


async def test_tries_are_used_up(journey: Journey, database: Database) -> None:
    journey.connector.usual_fault = a_fault(F.RETRY, tries=3, error_code=ErrorCode.UNKNOWN)
    await accept(journey.store, a_chain())
    await journey.dispatch_until(START + HOUR)
    assert outcomes(database) == ["not sent", "not sent", "refused"]
    assert (database.state(), database.link()["error_code"]) == (S.FAILED, ErrorCode.UNKNOWN)


async def test_a_fault_of_the_connector_itself_leaves_the_attempt_to_the_timers(
    journey: Journey, database: Database
) -> None:
    def break_down(_: Submission) -> None:
        raise RuntimeError("a bug")

    journey.connector.watch = break_down
    await accept(journey.store, a_chain())
    await journey.dispatch()
    assert database.state() is S.SUBMITTING
    assert journey.line.under_way == 0
    journey.clock.advance(LEASE)
    await journey.timers.step()
    assert database.state() is S.UNSURE


# No answer


async def without_answer(journey: Journey) -> None:
    journey.connector.script.append(a_fault(F.NO_ANSWER))
    await accept(journey.store, a_chain(link=A_CODE))
    await journey.dispatch()


async def test_a_receipt_makes_a_second_submit_needless(
    journey: Journey, database: Database
) -> None:
    await without_answer(journey)
    assert (database.state(), outcomes(database)) == (S.UNSURE, ["no answer"])
    await journey.ingest.file([an_echo(S.SENT)])
    for _ in range(5):
        journey.clock.advance(GRACE)
        await journey.timers.step()
        await journey.dispatch()
    assert len(journey.connector.submissions) == 1
    assert database.state() is S.SENT


async def test_without_a_receipt_there_is_one_more_submit_after_the_grace(
    journey: Journey, database: Database
) -> None:
    await without_answer(journey)
    journey.clock.advance(GRACE - 1)
    await journey.timers.step()
    await journey.dispatch()
    assert len(journey.connector.submissions) == 1
    journey.clock.advance(1)
    await journey.timers.step()
    await journey.dispatch()
    assert [one.attempt for one in journey.connector.submissions] == [1, 2]
    assert outcomes(database) == ["no answer", "submitted"]


async def test_such_cases_are_counted(journey: Journey) -> None:
    await without_answer(journey)
    assert journey.count("ambiguous_submits_total", sender=SENDER) == 1
    again = {"channel": "WHATSAPP", "reason": "short"}
    assert journey.count("ambiguous_resubmits_total", **again) == 0
    journey.clock.advance(GRACE)
    await journey.timers.step()
    assert journey.count("ambiguous_resubmits_total", **again) == 1


@pytest.fixture
def locked_at_the_submit(
    journey: Journey, database: Database, monkeypatch: pytest.MonkeyPatch
) -> Iterator[sqlite3.Connection]:
    """The store takes nothing from the moment on when the submit is on the wire."""
    monkeypatch.setattr(sqlite, "_BUSY_LIMIT", 0.01)
    other = sqlite3.connect(database.path, isolation_level=None)
    journey.connector.watch = lambda _: other.execute("BEGIN IMMEDIATE")
    yield other
    other.close()


async def test_an_outcome_is_stored_as_soon_as_the_store_takes_it(
    journey: Journey,
    database: Database,
    locked_at_the_submit: sqlite3.Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def unlock(_: float) -> None:
        locked_at_the_submit.execute("ROLLBACK")

    monkeypatch.setattr("whimbrel.flow.until_written.sleep", unlock)
    await accept(journey.store, a_chain())
    await journey.dispatch()
    assert (database.state(), outcomes(database)) == (S.SUBMITTED, ["submitted"])


async def test_a_grace_begins_when_the_store_is_back(
    journey: Journey,
    database: Database,
    locked_at_the_submit: sqlite3.Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """While it was away, it took no receipts."""

    async def unlock(_: float) -> None:
        journey.clock.advance(GRACE - SECOND)
        locked_at_the_submit.execute("ROLLBACK")

    monkeypatch.setattr("whimbrel.flow.until_written.sleep", unlock)
    journey.connector.script.append(a_fault(SubmitFault.NO_ANSWER))
    await accept(journey.store, a_chain(link=A_CODE))
    await journey.dispatch()
    assert database.state() is S.UNSURE
    journey.clock.advance(GRACE - SECOND)
    await journey.timers.step()
    assert database.state() is S.UNSURE
    journey.clock.advance(SECOND)
    await journey.timers.step()
    assert database.state() is S.QUEUED


async def test_a_broken_sender_is_no_reason_to_forget_that_a_submit_did_not_go(
    journey: Journey,
    store: SqliteStore,
    database: Database,
    locked_at_the_submit: sqlite3.Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def unlock(_: float) -> None:
        locked_at_the_submit.execute("ROLLBACK")

    monkeypatch.setattr("whimbrel.flow.until_written.sleep", unlock)
    journey.connector.script.append(a_fault(F.SENDER_BROKEN))
    await accept(store, a_chain())
    await journey.dispatch()
    assert (database.state(), outcomes(database)) == (S.QUEUED, ["not sent"])
    assert len(await store.read(paused_senders, None)) == 1


async def test_an_outcome_that_dies_with_its_process_is_not_sent_again_blindly(
    journey: Journey,
    database: Database,
    locked_at_the_submit: sqlite3.Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def die(_: float) -> None:
        raise asyncio.CancelledError

    monkeypatch.setattr("whimbrel.flow.until_written.sleep", die)
    await accept(journey.store, a_chain())
    await journey.dispatch()
    monkeypatch.undo()
    locked_at_the_submit.execute("ROLLBACK")
    assert database.state() is S.SUBMITTING
    await journey.ingest.file([an_echo(S.SENT)])
    journey.clock.advance(LEASE + GRACE)
    await journey.timers.step()
    await journey.dispatch()
    assert (database.state(), len(journey.connector.submissions)) == (S.SENT, 1)


async def test_a_start_gives_interrupted_submits_their_grace(
    journey: Journey, database: Database
) -> None:
    await accept(journey.store, a_chain())
    journey.connector.gate = asyncio.Event()
    await journey.dispatcher.step()
    await journey.recover()
    assert (database.state(), database.link()["due_at"]) == (S.UNSURE, START + GRACE)
    assert journey.count("interrupted_submits_total") == 1
    journey.connector.gate.set()
    await journey.dispatcher.drain()


# A sender that is broken


async def test_a_broken_sender_rests_and_is_probed_with_growing_pauses(
    journey: Journey,
) -> None:
    moments: list[int] = []
    journey.connector.watch = lambda _: moments.append(journey.clock.now())
    journey.connector.usual_fault = a_fault(F.SENDER_BROKEN)
    await accept(journey.store, a_chain(1), a_chain(2), a_chain(3))
    await journey.dispatch_until(START + 5 * HOUR)
    assert moments[:3] == [START] * 3  # under way together: one fault
    pauses = [(later - earlier) / SECOND for earlier, later in pairwise(moments[2:])]
    assert pauses[:9] == [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]


async def test_it_resumes_when_a_probe_is_taken(journey: Journey, store: SqliteStore) -> None:
    journey.connector.script.extend([a_fault(F.SENDER_BROKEN)] * 4)
    await accept(store, *(a_chain(number) for number in range(1, 4)))
    await journey.dispatch()
    journey.clock.advance(30 * SECOND)
    await journey.dispatch()
    assert len(journey.connector.submissions) == 4  # three at once, and one probe in vain
    [rest] = await store.read(paused_senders, None)
    assert (rest.paused_until, rest.holds) == (START + 90 * SECOND, 2)
    assert journey.count("sender_paused", sender=SENDER) == 1

    journey.clock.advance(60 * SECOND)
    await journey.dispatch()
    assert len(journey.connector.submissions) == 5  # the probe that is taken
    assert await store.read(paused_senders, None) == []
    assert journey.count("sender_paused", sender=SENDER) == 0
    await journey.dispatch()
    assert len(journey.connector.submissions) == 7


async def test_a_probe_is_alone(journey: Journey, store: SqliteStore) -> None:
    journey.connector.script.append(a_fault(F.SENDER_BROKEN))
    await accept(store, a_chain(1))
    await journey.dispatch()
    await accept(store, a_chain(2), a_chain(3))
    journey.clock.advance(30 * SECOND)
    journey.connector.gate = asyncio.Event()
    await journey.dispatcher.step()
    await journey.dispatcher.step()
    assert journey.line.under_way == 1
    journey.connector.gate.set()
    await journey.dispatcher.drain()


async def test_the_channels_own_pause_is_kept_if_it_is_longer(
    journey: Journey, store: SqliteStore
) -> None:
    journey.connector.usual_fault = a_fault(F.SENDER_BROKEN, pause=MINUTE)
    moments: list[int] = []
    journey.connector.watch = lambda _: moments.append(journey.clock.now())
    await accept(store, a_chain())
    await journey.dispatch_until(START + 20 * MINUTE)
    pauses = [(later - earlier) / SECOND for earlier, later in pairwise(moments)]
    assert pauses[:5] == [60, 60, 120, 240, 480]


async def test_a_receipt_may_blame_the_sender(journey: Journey, store: SqliteStore) -> None:
    await journey.dispatcher.rest(journey.line, "131031 locked", None)
    await accept(store, a_chain())
    next_at = await journey.dispatch()
    assert (journey.connector.submissions, next_at) == ([], START + 30 * SECOND)


async def test_links_wait_for_a_broken_sender_until_their_lifetime_ends(
    journey: Journey, database: Database
) -> None:
    journey.connector.usual_fault = a_fault(F.SENDER_BROKEN)
    await accept(journey.store, a_chain())
    await journey.dispatch_until(START + DAY - 1)
    assert database.state() is S.QUEUED
    journey.clock.advance(1)
    await journey.timers.step()
    assert (database.state(), database.told()) == (S.EXPIRED, [5])
    assert database.link()["error_code"] == ErrorCode.TIMEOUT


async def test_a_link_whose_sender_is_gone_ends_with_its_lifetime(
    journey: Journey, database: Database
) -> None:
    await accept(journey.store, a_chain(link={"sender": "GONE"}))
    await journey.dispatch_until(START + DAY)
    await journey.timers.step()
    assert (journey.connector.submissions, database.state()) == ([], S.EXPIRED)


# The lifetime and the sending hours


async def test_a_link_at_the_end_of_its_lifetime_does_not_go(
    journey: Journey, database: Database
) -> None:
    await accept(journey.store, a_chain())
    journey.clock.advance(DAY)
    assert await journey.dispatch() is None  # nothing to look for: the timers end it
    assert journey.connector.submissions == []
    await journey.timers.step()
    assert (database.state(), database.told()) == (S.EXPIRED, [5])


async def test_and_does_go_a_millisecond_before(journey: Journey) -> None:
    await accept(journey.store, a_chain())
    journey.clock.advance(DAY - 1)
    await journey.dispatch()
    assert len(journey.connector.submissions) == 1


async def an_hour_in_the_night(store: SqliteStore) -> None:
    """Accept a chain for 05:00 to 06:00 in Moscow; it is 05:13:20 there now."""
    hours = parse(time_begin="05:00", time_end="06:00", weekdays=None, deadline=None)
    assert hours is not None
    closing = closes_at(hours, START, MOSCOW)
    await accept(store, a_chain(schedule=hours.to_json(), link={"closes_at": closing}))


CLOSING = START + 2_800 * SECOND  # 06:00 in Moscow
OPENING = CLOSING + 23 * HOUR


@pytest.mark.parametrize(("now", "went"), [(CLOSING - 1, 1), (CLOSING, 0)])
async def test_a_link_goes_only_in_its_sending_hours(journey: Journey, now: int, went: int) -> None:
    await an_hour_in_the_night(journey.store)
    journey.clock.moment = now
    await journey.dispatch()
    assert len(journey.connector.submissions) == went


async def test_a_link_that_is_late_for_its_hours_waits_for_the_next(
    journey: Journey, database: Database
) -> None:
    await an_hour_in_the_night(journey.store)
    journey.clock.moment = CLOSING
    await journey.dispatch()
    link = database.link()
    assert (link["state"], link["due_at"], link["closes_at"]) == (
        S.QUEUED,
        OPENING,
        OPENING + HOUR,
    )
    journey.clock.moment = OPENING
    await journey.dispatch()
    assert [one.attempt for one in journey.connector.submissions] == [1]


async def test_another_attempt_keeps_to_the_sending_hours(
    journey: Journey, database: Database
) -> None:
    journey.connector.script.append(a_fault(F.RETRY, pause=50 * MINUTE))
    await an_hour_in_the_night(journey.store)
    await journey.dispatch()
    assert database.link()["due_at"] == OPENING


async def test_another_attempt_keeps_to_the_hours_of_all_zones(
    journey: Journey, database: Database
) -> None:
    """The hours in Yakutia's east close at 21:00 there; they open next at 09:00 in its west."""
    hours = Schedule(begins=9 * HOUR, ends=21 * HOUR, zones=("Asia/Yakutsk", "Asia/Magadan"))
    journey.connector.script.append(a_fault(F.RETRY, pause=8 * HOUR))
    await accept(journey.store, a_chain(schedule=hours.to_json()))
    await journey.dispatch()  # 11:13 in Yakutsk
    in_yakutsk = START - 11 * HOUR - 13 * MINUTE - 20 * SECOND + DAY
    link = database.link()
    assert (link["due_at"], link["closes_at"]) == (
        in_yakutsk + 9 * HOUR,
        in_yakutsk + 19 * HOUR,
    )


async def test_nothing_goes_after_the_deadline(journey: Journey, database: Database) -> None:
    deadline = START + 5 * MINUTE
    hours = parse(
        time_begin=None, time_end=None, weekdays=None, deadline="2026-11-23T05:18:20+0300"
    )
    assert hours is not None
    assert hours.deadline_at == deadline
    journey.connector.script.append(a_fault(F.RETRY, pause=10 * MINUTE))
    await accept(
        journey.store,
        a_chain(schedule=hours.to_json(), link={"closes_at": deadline, "expires_at": deadline}),
    )
    await journey.dispatch_until(deadline + HOUR)
    assert len(journey.connector.submissions) == 1
    await journey.timers.step()
    assert (database.state(), database.told()) == (S.EXPIRED, [5])


# The pace


async def test_a_number_keeps_its_throughput(
    store: SqliteStore, database: Database, clock: FakeClock
) -> None:
    journey = Journey(store, database, clock, throughput=10)
    moments: list[int] = []
    journey.connector.watch = lambda _: moments.append(clock.now())
    await accept(store, *(a_chain(number) for number in range(1, 51)))
    await journey.dispatch_until(START + MINUTE)
    assert len(moments) == 50
    assert moments[-1] - START == pytest.approx(4_900, abs=50)
    for first, eleventh in zip(moments, moments[11:], strict=False):
        assert eleventh - first >= SECOND - 5


async def test_a_throttled_number_goes_at_half_its_pace(
    store: SqliteStore, database: Database, clock: FakeClock
) -> None:
    journey = Journey(store, database, clock, throughput=10)
    journey.connector.script.append(a_fault(F.NUMBER_THROTTLED))
    await accept(store, a_chain())
    await journey.dispatch()
    assert journey.line.pacing.rate == 5


async def test_the_46th_message_to_a_subscriber_waits_six_seconds(
    store: SqliteStore, database: Database, clock: FakeClock
) -> None:
    journey = Journey(store, database, clock, pair_pacing=True)
    await accept(store, *(a_chain(number) for number in range(1, 48)))
    await journey.dispatch()
    assert len(journey.connector.submissions) == 45
    waiting = database.rows("SELECT attempt, due_at FROM links WHERE state = 0")
    assert waiting == [(0, START + 6 * SECOND)] * 2  # put back: no attempt was made
    clock.advance(6 * SECOND)
    await journey.dispatch()
    assert len(journey.connector.submissions) == 46


async def test_a_subscriber_that_has_had_enough_holds_up_no_other(
    store: SqliteStore, database: Database, clock: FakeClock
) -> None:
    journey = Journey(store, database, clock, pair_pacing=True)
    journey.connector.script.append(a_fault(F.PAIR_THROTTLED))
    await accept(store, a_chain(1))
    await journey.dispatch()
    await accept(store, a_chain(2), a_chain(3, dest_addr="79160000000"))
    await journey.dispatch()
    assert journey.connector.chains == [1, 3]
    clock.advance(SECOND)
    await journey.dispatch()
    assert sorted(journey.connector.chains) == [1, 1, 3]  # and then one in six seconds
    clock.advance(6 * SECOND)
    await journey.dispatch()
    assert sorted(journey.connector.chains) == [1, 1, 2, 3]


async def test_no_more_are_under_way_than_is_allowed(
    store: SqliteStore, database: Database, clock: FakeClock
) -> None:
    journey = Journey(store, database, clock, concurrency=2)
    journey.connector.gate = asyncio.Event()
    await accept(store, *(a_chain(number) for number in range(1, 6)))
    await journey.dispatcher.step()
    await journey.dispatcher.step()
    assert journey.line.under_way == 2
    assert database.rows("SELECT count(*) FROM links WHERE state = 10") == [(2,)]
    journey.connector.gate.set()
    await journey.dispatcher.drain()
    assert journey.woken["dispatch"] >= 2  # their places are free
    await journey.dispatch()
    await journey.dispatch()
    assert len(journey.connector.submissions) == 5


# One Partner and another


async def test_a_thousand_links_of_one_partner_do_not_delay_anothers(
    store: SqliteStore, database: Database, clock: FakeClock
) -> None:
    journey = Journey(store, database, clock, concurrency=64)
    await accept(store, *(a_chain(number) for number in range(1, 1_001)))
    await accept(store, a_chain(2_000, partner_id=2))
    await journey.dispatch()
    assert 2_000 in journey.connector.chains
    assert len(journey.connector.submissions) == 33  # half of the room was the other's


@pytest.mark.parametrize("seed", range(5))
async def test_nor_on_a_number_that_sends_one_at_a_time(
    store: SqliteStore, database: Database, clock: FakeClock, seed: int
) -> None:
    journey = Journey(store, database, clock, throughput=10, chance=random.Random(seed).random)
    await accept(store, *(a_chain(number) for number in range(1, 1_001)))
    await accept(store, a_chain(2_000, partner_id=2))
    await journey.dispatch_until(START + SECOND)
    assert 2_000 in journey.connector.chains[:8]


async def test_a_lane_alone_has_all_the_room(journey: Journey) -> None:
    await accept(journey.store, *(a_chain(number) for number in range(1, 101)))
    await journey.dispatch()
    assert len(journey.connector.submissions) == 64


# When to look again


async def test_it_looks_again_when_the_next_link_is_due(journey: Journey) -> None:
    assert await journey.dispatch() is None
    await accept(journey.store, a_chain(link={"due_at": START + 7 * SECOND}))
    assert await journey.dispatch() == START + 7 * SECOND


async def test_submits_are_measured_by_outcome(journey: Journey) -> None:
    journey.connector.script.append(a_fault(F.REFUSED))
    await accept(journey.store, a_chain(1), a_chain(2))
    await journey.dispatch()
    assert journey.count("submits_total", sender=SENDER, outcome="refused") == 1
    assert journey.count("submits_total", sender=SENDER, outcome="submitted") == 1
    assert journey.count("submit_seconds_count") == 2
