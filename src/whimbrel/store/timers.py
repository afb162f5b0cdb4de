"""Links that time moves: lifetimes that end, cascades that go on, submits without an answer."""

from typing import NamedTuple

from whimbrel.clock import MINUTE
from whimbrel.domain.chain import Bypassed, GraceOver, LifetimeOver, NoAnswer
from whimbrel.domain.status import LinkState
from whimbrel.store.engine import Ask, Do, Statement, Steps
from whimbrel.store.links import (
    CascadeTick,
    LinkEvent,
    Moved,
    let_cascades_go_on,
    move_links,
)
from whimbrel.store.receipts import adopt_parked
from whimbrel.store.submits import INTERRUPTED, SubmitRecord, record_submits

# Each takes chains that nobody else is at, and keeps them: of two processes that look at the same
# moment, one does the work. Its CROSS JOIN is a plain one whose order SQLite keeps.
_EXPIRED = Statement("""
SELECT l.link_id FROM links l CROSS JOIN chains c
WHERE l.state < 50 AND l.state <> 10 AND l.expires_at <= :now AND c.chain_id = l.chain_id
ORDER BY l.expires_at LIMIT 250 /*postgres FOR NO KEY UPDATE OF c SKIP LOCKED*/
""")
_FALLING = Statement("""
SELECT l.chain_id FROM links l CROSS JOIN chains c
WHERE l.state = -10 AND l.due_at <= :now AND c.chain_id = l.chain_id
    AND (SELECT before.state FROM links before WHERE before.link_id = l.link_id - 1) >= 50
ORDER BY l.due_at LIMIT 250 /*postgres FOR NO KEY UPDATE OF c SKIP LOCKED*/
""")  # one whose end is being recorded holds up none of the others
_BLOCKED = Statement("""
SELECT l.link_id FROM links l CROSS JOIN chains c
WHERE l.state = 0 AND l.lane = :lane AND l.due_at <= :before AND l.satisfied_by IS NOT NULL
    AND c.chain_id = l.chain_id
ORDER BY l.due_at LIMIT 250 /*postgres FOR NO KEY UPDATE OF c SKIP LOCKED*/
""")
_LIMBO = Statement("""
SELECT l.link_id, l.state, l.attempt, coalesce(l.attempted_at, 0), l.channel, l.sender,
    l.satisfied_by
FROM links l CROSS JOIN chains c
WHERE l.state IN (10, 20) AND l.due_at <= :now AND c.chain_id = l.chain_id
    AND (l.state = 20 OR l.node_id IS NULL OR l.node_id = :node_id OR l.due_at <= :orphaned)
ORDER BY l.due_at LIMIT 250 /*postgres FOR NO KEY UPDATE OF c SKIP LOCKED*/
""")
_WAIT_ON = Statement("UPDATE links SET due_at = :until WHERE link_id = :link_id")
_UNSURE_OF = Statement("""
SELECT link_id FROM links WHERE state IN (10, 20) AND state = 20
    AND channel = :channel AND sender = :sender AND due_at < :until
""")
_ORPHANED = 5 * MINUTE  # behind its end, a claim's node has no part in it any more
BATCH = 250
"""How many links one call moves at the most, as the statements' LIMIT says."""


class Tick(NamedTuple):
    """A moment, and until when an unanswered submit may still be told by a receipt."""

    now: int
    grace_until: int
    unheard: frozenset[tuple[str, str]] = frozenset()
    """Senders (channel, name) from which no receipt can come now: their graces begin anew."""
    node_id: int = 0
    """Whose claims run out. Those of another node are its own, or whose it is that buries it."""


def expire_links(moments: list[int]) -> Steps[list[list[Moved | None]]]:
    """End the links whose lifetime is over, some at a time; return what moved."""
    answers = yield Ask(_EXPIRED, [(now,) for now in moments])
    ended: list[list[Moved | None]] = []
    for now, rows in zip(moments, answers, strict=True):
        moved = yield from move_links(
            [LinkEvent(link_id, LifetimeOver(now), now) for (link_id,) in rows]
        )
        ended.append(moved)
    return ended


def release_links(moments: list[int]) -> Steps[list[list[bool]]]:
    """Let held links go whose predecessor was delivered, but not read in its lifetime.

    Some at a time; returns for each chain that was looked at whether a link got its turn. (What
    follows from a failure or an expiry is written with it, in `links.py`.)
    """
    answers = yield Ask(_FALLING, [(now,) for now in moments])
    released: list[list[bool]] = []
    for now, rows in zip(moments, answers, strict=True):
        ticks = [CascadeTick(chain_id, now) for (chain_id,) in dict.fromkeys(rows)]
        released.append((yield from let_cascades_go_on(ticks)))
    return released


class Blockade(NamedTuple):
    """A lane whose sender takes nothing, and since when its links have waited for too long."""

    lane: str
    before: int
    now: int


def bypass_links(blockades: list[Blockade]) -> Steps[list[list[Moved | None]]]:
    """Give up the links of blocked senders that have another link behind them, some at a time."""
    answers = yield Ask(_BLOCKED, [(one.lane, one.before) for one in blockades])
    bypassed: list[list[Moved | None]] = []
    for (_, _, now), rows in zip(blockades, answers, strict=True):
        events = [LinkEvent(link_id, Bypassed(now), now) for (link_id,) in rows]
        bypassed.append((yield from move_links(events)))
    return bypassed


def settle_limbo(ticks: list[Tick]) -> Steps[list[list[Moved | None]]]:
    """Turn lost leases into unsure links, and unsure links whose grace is over into queued ones."""
    answers = yield Ask(_LIMBO, [(tick.now, tick.node_id, tick.now - _ORPHANED) for tick in ticks])
    settled: list[list[Moved | None]] = []
    for tick, rows in zip(ticks, answers, strict=True):
        unsure = [link_id for link_id, state, *_ in rows if state == LinkState.UNSURE]
        # A cascade does not wait for an SMSC that is away: the link is queued, and passed over.
        wait_on = {
            link_id
            for link_id, state, _, _, channel, sender, satisfied_by in rows
            if state == LinkState.UNSURE
            and (channel, sender) in tick.unheard
            and satisfied_by is None
        }
        yield Do(_WAIT_ON, [(tick.grace_until, link_id) for link_id in wait_on])
        moved: list[Moved | None] = [*(yield from adopt_parked(unsure))]
        moved += yield from move_links(
            [LinkEvent(one, GraceOver(tick.now), tick.now) for one in unsure if one not in wait_on]
        )
        moved += yield from record_submits(
            [
                _abandoned(link_id, attempt, attempted_at, tick)
                for link_id, state, attempt, attempted_at, *_ in rows
                if state == LinkState.SUBMITTING
            ]
        )
        settled.append(moved)
    return settled


class Hearing(NamedTuple):
    """A sender whose receipts can come again, and until when its unsure links wait for them."""

    channel: str
    sender: str
    until: int


def renew_graces(heard: list[Hearing]) -> Steps[list[None]]:
    """Let the grace of unsure links begin anew, now that the channel can tell what became of them.

    What it has to say waits there, and comes with the connection.
    """
    answers = yield Ask(_UNSURE_OF, [tuple(one) for one in heard])
    waiting = [
        (one.until, link_id)
        for one, rows in zip(heard, answers, strict=True)
        for (link_id,) in rows
    ]
    yield Do(_WAIT_ON, waiting)
    return [None] * len(heard)


def _abandoned(link_id: int, attempt: int, attempted_at: int, tick: Tick) -> SubmitRecord:
    return SubmitRecord(
        link_id,
        NoAnswer(attempt, tick.now, tick.grace_until),
        attempted_at,
        detail=INTERRUPTED,
    )
