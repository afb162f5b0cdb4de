"""Links that time moves: lifetimes that end, cascades that go on, submits without an answer."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from whimbrel.clock import MINUTE
from whimbrel.domain.chain import Bypassed, GraceOver, LifetimeOver, NoAnswer
from whimbrel.domain.status import LinkState
from whimbrel.domain.unanswered import Unanswered, Verdict, judge
from whimbrel.store.engine import Ask, Do, Statement, Steps
from whimbrel.store.links import (
    CascadeTick,
    LinkEvent,
    Moved,
    News,
    let_cascades_go_on,
    move_links,
)
from whimbrel.store.receipts import adopt_parked
from whimbrel.store.submits import INTERRUPTED, NO_ANSWER, SubmitRecord, record_submits

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
    l.satisfied_by, l.ttl, c.partner_id, EXISTS (
        SELECT 1 FROM links b WHERE b.link_id >= c.chain_id * 16 AND b.link_id < l.link_id
            AND b.satisfied_by IS NOT NULL AND b.state >= b.satisfied_by)
FROM links l CROSS JOIN chains c
WHERE l.state IN (10, 20) AND l.due_at <= :now AND c.chain_id = l.chain_id
    AND (l.state = 20 OR l.node_id IS NULL OR l.node_id = :node_id OR l.due_at <= :orphaned)
ORDER BY l.due_at LIMIT 250 /*postgres FOR NO KEY UPDATE OF c SKIP LOCKED*/
""")
_SILENT = Statement("""
SELECT count(*) FROM submits s
WHERE s.link_id = :link_id AND s.outcome = :no_answer AND NOT EXISTS
    (SELECT 1 FROM receipts r WHERE r.link_id = s.link_id AND r.attempt = s.attempt)
""")
_NOTE = Statement("""
UPDATE submits SET detail = coalesce(detail || '; ', '') || CAST(:note AS text)
WHERE link_id = :link_id AND attempt = :attempt
""")
_WAIT_ON = Statement("UPDATE links SET due_at = :until WHERE link_id = :link_id")
_ALL_WAIT_ON = Statement("""
UPDATE links SET due_at = :until WHERE state IN (10, 20) AND state = 20 AND due_at < :until
""")
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
    rules: Mapping[int, Unanswered] = MappingProxyType({})
    """What Partners want of links whose grace is over; AUTO for those that are not in it."""
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


def release_links(moments: list[int]) -> Steps[list[list[tuple[News, ...]]]]:
    """Let held links go whose predecessor was delivered, but not read in its lifetime.

    Some at a time; returns for each chain that was looked at what its links have come to. (What
    follows from a failure or an expiry is written with it, in `links.py`.)
    """
    answers = yield Ask(_FALLING, [(now,) for now in moments])
    released: list[list[tuple[News, ...]]] = []
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


class _Limbo(NamedTuple):
    """A link whose lease was lost, or whose grace is over."""

    link_id: int
    state: int
    attempt: int
    attempted_at: int
    channel: str
    sender: str
    satisfied_by: int | None
    ttl: int
    partner_id: int
    needless: bool
    """Whether a link before it has reached its goal."""

    def waits_on(self, unheard: frozenset[tuple[str, str]]) -> bool:
        """Tell whether its grace begins anew, since no receipt can come from its sender now.

        A cascade does not wait for an SMSC that is away.
        """
        return (self.channel, self.sender) in unheard and self.satisfied_by is None


class Ended(NamedTuple):
    """A grace that has ended with nothing heard, and what was decided then."""

    channel: str
    verdict: Verdict


class Settled(NamedTuple):
    """What came of the links in limbo."""

    found: int
    """How many there were, `BATCH` at the most."""
    interrupted: int
    """Leases that were lost: submits that turned out to have no answer."""
    moved: list[Moved | None]
    ended: list[Ended]


def settle_limbo(ticks: list[Tick]) -> Steps[list[Settled]]:
    """Turn lost leases into unsure links, and decide about unsure links whose grace is over."""
    answers = yield Ask(_LIMBO, [(tick.now, tick.node_id, tick.now - _ORPHANED) for tick in ticks])
    settled: list[Settled] = []
    for tick, rows in zip(ticks, answers, strict=True):
        links = [_Limbo(*row) for row in rows]
        unsure = [link for link in links if link.state == LinkState.UNSURE]
        lost = [link for link in links if link.state == LinkState.SUBMITTING]
        judged = [link for link in unsure if not link.waits_on(tick.unheard)]
        waiting = {link.link_id for link in unsure} - {link.link_id for link in judged}
        yield Do(_WAIT_ON, [(tick.grace_until, link_id) for link_id in waiting])
        moved: list[Moved | None] = [*(yield from adopt_parked([one.link_id for one in unsure]))]
        decided, ended = yield from _end_graces(judged, tick)
        moved += decided
        moved += yield from record_submits(
            [_abandoned(one.link_id, one.attempt, one.attempted_at, tick) for one in lost]
        )
        settled.append(Settled(len(links), len(lost), moved, ended))
    return settled


def _end_graces(links: list[_Limbo], tick: Tick) -> Steps[tuple[list[Moved | None], list[Ended]]]:
    """Decide about each link, and note with its last submit what was decided, and why."""
    answers = yield Ask(_SILENT, [(link.link_id, NO_ANSWER) for link in links])
    verdicts = [
        judge(
            tick.rules.get(link.partner_id, Unanswered.AUTO),
            link.ttl,
            rows[0][0],
            needless=bool(link.needless),
        )
        for link, rows in zip(links, answers, strict=True)
    ]
    moved = yield from move_links(
        [
            LinkEvent(link.link_id, GraceOver(tick.now, verdict), tick.now)
            for link, verdict in zip(links, verdicts, strict=True)
        ]
    )
    ended = [
        (link, verdict)
        for link, verdict, one in zip(links, verdicts, moved, strict=True)
        if one and one.before is LinkState.UNSURE
    ]  # and not one that a receipt has settled in the last moment
    yield Do(_NOTE, [(verdict.value, link.link_id, link.attempt) for link, verdict in ended])
    return moved, [Ended(link.channel, verdict) for link, verdict in ended]


def renew_all_graces(moments: list[int]) -> Steps[list[None]]:
    """Let no grace end before each moment: the store was away, and no receipt could be filed."""
    yield Do(_ALL_WAIT_ON, [(until,) for until in moments])
    return [None] * len(moments)


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
