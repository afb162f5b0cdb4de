"""Numbers for chains that a command accepts beside the gateways at work.

A command takes a free place among the nodes, with no role, and gives it back when it has ended: the
numbers that it makes are nobody else's. Of one that dies in between, the place is taken back as any
dead node's is.
"""

import contextlib
import secrets
from collections.abc import AsyncIterator

from whimbrel import __version__
from whimbrel.clock import SECOND, Clock
from whimbrel.domain.chain_id import ChainIds
from whimbrel.store.engine import Store
from whimbrel.store.nodes import Departure, NewNode, bury_nodes, join_nodes

_NUMBERS_AHEAD = 20 * SECOND  # a command ends sooner, and others begin behind them anyway


@contextlib.asynccontextmanager
async def guest_numbers(store: Store, clock: Clock, name: str) -> AsyncIterator[ChainIds]:
    """Hand out numbers while the block lasts; `name` is what operators see among the nodes.

    Raises `StoreUnavailable` if all places are taken.
    """
    token, now = secrets.token_hex(8), clock.now()
    until = now + _NUMBERS_AHEAD
    joined = await store.write(join_nodes, NewNode(token, name, "", __version__, now, until))
    try:
        # Where a place's last numbers are of later seconds, they begin, and end, behind these.
        begin = joined.numbers_from
        yield ChainIds(joined.node_id, begin, max(until, begin + _NUMBERS_AHEAD))
    finally:
        now = clock.now()
        await store.write(bury_nodes, Departure(joined.node_id, token, now, now))
