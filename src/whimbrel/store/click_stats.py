"""How short URLs are followed, for operators.

Everything is counted from the visits that are kept, so that any range of time can be asked for. A
short URL that was removed has taken its visits along; how many retention has removed of the others,
their counters tell. Reads whatever it is asked about: it is run
at an operator's command, beside the gateway.
"""

from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

from whimbrel.clock import DAY
from whimbrel.store.engine import Ask, Statement, Steps, ask_one


class Grouping(StrEnum):
    """What a row of the statistics is about."""

    SHORT_URL = "short-url"
    CHAIN = "chain"
    PARTNER = "partner"
    DAY = "day"


_COUNTS = """
    count(DISTINCT s.uid), count(DISTINCT CASE WHEN c.counted = 1 THEN s.uid END),
    count(c.click_id), coalesce(sum(c.counted), 0),
    coalesce(sum(CASE WHEN c.counted = 1 AND c.agent = 'mobile' THEN 1 ELSE 0 END), 0),
    coalesce(sum(CASE WHEN c.counted = 1 AND c.agent = 'desktop' THEN 1 ELSE 0 END), 0),
    min(CASE WHEN c.counted = 1 THEN c.at END), max(CASE WHEN c.counted = 1 THEN c.at END)
FROM short_urls s JOIN partners p ON p.partner_id = s.partner_id
"""
_VISITS = "c.uid = s.uid AND c.at >= :since AND c.at < :before"
_FILTER = """
WHERE (:uid = '' OR s.uid = :uid) AND (CAST(:chain_id AS bigint) = 0 OR s.chain_id = :chain_id)
    AND (:login = '' OR p.login = :login)
"""
_MOST_CLICKED = "ORDER BY coalesce(sum(c.counted), 0) DESC, max(s.created_at) DESC LIMIT :most"
# Columns before the counts: the login, and what tells a row from the others of that Partner.
_BY = MappingProxyType(
    {
        Grouping.SHORT_URL: Statement(
            f"SELECT p.login, s.uid, s.target, s.chain_id, s.subscriber, {_COUNTS}"
            f"LEFT JOIN clicks c ON {_VISITS} {_FILTER}"
            "GROUP BY p.login, s.uid, s.target, s.chain_id, s.subscriber "
            f"{_MOST_CLICKED}"
        ),
        Grouping.CHAIN: Statement(
            f"SELECT p.login, s.chain_id, s.subscriber, {_COUNTS}"
            f"LEFT JOIN clicks c ON {_VISITS} {_FILTER} AND s.chain_id IS NOT NULL "
            f"GROUP BY p.login, s.chain_id, s.subscriber {_MOST_CLICKED}"
        ),
        Grouping.PARTNER: Statement(
            f"SELECT p.login, {_COUNTS} LEFT JOIN clicks c ON {_VISITS} {_FILTER}"
            f"GROUP BY p.login {_MOST_CLICKED}"
        ),
        Grouping.DAY: Statement(
            f"SELECT p.login, c.at / {DAY} * {DAY}, {_COUNTS} JOIN clicks c ON {_VISITS} {_FILTER}"
            f"GROUP BY p.login, c.at / {DAY} * {DAY} ORDER BY 2 DESC, 1 LIMIT :most"
        ),
    }
)

_REMOVED = Statement("""
SELECT CAST(coalesce(sum(s.visits - (SELECT count(*) FROM clicks c WHERE c.uid = s.uid)), 0)
    AS bigint)
FROM short_urls s JOIN partners p ON p.partner_id = s.partner_id
WHERE (:uid = '' OR s.uid = :uid)
    AND (CAST(:chain_id AS bigint) = 0 OR s.chain_id = :chain_id)
    AND (:login = '' OR p.login = :login)
""")


class StatsWish(NamedTuple):
    """Which visits to count; 0 and the empty text mean any."""

    by: Grouping
    uid: str
    chain_id: int
    login: str
    since: int
    before: int
    most: int


class ClickStats(NamedTuple):
    """One row; what does not belong to its grouping is None."""

    login: str
    short_urls: int
    """How many there are; by day: how many were visited."""
    followed: int
    """How many of them were clicked: as many subscribers, where each has one of its own."""
    visits: int
    clicks: int
    mobile: int
    desktop: int
    first_click_at: int | None
    last_click_at: int | None
    uid: str | None = None
    target: str | None = None
    chain_id: int | None = None
    subscriber: str | None = None
    day: int | None = None
    """The midnight, UTC, with which it begins."""


_KEYS = MappingProxyType(
    {
        Grouping.SHORT_URL: ("uid", "target", "chain_id", "subscriber"),
        Grouping.CHAIN: ("chain_id", "subscriber"),
        Grouping.PARTNER: (),
        Grouping.DAY: ("day",),
    }
)


def count_clicks(wishes: list[StatsWish]) -> Steps[list[list[ClickStats]]]:
    """Count visits as each wish asks, the most clicked first, by day the latest first."""
    told: list[list[ClickStats]] = []
    for wish in wishes:
        statement, keys = _BY[wish.by], _KEYS[wish.by]
        params = tuple(getattr(wish, name) for name in statement.names)
        rows = (yield Ask(statement, [params]))[0]
        told.append(
            [
                ClickStats(
                    row[0],
                    *row[1 + len(keys) :],
                    **dict(zip(keys, row[1 : 1 + len(keys)], strict=True)),
                )
                for row in rows
            ]
        )
    return told


def count_removed_visits(wishes: list[StatsWish]) -> Steps[list[int]]:
    """Count the visits, of any time, of the short URLs that each wish names which are not kept."""
    counts: list[int] = []
    for wish in wishes:
        rows = yield from ask_one(_REMOVED, wish.uid, wish.chain_id, wish.login)
        counts.append(rows[0][0])
    return counts
