"""Time zones by their names: the one place that turns a name into a clock."""

from datetime import timedelta, timezone, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

MOSCOW = timezone(timedelta(hours=3), "UTC+3")
"""The zone of everything that names none (`protocol.md`, section 1)."""


@lru_cache(maxsize=1_024)
def zone_of(name: str) -> tzinfo:
    """Return the zone of an IANA name; the empty name is UTC+3.

    Raises `ValueError` for a name that is not in the zone database.
    """
    if not name:
        return MOSCOW
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"{name!r} is not the name of a time zone") from error
