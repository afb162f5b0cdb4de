"""Which node sends through which account: an account has a few slots, and a slot has one holder.

A slot belongs to its holder as long as that is a node; who takes over from a node frees its slots
(`nodes.py`).
"""

from typing import NamedTuple

from whimbrel.store.engine import Ask, Do, Statement, Steps, ask_one

_TAKE = Statement("""
INSERT INTO holdings (channel, account, slot, node_id, since)
SELECT :channel, :account, :slot, n.node_id, :now FROM nodes n
WHERE n.node_id = :node_id AND n.token = :token
ON CONFLICT DO NOTHING RETURNING slot
""")
_LET_GO = Statement("""
DELETE FROM holdings WHERE channel = :channel AND account = :account AND slot = :slot
    AND node_id = (SELECT n.node_id FROM nodes n WHERE n.node_id = :node_id AND n.token = :token)
""")
_ALL = Statement("""
SELECT channel, account, slot, node_id FROM holdings ORDER BY channel, account, slot
""")


class Slot(NamedTuple):
    """One place to send from, of an account of a channel."""

    channel: str
    account: str
    slot: int


class Holding(NamedTuple):
    """A slot and its holder."""

    channel: str
    account: str
    slot: int
    node_id: int


class TakenSlot(NamedTuple):
    """A slot that a node wants or gives back."""

    slot: Slot
    node_id: int
    token: str
    now: int


def take_slots(wishes: list[TakenSlot]) -> Steps[list[bool]]:
    """Take free slots; tell for each whether it was free, and the node still one."""
    answers = yield Ask(_TAKE, [(*one.slot, one.now, one.node_id, one.token) for one in wishes])
    return [bool(rows) for rows in answers]


def give_back_slots(slots: list[TakenSlot]) -> Steps[list[None]]:
    """Free slots, unless the node has been given up and they are others' already."""
    yield Do(_LET_GO, [(*one.slot, one.node_id, one.token) for one in slots])
    return [None] * len(slots)


def all_holdings(items: list[None]) -> Steps[list[list[Holding]]]:
    """Return who holds what."""
    rows = yield from ask_one(_ALL)
    return [[Holding(*row) for row in rows]] * len(items)
