"""The roads by which a search goes from chain to chain, each in the order of an index.

A road is a column (or none) and the chains' numbers behind it. It is asked two things, either of
them with the newest or the oldest first: where the chain is that is so many steps away, and which
chains of a span are wanted. So whoever searches knows beforehand how much it is to look at, and
nothing is left out if chains come and go meanwhile.

Pairs are compared so that no index but that of pairs will do. What else is wanted of a chain is
looked at on the way, link by link where it is about links: `coalesce` instead of `EXISTS`, for
PostgreSQL would rather read all links than ask for those of many chains. A literal LIMIT behind a
road of another table tells a planner that does not know the span how few rows there are.

Every statement is made of the texts in this module alone; what is looked for is a parameter.
"""

from typing import NamedTuple

from whimbrel.store.engine import Statement

BUDGET = 1_000
"""How many chains are looked at in one go: a few milliseconds, for which SQLite stops the rest."""

_COLUMNS = """c.chain_id,
    (SELECT p.login FROM partners p WHERE p.partner_id = c.partner_id),
    c.partner_ref, c.dest_addr, c.accepted_at, c.extra_param, c.content_removed_at"""
WANTED = """(CAST(:login AS text) IS NULL
        OR (SELECT p.login FROM partners p WHERE p.partner_id = c.partner_id) = :login)
    AND (CAST(:dest_addr AS text) IS NULL OR c.dest_addr = :dest_addr)
    AND (CAST(:partner_ref AS text) IS NULL OR c.partner_ref = :partner_ref)
    AND (CAST(:extra AS text) IS NULL OR c.extra_param LIKE :extra ESCAPE '!')
    AND (CAST(:by_link AS smallint) = 0 OR coalesce((
        SELECT 1 FROM links l
        WHERE l.link_id >= c.chain_id * 16 AND l.link_id <= c.chain_id * 16 + 15
            AND l.state >= :lowest AND l.state <= :highest
            AND (CAST(:channel AS text) IS NULL OR l.channel = :channel)
            AND (CAST(:sender AS text) IS NULL OR l.sender = :sender)
            AND (CAST(:error_code AS smallint) < 0 OR l.error_code = :error_code)
        LIMIT 1), 0) = 1)"""
"""What every road looks at; the criteria that a link meets are met by one link."""


class Direction(NamedTuple):
    """The statements of a road, with the newest chains first or with the oldest."""

    step: Statement
    """The number of the chain behind `:skipped` others."""
    wanted: Statement
    """The chains of a span that are wanted, `:room` at the most."""


class Road(NamedTuple):
    """A way through the chains."""

    name: str
    older: Direction
    newer: Direction


def _road(name: str, step: str, wanted: str) -> Road:
    """Make a road of its two texts, in which `{way}` stands for the direction."""
    return Road(
        name,
        *(
            Direction(*(Statement(text.replace("{way}", way)) for text in (step, wanted)))
            for way in (" DESC", "")
        ),
    )


def _of_chains(column: str, condition: str = "") -> Road:
    """Make the road of a column of `chains`, by an index on it and the chain's number."""
    span = f"""({{0}}{column}, {{0}}chain_id) >= (:key, :since)
    AND ({{0}}{column}, {{0}}chain_id) < (:key, :before){condition and " AND {0}" + condition}"""
    return _road(
        column,
        f"""
SELECT chain_id FROM chains
WHERE {span.format("")}
ORDER BY {column}{{way}}, chain_id{{way}} LIMIT 1 OFFSET :skipped
""",
        f"""
SELECT {_COLUMNS}
FROM chains c
WHERE {span.format("c.")}
    AND {WANTED}
ORDER BY c.{column}{{way}}, c.chain_id{{way}} LIMIT :room
""",
    )


def _of_others(name: str, table: str, number: str, span: str, order: str) -> Road:
    """Make the road of another table, whose `number` is the chain's, by an index of its own."""
    return _road(
        name,
        f"""
SELECT {number} FROM {table}
WHERE {span}
ORDER BY {order} LIMIT 1 OFFSET :skipped
""",
        f"""
WITH road AS MATERIALIZED (
    SELECT {number} AS number FROM {table}
    WHERE {span}
    ORDER BY {order} LIMIT {4 * BUDGET})
SELECT {_COLUMNS}
FROM road CROSS JOIN chains c
WHERE c.chain_id = road.number
    AND {WANTED}
ORDER BY c.chain_id{{way}} LIMIT :room
""",
    )


ALL = _road(
    "all",
    """
SELECT chain_id FROM chains WHERE chain_id >= :since AND chain_id < :before
ORDER BY chain_id{way} LIMIT 1 OFFSET :skipped
""",
    f"""
SELECT {_COLUMNS}
FROM chains c
WHERE c.chain_id >= :since AND c.chain_id < :before
    AND {WANTED}
ORDER BY c.chain_id{{way}} LIMIT :room
""",
)
PARTNER = _of_chains("partner_id")
PHONE = _of_chains("dest_addr")
PARTNER_REF = _of_chains("partner_ref", "partner_ref IS NOT NULL")
PAIR = _of_others(
    "pair",
    "extra_pairs",
    "chain_id",
    "(pair, chain_id) >= (:key, :since) AND (pair, chain_id) < (:key, :before)",
    "pair{way}, chain_id{way}",
)
ERROR = _of_others(
    "error",
    "links",
    "link_id >> 4",
    """state IN (50, 60)
    AND (error_code, link_id) >= (:key, CAST(:since AS bigint) * 16)
    AND (error_code, link_id) < (:key, CAST(:before AS bigint) * 16)""",
    "error_code{way}, link_id{way}",
)
"""Undelivered links by their error codes: a chain is met as often as it has such links."""

ROADS = (ALL, PARTNER, PHONE, PARTNER_REF, PAIR, ERROR)

ONE = Statement(f"""
SELECT {_COLUMNS}
FROM chains c
WHERE c.chain_id = :chain_id
    AND {WANTED}
""")
"""A chain, if it is wanted."""
BY_PROVIDER_ID = Statement("""
SELECT link_id >> 4 FROM submits WHERE provider_id = :provider_id
UNION
SELECT link_id >> 4 FROM parts WHERE provider_id = :provider_id
LIMIT 1001
""")
HELD = Statement("""
SELECT link_id >> 4, state FROM links WHERE state = -10 ORDER BY due_at LIMIT 1001
""")
LIMBO = Statement("""
SELECT link_id >> 4, state FROM links WHERE state IN (10, 20) ORDER BY due_at LIMIT 1001
""")
UNSETTLED = Statement("""
SELECT link_id >> 4, state FROM links WHERE state < 50 ORDER BY expires_at LIMIT 1001
""")
LINKS = Statement("""
SELECT link_id, channel, sender, text, image_url, state, attempt, submitted_at, done_at,
    provider_id, error_code
FROM links WHERE link_id >= :first AND link_id <= :last ORDER BY link_id
""")
PARTNERS = Statement("SELECT partner_id FROM partners WHERE login = :login")
