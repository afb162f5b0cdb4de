"""The roads by which a search goes from chain to chain, each in the order of an index.

A road is a column (or none) and the chains' numbers behind it; it yields numbers alone, the newest
or the oldest first. What else is wanted of the chains is asked of some of them at once, by their
numbers. So no planner has anything to choose, whatever it believes of the tables, and what is about
links is asked link by link.

A span of a road is written in two ways. PostgreSQL compares pairs, so that no index but that of
pairs will do; by an equation it might take the index of numbers for the shorter way. SQLite would
use the first column of a pair alone, and gets the equation.

Every statement is made of the texts in this module alone; what is looked for is a parameter.
"""

from itertools import product
from typing import NamedTuple

from whimbrel.store.engine import Statement


class Road(NamedTuple):
    """A way through the chains of a span: the numbers of `:most` of them."""

    name: str
    older: Statement
    """The newest first."""
    newer: Statement
    """The oldest first."""


def _road(name: str, text: str) -> Road:
    """Make a road of a text in which `{way}` stands for the direction."""
    return Road(name, *(Statement(text.replace("{way}", way)) for way in (" DESC", "")))


def _span(column: str, number: str, since: str, before: str) -> str:
    """Return the condition; behind `--` PostgreSQL reads no more, SQLite none of what is before."""
    pair = f"({column}, {number})"
    return f"""/*postgres {pair} >= (:key, {since}) AND {pair} < (:key, {before}) -- */ \
{column} = :key AND {number} >= {since} AND {number} < {before}"""


def _by(table: str, column: str, condition: str = "") -> Road:
    """Make the road of a column, by an index on it and the chain's number."""
    return _road(
        column,
        f"""
SELECT chain_id FROM {table}
WHERE {_span(column, "chain_id", ":since", ":before")}
    {condition}
ORDER BY {column}{{way}}, chain_id{{way}} LIMIT :most
""",
    )


ALL = _road(
    "all",
    """
SELECT chain_id FROM chains WHERE chain_id >= :since AND chain_id < :before
ORDER BY chain_id{way} LIMIT :most
""",
)
PARTNER = _by("chains", "partner_id")
PHONE = _by("chains", "dest_addr")
PARTNER_REF = _by("chains", "partner_ref", "AND partner_ref IS NOT NULL AND dedupe_ref IS NULL")
"""Without those of Partners whose ids are compared: these have an index already."""
PAIR = _by("extra_pairs", "pair")
_FIRST, _LAST = "CAST(:since AS bigint) * 16", "CAST(:before AS bigint) * 16"
ERROR = _road(
    "error",
    f"""
SELECT link_id >> 4 FROM links
WHERE {_span("error_code", "link_id", _FIRST, _LAST)}
    AND (state = 50 OR state = 57 OR state = 60)
ORDER BY error_code{{way}}, link_id{{way}} LIMIT :most
""",
)
"""Undelivered links by their error codes: a chain is met as often as it has such links."""

ROADS = (ALL, PARTNER, PHONE, PARTNER_REF, PAIR, ERROR)

MOST_LISTED = 1_000
BY_PROVIDER_ID = Statement(f"""
SELECT link_id >> 4 FROM submits WHERE provider_id = :provider_id
UNION
SELECT link_id >> 4 FROM parts WHERE provider_id = :provider_id
LIMIT {MOST_LISTED}
""")
BY_DEDUPE_REF = Statement(f"""
SELECT number FROM (
    SELECT (SELECT c.chain_id FROM chains c
        WHERE c.partner_id = p.partner_id AND c.dedupe_ref = :partner_ref) AS number
    FROM partners p) AS one_each
WHERE number IS NOT NULL LIMIT {MOST_LISTED}
""")
HELD = Statement(f"""
SELECT link_id >> 4, state FROM links WHERE state = -10 ORDER BY due_at LIMIT {MOST_LISTED + 1}
""")
LIMBO = Statement(f"""
SELECT link_id >> 4, state FROM links WHERE state IN (10, 20)
ORDER BY due_at LIMIT {MOST_LISTED + 1}
""")
UNSETTLED = Statement(f"""
SELECT link_id >> 4, state FROM links WHERE state < 50
ORDER BY expires_at LIMIT {MOST_LISTED + 1}
""")
PARTNERS = Statement("SELECT partner_id FROM partners WHERE login = :login")

JUDGED_AT_ONCE = 64
_NUMBERS = ", ".join(f":number_{a}{b}" for a, b in product("abcdefgh", repeat=2))
JUDGED = Statement(f"""
SELECT c.chain_id,
    (SELECT p.login FROM partners p WHERE p.partner_id = c.partner_id),
    c.partner_ref, c.dest_addr, c.accepted_at, c.extra_param, c.content_removed_at
FROM chains c
WHERE c.chain_id IN ({_NUMBERS})
    AND (CAST(:login AS text) IS NULL
        OR (SELECT p.login FROM partners p WHERE p.partner_id = c.partner_id) = :login)
    AND (CAST(:dest_addr AS text) IS NULL OR coalesce(c.dest_addr, '') = :dest_addr)
    AND (CAST(:partner_ref AS text) IS NULL OR coalesce(c.partner_ref, '') = :partner_ref)
    AND (CAST(:extra AS text) IS NULL OR c.extra_param LIKE :extra ESCAPE '!')
    AND (CAST(:by_link AS smallint) = 0 OR coalesce((
        SELECT 1 FROM links l
        WHERE l.link_id >= c.chain_id * 16 AND l.link_id <= c.chain_id * 16 + 15
            AND l.state + 0 >= :lowest AND l.state + 0 <= :highest
            AND (CAST(:channel AS text) IS NULL OR l.channel = :channel)
            AND (CAST(:sender AS text) IS NULL OR l.sender = :sender)
            AND (CAST(:error_code AS smallint) < 0 OR l.error_code = :error_code)
        LIMIT 1), 0) = 1)
""")
"""Those of some chains that are wanted; what is asked of a link, one link meets.

No column stands alone that an index begins with, or is for some values of: knowing the values,
PostgreSQL would read all links that are queued for each chain. For the same reason no EXISTS.
"""
LINKS = Statement("""
SELECT link_id, channel, sender, text, image_url, state, attempt, submitted_at, done_at,
    provider_id, error_code
FROM links WHERE link_id >= :first AND link_id <= :last ORDER BY link_id
""")
