"""Visits of short URLs, from the moment of the visit to the store.

A visitor waits for no write: visits gather in memory and are written a few times a second. A clean
stop writes them all; a process that is killed loses those of the last moment, and those that a
store which was locked for longer did not take.
"""

import asyncio
from typing import NamedTuple

import structlog

from whimbrel.clock import DAY, Clock
from whimbrel.domain.receipt import ClickedUrl
from whimbrel.domain.visitor import AgentClass
from whimbrel.flow.partner_directory import PartnerDirectory
from whimbrel.flow.short_urls import KnownUrl
from whimbrel.metrics import Metrics
from whimbrel.store.clicks import NewClick, record_clicks
from whimbrel.store.engine import Store, StoreUnavailable

_log = structlog.get_logger(__name__)
_BATCH = 100  # visits a transaction: keeps the loop's stop at a few milliseconds
_MOST_WAITING = 200_000  # about 60 MB; a store that is locked for long must not cost all memory
_LAST_TRIES = 5  # at the stop; each waits for the store's lock for two seconds


class Visit(NamedTuple):
    """A short URL was followed."""

    short_url: str
    """As it was followed, without what the visitor put behind it."""
    known: KnownUrl
    agent: AgentClass
    ahead: bool
    """A browser fetched it in case that its user would follow it."""


class Clicks:
    """Keeps visits."""

    def __init__(
        self, store: Store, clock: Clock, partners: PartnerDirectory, metrics: Metrics
    ) -> None:
        self._store = store
        self._clock = clock
        self._partners = partners
        self._metrics = metrics
        self._waiting: list[NewClick] = []
        self._writing = asyncio.Lock()
        metrics.visits_waiting.set_function(lambda: len(self._waiting))

    def note(self, visit: Visit) -> bool:
        """Take a visit in; tell whether it is a click. Crawlers and prefetches are none."""
        counted = visit.agent is not AgentClass.BOT and not visit.ahead
        if len(self._waiting) >= _MOST_WAITING:
            self._metrics.visits_lost.inc()
        else:
            self._waiting.append(self._click(visit, counted=counted))
        return counted

    def _click(self, visit: Visit, *, counted: bool) -> NewClick:
        known, now = visit.known, self._clock.now()
        partner = self._partners.by_id(known.partner_id)
        if not counted or partner is None:
            return NewClick(known.uid, now, visit.agent, counted)
        idle = partner.profile.short_idle_days * DAY
        told = known.link_id is not None and partner.profile.click_url
        return NewClick(
            known.uid,
            now,
            visit.agent,
            counted,
            now + idle if idle else None,
            known.partner_id,
            known.link_id or 0,
            ClickedUrl(visit.short_url, known.target) if told else None,
        )

    async def flush(self) -> int:
        """Write what waits; return how many first clicks are to be told.

        What another call has begun to write is written too when this returns. Raises
        `StoreUnavailable` if the store cannot take it now: then it goes on waiting.
        """
        async with self._writing:
            return await self._flush()

    async def _flush(self) -> int:
        told = 0
        while self._waiting:
            batch, self._waiting = self._waiting[:_BATCH], self._waiting[_BATCH:]
            try:
                told += await self._store.write(record_clicks, batch)
            except StoreUnavailable:
                self._waiting = batch + self._waiting
                raise
            except Exception:
                self._metrics.visits_lost.inc(len(batch))  # it would fail for ever
                raise
        return told

    async def drain(self) -> None:
        """Write what waits, and say how much was lost if it cannot be done."""
        for _ in range(_LAST_TRIES):
            try:
                await self.flush()
            except StoreUnavailable:
                continue
            return
        self._metrics.visits_lost.inc(len(self._waiting))
        _log.error("visits_lost", visits=len(self._waiting))
