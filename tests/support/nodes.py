"""Nodes with nothing about them but what a test is about."""

import itertools
from typing import Any

from tests.support.clock import START
from whimbrel.clock import MINUTE, SECOND
from whimbrel.store.engine import Store
from whimbrel.store.nodes import (
    Departure,
    Joined,
    NewNode,
    StoredNode,
    all_nodes,
    bury_nodes,
    join_nodes,
)

AHEAD = 20 * SECOND
GRACE = MINUTE
_serial = itertools.count(1)


def a_node(token: str | None = None, **changes: Any) -> NewNode:
    """A process that wants to be a node; its token is its own unless told otherwise."""
    now = changes.get("now", START)
    members = {
        "token": token or f"token-{next(_serial)}",
        "name": "one",
        "roles": "api dispatch reports smpp",
        "version": "0.1.0",
        "now": now,
        "numbers_until": now + AHEAD,
    }
    return NewNode(**{**members, **changes})


async def join(store: Store, token: str | None = None, **changes: Any) -> Joined:
    return await store.write(join_nodes, a_node(token, **changes))


async def bury(
    store: Store, node_id: int, token: str, now: int = START, beat: int | None = None
) -> int | None:
    return await store.write(bury_nodes, Departure(node_id, token, now, now + GRACE, beat))


async def nodes_of(store: Store) -> dict[int, StoredNode]:
    return {node.node_id: node for node in await store.read(all_nodes, None)}
