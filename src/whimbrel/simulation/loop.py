"""An event loop whose time is made, not measured: when nothing can run, the next moment comes.

Everything runs on one thread and in one order, so that a seed decides all. Three things are unlike
asyncio's own loop:

- Each call belongs to a *life*, one run of a process from its start to its end, or to the world.
  When a life ends, nothing of it runs again: no `finally` writes, nothing is said farewell to. That
  is what `kill -9` does.
- Tasks that merely look and rest (`lazy`) do not hold time up. While nothing else is going on, they
  look at ever longer intervals, and at each moment that `foresee` names; a day in which nothing
  happens costs some hundred looks and not a million. To them it is as if the machine had been busy.
- What would go to a thread runs at once, in a call of its own, so that a process may end before it
  and after it.
"""

import asyncio
import contextlib
import heapq
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context, ContextVar, copy_context
from typing import Any, TypeVar

T = TypeVar("T")
_FIRST_REST = 30.0  # seconds, after a look at their own pace
_GROWTH = 60.0
_BEFORE = 0.5  # seconds before something else happens, they look too
_LONGEST_REST = 3_600.0
_MANY = 256  # tasks, before those that are done are let go
_MOST_CALLS_A_MOMENT = 200_000  # then something runs in a circle


class Life:
    """One run of a process, from its start to its end."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.ended = False
        self.context = copy_context()
        self.context.run(_LIFE.set, self)
        self._tasks: list[asyncio.Task[Any]] = []
        self._many = _MANY

    def add(self, task: asyncio.Task[Any]) -> None:
        """Take note of a task that belongs to it."""
        self._tasks.append(task)
        if self.ended:
            task._log_destroy_pending = False  # type: ignore[attr-defined]  # noqa: SLF001
        if len(self._tasks) > self._many:
            self._tasks = [one for one in self._tasks if not one.done()]
            self._many = len(self._tasks) + _MANY

    def end(self) -> None:
        """Let nothing of it run again."""
        self.ended = True
        for task in self._tasks:
            # It will never be done, and nobody need be told. The tasks are kept, for collecting
            # them would run what is left of them at a moment of the collector's choice.
            task._log_destroy_pending = False  # type: ignore[attr-defined]  # noqa: SLF001

    def bury(self) -> None:
        """Let go of what was kept, once the world has ended."""
        for task in self._tasks:
            if not task.done():
                with contextlib.suppress(Exception):
                    task.get_coro().close()
        self._tasks.clear()


_LIFE: ContextVar[Life | None] = ContextVar("life", default=None)
_Entry = tuple[float, int, Life | None, asyncio.Handle]


class Circle(Exception):
    """Something runs again and again, and time does not go on."""


class Standstill(Exception):
    """Nothing is left that could ever run, and yet something is waited for."""


class SimulatedLoop(asyncio.AbstractEventLoop):
    """The loop."""

    def __init__(self, *, lazy: str) -> None:
        """`lazy` is the name of the tasks that merely look and rest."""
        self._lazy_name = lazy
        self._now = 0.0
        self._number = 0
        self._rest = 0.0
        self._calls_now = 0
        self._ready: deque[tuple[Life | None, asyncio.Handle]] = deque()
        self._firm: list[_Entry] = []
        self._lazy: list[_Entry] = []
        self._closed = False
        self.world = copy_context()
        self.foresee: Callable[[], float] = lambda: float("inf")
        """Tells the next moment at which a look may find something, as far as can be known."""
        self.before_call: Callable[[Life | None], None] = lambda _: None
        """Called before each call; it may end a life."""
        self.complain: Callable[[Life | None, dict[str, Any]], None] = lambda *_: None
        """Told what nobody handled."""

    # What asyncio asks of a loop

    def time(self) -> float:
        """Return the seconds since the world began."""
        return self._now

    def get_debug(self) -> bool:
        """Tell that asyncio's own checks are off."""
        return False

    def is_running(self) -> bool:
        """Tell that it runs, for nobody asks while it does not."""
        return not self._closed

    def is_closed(self) -> bool:
        """Tell whether it will never run again."""
        return self._closed

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        """Run a callback in its turn."""
        life = _life_of(context)
        handle = asyncio.Handle(callback, args, self, context)
        if not (self._closed or (life and life.ended)):
            self._ready.append((life, handle))
        return handle

    call_soon_threadsafe = call_soon  # type: ignore[assignment]  # there are no threads

    def call_later(  # type: ignore[override]
        self,
        delay: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Run a callback after `delay` seconds."""
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Run a callback at a moment of this loop's time."""
        life = _life_of(context)
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        if not (self._closed or (life and life.ended)):
            task = asyncio.current_task(self)
            is_lazy = task is not None and task.get_name() == self._lazy_name
            self._number += 1
            entry = (when, self._number, life, handle)
            heapq.heappush(self._lazy if is_lazy else self._firm, entry)
        return handle

    def create_future(self) -> "asyncio.Future[Any]":
        """Return a future of this loop."""
        return asyncio.Future(loop=self)

    def create_task(
        self,
        coro: Generator[Any, None, T] | Coroutine[Any, Any, T],
        *,
        name: str | None = None,
        context: Context | None = None,
    ) -> "asyncio.Task[T]":
        """Start a task, in the life from which it is started or in that of `context`."""
        task: asyncio.Task[T] = asyncio.Task(coro, loop=self, name=name, context=context)
        life = _life_of(context)
        if life is not None:
            life.add(task)
        return task

    def run_in_executor(  # type: ignore[override]
        self, _executor: object, func: Callable[..., T], *args: Any
    ) -> "asyncio.Future[T]":
        """Run what would go to a thread, in a call of its own."""
        future: asyncio.Future[T] = self.create_future()
        self.call_soon(_run_into, future, func, *args)
        return future

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Pass on what nobody handled."""
        self.complain(_LIFE.get(), context)

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Take note of nothing: a cancelled one is passed over when its moment comes."""

    # What the simulation asks of it

    def run_until_complete(self, future: Any) -> Any:
        """Run until a coroutine of the world is done, and return what it returns."""
        task = self.create_task(future, context=self.world)
        asyncio._set_running_loop(self)  # noqa: SLF001 - meant for loops
        try:
            while not task.done():
                self._turn()
        finally:
            asyncio._set_running_loop(None)  # noqa: SLF001
        return task.result()

    @property
    def life(self) -> Life | None:
        """The life that is running now; None: the world."""
        return _LIFE.get()

    def stir(self) -> None:
        """Let those that look do so at their own pace again, since something happens."""
        self._rest = 0.0

    def close(self) -> None:
        """Let nothing run any more."""
        self._closed = True
        self._ready.clear()
        self._firm.clear()
        self._lazy.clear()

    def _turn(self) -> None:
        if not self._ready:
            self._go_on()
        life, handle = self._ready.popleft()
        if handle.cancelled() or (life and life.ended):
            return
        self.before_call(life)
        if life and life.ended:
            return
        self._calls_now += 1
        if self._calls_now > _MOST_CALLS_A_MOMENT:
            raise Circle(repr(handle))
        handle._run()  # noqa: SLF001 - what a loop does with it

    def _go_on(self) -> None:
        """Let the next moment come, and make ready what is due then."""
        firm, lazy = _next(self._firm), _next(self._lazy)
        if firm is None and lazy is None:
            raise Standstill("nothing is left to run")
        if lazy is None or (firm is not None and firm <= lazy):
            now = firm or 0.0
        else:
            now = lazy
            if self._rest:
                far = min(self.foresee(), self._now + self._rest)
                now = max(lazy, far if firm is None else min(far, firm - _BEFORE))
            self._rest = min(max(self._rest * _GROWTH, _FIRST_REST), _LONGEST_REST)
        if now > self._now:
            self._now, self._calls_now = now, 0
        due: list[_Entry] = []
        for heap in (self._firm, self._lazy):
            while heap and heap[0][0] <= self._now:
                due.append(heapq.heappop(heap))
        due.sort(key=lambda entry: entry[:2])
        self._ready += [(life, handle) for _, _, life, handle in due]


def _life_of(context: Context | None) -> Life | None:
    return _LIFE.get() if context is None else context.get(_LIFE)


def _next(heap: list[_Entry]) -> float | None:
    """Return the first moment at which a timer of those that may still run is due."""
    while heap and (heap[0][3].cancelled() or (heap[0][2] and heap[0][2].ended)):
        heapq.heappop(heap)
    return heap[0][0] if heap else None


def _run_into(future: "asyncio.Future[T]", func: Callable[..., T], *args: Any) -> None:
    try:
        result = func(*args)
    except Exception as error:  # noqa: BLE001 - the future carries it on
        future.set_exception(error)
    else:
        future.set_result(result)
