"""A Partner's rate, of which several nodes draw: together never more than it grants."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.builders import Database
from tests.support.clock import START
from tests.support.postgres import PostgresDatabase
from whimbrel.clock import HOUR, SECOND
from whimbrel.store.allowances import Draw, Granted, draw_allowances
from whimbrel.store.engine import Store
from whimbrel.store.sqlite import SqliteStore


@pytest.fixture
async def other(store: SqliteStore, database: Database | PostgresDatabase) -> AsyncIterator[Store]:
    """What another process sees of the same database; SQLite has none."""
    if isinstance(database, Database):
        yield store
        return
    second = await database.open()
    yield second
    await second.close()


async def draw(
    store: Store,
    wanted: int = 1,
    *,
    at: int = START,
    rate: float = 10.0,
    burst: int = 10,
    partner_id: int = 1,
) -> Granted:
    return await store.write(draw_allowances, Draw(partner_id, rate, burst, wanted, at))


async def test_a_burst_is_there_at_once_and_no_more(store: Store) -> None:
    assert await draw(store, 4) == Granted(4, 0)
    assert await draw(store, 9) == Granted(6, 0)
    assert await draw(store) == Granted(0, 100)


async def test_it_comes_back_at_the_rate(store: Store) -> None:
    await draw(store, 10)
    assert await draw(store, 10, at=START + 99) == Granted(0, 1)
    assert (await draw(store, 10, at=START + 350)).requests == 3
    assert (await draw(store, 99, at=START + HOUR)).requests == 10


async def test_after_the_wait_there_is_one(store: Store) -> None:
    await draw(store, 3, rate=7.0, burst=3)
    nothing = await draw(store, rate=7.0, burst=3)
    assert nothing == Granted(0, 143)  # a seventh of a second, and not a millisecond too early
    assert (await draw(store, at=START + 142, rate=7.0, burst=3)).requests == 0
    assert (await draw(store, at=START + 143, rate=7.0, burst=3)).requests == 1


async def test_each_partner_has_its_own(store: Store) -> None:
    assert (await draw(store, 10, partner_id=1)).requests == 10
    assert (await draw(store, 10, partner_id=2)).requests == 10
    same_lock = 1 + (1 << 24)
    assert (await draw(store, 10, partner_id=same_lock)).requests == 10


async def test_a_group_is_served_in_its_order(store: Store) -> None:
    granted = await asyncio.gather(*(draw(store, 4) for _ in range(4)))
    assert [one.requests for one in granted] == [4, 4, 2, 0]


async def test_many_at_once_never_have_more_than_there_is(store: Store, other: Store) -> None:
    draws = [draw(one, 3) for one in [store, other] * 8]
    granted = await asyncio.gather(*draws)
    assert sum(one.requests for one in granted) == 10


async def test_a_new_rate_counts_at_once(store: Store) -> None:
    """What was spent was a second's worth, of which nine tenths are still owed."""
    await draw(store, 10)
    assert (await draw(store, 200, at=START + 100, rate=1_000.0, burst=1_000)).requests == 100


@pytest.mark.parametrize("rate", [3.0, 7.0, 0.3, 1_234.5])
async def test_a_burst_of_one_is_there_to_begin_with(store: Store, rate: float) -> None:
    assert (await draw(store, rate=rate, burst=1)).requests == 1


async def test_a_clock_that_is_a_little_behind_waits(store: Store) -> None:
    """Two nodes, one of which is ten seconds behind: nobody gains by it."""
    await draw(store, 10, at=START + 10 * SECOND)
    assert await draw(store, at=START) == Granted(0, 10_100)
    assert (await draw(store, 10, at=START + 11 * SECOND)).requests == 10


async def test_a_clock_that_was_set_back_locks_nobody_out(store: Store) -> None:
    await draw(store, 10, at=START + HOUR)
    assert await draw(store, at=START) == Granted(0, 100)
    assert (await draw(store, 9, at=START + 300)).requests == 3


def within(spans: list[tuple[int, int]], rate: float, burst: int, apart: int) -> bool:
    """Tell whether no span of time has more than the rate grants it, and the burst.

    As far as the clocks are `apart`, so much longer is a span to whoever lives by both.
    """
    return all(
        sum(count for at, count in spans[first : last + 1])
        <= burst + rate * (spans[last][0] - spans[first][0] + apart) / 1_000 + 1e-6
        for first in range(len(spans))
        for last in range(first, len(spans))
    )


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    rate=st.floats(0.1, 5_000.0),
    burst=st.integers(1, 500),
    apart=st.sampled_from([0, 3, 20_000]),
    draws=st.lists(
        st.tuples(st.integers(0, 700), st.integers(1, 400), st.booleans()), min_size=1, max_size=15
    ),
)
async def test_never_more_than_the_rate_and_a_burst(
    tmp_path: Path, rate: float, burst: int, apart: int, draws: list[tuple[int, int, bool]]
) -> None:
    """In no span of time, whichever of two nodes draws, and however much."""
    path = tmp_path / "whimbrel.db"
    path.unlink(missing_ok=True)
    store = await Database(path).open()
    now, granted = START, []
    try:
        for pause, wanted, is_behind in draws:
            now += pause
            wrong = -apart if is_behind else 0
            answer = await draw(store, wanted, at=now + wrong, rate=rate, burst=burst)
            assert 0 <= answer.requests <= wanted
            granted.append((now, answer.requests))
            if not answer.requests:
                now += answer.wait
                granted_then = await draw(store, at=now + wrong, rate=rate, burst=burst)
                assert granted_then.requests == 1
                granted.append((now, 1))
    finally:
        await store.close()
    assert within(granted, rate, burst, apart)
