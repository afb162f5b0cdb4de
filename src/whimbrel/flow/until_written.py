"""Writes what has happened already, and so cannot be refused."""

from asyncio import sleep
from collections.abc import Awaitable, Callable

import structlog

from whimbrel.store.engine import Item, Operation, Result, Store, StoreClosed, StoreUnavailable

_log = structlog.get_logger(__name__)
_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 2.0


async def until_written(store: Store, operation: Operation[Item, Result], item: Item) -> Result:
    """Write what came of a submit or of a report, as soon as the store takes it.

    A message that was sent must not be sent again because the store was away when its answer came.
    Such operations may be run twice. What a process that ends meanwhile could not write is settled
    by leases and receipts, as after a crash. Raises `StoreClosed`.
    """
    return await until_taken(lambda: store.write(operation, item), operation.__name__)


async def until_taken(attempt: Callable[[], Awaitable[Result]], name: str) -> Result:
    """Call `attempt` until the store takes what it writes; it sees each time what is so by then.

    Raises `StoreClosed`.
    """
    pause = _FIRST_PAUSE
    while True:
        try:
            return await attempt()
        except StoreClosed:
            raise
        except StoreUnavailable as error:
            _log.warning("outcome_waits_for_the_store", operation=name, why=str(error))
        await sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)
