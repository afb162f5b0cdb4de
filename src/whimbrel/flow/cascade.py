"""Lets cascades go on where no event of their own does: by time, and past a blocked sender.

What follows from a failure, an expiry or a receipt is written together with it
(`store/links.py`). Left for here are the link that was delivered but not read in its lifetime, and
the link whose sender takes nothing for too long while another one stands behind it.
"""

from collections.abc import Callable, Iterable

import structlog

from whimbrel.clock import Clock
from whimbrel.domain.status import LinkState
from whimbrel.flow.sender_lines import Lines
from whimbrel.flow.tallies import Tallies
from whimbrel.metrics import Metrics
from whimbrel.store.chains import due_lanes, sender_of
from whimbrel.store.engine import Store
from whimbrel.store.links import Moved
from whimbrel.store.timers import BATCH, Blockade, bypass_links, release_links

_log = structlog.get_logger(__name__)


class Cascade:
    """The stage between the timers and another dispatch."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        lines: Lines,
        metrics: Metrics,
        *,
        tallies: Tallies,
        patience: int,
        wake_dispatch: Callable[[], None],
        wake_reports: Callable[[], None],
    ) -> None:
        """`patience` is how long a blocked sender may hold such a link, in milliseconds."""
        self._store = store
        self._clock = clock
        self._lines = lines
        self._metrics = metrics
        self._tallies = tallies
        self._patience = patience
        self._wake_dispatch = wake_dispatch
        self._wake_reports = wake_reports
        self._started_at = clock.now()

    async def release(self) -> None:
        """Let links go whose predecessor was not read in time. Call it several times a second."""
        released = BATCH
        while released == BATCH:  # more than a batch is due: others' writes come in between
            chains = await self._store.write(release_links, self._clock.now())
            released = sum(map(bool, chains))
            if released:
                for news in chains:
                    self._tallies.news(news)
                self._metrics.fall_throughs.labels("unread").inc(released)
                self._wake_dispatch()

    async def bypass(self) -> None:
        """Give up what a blocked sender has held for too long. Call it every second or so."""
        before = self._clock.now() - self._patience
        for lane, due_at in await self._store.read(due_lanes, None):
            blocked_since = self._blocked_since(lane)
            if due_at <= before and blocked_since is not None and blocked_since <= before:
                await self._bypass(lane, before)

    def _blocked_since(self, lane: str) -> int | None:
        """Return since when a lane's sender takes nothing; None: it does.

        A sender that has left the settings has taken nothing since the start, as far as we know; of
        one that another node holds, that one knows.
        """
        line = self._lines.get(sender_of(lane))
        return self._started_at if line is None else line.blocked_since

    async def _bypass(self, lane: str, before: int) -> None:
        bypassed = BATCH
        while bypassed == BATCH:
            blockade = Blockade(lane, before, self._clock.now())
            moved = await self._store.write(bypass_links, blockade)
            bypassed = len(moved)
            if bypassed:
                self._tallies.moved(moved)
                count_cascades(self._metrics, moved, "blocked")
                _log.warning("blocked_sender_bypassed", lane=lane, links=bypassed)
                self._wake_dispatch()
                self._wake_reports()


_REASONS = {
    LinkState.FAILED: "failed",
    LinkState.EXPIRED: "expired",
    LinkState.DELIVERED: "unread",
}
"""How a link misses its goal, by where it is then."""


def count_cascades(
    metrics: Metrics, moved: Iterable[Moved | None], reason: str | None = None
) -> bool:
    """Count what moves did to the links behind; tell whether any of these got its turn."""
    released = False
    for one in moved:
        if one is None:
            continue
        if one.overlaps:
            metrics.overlaps.inc(one.overlaps)
        if one.fell_through is not None:
            released = True
            metrics.fall_throughs.labels(reason or _REASONS[one.fell_through]).inc()
    return released
