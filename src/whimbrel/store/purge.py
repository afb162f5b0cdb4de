"""What is removed because of its age: texts, whole chains, visits, what subscribers wrote.

Old chains are found by one operation, which may run beside the writers, and removed by another,
which looks at each of them again: a chain with a link on its way or with an open report stays as
it is, whatever its age.
"""

from typing import NamedTuple

from whimbrel.domain.chain_id import links_of
from whimbrel.store.engine import Ask, Do, Hold, Statement, Steps, ask_one
from whimbrel.store.extra_pairs import forget_pairs

# Pairs are compared so that no index but that of pairs will do, and a literal LIMIT tells a planner
# that does not know the other one how few rows there are.
_OLD = Statement("""
SELECT chain_id FROM chains
WHERE (partner_id, chain_id) > (:partner_id, :after)
    AND (partner_id, chain_id) < (:partner_id, :before)
ORDER BY partner_id, chain_id LIMIT :room
""")
_OLD_WITH_CONTENT = Statement("""
SELECT chain_id FROM chains
WHERE (partner_id, chain_id) > (:partner_id, :after)
    AND (partner_id, chain_id) < (:partner_id, :before)
    AND content_removed_at IS NULL
ORDER BY partner_id, chain_id LIMIT :room
""")
_STILL_OPEN = Statement("""
SELECT 1 FROM links WHERE link_id >= :first AND link_id <= :last AND state < 50
UNION ALL
SELECT 1 FROM reports WHERE chain_id = :chain_id AND state IN (0, 1)
LIMIT 1
""")


class OldChains(NamedTuple):
    """Which chains of a Partner are wanted: some, by their numbers, between two others."""

    partner_id: int
    after: int
    before: int
    room: int
    with_content: bool
    """Only those whose content has not been removed."""


def find_old_chains(wishes: list[OldChains]) -> Steps[list[list[int]]]:
    """Return the numbers of chains, in their order."""
    found: list[list[int]] = []
    for partner_id, after, before, room, with_content in wishes:
        statement = _OLD_WITH_CONTENT if with_content else _OLD
        rows = yield from ask_one(statement, partner_id, after, before, room)
        found.append([chain_id for (chain_id,) in rows])
    return found


def _closed(chain_ids: list[int]) -> Steps[list[int]]:
    """Hold chains; return those in which nothing will happen any more by itself."""
    yield Hold(chain_ids)
    answers = yield Ask(_STILL_OPEN, [(*links_of(one), one) for one in chain_ids])
    return [one for one, rows in zip(chain_ids, answers, strict=True) if not rows]


_REMOVE_TEXTS = Statement("""
UPDATE links SET text = NULL, image_url = NULL WHERE link_id >= :first AND link_id <= :last
""")
_NOTE_REMOVAL = Statement("""
UPDATE chains SET extra_param = NULL, content_key = NULL, content_removed_at = :now
WHERE chain_id = :chain_id AND content_removed_at IS NULL RETURNING chain_id
""")


class OldContents(NamedTuple):
    """Chains whose content is too old, and the moment."""

    chain_ids: list[int]
    now: int


def remove_contents(batches: list[OldContents]) -> Steps[list[int]]:
    """Remove texts, image URLs and `extraParam` of chains; return of how many it was done."""
    counts: list[int] = []
    for chain_ids, now in batches:
        closed = yield from _closed(chain_ids)
        yield from forget_pairs(closed)
        yield Do(_REMOVE_TEXTS, [links_of(one) for one in closed])
        changed = yield Ask(_NOTE_REMOVAL, [(now, one) for one in closed])
        counts.append(sum(map(len, changed)))
    return counts


_REMOVE_REPORTS = Statement("""
DELETE FROM reports WHERE link_id >= :first AND link_id <= :last RETURNING report_id
""")
_REMOVE_ATTEMPTS = Statement("DELETE FROM report_attempts WHERE report_id = :report_id")
_REMOVE_CLICKED = Statement("DELETE FROM click_reports WHERE report_id = :report_id")
_REMOVE_RECEIPTS = Statement("DELETE FROM receipts WHERE link_id >= :first AND link_id <= :last")
_REMOVE_PARTS = Statement("DELETE FROM parts WHERE link_id >= :first AND link_id <= :last")
_REMOVE_SUBMITS = Statement("DELETE FROM submits WHERE link_id >= :first AND link_id <= :last")
_REMOVE_LINKS = Statement("DELETE FROM links WHERE link_id >= :first AND link_id <= :last")
_FORGET_WHOSE = Statement("""
UPDATE short_urls SET subscriber = NULL, chain_id = NULL, link_id = NULL WHERE chain_id = :chain_id
""")
_REMOVE_CHAIN = Statement("DELETE FROM chains WHERE chain_id = :chain_id RETURNING chain_id")


def remove_chains(batches: list[list[int]]) -> Steps[list[int]]:
    """Remove chains with all that is known of them; return how many were.

    Their short URLs end in their own time, and do not know any more whose they were.
    """
    counts: list[int] = []
    for chain_ids in batches:
        closed = yield from _closed(chain_ids)
        yield from forget_pairs(closed)
        spans = [links_of(one) for one in closed]
        reports = yield Ask(_REMOVE_REPORTS, spans)
        report_ids = [row for rows in reports for row in rows]
        for statement in (_REMOVE_ATTEMPTS, _REMOVE_CLICKED):
            yield Do(statement, report_ids)
        for statement in (_REMOVE_RECEIPTS, _REMOVE_PARTS, _REMOVE_SUBMITS, _REMOVE_LINKS):
            yield Do(statement, spans)
        numbers = [(one,) for one in closed]
        yield Do(_FORGET_WHOSE, numbers)
        removed = yield Ask(_REMOVE_CHAIN, numbers)
        counts.append(sum(map(len, removed)))
    return counts


_OLDEST_VISIT = Statement("""
SELECT at FROM clicks WHERE partner_id = :partner_id ORDER BY at LIMIT 1
""")
_REMOVE_VISITS = Statement("""
WITH old AS MATERIALIZED (
    SELECT click_id FROM clicks WHERE partner_id = :partner_id AND at < :before
    ORDER BY at LIMIT :room)
DELETE FROM clicks WHERE click_id IN (SELECT click_id FROM old LIMIT 250)
RETURNING click_id
""")
_OLDEST_INBOUND = Statement("SELECT received_at FROM mo_messages ORDER BY received_at LIMIT 1")
_REMOVE_INBOUND = Statement("""
WITH old AS MATERIALIZED (
    SELECT mo_id FROM mo_messages WHERE received_at < :before ORDER BY received_at LIMIT :room)
DELETE FROM mo_messages WHERE mo_id IN (SELECT mo_id FROM old LIMIT 250)
RETURNING mo_id
""")


class OldVisits(NamedTuple):
    """Visits of a Partner's short URLs before a moment, and how many may go at once."""

    partner_id: int
    before: int
    room: int


class OldInbound(NamedTuple):
    """What subscribers wrote before a moment, and how many may go at once."""

    before: int
    room: int


def oldest_visits(partner_ids: list[int]) -> Steps[list[int | None]]:
    """Return the moment of each Partner's oldest visit that is kept."""
    answers = yield Ask(_OLDEST_VISIT, [(partner_id,) for partner_id in partner_ids])
    return [rows[0][0] if rows else None for rows in answers]


def remove_visits(batches: list[OldVisits]) -> Steps[list[int]]:
    """Remove visits, the oldest first; the counters of their short URLs stay. Return how many."""
    return [len(rows) for rows in (yield Ask(_REMOVE_VISITS, batches))]


def oldest_inbound(items: list[None]) -> Steps[list[int | None]]:
    """Return the moment of the oldest message from a subscriber that is kept."""
    rows = yield from ask_one(_OLDEST_INBOUND)
    return [rows[0][0] if rows else None] * len(items)


def remove_inbound(batches: list[OldInbound]) -> Steps[list[int]]:
    """Remove what subscribers wrote, the oldest first; return how many."""
    return [len(rows) for rows in (yield Ask(_REMOVE_INBOUND, batches))]
