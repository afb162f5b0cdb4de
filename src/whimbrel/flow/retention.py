"""What age does to what is kept: texts, chains, visits and subscribers' messages are removed.

Each Partner's profile says how long its own is kept. The work is done in small batches, one kind
of one Partner after another's, so that a long backlog of one keeps no other waiting, and so seldom
that nobody notices. Nothing has to be remembered beyond a restart: what is gone is not found again.
"""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import NamedTuple

from whimbrel.clock import DAY, SECOND, Clock
from whimbrel.domain.chain_id import accepted_about, accepted_since
from whimbrel.domain.partner import Partner
from whimbrel.flow.partner_directory import PartnerDirectory
from whimbrel.metrics import Metrics
from whimbrel.store.engine import Store
from whimbrel.store.purge import (
    OldChains,
    OldContents,
    OldInbound,
    OldVisits,
    find_old_chains,
    oldest_inbound,
    oldest_visits,
    remove_chains,
    remove_contents,
    remove_inbound,
    remove_visits,
)

CHAINS_AT_ONCE = 25  # a transaction of a few milliseconds, however many reports each has
ROWS_AT_ONCE = 250  # visits, and what subscribers wrote: a row each
_SHARE = 0.1  # of the time, while there is something to remove
_AT_LEAST_EVERY = 1.0  # seconds, while the store always has something else to do
_BUSY_PAUSE = 0.02  # seconds; then it looks whether the store still has
_ROUND = 60.0  # seconds; ages are days, and each look costs every Partner a few reads
_LOOK = 1.0  # seconds; a profile that was changed is followed at once


class Kind(StrEnum):
    """What is removed."""

    CONTENT = "content"
    CHAINS = "chains"
    VISITS = "visits"
    INBOUND = "inbound"


class _Job(NamedTuple):
    """One kind of one Partner; 0: of nobody in particular."""

    kind: Kind
    partner_id: int


class _Batch(NamedTuple):
    """What a batch has come to."""

    removed: int = 0
    reached: int | None = None
    """The age, as a moment, of the last that was looked at; None: nothing is too old any more."""


class Retention:
    """Removes what is too old."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        partners: PartnerDirectory,
        metrics: Metrics,
        *,
        inbound_days: int,
    ) -> None:
        """`inbound_days` is how long subscribers' messages are kept; 0: for ever."""
        self._store = store
        self._clock = clock
        self._partners = partners
        self._metrics = metrics
        self._inbound_days = inbound_days
        self._jobs: dict[_Job, int] = {}  # in turn, each with the last chain that it has looked at
        self._behind: dict[_Job, float] = {}
        self._profiles: Mapping[int, Partner] = {}
        self._next_round_at = self._last_batch_at = clock.elapsed()
        for kind in Kind:
            metrics.retention_behind_seconds.labels(kind).set(0)
            metrics.retention_removed.labels(kind)

    async def step(self) -> float:
        """Remove a batch at the most; return after how many seconds to call again."""
        now = self._clock.elapsed()
        if now >= self._next_round_at or self._profiles is not self._partners.everybody:
            self._profiles = self._partners.everybody
            self._next_round_at = now + _ROUND
            for job in self._wanted():
                self._jobs.setdefault(job, 0)
        if not self._jobs:
            return min(self._next_round_at - now, _LOOK)
        if self._store.waiting and now < self._last_batch_at + _AT_LEAST_EVERY:
            return _BUSY_PAUSE
        if await self._next_batch():
            self._last_batch_at = now
        spent = self._clock.elapsed() - now
        return spent * (1 / _SHARE - 1)

    def _wanted(self) -> Iterator[_Job]:
        """Yield a job for each age that somebody has set, also of Partners that were removed."""
        for partner_id in self._partners.everybody:
            for kind in (Kind.CONTENT, Kind.CHAINS, Kind.VISITS):
                if self._age(_Job(kind, partner_id)):
                    yield _Job(kind, partner_id)
        if self._inbound_days:
            yield _Job(Kind.INBOUND, 0)

    def _age(self, job: _Job) -> int:
        """Return the greatest age, in milliseconds, by what is set now; 0: there is none.

        A chain by whose content duplicates are told is not touched while it may be needed.
        """
        if job.kind is Kind.INBOUND:
            return self._inbound_days * DAY
        partner = self._partners.by_id(job.partner_id)
        if partner is None:
            return 0
        profile = partner.profile
        if job.kind is Kind.VISITS:
            return profile.visit_days * DAY
        days = profile.content_days if job.kind is Kind.CONTENT else profile.history_days
        return max(days * DAY, profile.content_window_seconds * SECOND) if days else 0

    async def _next_batch(self) -> bool:
        """Do a batch of the job whose turn it is, and put it behind the others until it is done.

        Tell whether there was anything to do.
        """
        job = next(iter(self._jobs))
        after = self._jobs.pop(job)
        self._jobs[job] = after
        age = self._age(job)
        before = self._clock.now() - age
        batch = await self._remove(job, before) if age else _Batch()
        if batch.reached is None:
            del self._jobs[job]
        if batch.removed:
            self._metrics.retention_removed.labels(job.kind).inc(batch.removed)
        self._note_behind(job, 0 if batch.reached is None else before - batch.reached)
        return batch.reached is not None

    async def _remove(self, job: _Job, before: int) -> _Batch:
        match job.kind:
            case Kind.CONTENT | Kind.CHAINS:
                return await self._remove_of_chains(job, before)
            case Kind.VISITS:
                oldest = await self._store.read(oldest_visits, job.partner_id)
                if oldest is None or oldest >= before:
                    return _Batch()
                visits = OldVisits(job.partner_id, before, ROWS_AT_ONCE)
                return _Batch(await self._store.write(remove_visits, visits), oldest)
            case Kind.INBOUND:
                oldest = await self._store.read(oldest_inbound, None)
                if oldest is None or oldest >= before:
                    return _Batch()
                inbound = OldInbound(before, ROWS_AT_ONCE)
                return _Batch(await self._store.write(remove_inbound, inbound), oldest)

    async def _remove_of_chains(self, job: _Job, before: int) -> _Batch:
        """Go on behind the chain that was looked at last: what is still open stays behind."""
        with_content = job.kind is Kind.CONTENT
        bound = accepted_since(before)
        wish = OldChains(job.partner_id, self._jobs[job], bound, CHAINS_AT_ONCE, with_content)
        chain_ids = await self._store.read(find_old_chains, wish)
        if not chain_ids:
            return _Batch()
        self._jobs[job] = chain_ids[-1]
        if with_content:
            contents = OldContents(chain_ids, self._clock.now())
            removed = await self._store.write(remove_contents, contents)
        else:
            removed = await self._store.write(remove_chains, chain_ids)
        return _Batch(removed, accepted_about(chain_ids[-1]))

    def _note_behind(self, job: _Job, behind: int) -> None:
        self._behind[job] = behind / SECOND
        worst = max(one for other, one in self._behind.items() if other.kind is job.kind)
        self._metrics.retention_behind_seconds.labels(job.kind).set(worst)
