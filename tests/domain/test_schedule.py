"""Sending hours, `protocol.md`, section 1."""

from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whimbrel.clock import DAY, HOUR, MINUTE, SECOND
from whimbrel.domain.schedule import (
    BadSchedule,
    Schedule,
    closes_at,
    next_opening,
    parse,
)
from whimbrel.domain.zones import MOSCOW

BERLIN = ZoneInfo("Europe/Berlin")
SANTIAGO = ZoneInfo("America/Santiago")
APIA = ZoneInfo("Pacific/Apia")


def schedule_of(
    begin: str | None = None,
    end: str | None = None,
    weekdays: str | None = None,
    deadline: str | None = None,
) -> Schedule:
    schedule = parse(time_begin=begin, time_end=end, weekdays=weekdays, deadline=deadline)
    assert schedule is not None
    return schedule


Written = tuple[str | None, str | None, str | None]
"""timeBegin, timeEnd and weekdaysSchedule."""


def at(text: str, zone: tzinfo = MOSCOW) -> int:
    """Return the moment of a wall time, or of an ISO time with its own offset."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone)
    return round(moment.timestamp() * 1000)


# What a Partner writes


@pytest.mark.parametrize(
    ("begin", "end", "begins", "ends"),
    [
        ("10:00", "20:00", 10 * HOUR, 20 * HOUR),
        ("10:00:00", "20:00", 10 * HOUR, 20 * HOUR),
        ("09:30:15", "09:30:16", 9 * HOUR + 30 * MINUTE + 15 * SECOND, 9 * HOUR + 1816 * SECOND),
        ("22:00", "02:00", 22 * HOUR, 26 * HOUR),
        ("22:00", "00:00", 22 * HOUR, DAY),
        ("22:00", "24:00", 22 * HOUR, DAY),
        ("22:00", "24:00:00", 22 * HOUR, DAY),
        ("22:00", None, 22 * HOUR, DAY),
        (None, "08:00", 0, 8 * HOUR),
        ("", "08:00", 0, 8 * HOUR),
        ("23:59:59", "23:59:58", DAY - SECOND, 2 * DAY - 2 * SECOND),
    ],
)
def test_the_hours(begin: str | None, end: str | None, begins: int, ends: int) -> None:
    assert schedule_of(begin, end) == Schedule(begins=begins, ends=ends)


@pytest.mark.parametrize(
    ("begin", "end"),
    [(None, None), ("", ""), ("00:00", "24:00"), ("00:00", None), (None, "24:00"), (None, "00:00"),
     ("10:00", "10:00:00")],
)  # fmt: skip
@pytest.mark.parametrize("weekdays", [None, "", "1234567", "77654321"])
@pytest.mark.parametrize("deadline", [None, ""])
def test_what_limits_nothing_is_no_schedule(
    begin: str | None, end: str | None, weekdays: str | None, deadline: str | None
) -> None:
    assert parse(time_begin=begin, time_end=end, weekdays=weekdays, deadline=deadline) is None


@pytest.mark.parametrize(
    ("text", "weekdays"), [("12345", (1, 2, 3, 4, 5)), ("7", (7,)), ("7661", (1, 6, 7))]
)
def test_the_weekdays(text: str, weekdays: tuple[int, ...]) -> None:
    assert schedule_of(weekdays=text) == Schedule(weekdays=weekdays)


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2019-05-10T16:29:30+0300", "2019-05-10T13:29:30+00:00"),
        ("2019-05-10T16:29:30+03:00", "2019-05-10T13:29:30+00:00"),
        ("2019-05-10T16:29:30+03", "2019-05-10T13:29:30+00:00"),
        ("2019-05-10T16:29:30", "2019-05-10T13:29:30+00:00"),
        ("2019-05-10 16:29:30+03:00", "2019-05-10T13:29:30+00:00"),
        ("2019-05-10T16:29:30Z", "2019-05-10T16:29:30+00:00"),
        ("2019-05-10t16:29:30z", "2019-05-10T16:29:30+00:00"),
        ("2019-05-10T16:29", "2019-05-10T13:29:00+00:00"),
        ("2019-05-10T16:29Z", "2019-05-10T16:29:00+00:00"),
        ("2019-05-10T16:29:30.5Z", "2019-05-10T16:29:30.500+00:00"),
        ("2019-05-10T16:29:30,123456789Z", "2019-05-10T16:29:30.123+00:00"),
        ("2019-05-10T16:29:30.9999-0330", "2019-05-10T19:59:30.999+00:00"),
        ("2020-02-29T00:00+14", "2020-02-28T10:00:00+00:00"),
    ],
)
def test_the_deadline(text: str, utc: str) -> None:
    assert schedule_of(deadline=text) == Schedule(deadline_at=at(utc))


@pytest.mark.parametrize(
    "text", ["25:00", "24:01", "10:60", "10:00:60", "9:00", "1000", "10", "10:00 ", " ", "10:00Z",
             "-1:00", "10:00:00.0", "١٠:٠٠", "10:00\n"],
)  # fmt: skip
def test_other_times_are_refused(text: str) -> None:
    with pytest.raises(BadSchedule, match="HH:MM") as begin:
        schedule_of(begin=text)
    with pytest.raises(BadSchedule, match="HH:MM") as end:
        schedule_of(end=text)
    assert (begin.value.member, end.value.member) == ("timeBegin", "timeEnd")


def test_a_day_does_not_begin_at_its_end() -> None:
    with pytest.raises(BadSchedule) as caught:
        schedule_of(begin="24:00")
    assert caught.value.member == "timeBegin"


@pytest.mark.parametrize("text", ["0", "8", "1,2", "1-5", " ", "12 ", "Mon", "１"])
def test_other_weekdays_are_refused(text: str) -> None:
    with pytest.raises(BadSchedule, match="1 \\(Monday\\)") as caught:
        schedule_of(weekdays=text)
    assert caught.value.member == "weekdaysSchedule"


@pytest.mark.parametrize(
    "text",
    ["2019-05-10", "2019-05-10T", "16:29", "2019-02-29T10:00", "2019-13-01T10:00",
     "2019-05-10T24:00", "2019-05-10T10:60", "2019-05-10T10:00:60", "2019-05-10T10:00+24:00",
     "2019-05-10T10:00+03:60", "2019-05-10T10:00+3", "2019-05-10T10:00 MSK", "2019-05-10x10:00",
     "10.05.2019 10:00", "1557495000", "2019-W19-5T10:00", "20190510T100000Z", " ", "tomorrow",
     "0000-01-01T10:00", "2019-05-10T10:00Z\n", "2019-05-10T10:00:00.Z"],
)  # fmt: skip
def test_other_deadlines_are_refused(text: str) -> None:
    with pytest.raises(BadSchedule, match="ISO 8601") as caught:
        schedule_of(deadline=text)
    assert caught.value.member == "deadline"


# What is stored


@pytest.mark.parametrize(
    ("schedule", "stored"),
    [
        (Schedule(), "{}"),
        (
            Schedule(begins=10 * HOUR, ends=20 * HOUR, weekdays=(1, 2)),
            '{"begins":36000000,"ends":72000000,"weekdays":[1,2]}',
        ),
        (Schedule(deadline_at=0), '{"deadline_at":0}'),
    ],
)
def test_the_stored_form(schedule: Schedule, stored: str) -> None:
    assert schedule.to_json() == stored
    assert Schedule.from_json(stored) == schedule
    assert Schedule.from_json(stored.encode()) == schedule


def test_what_is_not_a_stored_schedule_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError):
        Schedule.from_json('{"begins":"10:00"}')


# When it opens and closes. 2024-03-04 is a Monday.


@pytest.mark.parametrize(
    ("written", "now", "opening"),
    [
        (("10:00", "20:00", None), "2024-03-04T09:59:59", "2024-03-04T10:00"),
        (("10:00", "20:00", None), "2024-03-04T10:00", "2024-03-04T10:00"),
        (("10:00", "20:00", None), "2024-03-04T19:59:59.999", "2024-03-04T19:59:59.999"),
        (("10:00", "20:00", None), "2024-03-04T20:00", "2024-03-05T10:00"),
        (("10:00", "20:00", "12345"), "2024-03-08T20:00", "2024-03-11T10:00"),
        (("10:00", "20:00", "1"), "2024-03-04T20:00", "2024-03-11T10:00"),
        (("10:00", "20:00", "1"), "2024-03-05T00:00", "2024-03-11T10:00"),
        # Only on Friday, past midnight: into Saturday, not out of Thursday.
        (("22:00", "02:00", "5"), "2024-03-08T01:00", "2024-03-08T22:00"),
        (("22:00", "02:00", "5"), "2024-03-09T01:00", "2024-03-09T01:00"),
        (("22:00", "02:00", "5"), "2024-03-09T02:00", "2024-03-15T22:00"),
        (("22:00", "02:00", "5"), "2024-03-10T01:00", "2024-03-15T22:00"),
        (("22:00", "02:00", None), "2024-03-10T01:59", "2024-03-10T01:59"),
        (("22:00", "02:00", None), "2024-03-10T02:00", "2024-03-10T22:00"),
        # Whole days.
        ((None, None, "67"), "2024-03-08T23:59", "2024-03-09T00:00"),
        (("10:00", "10:00", "67"), "2024-03-08T23:59", "2024-03-09T00:00"),
        (("10:00", "10:00", "67"), "2024-03-11T00:00", "2024-03-16T00:00"),
        # Half given.
        (("22:00", None, "5"), "2024-03-09T00:00", "2024-03-15T22:00"),
        ((None, "08:00", "5"), "2024-03-08T08:00", "2024-03-15T00:00"),
        # Before 1970 the arithmetic holds too.
        (("10:00", "20:00", "1"), "1969-12-30T12:00", "1970-01-05T10:00"),
    ],
)
def test_the_next_opening(written: Written, now: str, opening: str) -> None:
    assert next_opening(schedule_of(*written), at(now), MOSCOW) == at(opening)


@pytest.mark.parametrize(
    ("now", "deadline", "opening"),
    [
        ("2024-03-04T09:00", "2024-03-04T10:00:00.001", "2024-03-04T10:00"),
        ("2024-03-04T09:00", "2024-03-04T10:00", None),
        ("2024-03-04T12:00", "2024-03-04T12:00:00.001", "2024-03-04T12:00"),
        ("2024-03-04T12:00", "2024-03-04T12:00", None),
        ("2024-03-04T12:00", "2019-05-10T16:29:30+0300", None),
        ("2024-03-04T21:00", "2024-03-05T09:00", None),
    ],
)
def test_the_deadline_is_already_too_late(now: str, deadline: str, opening: str | None) -> None:
    schedule = schedule_of("10:00", "20:00", deadline=deadline)
    assert next_opening(schedule, at(now), MOSCOW) == (opening and at(opening))


def test_a_deadline_alone_holds_nothing_back() -> None:
    schedule = schedule_of(deadline="2024-03-04T12:00")
    assert next_opening(schedule, at("2024-03-04T11:00"), MOSCOW) == at("2024-03-04T11:00")
    assert next_opening(schedule, at("2024-03-04T12:00"), MOSCOW) is None


@pytest.mark.parametrize(
    ("written", "deadline", "now", "closing"),
    [
        (("10:00", "20:00", None), None, "2024-03-04T10:00", "2024-03-04T20:00"),
        (("10:00", "20:00", None), None, "2024-03-04T09:59", None),
        (("10:00", "20:00", None), None, "2024-03-04T20:00", None),
        (("10:00", "20:00", None), "2024-03-04T15:00", "2024-03-04T12:00", "2024-03-04T15:00"),
        (("10:00", "20:00", None), "2024-03-04T15:00", "2024-03-04T15:00", None),
        (("22:00", "02:00", "5"), None, "2024-03-08T23:00", "2024-03-09T02:00"),
        (("22:00", "02:00", "5"), None, "2024-03-09T01:00", "2024-03-09T02:00"),
        ((None, None, "12345"), None, "2024-03-06T12:00", "2024-03-09T00:00"),
        ((None, None, None), "2024-03-09T15:00", "2024-03-06T12:00", "2024-03-09T15:00"),
    ],
)
def test_the_closing(
    written: Written,
    deadline: str | None,
    now: str,
    closing: str | None,
) -> None:
    schedule = schedule_of(*written, deadline)
    assert closes_at(schedule, at(now), MOSCOW) == (closing and at(closing))


def test_what_is_always_open_never_closes() -> None:
    assert closes_at(Schedule(), at("2024-03-04T12:00"), MOSCOW) is None


# Changes of the clocks. Berlin: 2024-03-31 02:00 -> 03:00, 2024-10-27 03:00 -> 02:00.
# Santiago: 2024-09-07 24:00 -> 01:00, 2024-04-06 24:00 -> 23:00. Apia had no 2011-12-30.


@pytest.mark.parametrize(
    ("zone", "written", "now", "opening", "closing"),
    [
        # The begin is skipped.
        (BERLIN, ("02:30", "05:00", None),
         "2024-03-31T01:59+01:00", "2024-03-31T03:00+02:00", "2024-03-31T05:00+02:00"),
        # The end is skipped.
        (BERLIN, ("01:00", "02:30", None),
         "2024-03-31T00:30+01:00", "2024-03-31T01:00+01:00", "2024-03-31T03:00+02:00"),
        # All is skipped on that day.
        (BERLIN, ("02:10", "02:50", None),
         "2024-03-31T01:59+01:00", "2024-04-01T02:10+02:00", "2024-04-01T02:50+02:00"),
        # The begin is repeated: open in both passes, closed between them.
        (BERLIN, ("02:30", "05:00", None),
         "2024-10-27T01:00+02:00", "2024-10-27T02:30+02:00", "2024-10-27T02:00+01:00"),
        (BERLIN, ("02:30", "05:00", None),
         "2024-10-27T02:15+01:00", "2024-10-27T02:30+01:00", "2024-10-27T05:00+01:00"),
        # The end is repeated.
        (BERLIN, ("22:00", "02:30", None),
         "2024-10-26T23:00+02:00", "2024-10-26T23:00+02:00", "2024-10-27T02:30+02:00"),
        (BERLIN, ("22:00", "02:30", None),
         "2024-10-27T02:30+02:00", "2024-10-27T02:00+01:00", "2024-10-27T02:30+01:00"),
        # The clock runs through hours that hold it all.
        (BERLIN, ("01:00", "04:00", None),
         "2024-10-27T00:00+02:00", "2024-10-27T01:00+02:00", "2024-10-27T04:00+01:00"),
        # Far ahead, over a change.
        (BERLIN, ("09:00", "18:00", "1"),
         "2024-03-25T19:00+01:00", "2024-04-01T09:00+02:00", "2024-04-01T18:00+02:00"),
        # Sunday begins at 01:00.
        (SANTIAGO, (None, None, "7"),
         "2024-09-07T12:00-04:00", "2024-09-08T01:00-03:00", "2024-09-09T00:00-03:00"),
        # Saturday has 25 hours.
        (SANTIAGO, (None, None, "6"),
         "2024-04-06T12:00-03:00", "2024-04-06T12:00-03:00", "2024-04-07T00:00-04:00"),
        (SANTIAGO, ("22:00", "23:30", "6"),
         "2024-04-06T23:45-03:00", "2024-04-06T23:00-04:00", "2024-04-06T23:30-04:00"),
        # A Friday that never was.
        (APIA, ("09:00", "18:00", "5"),
         "2011-12-29T12:00-10:00", "2012-01-06T09:00+14:00", "2012-01-06T18:00+14:00"),
        (APIA, (None, None, "456"),
         "2011-12-29T12:00-10:00", "2011-12-29T12:00-10:00", "2012-01-01T00:00+14:00"),
    ],
)  # fmt: skip
def test_the_clock_on_the_wall_decides(
    zone: tzinfo,
    written: Written,
    now: str,
    opening: str,
    closing: str,
) -> None:
    schedule = schedule_of(*written)
    assert next_opening(schedule, at(now), zone) == at(opening)
    assert closes_at(schedule, at(opening), zone) == at(closing)


# Against a judge that reads the wall at one moment and knows nothing else

ZONES = st.sampled_from(
    [
        *(MOSCOW, UTC, BERLIN, SANTIAGO, APIA, timezone(timedelta(hours=-3, minutes=-30))),
        *map(ZoneInfo, ["Asia/Kathmandu", "Australia/Lord_Howe", "America/Sao_Paulo"]),
        *map(ZoneInfo, ["Africa/Casablanca", "Asia/Kamchatka", "America/New_York"]),
    ]
)
TIMES = st.none() | st.times().map(lambda time: f"{time:%H:%M}")
WRITTEN = st.tuples(TIMES, TIMES, st.none() | st.text("1234567"))
NIGHT_TIMES = st.none() | st.sampled_from(
    ["00:00", "00:30", "01:30", "02:00", "02:30", "03:00", "23:30"]
)
CHANGES = [
    (BERLIN, "2024-03-31T01:00+00:00"),
    (BERLIN, "2024-10-27T01:00+00:00"),
    (SANTIAGO, "2024-09-08T04:00+00:00"),
    (SANTIAGO, "2024-04-07T03:00+00:00"),
    (APIA, "2011-12-30T10:00+00:00"),
    (ZoneInfo("Australia/Lord_Howe"), "2024-04-06T15:00+00:00"),
    (ZoneInfo("America/Sao_Paulo"), "2018-11-04T03:00+00:00"),
]


def free_schedule_of(written: Written) -> Schedule:
    begin, end, weekdays = written
    return parse(time_begin=begin, time_end=end, weekdays=weekdays, deadline=None) or Schedule()


def is_open(written: Written, moment: int, zone: tzinfo) -> bool:
    begin, end, weekdays = written
    wall = (datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=moment)).astimezone(zone)
    time, first, last = wall.strftime("%H:%M"), begin or "00:00", end or "24:00"

    def counts(day: datetime) -> bool:
        return not weekdays or str(day.isoweekday()) in weekdays

    if first == last:
        return counts(wall)
    if first < last:
        return counts(wall) and first <= time < last
    yesterday = wall.replace(tzinfo=None) - timedelta(days=1)
    return (counts(wall) and first <= time) or (counts(yesterday) and time < last)


def check_against_the_judge(written: Written, now: int, zone: tzinfo, step: int) -> None:
    schedule = free_schedule_of(written)

    def judge(moment: int) -> bool:
        return is_open(written, moment, zone)

    opening = next_opening(schedule, now, zone)
    assert opening is not None
    assert opening >= now
    assert judge(opening)
    assert opening == now or not judge(opening - 1)
    assert not any(judge(moment) for moment in range(now, opening, step))

    closing = closes_at(schedule, opening, zone)
    if closing is None:
        assert schedule.always_open
        return
    assert closing > opening
    assert not judge(closing)
    assert judge(closing - 1)
    assert all(judge(moment) for moment in range(opening, closing, step))


@settings(deadline=None)  # a week of samples takes its time on a busy machine
@given(WRITTEN, st.integers(0, 2**41), ZONES)
def test_any_opening_and_closing_agrees_with_the_judge(
    written: Written, now: int, zone: tzinfo
) -> None:
    check_against_the_judge(written, now, zone, step=97 * MINUTE)


@settings(deadline=None)
@given(
    st.tuples(NIGHT_TIMES, NIGHT_TIMES, st.none() | st.text("567", min_size=1, max_size=2)),
    st.sampled_from(CHANGES),
    st.integers(-26 * 4, 8).map(lambda quarters: quarters * 15 * MINUTE),
)
def test_near_a_change_of_the_clocks_too(
    written: Written, change: tuple[tzinfo, str], before: int
) -> None:
    zone, moment = change
    check_against_the_judge(written, at(moment) + before, zone, step=15 * MINUTE)


@given(WRITTEN, st.none() | st.integers())
def test_a_stored_schedule_comes_back(written: Written, deadline_at: int | None) -> None:
    schedule = msgspec.structs.replace(free_schedule_of(written), deadline_at=deadline_at)
    assert Schedule.from_json(schedule.to_json()) == schedule


@given(WRITTEN, st.integers(0, 2**41), st.integers(-DAY, 9 * DAY), ZONES)
def test_a_deadline_only_takes_away(written: Written, now: int, ahead: int, zone: tzinfo) -> None:
    free = free_schedule_of(written)
    bound = msgspec.structs.replace(free, deadline_at=now + ahead)
    opening = next_opening(free, now, zone)
    assert opening is not None
    assert next_opening(bound, now, zone) == (opening if opening < now + ahead else None)
