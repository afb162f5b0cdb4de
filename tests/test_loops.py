"""What runs again and again until the process stops."""

import asyncio
from collections.abc import Callable

import pytest

from tests.support.clock import START, FakeClock
from whimbrel.loops import POLLING, Loops
from whimbrel.store.engine import StoreUnavailable

LONG = 60.0  # of idleness: what comes earlier has been woken


class Steps:
    """A stage or a duty whose steps do what they are told, and tell of each."""

    def __init__(self, *script: float | Exception | None) -> None:
        self.script = list(script)
        self.count = 0
        self._counted = asyncio.Condition()

    async def step(self) -> int | float | None:  # type: ignore[override]
        self.count += 1
        async with self._counted:
            self._counted.notify_all()
        what = self.script.pop(0) if self.script else None
        if isinstance(what, Exception):
            raise what
        return what

    async def until(self, count: int) -> None:
        async with asyncio.timeout(10), self._counted:
            await self._counted.wait_for(lambda: self.count >= count)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


async def settled() -> None:
    """Let everything run that can run without time."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_a_stage_steps_when_it_is_woken(clock: FakeClock) -> None:
    loops, steps, wanted = Loops(clock, idle=LONG), Steps(), asyncio.Event()
    loops.stage(steps.step, wanted)  # type: ignore[arg-type]
    await steps.until(1)
    await settled()
    assert steps.count == 1
    wanted.set()
    await steps.until(2)
    await loops.stop()


async def test_a_wish_during_a_step_is_not_lost(clock: FakeClock) -> None:
    loops, wanted, again = Loops(clock, idle=LONG), asyncio.Event(), asyncio.Event()
    count = 0

    async def step() -> None:
        nonlocal count
        count += 1
        if count == 1:
            wanted.set()
        else:
            again.set()

    loops.stage(step, wanted)
    async with asyncio.timeout(10):
        await again.wait()
    await loops.stop()


async def test_a_stage_steps_at_the_moment_that_it_has_named(clock: FakeClock) -> None:
    loops, wanted = Loops(clock, idle=LONG), asyncio.Event()
    steps = Steps(START + 1, START - 1, START)
    loops.stage(steps.step, wanted)  # type: ignore[arg-type]
    await steps.until(4)
    await loops.stop()


async def test_a_stage_looks_by_itself_after_its_idle_time(clock: FakeClock) -> None:
    loops, steps = Loops(clock, idle=0.001), Steps()
    loops.stage(steps.step, asyncio.Event())  # type: ignore[arg-type]
    await steps.until(3)
    await loops.stop()


@pytest.mark.parametrize(
    "fault", [ValueError("a bug"), StoreUnavailable("away"), TimeoutError()], ids=repr
)
@pytest.mark.parametrize("kind", ["stage", "duty", "paced"])
async def test_a_fault_of_one_step_is_not_the_end(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch, fault: Exception, kind: str
) -> None:
    monkeypatch.setattr("whimbrel.loops._FAULT_PAUSE_SECONDS", 0.001)
    loops, steps = Loops(clock, idle=0.001), Steps(fault, fault, 0.001)
    begin: dict[str, Callable[[], None]] = {
        "stage": lambda: loops.stage(steps.step, asyncio.Event()),  # type: ignore[arg-type]
        "duty": lambda: loops.duty(0.001, steps.step),
        "paced": lambda: loops.paced(steps.step),  # type: ignore[arg-type]
    }
    begin[kind]()
    await steps.until(3)
    await loops.stop()


async def test_a_stop_ends_pauses_and_waits_for_the_step_that_is_under_way(
    clock: FakeClock,
) -> None:
    loops, begun, go_on = Loops(clock, idle=LONG), asyncio.Event(), asyncio.Event()
    done: list[str] = []

    async def slow() -> None:
        begun.set()
        await go_on.wait()
        done.append("slow")

    async def quick() -> float:
        done.append("quick")
        return LONG

    loops.stage(slow, asyncio.Event())
    loops.duty(LONG, quick)
    loops.paced(quick)
    await begun.wait()
    stopping = asyncio.create_task(loops.stop())
    await settled()
    assert (loops.stopping, stopping.done()) == (True, False)
    go_on.set()
    async with asyncio.timeout(10):
        await stopping
    assert done == ["quick", "quick", "slow"]


async def test_a_clock_that_jumps_neither_stops_a_stage_nor_makes_it_spin(
    clock: FakeClock,
) -> None:
    """A moment that was far away is behind it now, and the other way round."""
    loops, steps, wanted = Loops(clock, idle=0.001), Steps(), asyncio.Event()
    steps.script = [START + 10**9, START + 10**9]
    loops.stage(steps.step, wanted)  # type: ignore[arg-type]
    await steps.until(1)
    clock.moment -= 10**9
    await steps.until(3)  # it never sleeps for longer than it idles
    await loops.stop()


async def test_its_tasks_are_known_by_their_name(clock: FakeClock) -> None:
    """So that whoever waits for all work to end knows which tasks never do."""
    loops = Loops(clock, idle=LONG)
    loops.duty(LONG, Steps().step)
    assert [task.get_name() for task in loops._tasks] == [POLLING]
    await loops.stop()
