"""Sending hours in several zones at once, and `opening`, which every stage asks."""

from datetime import datetime, tzinfo
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.domain.test_schedule import WRITTEN, Written, at, free_schedule_of, is_open, schedule_of
from whimbrel.clock import DAY, HOUR, MINUTE
from whimbrel.domain.schedule import (
    Schedule,
    ZoneReason,
    closes_at,
    has_common_hours,
    next_opening,
    opening,
)
from whimbrel.domain.wall_clock import distinct
from whimbrel.domain.zones import MOSCOW, zone_of

KALININGRAD, VLADIVOSTOK = "Europe/Kaliningrad", "Asia/Vladivostok"  # UTC+2, UTC+10
BERLIN, NEW_YORK, KAMCHATKA = "Europe/Berlin", "America/New_York", "Asia/Kamchatka"
NAMES = [
    *(KALININGRAD, VLADIVOSTOK, BERLIN, NEW_YORK, KAMCHATKA, "Europe/London", "Asia/Kathmandu"),
    *("America/Sao_Paulo", "Australia/Lord_Howe", "America/Phoenix", "America/Havana"),
]
# 2024-03-04 is a Monday; Berlin: 2024-03-31 02:00 -> 03:00; New York: 2024-03-10 02:00 -> 03:00.


def in_zones(written: Written, *zones: str, deadline: str | None = None) -> Schedule:
    free = free_schedule_of(written)
    return replace(free, zones=zones, deadline_at=deadline and at(deadline))


# `opening`


def test_without_a_schedule_any_moment_will_do() -> None:
    assert opening(None, 4_711) == (4_711, None)


@pytest.mark.parametrize(
    ("schedule", "now", "opens", "closes"),
    [
        # UTC+3 where no zone is kept.
        (in_zones(("10:00", "20:00", None)),
         "2024-03-04T09:00", "2024-03-04T10:00", "2024-03-04T20:00"),
        (in_zones(("10:00", "20:00", None)),
         "2024-03-04T12:00", "2024-03-04T12:00", "2024-03-04T20:00"),
        # One zone.
        (in_zones(("10:00", "20:00", None), VLADIVOSTOK),
         "2024-03-04T09:00", "2024-03-04T09:00", "2024-03-04T20:00+10:00"),
        (in_zones(("10:00", "20:00", None), VLADIVOSTOK),
         "2024-03-04T13:00", "2024-03-05T10:00+10:00", "2024-03-05T20:00+10:00"),
        # All of two: it opens with the western one and closes with the eastern one.
        (in_zones(("10:00", "20:00", None), KALININGRAD, VLADIVOSTOK),
         "2024-03-04T09:00", "2024-03-04T10:00+02:00", "2024-03-04T20:00+10:00"),
        (in_zones(("10:00", "20:00", None), KALININGRAD, VLADIVOSTOK),
         "2024-03-04T20:00+10:00", "2024-03-05T10:00+02:00", "2024-03-05T20:00+10:00"),
        # A weekday in all of them: Monday in the west, and not yet Tuesday in the east.
        (in_zones((None, None, "1"), KALININGRAD, VLADIVOSTOK),
         "2024-03-03T12:00", "2024-03-04T00:00+02:00", "2024-03-05T00:00+10:00"),
        # Past midnight.
        (in_zones(("22:00", "08:00", None), KALININGRAD, VLADIVOSTOK),
         "2024-03-04T12:00", "2024-03-04T22:00+02:00", "2024-03-05T08:00+10:00"),
        # The deadline closes too.
        (in_zones(("10:00", "20:00", None), VLADIVOSTOK, deadline="2024-03-04T12:00"),
         "2024-03-04T09:00", "2024-03-04T09:00", "2024-03-04T12:00"),
        (in_zones((None, None, None), deadline="2024-03-04T12:00"),
         "2024-03-04T09:00", "2024-03-04T09:00", "2024-03-04T12:00"),
        # Over a change of one zone's clocks: the hours in common begin an hour earlier.
        (in_zones(("09:00", "18:00", "1"), BERLIN, "Asia/Yekaterinburg"),
         "2024-03-26T00:00", "2024-04-01T09:00+02:00", "2024-04-01T18:00+05:00"),
        (in_zones(("09:00", "18:00", "1"), BERLIN, "Asia/Yekaterinburg"),
         "2024-03-20T00:00", "2024-03-25T09:00+01:00", "2024-03-25T18:00+05:00"),
        # In common before the change only, after it, and in the skipped hour.
        (in_zones(("08:00", "14:00", "7"), BERLIN, NEW_YORK),
         "2024-03-09T12:00", "2024-03-10T08:00-04:00", "2024-03-10T14:00+01:00"),
        (in_zones(("02:30", "05:00", None), BERLIN, "Africa/Lagos"),
         "2024-03-31T00:00+01:00", "2024-03-31T02:30+01:00", "2024-03-31T05:00+02:00"),
    ],
)  # fmt: skip
def test_when_it_opens_and_closes(schedule: Schedule, now: str, opens: str, closes: str) -> None:
    assert opening(schedule.to_json(), at(now)) == (at(opens), at(closes))


@pytest.mark.parametrize(
    "schedule",
    [
        in_zones(("10:00", "20:00", None), deadline="2024-03-04T09:30"),
        in_zones(("10:00", "20:00", None), NEW_YORK, deadline="2024-03-04T17:00"),
        in_zones((None, None, None), deadline="2024-03-04T09:00"),
        # It would open in one of the two before the deadline.
        in_zones(("10:00", "19:00", None), VLADIVOSTOK, NEW_YORK, deadline="2024-04-04T09:00"),
        in_zones(("10:00", "18:00", None), KALININGRAD, VLADIVOSTOK),
        in_zones(("10:00", "20:00", "1"), "Pacific/Pago_Pago", "Pacific/Kiritimati"),
    ],
)
def test_it_never_opens(schedule: Schedule) -> None:
    assert opening(schedule.to_json(), at("2024-03-04T09:00")) == (None, None)


def test_a_deadline_needs_no_zone() -> None:
    schedule = schedule_of(deadline="2024-03-04T12:00")
    assert schedule.always_open
    assert opening(schedule.to_json(), at("2024-03-04T11:00")) == (
        at("2024-03-04T11:00"),
        at("2024-03-04T12:00"),
    )


@pytest.mark.parametrize(
    ("written", "zones", "common"),
    [
        (("10:00", "20:00", None), (KALININGRAD, VLADIVOSTOK), True),
        (("10:00", "18:00", None), (KALININGRAD, VLADIVOSTOK), False),  # they touch
        (("10:00", "18:00:01", None), (KALININGRAD, VLADIVOSTOK), True),
        (("10:00", "20:00", None), (VLADIVOSTOK, NEW_YORK), True),  # one's morning, other's evening
        (("10:00", "18:00", None), (VLADIVOSTOK, NEW_YORK), False),
        (("08:00", "00:00", None), (VLADIVOSTOK, NEW_YORK), True),
        ((None, None, "1"), (VLADIVOSTOK, NEW_YORK), True),
        ((None, None, "1"), ("Pacific/Pago_Pago", "Pacific/Kiritimati"), False),  # 25 hours apart
        (("10:00", "20:00", None), (), True),
        (("10:00", "20:00", None), (NEW_YORK,), True),
    ],
)
def test_whether_there_are_hours_in_common(
    written: Written, zones: tuple[str, ...], common: bool
) -> None:
    schedule = in_zones(written, *zones, deadline="2024-03-04T09:00:01")
    assert has_common_hours(schedule, at("2024-03-04T09:00")) is common


def test_a_change_of_the_clocks_may_bring_hours_in_common() -> None:
    """Lagos is six hours ahead of New York until 10 March, then five."""
    schedule = in_zones(("08:00", "13:30", "7"), "Africa/Lagos", NEW_YORK)
    assert not has_common_hours(schedule, at("2024-02-20T09:00"))
    assert has_common_hours(schedule, at("2024-03-04T09:00"))


def test_hours_in_common_are_those_still_to_come() -> None:
    """Lagos is five hours ahead until 3 November, so half an hour on the 2nd is the last."""
    schedule = in_zones(("08:00", "13:30", None), "Africa/Lagos", NEW_YORK)
    assert has_common_hours(schedule, at("2024-11-02T13:29:59+01:00"))
    assert not has_common_hours(schedule, at("2024-11-02T13:30+01:00"))


# What is stored


def test_zones_are_kept_with_the_reason() -> None:
    schedule = Schedule(begins=HOUR, zones=(BERLIN,), zone_reason=ZoneReason.PREFIX)
    stored = schedule.to_json()
    assert stored == '{"begins":3600000,"zones":["Europe/Berlin"],"zone_reason":"prefix"}'
    assert Schedule.from_json(stored) == schedule


def test_what_an_older_version_stored_is_in_utc3() -> None:
    stored = '{"begins":36000000,"ends":72000000,"weekdays":[1,2]}'
    schedule = Schedule.from_json(stored)
    assert (schedule.zones, schedule.zone_reason) == ((), ZoneReason.DEFAULT)
    assert opening(stored, at("2024-03-04T09:00")) == (
        at("2024-03-04T10:00"),
        at("2024-03-04T20:00"),
    )


# Against a judge that reads the walls at one moment and knows nothing else

SETS = st.lists(st.sampled_from(NAMES), min_size=1, max_size=4, unique=True).map(tuple)
MOMENTS = st.integers(at("2023-01-01T00:00"), at("2027-01-01T00:00"))


@settings(deadline=None)  # two weeks of samples take their time on a busy machine
@given(WRITTEN, SETS, MOMENTS)
def test_any_opening_agrees_with_the_judge(
    written: Written, names: tuple[str, ...], now: int
) -> None:
    zones = [zone_of(name) for name in names]

    def judge(moment: int) -> bool:
        return all(is_open(written, moment, zone) for zone in zones)

    step = 113 * MINUTE
    schedule = in_zones(written, *names)
    opens_at, closing = opening(schedule.to_json(), now)
    assert has_common_hours(schedule, now) is (opens_at is not None)
    if opens_at is None:
        assert closing is None
        assert not any(judge(moment) for moment in range(now, now + 14 * DAY, step))
        return
    assert opens_at >= now
    assert judge(opens_at)
    assert opens_at == now or not judge(opens_at - 1)
    assert not any(judge(moment) for moment in range(now, opens_at, step))
    if closing is None:
        assert schedule.always_open
        return
    assert not judge(closing)
    assert judge(closing - 1)
    assert all(judge(moment) for moment in range(opens_at, closing, step))


@given(WRITTEN, SETS, MOMENTS)
def test_another_zone_only_takes_away(written: Written, names: tuple[str, ...], now: int) -> None:
    free = free_schedule_of(written)
    zones: list[tzinfo] = [zone_of(name) for name in names]
    alone = next_opening(free, now, zones[0])
    together = next_opening(free, now, *zones)
    assert alone is not None
    if together is not None:
        assert together >= alone
        closing, first = closes_at(free, together, *zones), closes_at(free, together, zones[0])
        assert first is None or (closing is not None and closing <= first)


@given(SETS, MOMENTS)
def test_zones_that_show_the_same_are_one(names: tuple[str, ...], now: int) -> None:
    fewer = distinct(names, now // DAY)
    assert set(fewer) <= {zone_of(name) for name in names}
    shown = {tuple(_offsets(zone, now)) for zone in map(zone_of, names)}
    assert {tuple(_offsets(zone, now)) for zone in fewer} == shown
    assert len(fewer) >= len(shown)


def _offsets(zone: tzinfo, now: int) -> list[object]:
    hours = range(now // DAY * DAY, now // DAY * DAY + 23 * DAY, HOUR)
    return [datetime.fromtimestamp(moment / 1_000, zone).utcoffset() for moment in hours]


def test_names_of_one_clock_are_one() -> None:
    names = ("Europe/London", "Europe/Guernsey", "Europe/Jersey", "Europe/Isle_of_Man")
    assert distinct(names, at("2024-03-04T09:00") // DAY) == (ZoneInfo("Europe/London"),)
    assert distinct((), 0) == ()


def test_zones_that_differ_after_a_change_are_two() -> None:
    """Phoenix and Denver show the same until Denver's clocks spring ahead."""
    names = ("America/Phoenix", "America/Denver")
    assert len(distinct(names, at("2024-01-10T00:00") // DAY)) == 1
    assert len(distinct(names, at("2024-03-04T00:00") // DAY)) == 2


def test_the_default_zone_is_utc3() -> None:
    assert zone_of("") is MOSCOW
