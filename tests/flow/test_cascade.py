"""Cascades over the stages: `protocol.md`, section 6."""

import asyncio
from typing import Any

import pytest

from tests.flow.rig import GRACE, PATIENCE, Journey, a_fault
from tests.support.builders import (
    SENDER,
    WHATSAPP_THEN_SMS,
    Database,
    a_cascade,
    a_chain,
    accept,
    an_echo,
)
from tests.support.clock import START
from whimbrel.channels.connector import SubmitFault
from whimbrel.clock import DAY, HOUR, MINUTE, SECOND
from whimbrel.domain.chain_id import link_id
from whimbrel.domain.content import Channel, Text
from whimbrel.domain.schedule import MOSCOW, Schedule, closes_at, parse
from whimbrel.domain.status import ErrorCode, LinkState

S, F = LinkState, SubmitFault
END = START + HOUR  # of the first link's lifetime
FAILED = an_echo(S.FAILED, error_code=ErrorCode.FILTERED)


async def hand_over(journey: Journey, *steps: dict[str, Any], **chain: Any) -> None:
    await accept(journey.store, a_cascade(*steps, **chain))
    await journey.dispatch()


def reasons(journey: Journey) -> dict[str, float]:
    """Why links got their turns, and how often."""
    counts = {
        reason: journey.count("cascade_fall_throughs_total", reason=reason)
        for reason in ("failed", "expired", "unread", "blocked")
    }
    return {reason: count for reason, count in counts.items() if count}


def overlaps(journey: Journey) -> float:
    return journey.count("cascade_overlaps_total")


# A failure


async def test_the_sms_goes_when_whatsapp_refuses(journey: Journey, database: Database) -> None:
    text = {"channel": Channel.SMS, "content": Text("By SMS")}
    journey.connector.usual_fault = a_fault(F.REFUSED)
    await hand_over(journey, {"ttl": HOUR}, text)
    assert journey.sms.submissions == []
    await journey.dispatch()
    [sms] = journey.sms.submissions
    assert (sms.link_id, sms.content) == (link_id(1, 1), Text("By SMS"))
    assert database.told_by_link() == [(0, 5), (1, 0)]
    assert reasons(journey) == {"failed": 1}


async def test_ten_doubled_failures_send_one_sms(journey: Journey, database: Database) -> None:
    await hand_over(journey)
    for _ in range(5):
        await journey.ingest.file([FAILED, FAILED])
        await journey.dispatch()
    assert len(journey.sms.submissions) == 1
    assert database.told_by_link() == [(0, 0), (0, 5), (1, 0)]
    assert reasons(journey) == {"failed": 1}


async def test_a_failure_that_came_before_the_answer_is_counted_too(journey: Journey) -> None:
    journey.connector.gate = asyncio.Event()
    await accept(journey.store, a_cascade())
    await journey.dispatcher.step()
    failed = an_echo(S.FAILED, link_id=None, provider_id="wamid.1")
    await journey.ingest.file([failed] * 10)
    journey.connector.gate.set()
    await journey.dispatcher.drain()
    await journey.dispatch()
    assert len(journey.sms.submissions) == 1
    assert reasons(journey) == {"failed": 1}


async def test_a_failure_wakes_the_dispatcher(journey: Journey) -> None:
    await hand_over(journey)
    journey.woken.clear()
    await journey.ingest.file([an_echo(S.SENT)])
    assert journey.woken["dispatch"] == 0
    await journey.ingest.file([FAILED])
    assert journey.woken["dispatch"] == 1


# Time


async def test_what_is_not_delivered_in_its_lifetime_is_followed(
    journey: Journey, database: Database
) -> None:
    await hand_over(journey)
    await journey.live_until(END - 1)
    assert journey.sms.submissions == []
    journey.woken.clear()
    await journey.live_until(END)
    assert len(journey.sms.submissions) == 1
    assert database.told_by_link() == [(0, 0), (0, 5), (1, 0)]
    assert reasons(journey) == {"expired": 1}
    assert journey.woken["dispatch"] > 0


@pytest.mark.parametrize(("at", "sms"), [(END - SECOND, 0), (END + SECOND, 1)])
async def test_a_delivery_a_second_before_and_a_second_after_the_lifetime(
    journey: Journey, database: Database, at: int, sms: int
) -> None:
    await hand_over(journey)
    await journey.live_until(at)
    await journey.ingest.file([an_echo(S.DELIVERED, at=at)])
    await journey.live_until(END + MINUTE)
    assert len(journey.sms.submissions) == sms
    first = [status for position, status in database.told_by_link() if position == 0]
    assert first == ([0, 5, 2] if sms else [0, 2])
    assert overlaps(journey) == sms
    assert database.states() == [S.DELIVERED, S.SUBMITTED if sms else S.SPARED]


async def test_what_is_delivered_but_not_read_is_followed_at_the_end_of_its_lifetime(
    journey: Journey, database: Database
) -> None:
    await hand_over(journey, goal=S.READ)
    await journey.ingest.file([an_echo(S.DELIVERED)])
    journey.clock.moment = END - 1
    await journey.cascade.release()
    assert database.states()[1] is S.HELD
    journey.woken.clear()
    journey.clock.moment = END
    await journey.cascade.release()
    assert (journey.woken["dispatch"], reasons(journey)) == (1, {"unread": 1})
    await journey.dispatch()
    await journey.cascade.release()
    assert len(journey.sms.submissions) == 1
    assert (journey.woken["dispatch"], reasons(journey)) == (2, {"unread": 1})  # 2: it was sent
    assert database.told_by_link() == [(0, 0), (0, 2), (1, 0)]


async def test_a_delivery_after_the_lifetime_lets_the_sms_go_as_unread(journey: Journey) -> None:
    await hand_over(journey, goal=S.READ)
    journey.clock.moment = END
    await journey.ingest.file([an_echo(S.DELIVERED)])
    assert reasons(journey) == {"unread": 1}


async def test_a_step_without_work_wakes_nobody(journey: Journey) -> None:
    await hand_over(journey)
    journey.woken.clear()
    await journey.cascade.release()
    await journey.cascade.bypass()
    assert not journey.woken


# Late words


async def test_a_late_success_stops_what_waits_and_is_no_overlap(
    journey: Journey, database: Database
) -> None:
    journey.sms.usual_fault = a_fault(F.RETRY, pause=MINUTE)
    await hand_over(journey)
    await journey.ingest.file([FAILED])
    await journey.dispatch()
    await journey.ingest.file([an_echo(S.READ)])
    await journey.live_until(START + DAY)
    assert len(journey.sms.submissions) == 1  # what surely did not go
    assert database.states() == [S.READ, S.SPARED]
    assert overlaps(journey) == 0


async def test_an_sms_under_way_is_not_called_back_and_is_an_overlap(
    journey: Journey, database: Database
) -> None:
    await hand_over(journey)
    await journey.ingest.file([FAILED])
    journey.sms.gate = asyncio.Event()
    await journey.dispatcher.step()
    await journey.ingest.file([an_echo(S.DELIVERED)])
    journey.sms.gate.set()
    await journey.dispatcher.drain()
    assert database.states() == [S.DELIVERED, S.SUBMITTED]
    assert overlaps(journey) == 1
    assert journey.count("late_deliveries_total") == 1


async def test_an_unsure_sms_does_not_go_again_behind_a_late_success(
    journey: Journey, database: Database
) -> None:
    journey.sms.script.append(a_fault(F.NO_ANSWER))
    await hand_over(journey)
    await journey.ingest.file([FAILED])
    await journey.dispatch()
    await journey.ingest.file([an_echo(S.DELIVERED)])
    await journey.live_until(START + 2 * GRACE)
    assert len(journey.sms.submissions) == 1
    assert database.states() == [S.DELIVERED, S.SPARED]
    assert not journey.metrics.resubmits._metrics
    assert not journey.metrics.given_up._metrics
    await journey.ingest.file([an_echo(S.DELIVERED, link_id=link_id(1, 1))])
    assert database.told_by_link()[-2:] == [(1, 0), (1, 2)]


# The schedule holds for every link


def sending_hours(begin: str | None, end: str | None, deadline: str | None = None) -> Schedule:
    hours = parse(time_begin=begin, time_end=end, weekdays=None, deadline=deadline)
    assert hours is not None
    return hours


async def test_an_sms_that_falls_through_outside_the_hours_waits_for_them(
    journey: Journey, database: Database
) -> None:
    hours = sending_hours("05:00", "06:00")  # it is 05:13:20 in Moscow
    first = {"ttl": HOUR, "closes_at": closes_at(hours, START, MOSCOW)}
    await hand_over(journey, first, {"channel": Channel.SMS}, schedule=hours.to_json())
    opening = START + DAY - 800 * SECOND
    await journey.live_until(END + HOUR)
    assert database.states() == [S.EXPIRED, S.QUEUED]
    journey.clock.moment = opening - 1
    await journey.dispatch()
    assert journey.sms.submissions == []
    journey.clock.moment = opening
    await journey.dispatch()
    assert len(journey.sms.submissions) == 1


async def test_and_so_does_its_second_attempt(journey: Journey, database: Database) -> None:
    hours = sending_hours("05:00", "06:00")
    journey.connector.usual_fault = a_fault(F.REFUSED)
    journey.sms.script.append(a_fault(F.RETRY, pause=50 * MINUTE))
    await hand_over(journey, schedule=hours.to_json())
    await journey.dispatch()
    assert database.link(position=1)["due_at"] == START + DAY - 800 * SECOND


async def test_past_the_deadline_the_sms_ends_unsent_with_a_report_of_its_own(
    journey: Journey, database: Database
) -> None:
    hours = sending_hours(None, None, "2026-11-23T05:30:00+0300")
    await hand_over(journey, schedule=hours.to_json())
    await journey.live_until(END + 1)
    assert journey.sms.submissions == []
    assert database.told_by_link() == [(0, 0), (0, 5), (1, 5)]
    assert database.rows(
        "SELECT r.status, r.error_code, r.submitted_at, l.channel FROM reports r"
        " JOIN links l ON l.link_id = r.link_id WHERE l.channel = 'SMS'"
    ) == [(5, ErrorCode.TIMEOUT, None, "SMS")]


# A sender that is blocked


async def broken(journey: Journey, *steps: dict[str, Any], **chain: Any) -> None:
    """Accept a cascade whose first sender turns out to be broken at once, and stays it."""
    journey.connector.usual_fault = a_fault(F.SENDER_BROKEN)
    await hand_over(journey, *steps, **chain)


async def bypass_at(journey: Journey, moment: int) -> None:
    journey.clock.moment = moment
    await journey.cascade.bypass()


async def test_a_paused_sender_is_bypassed_after_the_patience_and_not_before(
    journey: Journey, database: Database
) -> None:
    await broken(journey)
    await bypass_at(journey, START + PATIENCE - 1)
    assert database.states() == [S.QUEUED, S.HELD]
    journey.woken.clear()
    await bypass_at(journey, START + PATIENCE)
    assert database.states() == [S.FAILED, S.QUEUED]
    assert (journey.woken["dispatch"], journey.woken["reports"]) == (1, 1)
    assert database.told_by_link() == [(0, 5)]
    assert database.link()["error_code"] == ErrorCode.UNROUTED
    assert reasons(journey) == {"blocked": 1}
    await journey.dispatch()
    assert len(journey.sms.submissions) == 1


async def test_that_a_link_was_the_probe_does_not_hold_it_longer(
    journey: Journey, database: Database
) -> None:
    await broken(journey)
    await journey.live_until(START + PATIENCE - 1)
    assert len(journey.connector.submissions) == 2  # at once, and the probe after 30 s
    assert database.states()[0] is S.QUEUED
    await journey.live_until(START + PATIENCE)
    assert database.states()[0] is S.FAILED
    assert len(journey.sms.submissions) == 1


@pytest.mark.parametrize("deadline", ["2026-11-23T06:13:20+0300", "2026-11-24T10:00:00+0300"])
async def test_nor_much_longer_where_its_deadline_cut_its_lifetime(
    journey: Journey, database: Database, deadline: str
) -> None:
    hours = sending_hours(None, None, deadline)
    assert hours.deadline_at
    ends_at = min(START + DAY, hours.deadline_at)
    first = {"ttl": DAY, "expires_at": ends_at, "closes_at": hours.deadline_at}
    await broken(journey, first, {"channel": Channel.SMS}, schedule=hours.to_json())
    cut = ends_at < START + DAY
    await journey.live_until(START + PATIENCE - 1)
    assert database.states()[0] is S.QUEUED
    await journey.live_until(START + PATIENCE + (30 * SECOND if cut else 0))
    assert database.states()[0] is S.FAILED


async def test_a_link_without_another_behind_it_waits_on(
    journey: Journey, database: Database
) -> None:
    journey.connector.usual_fault = journey.sms.usual_fault = a_fault(F.SENDER_BROKEN)
    await accept(journey.store, a_chain(1), a_cascade(chain_id=2))
    await journey.live_until(START + 10 * PATIENCE)
    assert database.states(1) == [S.QUEUED]
    assert database.states(2) == [S.FAILED, S.QUEUED]  # its SMS is the last


async def test_a_pause_that_is_younger_than_the_patience_is_waited_out(
    journey: Journey, database: Database
) -> None:
    """The link is old enough, for the sender was slow before it broke."""
    await accept(journey.store, a_cascade())
    journey.clock.advance(10 * PATIENCE)
    await journey.dispatcher.rest(journey.line, "131031 locked", None)
    await bypass_at(journey, journey.clock.moment + PATIENCE - 1)
    assert database.states() == [S.QUEUED, S.HELD]
    await bypass_at(journey, journey.clock.moment + 1)
    assert database.states() == [S.FAILED, S.QUEUED]


async def test_a_link_that_is_younger_than_the_patience_is_not_bypassed(
    journey: Journey, database: Database
) -> None:
    await journey.dispatcher.rest(journey.line, "131031 locked", HOUR)
    await accept(journey.store, a_cascade({"due_at": START + MINUTE}, {"channel": Channel.SMS}))
    await bypass_at(journey, START + MINUTE + PATIENCE - 1)
    assert database.states()[0] is S.QUEUED
    await bypass_at(journey, START + MINUTE + PATIENCE)
    assert database.states()[0] is S.FAILED


async def test_the_pause_is_counted_from_its_beginning_whatever_the_probes(
    journey: Journey, database: Database
) -> None:
    """A sender that has rested for long is known to be broken: a new link waits once."""
    journey.connector.usual_fault = a_fault(F.SENDER_BROKEN)
    await accept(journey.store, a_chain(1))
    await journey.live_until(START + HOUR)
    assert journey.line.pause
    assert journey.line.pause.holds > 3
    await accept(journey.store, a_cascade({"due_at": journey.clock.moment}, {}, chain_id=2))
    await bypass_at(journey, journey.clock.moment + PATIENCE)
    assert database.states(2)[0] is S.FAILED


async def test_a_sender_that_works_again_is_not_bypassed(
    journey: Journey, database: Database
) -> None:
    journey.connector.script.append(a_fault(F.SENDER_BROKEN))
    await hand_over(journey)
    await journey.live_until(START + 2 * PATIENCE)
    assert journey.line.pause is None
    assert database.states() == [S.SUBMITTED, S.HELD]


async def test_a_connector_that_says_it_is_blocked_is_bypassed(
    journey: Journey, database: Database
) -> None:
    """An SMSC that is unbound, say; it recovers by itself, and another account may be up."""
    journey.sms.blocked_since = START + MINUTE
    sms_then_whatsapp = ({"channel": Channel.SMS, "ttl": HOUR}, {"channel": Channel.WHATSAPP})
    await accept(journey.store, a_cascade(*sms_then_whatsapp))
    await journey.live_until(START + MINUTE + PATIENCE - 1)
    assert journey.sms.submissions == []
    assert database.states() == [S.QUEUED, S.HELD]
    await journey.live_until(START + MINUTE + PATIENCE)
    assert database.states() == [S.FAILED, S.SUBMITTED]


async def test_a_sender_that_left_the_settings_counts_as_blocked_since_the_start(
    journey: Journey, database: Database
) -> None:
    del journey.lines[Channel.WHATSAPP, SENDER]
    await accept(journey.store, a_cascade({"due_at": START - HOUR, "ttl": DAY}, {}))
    await bypass_at(journey, START + PATIENCE - 1)
    assert database.states() == [S.QUEUED, S.HELD]
    await bypass_at(journey, START + PATIENCE)
    assert database.states() == [S.FAILED, S.QUEUED]


async def test_all_links_of_a_blocked_sender_are_bypassed_in_one_call(
    journey: Journey, database: Database
) -> None:
    await journey.dispatcher.rest(journey.line, "131031 locked", DAY)
    await accept(journey.store, *(a_cascade(chain_id=number) for number in range(1, 601)))
    await accept(journey.store, *(a_cascade(chain_id=n, partner_id=2) for n in range(601, 621)))
    await bypass_at(journey, START + PATIENCE)
    count = "SELECT count(*) FROM links WHERE state = 50"
    assert database.rows(count) == [(620,)]
    assert reasons(journey) == {"blocked": 620}


async def test_when_every_sender_is_blocked_the_last_link_waits(
    journey: Journey, database: Database
) -> None:
    await journey.dispatcher.rest(journey.line, "131031 locked", DAY)
    journey.sms.blocked_since = START
    await accept(journey.store, a_cascade(*WHATSAPP_THEN_SMS, {"channel": Channel.WHATSAPP}))
    await journey.live_until(START + PATIENCE)
    assert database.states() == [S.FAILED, S.QUEUED, S.HELD]
    await journey.live_until(START + 2 * PATIENCE - 1)
    assert database.states() == [S.FAILED, S.QUEUED, S.HELD]
    await journey.live_until(START + 20 * PATIENCE)
    assert database.states() == [S.FAILED, S.FAILED, S.QUEUED]
    assert reasons(journey) == {"blocked": 2}


# A restart


@pytest.mark.parametrize("goal", [S.DELIVERED, S.READ])
async def test_a_restart_between_the_end_of_a_lifetime_and_the_fall_through_loses_nothing(
    journey: Journey, database: Database, goal: LinkState
) -> None:
    await hand_over(journey, goal=goal)
    if goal is S.READ:
        await journey.ingest.file([an_echo(S.DELIVERED)])
    journey.clock.moment = END
    after = Journey(journey.store, database, journey.clock)
    await after.recover()
    await after.live_until(END + MINUTE)
    assert len(after.sms.submissions) == 1
    assert sum(reasons(after).values()) == 1
