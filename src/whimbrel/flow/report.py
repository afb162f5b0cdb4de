"""Tells Partners every state, and first clicks: claim what is due, POST, record the answer.

A 2xx acknowledges; anything else is tried again with growing pauses for more than a day, then kept
as dead for `whimbrel reports redeliver`. The order within a chain is the store's doing.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import structlog

from whimbrel.clock import SECOND, Clock
from whimbrel.domain.chain_id import position_of
from whimbrel.domain.partner import Partner
from whimbrel.domain.receipt import Report
from whimbrel.domain.retry import report_pause
from whimbrel.domain.tally import What
from whimbrel.flow.claiming import start_claimed
from whimbrel.flow.membership import ALONE, Seat
from whimbrel.flow.numbering_directory import NumberingDirectory
from whimbrel.flow.partner_directory import PartnerDirectory
from whimbrel.flow.receivers import AHEAD, Receiver
from whimbrel.flow.report_body import report_body
from whimbrel.flow.report_signing import report_headers
from whimbrel.flow.tallies import Tallies
from whimbrel.flow.until_written import until_written
from whimbrel.http_out import Http, NotSent, Unanswered
from whimbrel.metrics import Metrics
from whimbrel.store.engine import Store
from whimbrel.store.reports import (
    ReportAttempt,
    ReportClaim,
    ReportPutBack,
    ReportState,
    claim_reports,
    due_report_lanes,
    put_reports_back,
    record_report_attempts,
)
from whimbrel.store.tallies import Kind

_log = structlog.get_logger(__name__)
_MOST_IN_HAND = 4_096  # of all receivers together
_LEASE_MARGIN = 60 * SECOND
_EXCERPT = 300
_NO_URL = "no URL: neither notifyUrl nor the Partner's"
_NO_CLICK_URL = "no URL: the Partner has no click URL any more"


class _Verdict(NamedTuple):
    """What came of one POST."""

    http_status: int | None
    answer: str
    acknowledged: bool = False
    hopeless: bool = False


class Reporter:
    """The fifth stage."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        partners: PartnerDirectory,
        http: Http,
        metrics: Metrics,
        *,
        tallies: Tallies,
        numbering: NumberingDirectory,
        cap: int,
        timeout: int,
        wake: Callable[[], None],
        seat: Seat = ALONE,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """`cap` is per receiver; `timeout`, of one POST, is in milliseconds."""
        self._store = store
        self._clock = clock
        self._partners = partners
        self._numbering = numbering
        self._http = http
        self._metrics = metrics
        self._tallies = tallies
        self._cap = cap
        self._lease = (AHEAD + 1) * timeout + _LEASE_MARGIN  # the last in hand waits for the others
        self._wake = wake
        self._seat = seat
        self._chance = chance
        self._receivers: dict[str, Receiver] = {}
        self._in_hand: set[asyncio.Task[None]] = set()

    async def step(self) -> int | None:
        """Claim what is due and start to send it; return when to look again (None: when woken)."""
        if not self._seat.is_mine:
            return None
        lanes = await self._store.read(due_report_lanes, None)
        now = self._clock.now()
        claims = self._claims([lane for lane, next_at in lanes if next_at <= now], now)
        await start_claimed(claims, self._claim, self._start)
        return self._next_look(lanes, now)

    async def drain(self) -> None:
        """Wait until the reports under way are answered and recorded."""
        while self._in_hand:
            await asyncio.wait(self._in_hand)

    def _claims(self, lanes: list[str], now: int) -> list[ReportClaim]:
        free = _MOST_IN_HAND - len(self._in_hand)
        claims = []
        for lane in lanes:
            room = min(self._receiver(lane).room(now), free)
            if room > 0:
                free -= room
                claims.append(ReportClaim(lane, room, now, now + self._lease, self._seat.node_id))
        return claims

    def _receiver(self, lane: str) -> Receiver:
        return self._receivers.setdefault(lane, Receiver(self._cap))

    def _next_look(self, lanes: list[tuple[str, int]], now: int) -> int | None:
        moments = []
        for lane, next_at in lanes:
            moment = next_at if next_at > now else self._receiver(lane).next_room_at(now)
            if moment is not None:
                moments.append(moment)
        return min(moments, default=None)

    def _claim(self, claim: ReportClaim) -> Awaitable[list[Report]]:
        return self._store.write(claim_reports, claim)

    def _start(self, claim: ReportClaim, report: Report) -> None:
        self._receiver(claim.lane).in_hand += 1
        task = asyncio.create_task(self._deliver(report, claim))
        self._in_hand.add(task)
        task.add_done_callback(self._in_hand.discard)

    async def _deliver(self, report: Report, claim: ReportClaim) -> None:
        lane, receiver = claim.lane, self._receiver(claim.lane)
        try:
            async with receiver.slots:
                probe = receiver.in_hand == 1
                waits = (receiver.shut and not probe) or not self._seat.is_mine
                attempt = None if waits else await self._try(report, receiver)
            if attempt is not None:
                await until_written(self._store, record_report_attempts, attempt)
                self._measure(report, attempt)
            else:
                next_at = max(receiver.shut_until, self._clock.now())
                put_back = ReportPutBack(next_at, report.report_id, claim.node_id)
                await until_written(self._store, put_reports_back, put_back)
        except Exception:  # noqa: BLE001
            # Its claim runs out, and it is sent again: at least once.
            _log.exception("report_not_recorded", report_id=report.report_id)
        finally:
            receiver.in_hand -= 1
            if receiver.idle:
                self._receivers.pop(lane, None)
            self._wake()

    async def _try(self, report: Report, receiver: Receiver) -> ReportAttempt:
        began = self._clock.elapsed()
        verdict = await self._post(report)
        latency = round((self._clock.elapsed() - began) * SECOND)
        if verdict.acknowledged:
            receiver.worked()
        elif not verdict.hopeless:
            receiver.failed(self._clock.now())
        return self._attempt(report, verdict, latency)

    async def _post(self, report: Report) -> _Verdict:
        partner = self._partners.by_id(report.partner_id)
        url = _url_of(report, partner) if partner else ""
        if partner is None or not url:
            return _Verdict(None, _NO_CLICK_URL if report.clicked else _NO_URL, hopeless=True)
        body = report_body(report, partner, self._numbering.mcc_mnc(report.dest_addr))
        # Not the report's own number, which may be given out again when its chain is gone.
        message_id = f"msg_{report.link_id}_{report.status}"
        secret = partner.profile.signing_secret
        headers = report_headers(secret, message_id, self._clock.now(), body)
        try:
            answer = await self._http.post(url, body, headers)
        except (NotSent, Unanswered) as error:
            return _Verdict(None, str(error)[:_EXCERPT])
        excerpt = answer.body.decode("utf-8", "replace")[:_EXCERPT]
        return _Verdict(answer.status, excerpt, acknowledged=200 <= answer.status < 300)

    def _attempt(self, report: Report, verdict: _Verdict, latency: int) -> ReportAttempt:
        ended_at = self._clock.now()
        failures = 0 if verdict.acknowledged else report.failures + 1
        pause = None if verdict.hopeless else report_pause(failures or 1, self._chance())
        if verdict.acknowledged:
            state = ReportState.ACKNOWLEDGED
        else:
            state = ReportState.DEAD if pause is None else ReportState.DUE
        return ReportAttempt(
            report_id=report.report_id,
            chain_id=report.chain_id,
            attempt=report.attempt + 1,
            failures=failures,
            ended_at=ended_at,
            latency=latency,
            http_status=verdict.http_status,
            answer=verdict.answer,
            state=state,
            next_at=ended_at + (pause or 0),
        )

    def _measure(self, report: Report, attempt: ReportAttempt) -> None:
        outcome = "failed" if attempt.state is ReportState.DUE else attempt.state.name.lower()
        self._metrics.reports.labels(outcome).inc()
        self._tally(report, attempt)
        self._metrics.report_seconds.observe(attempt.latency / SECOND)
        if attempt.state is ReportState.ACKNOWLEDGED:
            age = attempt.ended_at - report.created_at
            self._metrics.report_age_seconds.observe(age / SECOND)
        elif attempt.state is ReportState.DEAD:
            _log.warning("report_is_dead", chain_id=attempt.chain_id, report_id=attempt.report_id)

    def _tally(self, report: Report, attempt: ReportAttempt) -> None:
        at, position = attempt.ended_at, position_of(report.link_id)
        if attempt.state is ReportState.ACKNOWLEDGED:
            age = at - report.created_at
            self._tallies.time(at, What.REPORT_AGE, report.channel, age, position)
        else:
            dead = attempt.state is ReportState.DEAD
            what = What.REPORT_DEAD if dead else What.REPORT_FAILED
            self._tallies.count(at, Kind(what, report.channel, position))
        self._tallies.time(at, What.REPORT_ANSWER, report.channel, attempt.latency, position)


def _url_of(report: Report, partner: Partner) -> str:
    """Return where a report goes; empty if nobody has said so."""
    if report.clicked is not None:
        return partner.profile.click_url
    return report.notify_url or partner.profile.report_url
