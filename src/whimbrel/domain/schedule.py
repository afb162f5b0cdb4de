"""Sending hours: when a message may be handed over.

Owns the rules of `protocol.md`, section 1 (`scheduleInfo`). A schedule is kept as local rules and
is given a zone at each question, so that a change of the clocks, or of the law about them, between
acceptance and sending is followed. `opening` is the one answer to "when may it go?".

**The clock on the wall decides.** Sending hours are open at a moment if a clock in the zone shows,
at that moment, a time inside them on a day that counts. So a change of the clocks needs no rule of
its own:

- hours that begin in a skipped stretch open at the first moment after it, hours that end in one
  close at that moment, and hours that lie wholly in one do not open on that day;
- hours that begin or end in a repeated stretch hold in both passes: 22:00 to 02:30, when 02:00 to
  03:00 is run through twice, close at the first 02:30, open at the second 02:00 and close at the
  second 02:30. Nobody is written to while their clock shows a time that the Partner excluded.

**All of several clocks decide.** Where a subscriber may live in one of several zones, the hours are
open when they are open in all of them. A common opening is looked for two weeks ahead: the hours
come again every week, and a change of the clocks may spoil one of two. Which zones a schedule has
is decided at acceptance (`subscriber_zones.py`) and kept with it.
"""

import re
from datetime import UTC, datetime, timedelta, tzinfo
from enum import StrEnum
from functools import lru_cache, partial
from typing import Self

import msgspec

from whimbrel.clock import DAY, HOUR, MINUTE, SECOND
from whimbrel.domain.wall_clock import distinct, first_moment
from whimbrel.domain.zones import MOSCOW

_SEARCH = 14 * DAY  # how far ahead several zones are searched for an opening in common
_EVERY_DAY = (1, 2, 3, 4, 5, 6, 7)
_TIME = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])(?::([0-5][0-9]))?")
_DEADLINE = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]"
    r"((?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:[.,][0-9]+)?)?)"
    r"([Zz]|[+-](?:[01][0-9]|2[0-3])(?::?[0-5][0-9])?)?"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class BadSchedule(ValueError):
    """A member of `scheduleInfo` breaks its rule. The message tells the rule."""

    def __init__(self, member: str, text: str) -> None:
        super().__init__(text)
        self.member = member
        """As the Partner spells it: timeBegin, timeEnd, weekdaysSchedule or deadline."""


class ZoneReason(StrEnum):
    """Why a schedule is read in its zones; the value is what the store keeps."""

    DEFAULT = ""
    """None was asked for: UTC+3."""
    PARTNER = "partner"
    """The Partner's own zone."""
    REGISTRY = "registry"
    """The subscriber's, by the numbering registry."""
    PREFIX = "prefix"
    """The subscriber's, by the prefix data of libphonenumber."""
    CAPITAL = "capital"
    """The subscriber's zones have no hours in common: the country's capital decides."""
    NO_COUNTRY = "no-country"
    """The number belongs to no country (satellites, international free phone): UTC+3."""


class Schedule(msgspec.Struct, frozen=True, omit_defaults=True):
    """Sending hours and the moment after which nothing is handed over."""

    begins: int = 0
    """Milliseconds of the local day, from 0 to a millisecond before its end."""
    ends: int = DAY
    """On the same scale, exclusive; beyond `DAY` the hours pass midnight. Never more than a day
    after `begins`. The hours belong to the day on which they begin."""
    weekdays: tuple[int, ...] = _EVERY_DAY
    """The days on which the hours begin, 1 (Monday) to 7, ascending and at least one."""
    deadline_at: int | None = None
    """UTC milliseconds, exclusive: at this moment it is too late."""
    zones: tuple[str, ...] = ()
    """IANA names of the zones in all of which the hours must be open; none: UTC+3."""
    zone_reason: ZoneReason = ZoneReason.DEFAULT

    def to_json(self) -> str:
        """Return the schedule as JSON, for the store."""
        return msgspec.json.encode(self).decode()

    @classmethod
    def from_json(cls, stored: str | bytes) -> Self:
        """Return the schedule that `to_json` wrote. Raises `msgspec.ValidationError`."""
        return msgspec.json.decode(stored, type=cls)

    @property
    def always_open(self) -> bool:
        """Tell whether the deadline, if anything, is the only limit."""
        return self.ends - self.begins == DAY and self.weekdays == _EVERY_DAY


def parse(
    *, time_begin: str | None, time_end: str | None, weekdays: str | None, deadline: str | None
) -> Schedule | None:
    """Return the schedule that the members of `scheduleInfo` describe, None if nothing is limited.

    An empty text is the same as None. `time_begin` and `time_end` are HH:MM or HH:MM:SS; the end
    may be 24:00. An end before the begin passes midnight; equal: the whole calendar day; only one
    given: the other is the day's edge. `weekdays` is digits from 1 (Monday) to 7, in any order.
    `deadline` is a date and a time by ISO 8601 with an offset, UTC+3 if it has none; seconds and
    their fractions may be left out (`protocol.md`, section 1).

    Raises `BadSchedule`.
    """
    begins = _time_of_day("timeBegin", time_begin) if time_begin else 0
    ends = _time_of_day("timeEnd", time_end) if time_end else DAY
    if ends == begins:
        begins, ends = 0, DAY
    elif ends < begins:
        ends += DAY
    schedule = Schedule(
        begins=begins,
        ends=ends,
        weekdays=_weekdays(weekdays) if weekdays else _EVERY_DAY,
        deadline_at=_deadline(deadline) if deadline else None,
    )
    return None if schedule == Schedule() else schedule


def opening(stored: str | None, at: int) -> tuple[int | None, int | None]:
    """Return when a message whose schedule is `stored` may be handed over, and until when.

    The first is the first moment, `at` or later, inside the sending hours; the second the moment at
    which those hours close, None if they never do. `(at, None)` where there is no schedule;
    `(None, None)` where it does not open before its deadline, or where its zones have no hours in
    common for two weeks from `at`. Moments are UTC milliseconds.

    Raises `msgspec.ValidationError` if `stored` is not what `Schedule.to_json` writes.
    """
    if stored is None:
        return at, None
    schedule = Schedule.from_json(stored)
    zones = _zones(schedule, at)
    opens_at = next_opening(schedule, at, *zones)
    return (None, None) if opens_at is None else (opens_at, _closing(schedule, opens_at, zones))


def has_common_hours(schedule: Schedule, at: int) -> bool:
    """Tell whether the hours are open in all zones of the schedule at once, at `at` or later.

    It looks two weeks ahead from the day of `at` (UTC), whatever the deadline.
    """
    undated = msgspec.structs.replace(schedule, deadline_at=None)
    if not _has_common_hours(undated, at // DAY):
        return False
    return next_opening(undated, at, *_zones(schedule, at)) is not None


@lru_cache(maxsize=4_096)
def _has_common_hours(undated: Schedule, day: int) -> bool:
    """Cached, since finding nothing means looking at everything, and few schedules are in use."""
    return next_opening(undated, day * DAY, *_zones(undated, day * DAY)) is not None


def next_opening(schedule: Schedule, now: int, *zones: tzinfo) -> int | None:
    """Return the first moment, `now` or later, at which the message may be handed over.

    Moments are UTC milliseconds. None: there is none before the deadline, or several zones have
    none in common for two weeks.
    """
    find = partial(_opening_on_wall, schedule)
    moment = now
    while True:
        found = max(first_moment(moment, zone, find) for zone in zones)
        if found == moment or len(zones) == 1:
            break
        if found > now + _SEARCH:
            return None
        moment = found  # where the last of them opens, the others may have closed
    return None if _is_too_late(schedule, found) else found


def closes_at(schedule: Schedule, now: int, *zones: tzinfo) -> int | None:
    """Return the moment at which the hours that are open `now` close, by the deadline at last.

    Moments are UTC milliseconds; the moment itself is outside the hours. Hours that touch, such as
    two whole days, are one. None: the hours are not open `now`, or they never close.
    """
    is_open = next_opening(schedule, now, *zones) == now
    return _closing(schedule, now, zones) if is_open else None


def _zones(schedule: Schedule, at: int) -> tuple[tzinfo, ...]:
    return distinct(schedule.zones, at // DAY) or (MOSCOW,)


def _is_too_late(schedule: Schedule, moment: int) -> bool:
    return schedule.deadline_at is not None and moment >= schedule.deadline_at


def _closing(schedule: Schedule, now: int, zones: tuple[tzinfo, ...]) -> int | None:
    """Return when hours that are open `now` in all zones close in the first of them."""
    if schedule.always_open:
        return schedule.deadline_at
    find = partial(_closing_on_wall, schedule)
    closing = min(first_moment(now, zone, find) for zone in zones)
    return closing if schedule.deadline_at is None else min(closing, schedule.deadline_at)


def within_deadline(stored: str | None, moment: int) -> int:
    """Return `moment`, or the deadline of a stored schedule where that comes first."""
    deadline_at = None if stored is None else Schedule.from_json(stored).deadline_at
    return moment if deadline_at is None else min(moment, deadline_at)


def _opening_on_wall(schedule: Schedule, wall: int) -> int:
    """Return the first wall time, `wall` or later, inside the hours."""
    today = wall // DAY
    # Yesterday's hours may still be open; today's, on the only weekday, may be over.
    candidates = (
        max(wall, day * DAY + schedule.begins)
        for day in range(today - 1, today + 8)
        if _weekday(day) in schedule.weekdays and wall < day * DAY + schedule.ends
    )
    return next(candidates)


def _closing_on_wall(schedule: Schedule, wall: int) -> int:
    """Return the first wall time, `wall` or later, outside the hours. They must close some day."""
    while _opening_on_wall(schedule, wall) == wall:
        day = (wall - schedule.begins) // DAY
        wall = day * DAY + schedule.ends
    return wall


def _weekday(day: int) -> int:
    """Return 1 (Monday) to 7 for a number of days since 1970-01-01, which was a Thursday."""
    return (day + 3) % 7 + 1


def _time_of_day(member: str, text: str) -> int:
    if member == "timeEnd" and text in ("24:00", "24:00:00"):
        return DAY
    match = _TIME.fullmatch(text)
    if match is None:
        raise BadSchedule(
            member, "A time of day is HH:MM or HH:MM:SS, from 00:00 to 23:59:59 (an end: to 24:00)."
        )
    hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return hours * HOUR + minutes * MINUTE + seconds * SECOND


def _weekdays(text: str) -> tuple[int, ...]:
    if not set(text) <= set("1234567"):
        raise BadSchedule(
            "weekdaysSchedule",
            "Weekdays are digits from 1 (Monday) to 7 (Sunday) with nothing between them.",
        )
    return tuple(sorted({int(digit) for digit in text}))


def _deadline(text: str) -> int:
    match = _DEADLINE.fullmatch(text)
    if match is None:
        raise _bad_deadline()
    date, time, offset = match.groups(default="+03:00")
    try:
        moment = datetime.fromisoformat(f"{date}T{time}{offset.upper()}")
    except ValueError:  # there is no 31 February
        raise _bad_deadline() from None
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def _bad_deadline() -> BadSchedule:
    return BadSchedule(
        "deadline",
        "A deadline is a date and a time by ISO 8601, such as 2019-05-10T16:29:30+0300.",
    )
