"""A Partner's rate, kept by one process and shared by several."""

import asyncio
from collections import Counter

import pytest
from msgspec.structs import replace

from tests.support.builders import Database, a_partner, opened
from tests.support.clock import FakeClock
from whimbrel.domain.refusal import Refusal, RefusalCode
from whimbrel.flow.partner_pace import OwnPace, PartnerPace, SharedPace
from whimbrel.store.sqlite import SqliteStore

BUSY = a_partner(rate=10.0, burst=5)


async def let_in(pace: PartnerPace, requests: int) -> int:
    """Knock so often at once; return how often it opened."""
    codes: Counter[RefusalCode | None] = Counter()

    async def knock() -> None:
        try:
            await pace.take(BUSY)
        except Refusal as refusal:
            codes[refusal.code] += 1
        else:
            codes[None] += 1

    await asyncio.gather(*(knock() for _ in range(requests)))
    assert set(codes) <= {None, RefusalCode.TOO_MANY_CONNECTIONS}
    return codes[None]


@pytest.mark.parametrize("kind", ["own", "shared"])
async def test_a_burst_then_the_rate(store: SqliteStore, clock: FakeClock, kind: str) -> None:
    pace = OwnPace(clock) if kind == "own" else SharedPace(store, clock)
    assert await let_in(pace, 20) == 5
    clock.advance(100)
    assert await let_in(pace, 20) == 1
    clock.advance(10_000)
    assert await let_in(pace, 20) == 5


async def test_several_nodes_let_in_no_more_than_one(store: SqliteStore, clock: FakeClock) -> None:
    paces = [SharedPace(store, clock) for _ in range(3)]
    admitted = 0
    for _ in range(100):
        admitted += sum([await let_in(pace, 3) for pace in paces])
        clock.advance(100)
    assert 100 <= admitted <= 5 + 100


async def test_what_is_drawn_and_not_used_is_forfeited(
    store: SqliteStore, clock: FakeClock
) -> None:
    pace = SharedPace(store, clock)
    fast = replace(BUSY, profile=replace(BUSY.profile, rate=100.0, burst=100))
    await pace.take(fast)  # draws ten
    clock.advance(1_000)
    other = SharedPace(store, clock)
    drawn = 0
    while True:
        try:
            await other.take(fast)
        except Refusal:
            break
        drawn += 1
    assert drawn == 100


async def test_a_flood_does_not_reach_the_store(store: SqliteStore, clock: FakeClock) -> None:
    pace = SharedPace(store, clock)
    await let_in(pace, 100)
    writes = []
    write = store.write
    store.write = lambda *args: writes.append(args) or write(*args)  # type: ignore[method-assign,func-returns-value]
    assert await let_in(pace, 1_000) == 0
    assert not writes


async def test_nobody_is_let_in_uncounted(store: SqliteStore, clock: FakeClock) -> None:
    pace = SharedPace(store, clock)
    await store.close()
    with pytest.raises(Refusal) as refused:
        await pace.take(BUSY)
    assert (refused.value.code, refused.value.retry_after) == (RefusalCode.SERVICE_UNAVAILABLE, 1)
    await pace.take(a_partner())  # no rate, nothing to count


async def test_a_refusal_tells_when_to_come_again(store: SqliteStore, clock: FakeClock) -> None:
    slow = a_partner(rate=0.1, burst=1)
    for pace in (OwnPace(clock), SharedPace(store, clock)):
        await pace.take(slow)
        clock.advance(4_000)
        with pytest.raises(Refusal) as refused:
            await pace.take(slow)
        assert refused.value.retry_after == 6
        clock.advance(60_000)


async def test_a_restart_does_not_grant_another_burst(database: Database, clock: FakeClock) -> None:
    async with opened(database) as store:
        assert await let_in(SharedPace(store, clock), 20) == 5
        assert await let_in(SharedPace(store, clock), 20) == 0
