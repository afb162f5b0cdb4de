"""What the clocks on the walls of a zone show, and when a change of the clocks makes them jump.

A *wall time* is what a clock shows, in milliseconds since it showed 1970-01-01 00:00; a *moment* is
milliseconds UTC. Nothing here knows what is looked for on the wall.
"""

from bisect import bisect_left
from collections.abc import Callable
from datetime import datetime, timedelta, tzinfo
from functools import lru_cache

from whimbrel.clock import DAY, SECOND
from whimbrel.domain.zones import zone_of

_TOLD_APART = 24  # days: two weeks of search, and a week's hours skipped twice beyond them


def first_moment(now: int, zone: tzinfo, find_on_wall: Callable[[int], int]) -> int:
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


@lru_cache(maxsize=1_024)
def distinct(names: tuple[str, ...], day: int) -> tuple[tzinfo, ...]:
    """Return as few of the zones as show everything that all of them will show for some weeks.

    `day` counts from 1970-01-01 UTC. A country's zones have many names and few clocks: the 42 of
    +1 show ten. Cached, since every question of a day is about the same weeks.
    """
    start, end = day * DAY, (day + _TOLD_APART) * DAY
    courses: dict[tuple[int, ...], tzinfo] = {}
    for name in names:
        zone = zone_of(name)
        courses.setdefault(_course(zone, start, end), zone)
    return tuple(courses.values())


def _course(zone: tzinfo, start: int, end: int) -> tuple[int, ...]:
    """Return the zone's offset at the start, then each change and the offset from it on."""
    course = [_offset(zone, start)]
    change = _first_change(zone, start, end)
    while change is not None:
        course += [change, _offset(zone, change)]
        change = _first_change(zone, change, end)
    return tuple(course)


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
