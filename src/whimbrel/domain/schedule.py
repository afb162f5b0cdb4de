"""Sending hours: when a message may be handed over.

Owns the rules of `protocol.md`, section 1 (`scheduleInfo`). A schedule is kept as local rules and
is given a zone at each question, so that a change of the clocks, or of the law about them, between
acceptance and sending is followed.

**The clock on the wall decides.** Sending hours are open at a moment if a clock in the zone shows,
at that moment, a time inside them on a day that counts. So a change of the clocks needs no rule of
its own:

- hours that begin in a skipped stretch open at the first moment after it, hours that end in one
  close at that moment, and hours that lie wholly in one do not open on that day;
- hours that begin or end in a repeated stretch hold in both passes: 22:00 to 02:30, when 02:00 to
  03:00 is run through twice, close at the first 02:30, open at the second 02:00 and close at the
  second 02:30. Nobody is written to while their clock shows a time that the Partner excluded.
"""

import re
from bisect import bisect_left
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Self

import msgspec

from whimbrel.clock import DAY, HOUR, MINUTE, SECOND

MOSCOW = timezone(timedelta(hours=3), "UTC+3")
"""The zone of every schedule that does not ask for the subscriber's own."""

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


def next_opening(schedule: Schedule, now: int, zone: tzinfo) -> int | None:
    """Return the first moment, `now` or later, at which the message may be handed over.

    Moments are UTC milliseconds. None: there is none before the deadline.
    """
    opening = _first_moment(now, zone, lambda wall: _opening_on_wall(schedule, wall))
    if schedule.deadline_at is not None and opening >= schedule.deadline_at:
        return None
    return opening


def closes_at(schedule: Schedule, now: int, zone: tzinfo) -> int | None:
    """Return the moment at which the hours that are open `now` close, by the deadline at last.

    Moments are UTC milliseconds; the moment itself is outside the hours. Hours that touch, such as
    two whole days, are one. None: the hours are not open `now`, or they never close.
    """
    if next_opening(schedule, now, zone) != now:
        return None
    if schedule.always_open:
        return schedule.deadline_at
    closing = _first_moment(now, zone, lambda wall: _closing_on_wall(schedule, wall))
    return closing if schedule.deadline_at is None else min(closing, schedule.deadline_at)


def opening(stored: str | None, at: int) -> tuple[int | None, int | None]:
    """Return the first moment from `at` on inside stored sending hours, and when they close then.

    `(at, None)` where nothing is limited, `(None, None)` past the last opening.
    """
    if stored is None:
        return at, None
    hours = Schedule.from_json(stored)
    opens_at = next_opening(hours, at, MOSCOW)
    return opens_at, None if opens_at is None else closes_at(hours, opens_at, MOSCOW)


def within_deadline(stored: str | None, moment: int) -> int:
    """Return `moment`, or the deadline of a stored schedule where that comes first."""
    deadline_at = None if stored is None else Schedule.from_json(stored).deadline_at
    return moment if deadline_at is None else min(moment, deadline_at)


def _opening_on_wall(schedule: Schedule, wall: int) -> int:
    """Return the first wall time, `wall` or later, inside the hours.

    A wall time is what the clock shows, in milliseconds since it showed 1970-01-01 00:00.
    """
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


def _first_moment(now: int, zone: tzinfo, find_on_wall: Callable[[int], int]) -> int:
    """Return the first moment, `now` or later, at which the wall shows what is looked for.

    `find_on_wall` maps a wall time to the first one, the same or later, that will do. Between two
    changes of the zone's offset the wall runs evenly and its answer holds; where a change comes
    first, the wall jumps, and the question is put again from there.
    """
    moment = now
    while True:
        offset = _offset(zone, moment)
        found = find_on_wall(moment + offset) - offset
        change = _first_change(zone, moment, found)
        if change is None:
            return found
        moment = change


def _first_change(zone: tzinfo, after: int, until: int) -> int | None:
    """Return the first moment in (after, until] with another offset than at `after`, if any.

    It looks once a day: no zone has ever changed its offset twice within three.
    """
    offset = _offset(zone, after)
    start = after
    while start < until:
        stretch = range(start, min(start + DAY, until) + 1)
        if _offset(zone, stretch[-1]) != offset:
            return stretch[
                bisect_left(stretch, True, key=lambda moment: _offset(zone, moment) != offset)
            ]
        start = stretch[-1]
    return None


def _offset(zone: tzinfo, moment: int) -> int:
    """Return how far the zone's clocks are ahead of UTC, in milliseconds."""
    # Offsets change at whole seconds, and a division that rounds down keeps floats out.
    offset = datetime.fromtimestamp(moment // SECOND, zone).utcoffset() or timedelta()
    return offset // timedelta(milliseconds=1)


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
