"""An event loop beside the test's own."""

import asyncio
import functools
import threading
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


class Runner:
    """An event loop on a thread of its own, for tests that look at the database between awaits."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        thread = threading.Thread(target=self._loop.run_forever, name="database", daemon=True)
        thread.start()

    def run(self, work: Awaitable[T]) -> T:
        async def awaited() -> T:
            return await work

        return asyncio.run_coroutine_threadsafe(awaited(), self._loop).result(60)


@functools.cache
def runner() -> Runner:
    return Runner()
