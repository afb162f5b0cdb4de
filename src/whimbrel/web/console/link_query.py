"""What is asked of short URLs: read from a query or a form, and told where it is wrong."""

from collections.abc import Mapping
from datetime import datetime, time, timedelta, tzinfo
from typing import NamedTuple

from whimbrel.clock import DAY, SECOND
from whimbrel.domain.partner import Partner
from whimbrel.flow.link_figures import By, LinkWish
from whimbrel.web.pages.moments import moment_in, typed_moment
from whimbrel.web.pages.words import phrase

_USUAL_DAYS = 30
_MOST_DAYS = 1_000
_FIELDS = ("by", "partner", "short_url", "number", "from", "to")


class Asked(NamedTuple):
    """What was asked for: as it was typed, and as it is counted."""

    typed: dict[str, str]
    wrong: dict[str, str]
    """By field; `begin` and `end` are those of the time range."""
    by: By
    wish: LinkWish
    """Of nobody's visits, if something is wrong."""


def asked_in(
    query: Mapping[str, str], by_id: Mapping[int, Partner], now: int, zone: tzinfo
) -> Asked:
    """Read what is asked for; without a time range it is the last thirty days of the zone."""
    typed = {name: query.get(name, "").strip() for name in _FIELDS}
    if not typed["from"] and not typed["to"]:
        typed["from"] = typed_moment(_days_ago(_USUAL_DAYS - 1, now, zone), zone)
    by = next((one for one in By if one.value == typed["by"]), By.SHORT_URL)
    typed["by"] = by.value
    since, before, wrong = _range(typed, now, zone)
    if typed["partner"] and all(one.login != typed["partner"] for one in by_id.values()):
        wrong["partner"] = phrase("There is no such Partner.")
    if typed["number"] and not _is_number(typed["number"]):
        wrong["number"] = phrase("There is no such message.")
    if wrong:
        return Asked(typed, wrong, by, LinkWish((), now - DAY, now))
    wanted = tuple(number for number, one in by_id.items() if typed["partner"] in {"", one.login})
    uid = typed["short_url"].rstrip("/").rpartition("/")[2]
    wish = LinkWish(wanted, since, before, uid, int(typed["number"] or 0))
    return Asked(typed, wrong, by, wish)


def _range(typed: Mapping[str, str], now: int, zone: tzinfo) -> tuple[int, int, dict[str, str]]:
    wrong: dict[str, str] = {}
    until = now + 1
    since = moment_in(typed["from"], zone) if typed["from"] else until - _MOST_DAYS * DAY
    before = moment_in(typed["to"], zone) if typed["to"] else until
    for name, moment in (("begin", since), ("end", before)):
        if moment is None:
            wrong[name] = phrase("Write a moment like 2026-11-25T14:30.")
    if since is None or before is None:
        return 0, 0, wrong
    if not since < before:
        wrong["end"] = phrase("It must be later than the beginning.")
    elif before - since > _MOST_DAYS * DAY:
        wrong["begin"] = phrase("At most a thousand days are counted at once.")
    return since, before, wrong


def _days_ago(days: int, now: int, zone: tzinfo) -> int:
    """Return the midnight with which a day of the zone began."""
    day = datetime.fromtimestamp(now / SECOND, zone).date() - timedelta(days=days)
    return int(datetime.combine(day, time(), zone).timestamp() * SECOND)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 20 and int(text) < 1 << 53
