"""The made time on which a simulation runs."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from whimbrel.simulation.loop import Circle, Life, SimulatedLoop, Standstill

LAZY = "lazy"


def make_loop() -> SimulatedLoop:
    return SimulatedLoop(lazy=LAZY)


async def sleeper(loop: SimulatedLoop, seconds: float) -> float:
    await asyncio.sleep(seconds)
    return loop.time()


def test_time_jumps_to_the_next_timer() -> None:
    loop = make_loop()
    assert loop.run_until_complete(sleeper(loop, 86_400.0)) == 86_400.0


def test_timers_of_one_moment_run_in_the_order_in_which_they_were_made() -> None:
    loop, order = make_loop(), []

    async def main() -> None:
        for name in "abc":
            loop.call_at(5.0, order.append, name)
        loop.call_at(4.0, order.append, "first")
        await asyncio.sleep(6.0)

    loop.run_until_complete(main())
    assert order == ["first", "a", "b", "c"]


async def look(looks: list[float], loop: SimulatedLoop) -> None:
    while True:
        looks.append(loop.time())
        await asyncio.sleep(0.25)


def test_those_who_look_do_not_hold_time_up() -> None:
    """A day of looks at quarters of a second would be 345,600."""
    loop, looks = make_loop(), list[float]()

    async def main() -> None:
        asyncio.create_task(look(looks, loop), name=LAZY).add_done_callback(print)
        await asyncio.sleep(86_400.0)

    loop.run_until_complete(main())
    assert 20 < len(looks) < 100
    assert looks[1] == 0.25


def test_but_they_look_when_something_is_foreseen() -> None:
    loop, looks = make_loop(), list[float]()
    loop.foresee = lambda: min(
        (moment for moment in (1_000.0, 1_234.5) if moment > loop.time()), default=1e9
    )

    async def main() -> None:
        task = asyncio.create_task(look(looks, loop), name=LAZY)
        await asyncio.sleep(2_000.0)
        task.cancel()

    loop.run_until_complete(main())
    assert {1_000.0, 1_234.5} <= set(looks)


def test_and_at_their_own_pace_while_something_happens() -> None:
    loop, looks = make_loop(), list[float]()

    async def main() -> None:
        task = asyncio.create_task(look(looks, loop), name=LAZY)
        for _ in range(20):
            await asyncio.sleep(0.1)
            loop.stir()
        task.cancel()

    loop.run_until_complete(main())
    assert looks == [0.25 * number for number in range(9)]


def in_life(loop: SimulatedLoop, life: Life, work: Coroutine[Any, Any, None]) -> None:
    loop.create_task(work, context=life.context)


def test_nothing_of_a_life_that_has_ended_runs_again() -> None:
    """Not even what a task would do in the end, nor the tasks that it has begun."""
    loop, done = make_loop(), list[str]()

    async def child() -> None:
        await asyncio.sleep(3.0)
        done.append("child")

    async def worker() -> None:
        asyncio.create_task(child()).add_done_callback(lambda _: done.append("called back"))
        try:
            done.append("began")
            await asyncio.sleep(2.0)
            done.append("went on")
        finally:
            done.append("cleaned up")

    async def main() -> None:
        life = Life("one")
        in_life(loop, life, worker())
        await asyncio.sleep(1.0)
        life.end()
        await asyncio.sleep(10.0)
        in_life(loop, life, worker())
        await asyncio.sleep(10.0)
        assert done == ["began"]
        life.bury()

    loop.run_until_complete(main())


def test_a_life_may_end_between_any_two_calls() -> None:
    loop, steps = make_loop(), list[int]()
    life = Life("one")

    async def worker() -> None:
        for number in range(100):
            steps.append(number)
            await asyncio.sleep(0)

    def before_call(current: Life | None) -> None:
        if current is life and len(steps) == 7:
            life.end()

    async def main() -> None:
        in_life(loop, life, worker())
        await asyncio.sleep(1.0)

    loop.before_call = before_call
    loop.run_until_complete(main())
    assert steps == list(range(7))
    life.bury()


def test_what_goes_to_a_thread_runs_in_a_call_of_its_own() -> None:
    loop, order = make_loop(), list[str]()

    async def main() -> None:
        work = asyncio.get_running_loop().run_in_executor(None, order.append, "ran")
        order.append("asked")
        await work
        with pytest.raises(ZeroDivisionError):
            await asyncio.get_running_loop().run_in_executor(None, lambda: 1 / 0)

    loop.run_until_complete(main())
    assert order == ["asked", "ran"]


def test_a_circle_and_a_standstill_are_noticed() -> None:
    async def spin() -> None:
        for _ in iter(int, 1):
            await asyncio.sleep(0)

    async def wait() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(Circle):
        make_loop().run_until_complete(spin())
    with pytest.raises(Standstill):
        make_loop().run_until_complete(wait())
