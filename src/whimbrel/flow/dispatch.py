"""Hands links to their channels: claim what is due, submit, record.

The attempt is on disk before the request is on the wire. What is then certain (taken, refused, not
sent) is recorded at once; what is not certain waits for a receipt (`timers.py`).
"""

import asyncio
import contextlib
import math
import random
from collections.abc import Awaitable, Callable, Iterable
from typing import NamedTuple

import structlog
from msgspec.structs import replace

from whimbrel.channels.connector import LateAnswer, Submission, SubmitError, SubmitFault
from whimbrel.clock import SECOND, Clock
from whimbrel.domain.chain import NoAnswer, Taken
from whimbrel.flow.cascade import count_cascades
from whimbrel.flow.claiming import start_claimed
from whimbrel.flow.membership import ALONE, Seat
from whimbrel.flow.outcomes import failure, pause, put_back
from whimbrel.flow.sender_lines import Lines, SenderLine
from whimbrel.flow.tallies import Tallies
from whimbrel.flow.until_written import until_taken, until_written
from whimbrel.metrics import Metrics
from whimbrel.store.chains import Claim, ClaimedLink, claim_links, due_lanes, sender_of
from whimbrel.store.engine import Store, StoreClosed
from whimbrel.store.links import Moved
from whimbrel.store.senders import SenderPause, pause_senders, resume_senders
from whimbrel.store.submits import SubmitRecord, outcome_of, record_submits
from whimbrel.store.timers import Hearing, renew_graces

_log = structlog.get_logger(__name__)
_LEASE_MARGIN = 30 * SECOND  # beyond the longest submit: recording its outcome must fit in


class DispatchRules(NamedTuple):
    """How long things may take, in milliseconds."""

    submit_timeout: int
    grace: int


class Dispatcher:
    """The second stage."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        lines: Lines,
        metrics: Metrics,
        rules: DispatchRules,
        *,
        tallies: Tallies,
        wake: Callable[[], None],
        wake_reports: Callable[[], None],
        seat: Seat = ALONE,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """`wake` asks for another `step`, when a submit has ended and its place is free."""
        self._store = store
        self._clock = clock
        self._lines = lines
        self._metrics = metrics
        self._tallies = tallies
        self._rules = rules
        self._wake = wake
        self._wake_reports = wake_reports
        self._seat = seat
        self._chance = chance
        self._submits: set[asyncio.Task[None]] = set()

    async def step(self) -> int | None:
        """Claim what is due and start its submits; return when to look again (None: when woken)."""
        if not self._seat.is_mine:
            return None  # until the lease is renewed: whoever looks every second sees it
        lanes = [one for one in await self._store.read(due_lanes, None) if self._is_mine(one[0])]
        now = self._clock.now()
        due = [lane for lane, due_at in lanes if due_at <= now]
        claims = list(self._claims(due, now))
        claimed = await start_claimed(claims, self._claim, self._start)
        # What is due there, and yet not to be had, is at its end: that is the timers' business.
        over = {claim.lane for claim, links in zip(claims, claimed, strict=True) if not links}
        return self._next_look([one for one in lanes if one[0] not in over], now)

    async def drain(self) -> None:
        """Wait until the submits under way have ended and are recorded."""
        while self._submits:
            await asyncio.wait(self._submits)

    def _is_mine(self, lane: str) -> bool:
        """Tell whether a lane's sender is this node's; of one that left the settings, nobody's."""
        line = self._lines.get(sender_of(lane))
        return line is not None and line.held

    def _claims(self, lanes: Iterable[str], now: int) -> Iterable[Claim]:
        """Share each sender's room among its lanes, so that no Partner waits for another's bulk."""
        waiting: dict[SenderLine, list[str]] = {}
        for lane in lanes:
            waiting.setdefault(self._lines[sender_of(lane)], []).append(lane)
        lease_until = now + self._rules.submit_timeout + _LEASE_MARGIN
        for line, its_lanes in waiting.items():
            for lane, room in _shares(its_lanes, line.room(self._clock), self._chance()):
                yield Claim(lane, room, now, lease_until, self._seat.node_id)

    def _next_look(self, lanes: list[tuple[str, int]], now: int) -> int | None:
        moments = (
            due_at if due_at > now else self._next_room(self._lines[sender_of(lane)], now)
            for lane, due_at in lanes
        )
        return min((moment for moment in moments if moment is not None), default=None)

    def _next_room(self, line: SenderLine, now: int) -> int | None:
        """Return when a sender may have room again; None: when a submit that is under way ends."""
        if line.under_way and line.pause is not None:
            return None
        if line.under_way and not line.pacing.wait(self._clock.elapsed()):
            return None
        return max(line.next_room_at(self._clock), now + 1)

    def _claim(self, claim: Claim) -> Awaitable[list[ClaimedLink]]:
        return self._store.write(claim_links, claim)

    def _start(self, _: Claim, link: ClaimedLink) -> None:
        line = self._lines[link.channel, link.sender]
        line.under_way += 1
        line.pacing.take(self._clock.elapsed(), line.connector.cost(link.content))
        task = asyncio.create_task(self._dispatch(link, line))
        self._submits.add(task)
        task.add_done_callback(self._submits.discard)

    async def _dispatch(self, link: ClaimedLink, line: SenderLine) -> None:
        try:
            record = self._not_now(link, line) or await self._submit(link, line)
            await self._keep(record)
            self._wake_reports()
            if isinstance(record.event, Taken):
                await self._worked(line)
        except Exception:  # noqa: BLE001
            # The attempt is on disk: its lease will run out, and the timers settle it.
            _log.exception("submit_not_recorded", link_id=link.link_id)
        finally:
            line.under_way -= 1
            self._wake()

    async def _keep(self, record: SubmitRecord) -> None:
        """Write what came of a submit, and count what that does to the links behind it.

        The grace of one without an answer runs from the write on: as long as the store takes
        nothing, it takes no receipts either.
        """

        def write() -> Awaitable[Moved | None]:
            kept = record
            if isinstance(record.event, NoAnswer):
                until = self._clock.now() + self._rules.grace
                kept = record._replace(event=replace(record.event, until=until))
            return self._store.write(record_submits, kept)

        moved = [await until_taken(write, "record_submits")]
        self._tallies.moved(moved)
        count_cascades(self._metrics, moved)

    def _not_now(self, link: ClaimedLink, line: SenderLine) -> SubmitRecord | None:
        """Put a link back whose sending hours have closed, or whose subscriber has had enough.

        And one that is another node's by now, perhaps: this process may have stood still.
        """
        now, wait = self._clock.now(), 0.0
        if not self._seat.is_mine:
            return SubmitRecord(link.link_id, put_back(link, now, 0), now)
        closed = link.closes_at is not None and now >= link.closes_at
        if not closed and line.pairs is not None:
            wait = line.pairs.take(link.dest_addr, self._clock.elapsed())
        if not closed and not wait:
            return None
        return SubmitRecord(link.link_id, put_back(link, now, math.ceil(wait * SECOND)), now)

    async def _submit(self, link: ClaimedLink, line: SenderLine) -> SubmitRecord:
        started, began = self._clock.now(), self._clock.elapsed()
        submission = Submission(
            link.link_id,
            link.attempt,
            link.sender,
            link.dest_addr,
            link.content,
            link.ttl,
            link.taken,
        )
        try:
            parts = await line.connector.submit(submission)
        except SubmitError as error:
            record = await self._failed(link, line, started, error)
        else:
            taken = Taken(link.attempt, self._clock.now(), parts.provider_ids[1])
            record = SubmitRecord(link.link_id, taken, started, parts=parts)
        outcome = outcome_of(record.event)
        self._metrics.submits.labels(line.name, outcome).inc()
        self._metrics.submit_seconds.observe(self._clock.elapsed() - began)
        return record

    async def _worked(self, line: SenderLine) -> None:
        if line.resume(self._clock.now()):
            await until_written(self._store, resume_senders, (line.channel, line.name))
            self._metrics.sender_paused.labels(line.name).set(0)
            _log.info("sender_resumed", sender=line.name)

    async def _failed(
        self, link: ClaimedLink, line: SenderLine, started: int, error: SubmitError
    ) -> SubmitRecord:
        chance = self._chance()
        event = failure(link, error, self._clock.now(), grace=self._rules.grace, chance=chance)
        match error.fault:
            case SubmitFault.NO_ANSWER:
                self._metrics.ambiguous.labels(line.name).inc()
            case SubmitFault.SENDER_BROKEN:
                await self.rest(line, f"{error.code} {error.detail}", error.pause)
            case SubmitFault.NUMBER_THROTTLED:
                line.slow_down(self._clock, chance)
            case SubmitFault.PAIR_THROTTLED if line.pairs is not None:
                seconds = pause(link, error, chance) / SECOND
                line.pairs.hold(link.dest_addr, self._clock.elapsed(), seconds)
        return SubmitRecord(
            link.link_id, event, started, error.code, error.detail, parts=error.taken
        )

    async def answered_late(self, late: LateAnswer) -> None:
        """Record what a channel took of a submit that had been given up: it need not go again."""
        now = self._clock.now()
        event: Taken | NoAnswer = NoAnswer(late.attempt, now, now + self._rules.grace)
        if late.whole:
            event = Taken(late.attempt, now, late.taken.provider_ids[1], late=True)
        record = SubmitRecord(late.link_id, event, late.began_at, parts=late.taken)
        try:
            await self._keep(record)
        except Exception:  # noqa: BLE001
            # As if there had been no answer: a receipt or the grace settles it.
            _log.exception("late_answer_not_recorded", link_id=late.link_id)
        self._wake()
        self._wake_reports()

    async def note_connection(self, line: SenderLine) -> None:
        """Say where operators look whether the connection of a line is there.

        And let graces begin anew, also if the store is away now: without that, what was sent before
        the connection was lost goes again before its receipt can have come.
        """
        with contextlib.suppress(StoreClosed):
            await until_taken(lambda: self._note_connection(line), "note_connection")

    async def _note_connection(self, line: SenderLine) -> None:
        if not line.held:
            return  # its connection is another node's business now
        since, now = line.connector.blocked_since, self._clock.now()
        if since is None:
            until = now + self._rules.grace
            for channel, sender in (key for key, one in self._lines.items() if one is line):
                await self._store.write(renew_graces, Hearing(channel, sender, until))
            await self._store.write(resume_senders, (line.channel, line.name))
        else:
            why = line.connector.why_blocked
            gone = SenderPause(line.channel, line.name, since, now, 0, why, now)
            await self._store.write(pause_senders, gone)
        self._metrics.sender_paused.labels(line.name).set(since is not None)
        _log.info("connection_changed", sender=line.name, down_since=since)

    async def rest(self, line: SenderLine, reason: str, pause: int | None) -> None:
        """Let a broken sender rest, and say so where operators look."""
        rest = line.rest(self._clock, reason, pause)
        if rest is not None:
            await until_written(self._store, pause_senders, rest)
            self._metrics.sender_paused.labels(line.name).set(1)
            _log.warning("sender_paused", sender=line.name, until=rest.paused_until, why=reason)


def _shares(lanes: list[str], room: int, chance: float) -> Iterable[tuple[str, int]]:
    """Divide `room` among lanes evenly; what is left over goes to other lanes each time."""
    first = int(chance * len(lanes))
    for index in range(len(lanes)):
        share = -(-room // (len(lanes) - index))
        if share:
            yield lanes[(first + index) % len(lanes)], share
            room -= share
