"""Stops an operation inside its transaction, at a place that a test chooses."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator
from typing import Any

from tests.support.postgres import PostgresDatabase
from whimbrel.store.engine import Ask, Operation, Statement, Steps

_WAIT = Statement("SELECT 1 FROM pg_advisory_xact_lock_shared(1)")
_BLOCKED = """
SELECT DISTINCT a.pid FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
WHERE NOT l.granted AND a.datname = current_database()
"""


def stopping_after(operation: Operation[Any, Any], statement: Statement) -> Operation[Any, Any]:
    """Return the operation, which waits for the meeting's end once it has run a statement."""

    def stopping(items: list[Any]) -> Steps[list[Any]]:
        steps, answer, met = operation(items), None, False
        while True:
            try:
                step = steps.send(answer)  # type: ignore[arg-type]
            except StopIteration as stop:
                assert met, "the operation did not come to where it was to stop"
                return stop.value  # type: ignore[no-any-return]
            answer = yield step
            if not met and getattr(step, "statement", None) is statement:
                met = True
                yield Ask(_WAIT, [()])

    return stopping


class Meeting:
    """What waits for it, waits; another may come meanwhile."""

    def __init__(self, database: PostgresDatabase) -> None:
        self._database = database

    async def holds(self, work: "asyncio.Future[Any]") -> None:
        """Wait until `work` has stopped."""
        await self._until(1, work)
        assert not work.done(), "it did not stop"

    async def after(self, other: "asyncio.Future[Any]") -> None:
        """Wait until another has done its work, or waits for what the first one holds."""
        await self._until(2, other)

    async def _until(self, blocked: int, work: "asyncio.Future[Any]") -> None:
        async with asyncio.timeout(10):
            for _ in itertools.count():
                if work.done() or len(self._database.rows(_BLOCKED)) >= blocked:
                    return
                await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def meeting(database: PostgresDatabase) -> AsyncIterator[Meeting]:
    database.script("SELECT pg_advisory_lock(1)")
    try:
        yield Meeting(database)
    finally:
        database.script("SELECT pg_advisory_unlock(1)")
