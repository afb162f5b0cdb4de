"""What a process does again and again until it stops: stages, which are woken, and duties."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine

import structlog

from whimbrel.clock import SECOND, Clock
from whimbrel.store.engine import StoreUnavailable

_log = structlog.get_logger(__name__)
_FAULT_PAUSE_SECONDS = 1.0

POLLING = "polling"
"""The name of the tasks that look, rest and look again: what they wait for is nothing but time."""


class Loops:
    """Runs stages and duties; a fault of one step is logged, and the next one comes anyway."""

    def __init__(self, clock: Clock, *, idle: float) -> None:
        """`idle` is how long a stage sleeps if nothing wakes it, in seconds."""
        self._clock = clock
        self._idle = idle
        self._stopping = asyncio.Event()
        self._wanted: list[asyncio.Event] = []
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def stopping(self) -> bool:
        """Whether the process ends."""
        return self._stopping.is_set()

    def stage(self, step: Callable[[], Awaitable[int | None]], wanted: asyncio.Event) -> None:
        """Step whenever something is wanted, or due at the moment that the last step returned."""
        self._wanted.append(wanted)
        self._run(self._stage(step, wanted))

    def duty(self, seconds: float, work: Callable[[], Awaitable[object]]) -> None:
        """Do something every so many seconds."""
        self._run(self._duty(seconds, work))

    def paced(self, work: Callable[[], Awaitable[float]]) -> None:
        """Do something, and again after as many seconds as it has returned."""
        self._run(self._paced(work))

    async def stop(self) -> None:
        """End after the steps that are under way: what a step has claimed, it starts."""
        self._stopping.set()
        for wanted in self._wanted:
            wanted.set()
        await asyncio.gather(*self._tasks)

    def _run(self, loop: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(loop)
        task.set_name(POLLING)
        self._tasks.append(task)

    async def _stage(
        self, step: Callable[[], Awaitable[int | None]], wanted: asyncio.Event
    ) -> None:
        while not self.stopping:
            wanted.clear()
            try:
                next_at = await step()
            except Exception as error:  # noqa: BLE001 - a stage must outlive whatever one step meets
                _tell("stage_failed", error)
                await self._pause(_FAULT_PAUSE_SECONDS)
                continue
            idle = self._idle
            if next_at is not None:
                idle = max(0.0, min(idle, (next_at - self._clock.now()) / SECOND))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(idle):
                    await wanted.wait()

    async def _duty(self, seconds: float, work: Callable[[], Awaitable[object]]) -> None:
        while not self.stopping:
            try:
                await work()
            except Exception as error:  # noqa: BLE001 - the same
                _tell("duty_failed", error)
            await self._pause(seconds)

    async def _paced(self, work: Callable[[], Awaitable[float]]) -> None:
        while not self.stopping:
            try:
                pause = await work()
            except Exception as error:  # noqa: BLE001 - the same
                _tell("duty_failed", error)
                pause = _FAULT_PAUSE_SECONDS
            await self._pause(pause)

    async def _pause(self, seconds: float) -> None:
        """Wait, but not beyond the stop."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()


def _tell(event: str, error: Exception) -> None:
    """Log a fault; a store that is away is no fault of ours, and one line tells it."""
    if isinstance(error, StoreUnavailable | TimeoutError):
        _log.warning("store_is_away", why=str(error) or type(error).__name__)
    else:
        _log.exception(event)
