"""Sends failed reports of many messages once more, batch by batch.

Whoever delivers reports does this too. The batches are small, so that neither the store's writers
nor the new reports of a receiver wait for a million old ones.
"""

from collections.abc import Callable
from typing import NamedTuple

from whimbrel.clock import Clock
from whimbrel.store.engine import Store
from whimbrel.store.redelivery import (
    BATCH,
    Batch,
    LaneStep,
    Place,
    Range,
    dead_lanes,
    open_redelivery_lanes,
    redeliver_batches,
    redeliver_ranges,
    step_redeliveries,
)

_BATCHES_A_STEP = 5


class Redeliveries:
    """Goes on with what operators have asked for. `step` it every second or so."""

    def __init__(self, store: Store, clock: Clock, *, wake_reports: Callable[[], None]) -> None:
        self._store = store
        self._clock = clock
        self._wake_reports = wake_reports

    async def step(self) -> None:
        """Do some batches of every lane that has room for more."""
        for number, lane in await self._store.read(open_redelivery_lanes, None):
            await self._go_on(number, lane)

    async def _go_on(self, number: int, lane: str) -> None:
        for _ in range(_BATCHES_A_STEP):
            step = LaneStep(number, lane, self._clock.now())
            count = await self._store.write(step_redeliveries, step)
            if count:
                self._wake_reports()
            if count < BATCH:
                return


class Wish(NamedTuple):
    """A Partner's reports of a time, as an operator asks for them at the command line."""

    partner_id: int
    since: int
    before: int
    acknowledged: bool
    """Also those that the receiver has acknowledged, not only the dead."""


async def redeliver(store: Store, clock: Clock, wish: Wish) -> int:
    """Make all of them due again, however many are due already; return how many there were."""
    if wish.acknowledged:
        return await _redeliver_range(store, clock, wish)
    count = 0
    for lane in await store.read(dead_lanes, wish.partner_id):
        after: Place | None = Place(wish.since)
        while after is not None:
            batch = Batch(lane, after, wish.before, BATCH, clock.now())
            done = await store.write(redeliver_batches, batch)
            count, after = count + done.reports, done.after
    return count


async def _redeliver_range(store: Store, clock: Clock, wish: Wish) -> int:
    count, place = 0, Place(wish.since)
    while True:
        part = Range(wish.partner_id, wish.since, wish.before, clock.now(), place.report_id)
        done = await store.write(redeliver_ranges, part)
        count += done.reports
        if done.after is None:
            return count
        place = done.after
