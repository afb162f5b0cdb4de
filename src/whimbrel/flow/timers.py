"""What time does to links: lifetimes end, and submits without an answer are settled.

The rows carry the moments; nothing is kept in memory, so a restart between two moments loses none.
"""

from collections.abc import Callable, Iterable, Mapping

import structlog

from whimbrel.clock import DAY, MINUTE, Clock
from whimbrel.domain.status import LinkState
from whimbrel.domain.unanswered import Unanswered
from whimbrel.flow.cascade import count_cascades
from whimbrel.flow.membership import ALONE, Seat
from whimbrel.flow.tallies import Tallies
from whimbrel.metrics import Metrics
from whimbrel.store.engine import Store, StoreUnavailable
from whimbrel.store.links import Moved
from whimbrel.store.queues import measure_depths
from whimbrel.store.receipts import ParkedSweep, sweep_parked
from whimbrel.store.timers import BATCH, Ended, Tick, expire_links, renew_all_graces, settle_limbo

_log = structlog.get_logger(__name__)
_PARKED_FOR = 7 * DAY  # as long as Meta repeats a webhook
_AWAY_SECONDS = 1.0  # a store that was busy for a moment has kept nobody from telling
_MATCHED_LATE = 10 * MINUTE  # far longer than a submit takes to be recorded


class Timers:
    """The fourth stage."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        metrics: Metrics,
        *,
        tallies: Tallies,
        grace: int,
        rules: Callable[[], Mapping[int, Unanswered]],
        unheard: Callable[[], frozenset[tuple[str, str]]] = frozenset,
        seat: Seat = ALONE,
        wake_dispatch: Callable[[], None],
        wake_reports: Callable[[], None],
    ) -> None:
        """`grace` is how long an unanswered submit waits for a receipt, in milliseconds.

        `rules` tells what Partners want where none has come, if they have said it; `unheard` the
        senders from which none can come now.
        """
        self._store = store
        self._clock = clock
        self._metrics = metrics
        self._tallies = tallies
        self._grace = grace
        self._rules = rules
        self._unheard = unheard
        self._seat = seat
        self._wake_dispatch = wake_dispatch
        self._wake_reports = wake_reports
        self._away_since: float | None = None

    async def step(self) -> None:
        """End and settle what is due now. Call it several times a second."""
        try:
            await self._hear_what_waited()
            while await self._expire() or await self._settle():
                pass  # more than a batch is due: others' writes come in between
        except StoreUnavailable:
            if self._away_since is None:
                self._away_since = self._clock.elapsed()
            raise

    async def _hear_what_waited(self) -> None:
        """Let graces begin anew after the store was away: no receipt could be filed meanwhile."""
        away_since = self._away_since
        if away_since is not None and self._clock.elapsed() - away_since >= _AWAY_SECONDS:
            await self._store.write(renew_all_graces, self._clock.now() + self._grace)
        self._away_since = None

    async def _expire(self) -> bool:
        ended = await self._store.write(expire_links, self._clock.now())
        self._tallies.moved(ended)
        expired = _count(ended, LinkState.EXPIRED)
        if expired:
            self._metrics.expired.inc(expired)
            self._wake_reports()
        if count_cascades(self._metrics, ended):
            self._wake_dispatch()
        return len(ended) == BATCH

    async def _settle(self) -> bool:
        now = self._clock.now()
        tick = Tick(
            now, now + self._grace, self._unheard(), self._rules(), node_id=self._seat.node_id
        )
        settled = await self._store.write(settle_limbo, tick)
        self._tallies.moved(settled.moved)
        if settled.interrupted:
            self._metrics.interrupted.inc(settled.interrupted)
        released = count_cascades(self._metrics, settled.moved)
        if self._count_ended(settled.ended) or released:
            self._wake_dispatch()
        if settled.moved:
            self._wake_reports()
        return settled.found == BATCH

    def _count_ended(self, ended: Iterable[Ended]) -> int:
        """Count what was decided; return how many links go again."""
        again = [(channel, verdict) for channel, verdict in ended if verdict.goes_again]
        failed = [(channel, verdict) for channel, verdict in ended if verdict.fails]
        for channel, verdict in again:
            self._metrics.resubmits.labels(channel, verdict.name.lower()).inc()
        for channel, verdict in failed:
            self._metrics.given_up.labels(channel, verdict.name.lower()).inc()
        if again:
            _log.warning("submits_without_answer_or_receipt_go_again", links=len(again))
        if failed:
            _log.warning("submits_without_answer_or_receipt_fail", links=len(failed))
        return len(again)

    async def sweep(self) -> None:
        """Match what was parked, and measure the queues. Call it every few seconds."""
        now = self._clock.now()
        sweep = ParkedSweep(now - _MATCHED_LATE, now - _PARKED_FOR)
        moved = await self._store.write(sweep_parked, sweep)
        self._tallies.moved(moved)
        if moved:
            self._wake_reports()
        if count_cascades(self._metrics, moved):
            self._wake_dispatch()
        depths = await self._store.read(measure_depths, now)
        depth, age = self._metrics.queue_depth, self._metrics.queue_age_seconds
        depth.labels("links").set(depths.links_due)
        depth.labels("reports").set(depths.reports_open)
        depth.labels("parked_receipts").set(depths.parked)
        age.labels("links").set((now - (depths.oldest_due_at or now)) / 1_000)
        age.labels("reports").set((now - (depths.oldest_report_at or now)) / 1_000)


def _count(moved: Iterable[Moved | None], state: LinkState) -> int:
    return sum(1 for one in moved if one and one.after is state is not one.before)
