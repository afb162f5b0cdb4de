"""A schedule in words, for an operator."""

from collections.abc import Iterator
from datetime import datetime

from whimbrel.cli.terminal import moment
from whimbrel.clock import DAY, MINUTE, SECOND
from whimbrel.domain.schedule import Schedule, ZoneReason, opening
from whimbrel.domain.zones import MOSCOW, zone_of

_WHY = {
    ZoneReason.DEFAULT: "no zone was asked for",
    ZoneReason.PARTNER: "the Partner's own",
    ZoneReason.REGISTRY: "the subscriber's, by the numbering registry",
    ZoneReason.PREFIX: "the subscriber's, by the number's prefix",
    ZoneReason.CAPITAL: "the capital's, for the subscriber's zones have no hours in common",
    ZoneReason.NO_COUNTRY: "the number belongs to no country",
}
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MOST_NAMED = 6  # zones; an American number may have forty


def describe_schedule(stored: str, now: int, *, waiting: bool) -> Iterator[str]:
    """Yield lines that tell a stored schedule; its next opening only if a message waits for it.

    `now` is milliseconds UTC.
    """
    schedule = Schedule.from_json(stored)
    if not schedule.always_open:
        days = " ".join(_DAYS[day - 1] for day in schedule.weekdays)
        hours = f"{_time(schedule.begins)} to {_time(schedule.ends)} on {days}"
        yield f"sending hours: {hours} in {_zones(schedule)} ({_WHY[schedule.zone_reason]})"
    if schedule.deadline_at is not None:
        yield f"deadline: {moment(schedule.deadline_at)}"
    if waiting:
        yield f"next opening: {_opening(schedule, stored, now)}"


def _time(wall: int) -> str:
    """Write a time of day; beyond midnight it is the next day's."""
    minutes, rest = divmod(wall % DAY if wall != DAY else wall, MINUTE)
    seconds = f":{rest // SECOND:02}" if rest else ""
    return f"{minutes // 60:02}:{minutes % 60:02}{seconds}"


def _zones(schedule: Schedule) -> str:
    names = list(schedule.zones[:_MOST_NAMED]) or [str(MOSCOW)]
    more = len(schedule.zones) - _MOST_NAMED
    return " + ".join(names) + (f" + {more} more" if more > 0 else "")


def _opening(schedule: Schedule, stored: str, now: int) -> str:
    opens_at, _ = opening(stored, now)
    if opens_at is None:
        return "none"
    name = schedule.zones[0] if schedule.zones else ""
    local = datetime.fromtimestamp(opens_at / SECOND, zone_of(name))
    return f"{local:%Y-%m-%d %H:%M:%S%z} ({name or MOSCOW})"
