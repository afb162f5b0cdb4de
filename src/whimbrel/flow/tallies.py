"""Counts what happens, for the overview: in memory at once, in the store every other second.

Nobody waits for it: a stage adds to a dictionary where it learns what has happened, and a duty
writes the sums. A clean stop writes them all; a process that is killed loses those of the last
moment, and the overview is short by them (docs/decisions/0024-tallies.md). What is counted belongs
to the minute in which it was learnt, however late it is written.
"""

import asyncio
from collections.abc import Iterable

import structlog

from whimbrel.clock import MINUTE, Clock
from whimbrel.domain.chain import Chain
from whimbrel.domain.chain_id import position_of
from whimbrel.domain.tally import What, bucket_of
from whimbrel.metrics import Metrics
from whimbrel.store.engine import OutcomeUnknown, Store, StoreUnavailable
from whimbrel.store.links import Moved, News
from whimbrel.store.tallies import Kind, Tally, add_tallies, remove_tallies, too_old

_log = structlog.get_logger(__name__)
_BATCH = 100  # sums a transaction: keeps the loop's stop at a few milliseconds
_MOST_WAITING = 100_000  # about 30 MB: some hundred are added a minute while the store is away
_REMOVED_AT_ONCE = 250  # of each kind
_LAST_TRIES = 5  # at the stop; each waits for the store's lock for two seconds
_TIME_OF = {What.SUBMITTED: What.HANDOVER, What.DELIVERED: What.DELIVERY}


class Tallies:
    """What this process has counted and not yet written."""

    def __init__(self, store: Store, clock: Clock, metrics: Metrics) -> None:
        self._store = store
        self._clock = clock
        self._metrics = metrics
        self._sums: dict[tuple[int, Kind], int] = {}
        self._writing = asyncio.Lock()

    def accepted(self, chain: Chain) -> None:
        """Count a chain that is on disk."""
        for link in chain.links:
            self.count(chain.accepted_at, Kind(What.ACCEPTED, link.channel, link.position))

    def moved(self, moved: Iterable[Moved | None]) -> None:
        """Count what links have come to."""
        for one in moved:
            if one is not None and one.news:
                self.news(one.news)

    def news(self, news: Iterable[News]) -> None:
        """Count what links have come to."""
        for one in news:
            position = position_of(one.link_id)
            self.count(one.at, Kind(one.what, one.channel, position, one.error_code))
            time = _TIME_OF.get(one.what)
            # A link behind another one has waited for that, which says nothing of the channel.
            if (
                time is not None
                and one.took is not None
                and not (position and time is What.HANDOVER)
            ):
                self.time(one.at, time, one.channel, one.took, position)

    def time(self, at: int, what: What, channel: str, took: int, position: int = 0) -> None:
        """Count how long something took, in milliseconds."""
        self.count(at, Kind(what, channel, position, bucket_of(took)))

    def count(self, at: int, kind: Kind) -> None:
        """Count one of a kind at a moment."""
        key = (at - at % MINUTE, kind)
        sums = self._sums
        if key in sums:
            sums[key] += 1
        elif len(sums) < _MOST_WAITING:
            sums[key] = 1
        else:
            self._metrics.tallies_lost.inc()

    async def flush(self) -> None:
        """Write what was counted. Raises `StoreUnavailable`: then it is written later.

        What another call has begun to write is written too when this returns.
        """
        async with self._writing:
            # Not what is counted meanwhile: under load that would go on and on.
            sums, self._sums = self._sums, {}
            waiting = [Tally(at, kind, number) for (at, kind), number in sums.items()]
            while waiting:
                batch, waiting = waiting[:_BATCH], waiting[_BATCH:]
                await self._write(batch, waiting)

    async def _write(self, batch: list[Tally], behind: list[Tally]) -> None:
        """Write a batch; if it fails, put back what can be written later."""
        try:
            await self._store.write(add_tallies, batch)
        except OutcomeUnknown:
            # It may be there, and a figure that is short by seconds is better than one too high.
            self._lose(batch)
            self._put_back(behind)
            raise
        except StoreUnavailable:
            self._put_back(batch + behind)
            raise
        except Exception:
            self._lose(batch)  # it would fail for ever
            self._put_back(behind)
            raise

    def _put_back(self, tallies: list[Tally]) -> None:
        counted, self._sums = self._sums, {(at, kind): number for at, kind, number in tallies}
        for key, number in counted.items():
            self._sums[key] = self._sums.get(key, 0) + number

    def _lose(self, tallies: list[Tally]) -> None:
        self._metrics.tallies_lost.inc(sum(one.number for one in tallies))

    async def drain(self) -> None:
        """Write what was counted, and say how much was lost if it cannot be done."""
        for _ in range(_LAST_TRIES):
            try:
                await self.flush()
            except StoreUnavailable:
                continue
            return
        lost = sum(self._sums.values())
        self._metrics.tallies_lost.inc(lost)
        _log.error("tallies_lost", counted=lost)

    async def clean_up(self) -> None:
        """Remove some of what is too old. Call it every minute or so, on one node."""
        for old in too_old(self._clock.now(), _REMOVED_AT_ONCE):
            await self._store.write(remove_tallies, old)
