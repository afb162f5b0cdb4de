"""The processes that work on one store, and what becomes of the work of one that has gone.

A node is a number and a token: the number is part of the chain numbers that it hands out and of its
claims; the token tells it from an earlier process with the same number. A row without a token is a
number that is free.
"""

from typing import NamedTuple

from whimbrel.domain.chain import NoAnswer
from whimbrel.domain.chain_id import MOST_NODES, chain_of
from whimbrel.store.engine import Ask, Do, Hold, Statement, Steps, StoreUnavailable, ask_one
from whimbrel.store.submits import INTERRUPTED, SubmitRecord, record_submits

_ALL = Statement("""
SELECT node_id, token, name, roles, version, started_at, seen_at, beat, numbers_until FROM nodes
ORDER BY node_id
""")
_TAKE = Statement("""
UPDATE nodes SET token = :token, name = :name, roles = :roles, version = :version,
    started_at = :now, seen_at = :now, beat = beat + 1,
    numbers_until = CASE WHEN numbers_until > :numbers_until
        THEN numbers_until ELSE :numbers_until END
WHERE node_id = :node_id AND token IS NULL AND beat = :beat
RETURNING node_id
""")  # of a place that somebody had meanwhile, the numbers begin elsewhere
_ADD = Statement("""
INSERT INTO nodes (node_id, token, name, roles, version, started_at, seen_at, beat, numbers_until)
VALUES (:node_id, :token, :name, :roles, :version, :now, :now, 0, :numbers_until)
ON CONFLICT DO NOTHING RETURNING node_id
""")
_BEAT = Statement("""
UPDATE nodes SET seen_at = :now, beat = beat + 1,
    numbers_until = CASE WHEN numbers_until > :numbers_until
        THEN numbers_until ELSE :numbers_until END
WHERE node_id = :node_id AND token = :token
RETURNING numbers_until
""")
_LEAVE = Statement("""
UPDATE nodes SET token = NULL, seen_at = :now
WHERE node_id = :node_id AND token = :token AND (CAST(:beat AS bigint) IS NULL OR beat = :beat)
RETURNING node_id
""")
_LET_GO = Statement("DELETE FROM holdings WHERE node_id = :node_id")
_SUBMITTING = Statement("""
SELECT link_id, attempt, coalesce(attempted_at, 0) FROM links
WHERE state IN (10, 20) AND state = 10 AND node_id = :node_id
""")
_RELEASE_REPORTS = Statement("""
UPDATE reports SET node_id = NULL, next_at = CASE WHEN state = 1 THEN :now ELSE next_at END
WHERE node_id IS NOT NULL AND node_id = :node_id
""")


class NewNode(NamedTuple):
    """A process that wants to be a node."""

    token: str
    name: str
    roles: str
    version: str
    now: int
    numbers_until: int
    """The first moment of which it must not make chain numbers before another beat."""


class Joined(NamedTuple):
    """The number of a new node, and the first moment of which its chain numbers are its own."""

    node_id: int
    numbers_from: int


class StoredNode(NamedTuple):
    """A node as the store knows it; without a token it has gone."""

    node_id: int
    token: str | None
    name: str
    roles: str
    version: str
    started_at: int
    seen_at: int
    beat: int
    numbers_until: int


def join_nodes(nodes: list[NewNode]) -> Steps[list[Joined]]:
    """Give each a number that nobody has. Raises `StoreUnavailable` if all are taken."""
    joined: list[Joined] = []
    for node in nodes:
        rows = yield from ask_one(_ALL)
        joined.append((yield from _join(node, {row[0]: StoredNode(*row) for row in rows})))
    return joined


def _join(node: NewNode, known: dict[int, StoredNode]) -> Steps[Joined]:
    for node_id in _free_places(known, node.now):
        before = known.get(node_id)
        values = {**node._asdict(), "node_id": node_id, "beat": before.beat if before else 0}
        statement = _ADD if before is None else _TAKE
        taken = yield from ask_one(statement, *(values[name] for name in statement.names))
        if taken:
            return Joined(node_id, before.numbers_until if before else 0)
    raise StoreUnavailable(f"{MOST_NODES} nodes are at work on this store: no more can join")


def _free_places(known: dict[int, StoredNode], now: int) -> list[int]:
    """Return the free numbers, the least one first.

    Before those whose last node may still have numbers of the next seconds, made or not: whoever
    takes such a place must begin behind them, by a clock that runs behind perhaps after minutes.
    """
    rests_until = {node_id: one.numbers_until for node_id, one in known.items()}
    free = set(range(MOST_NODES)) - {one.node_id for one in known.values() if one.token is not None}
    return sorted(free, key=lambda node_id: (max(now, rests_until.get(node_id, 0)), node_id))


class Beat(NamedTuple):
    """A node says that it is alive."""

    now: int
    numbers_until: int
    node_id: int
    token: str


def beat_nodes(beats: list[Beat]) -> Steps[list[int | None]]:
    """Note that nodes are alive; return until when their chain numbers are theirs.

    None: the node has been given up, and its work is another's.
    """
    answers = yield Ask(_BEAT, beats)
    return [rows[0][0] if rows else None for rows in answers]


def all_nodes(items: list[None]) -> Steps[list[list[StoredNode]]]:
    """Return the nodes, those that have gone too."""
    rows = yield from ask_one(_ALL)
    return [[StoredNode(*row) for row in rows]] * len(items)


class Departure(NamedTuple):
    """A node that has gone, by itself or in the eyes of another."""

    node_id: int
    token: str
    now: int
    grace_until: int
    """Until when a receipt may still tell what became of the submits that it had under way."""
    beat: int | None = None
    """The last sign of life that was seen of it, which spares a node that has given another one
    since; None: it has gone for certain."""


def bury_nodes(departures: list[Departure]) -> Steps[list[int | None]]:
    """Take over from nodes that have gone; return how many submits each had under way.

    None: somebody else has done it, or it is alive after all. Its senders are free, its reports are
    due at once, and its submits wait for receipts.
    """
    buried: list[int | None] = []
    for node_id, token, now, grace_until, beat in departures:
        if not (yield from ask_one(_LEAVE, now, node_id, token, beat)):
            buried.append(None)
            continue
        yield Do(_LET_GO, [(node_id,)])
        rows = yield from ask_one(_SUBMITTING, node_id)
        yield Hold(chain_of(link_id) for link_id, *_ in rows)
        rows = yield from ask_one(_SUBMITTING, node_id)  # without those it has just recorded itself
        yield from record_submits(
            [
                SubmitRecord(link_id, NoAnswer(attempt, now, grace_until), at, detail=INTERRUPTED)
                for link_id, attempt, at in rows
            ]
        )
        yield Do(_RELEASE_REPORTS, [(now, node_id)])  # chains are held before reports, everywhere
        buried.append(len(rows))
    return buried
