"""The composition root: makes the parts, starts them in order and stops them in reverse."""

import asyncio
import contextlib
import fcntl
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from whimbrel import __version__
from whimbrel.channels.connector import LateAnswer
from whimbrel.clock import SECOND, Clock, SystemClock
from whimbrel.domain.chain_id import ChainIds
from whimbrel.domain.content import Channel
from whimbrel.domain.receipt import Receipt
from whimbrel.flow.accept import Acceptor
from whimbrel.flow.cascade import Cascade
from whimbrel.flow.clicks import Clicks
from whimbrel.flow.dispatch import Dispatcher, DispatchRules
from whimbrel.flow.gatekeeper import Gatekeeper
from whimbrel.flow.guesses import Guesses
from whimbrel.flow.ingest import Ingest
from whimbrel.flow.numbering_directory import NumberingDirectory
from whimbrel.flow.partner_directory import PartnerDirectory
from whimbrel.flow.report import Reporter
from whimbrel.flow.retention import Retention
from whimbrel.flow.sender_lines import SenderLine, unheard
from whimbrel.flow.short_domains import ShortDomains
from whimbrel.flow.short_urls import ShortUrls
from whimbrel.flow.shortening import Shortening, gateway_base
from whimbrel.flow.timers import Timers
from whimbrel.http_out import AddressRule, HttpOut
from whimbrel.metrics import Metrics
from whimbrel.serving import OnReady, collector_calmed, serve_app, signals_set
from whimbrel.settings import Settings
from whimbrel.store.chains import last_chain_id
from whimbrel.store.engine import Store, StoreUnavailable
from whimbrel.store.migrate import upgrade
from whimbrel.store.reports import release_report_claims
from whimbrel.store.senders import paused_senders, resume_senders
from whimbrel.store.sqlite import SqliteStore
from whimbrel.upstream import Inbox, Upstream
from whimbrel.web.api import SendEndpoint
from whimbrel.web.caller import CallerAddress
from whimbrel.web.hooks import WhatsappHook
from whimbrel.web.redirect import Redirect
from whimbrel.web.site import create_site

_log = structlog.get_logger(__name__)
_NODE = 0  # SQLite has one process
_USER_AGENT = f"Whimbrel/{__version__}"
_REFRESH_SECONDS = 1.0  # changes of Partners and of the registry reach the gateway in this time
_TICK_SECONDS = 0.25  # how late a lifetime may be noticed
_BYPASS_SECONDS = 1.0
_SWEEP_SECONDS = 5.0
_CLICKS_SECONDS = 0.25  # what a kill -9 may lose of visits, at most, while the store takes writes
_CLEAN_UP_SECONDS = 10.0
_IDLE_SECONDS = 1.0  # how long a stage sleeps if nothing wakes it: polling carries correctness
_FAULT_PAUSE_SECONDS = 1.0
_DRAIN_SECONDS = 15.0  # longer than a report takes; what is not done by then is done after a start


class AlreadyRunning(Exception):
    """Another gateway has this store open."""


@contextlib.contextmanager
def locked(store_path: Path) -> Iterator[None]:
    """Hold the store's lock: SQLite serves one gateway. Raises `AlreadyRunning`."""
    lock_path = store_path.with_name(store_path.name + ".lock")
    with lock_path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunning(f"{store_path} is in use by another gateway") from None
        yield


async def serve(
    settings: Settings,
    *,
    on_ready: OnReady | None = None,
    stop: asyncio.Event | None = None,
    clock: Clock | None = None,
) -> None:
    """Run the gateway until SIGINT, SIGTERM or `stop`, and finish what is in flight.

    Raises `AlreadyRunning`, `SettingsError`, `StoreUnavailable` and `OSError` when it cannot start.
    """
    gateway_base(settings)  # refuses a domain that is none before anything is opened
    stop = stop or asyncio.Event()
    path = Path(settings.store.path)
    with locked(path), signals_set(stop):
        upgrade(path)
        gateway = Gateway(settings, SqliteStore(path), clock or SystemClock())
        try:
            await gateway.start()
            with collector_calmed():
                await serve_app(
                    gateway.site,
                    settings.server.host,
                    settings.server.port,
                    stop=stop,
                    on_ready=on_ready,
                )
        finally:
            await gateway.stop()


class Gateway:
    """All parts of one process."""

    def __init__(self, settings: Settings, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._stopping = asyncio.Event()
        self._loops: list[asyncio.Task[None]] = []
        self._dispatch_wanted = asyncio.Event()
        self._reports_wanted = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

        self.metrics = Metrics()
        self._partners = PartnerDirectory(store)
        self._numbering = NumberingDirectory(store)
        self._gatekeeper = Gatekeeper(self._partners, clock)
        self._shortening = Shortening(
            store, self._partners, self.metrics, base=gateway_base(settings)
        )
        self._short_urls = ShortUrls(store, clock, self.metrics)
        self._clicks = Clicks(store, clock, self._partners, self.metrics)
        self._retention = Retention(
            store, clock, self._partners, self.metrics, inbound_days=settings.retention.inbound_days
        )
        self._guesses = Guesses(clock)
        self._downstream = _downstream(settings)
        self._ingest = Ingest(
            store,
            clock,
            self.metrics,
            wake_dispatch=self._dispatch_wanted.set,
            wake_reports=self._reports_wanted.set,
            sender_broken=self._sender_broken,
        )
        self._upstream = Upstream(
            settings,
            clock,
            Inbox(self._ingest.file, self._ingest.keep, self._answered_late),
            user_agent=_USER_AGENT,
            changed=self._connection_changed,
        )
        self._lines = self._upstream.lines
        for line in set(self._lines.values()):
            rate = self.metrics.sender_rate.labels(line.name)
            rate.set_function(partial(getattr, line.pacing, "rate"))
        self._make_stages(settings)
        self._settings = settings

    def _make_stages(self, settings: Settings) -> None:
        """Make what moves messages by itself: each stage wakes the next by an event."""
        store, clock = self._store, self._clock
        wake_dispatch, wake_reports = self._dispatch_wanted.set, self._reports_wanted.set
        grace = round(settings.dispatch.ambiguity_grace_seconds * SECOND)
        self._dispatcher = Dispatcher(
            store,
            clock,
            self._lines,
            self.metrics,
            DispatchRules(round(settings.dispatch.submit_timeout_seconds * SECOND), grace),
            wake=wake_dispatch,
            wake_reports=wake_reports,
        )
        self._reporter = Reporter(
            store,
            clock,
            self._partners,
            self._downstream,
            self.metrics,
            numbering=self._numbering,
            cap=settings.reports.endpoint_concurrency,
            timeout=round(settings.reports.timeout_seconds * SECOND),
            wake=wake_reports,
        )
        self._timers = Timers(
            store,
            clock,
            self.metrics,
            grace=grace,
            unheard=partial(unheard, self._lines),
            wake_dispatch=wake_dispatch,
            wake_reports=wake_reports,
        )
        self._cascade = Cascade(
            store,
            clock,
            self._lines,
            self.metrics,
            patience=round(settings.dispatch.blocked_sender_seconds * SECOND),
            wake_dispatch=wake_dispatch,
            wake_reports=wake_reports,
        )

    async def start(self) -> None:
        """Take over what an earlier process left, then let the stages run."""
        store, settings = self._store, self._settings
        await self._partners.refresh()
        await self._numbering.refresh()
        await self._shortening.refresh()
        await self._timers.recover()
        await store.write(release_report_claims, self._clock.now())
        for pause in await store.read(paused_senders, None):
            line = self._lines.get((Channel(pause.channel), pause.sender))
            if line is not None and line.channel is Channel.WHATSAPP:
                line.pause = pause
                self.metrics.sender_paused.labels(pause.sender).set(1)
            else:  # what an SMSC's connection was like before says nothing now
                await store.write(resume_senders, (pause.channel, pause.sender))
        chain_ids = ChainIds(_NODE, await store.read(last_chain_id, None))
        acceptor = Acceptor(
            store,
            self._clock,
            self._gatekeeper,
            self._upstream.senders(),
            chain_ids,
            numbering=self._numbering,
            shortening=self._shortening,
            queue_limit=settings.server.accept_queue_limit,
            wake_dispatch=self._dispatch_wanted.set,
        )
        caller = CallerAddress(settings.server.trusted_proxies)
        self.site = create_site(
            SendEndpoint(acceptor, caller, self.metrics, self._clock),
            WhatsappHook(settings.whatsapp, self._ingest, self.metrics),
            self.metrics,
            self._redirect(caller),
            is_ready=self._is_ready,
        )
        self._upstream.start()
        self._loops = [
            asyncio.create_task(self._stage(self._dispatcher.step, self._dispatch_wanted)),
            asyncio.create_task(self._stage(self._reporter.step, self._reports_wanted)),
            asyncio.create_task(self._every(_TICK_SECONDS, self._timers.step)),
            asyncio.create_task(self._every(_TICK_SECONDS, self._cascade.release)),
            asyncio.create_task(self._every(_BYPASS_SECONDS, self._cascade.bypass)),
            asyncio.create_task(self._every(_REFRESH_SECONDS, self._partners.refresh)),
            asyncio.create_task(self._every(_REFRESH_SECONDS, self._numbering.refresh)),
            asyncio.create_task(self._every(_REFRESH_SECONDS, self._shortening.refresh)),
            asyncio.create_task(self._every(_SWEEP_SECONDS, self._timers.sweep)),
            asyncio.create_task(self._every(_CLICKS_SECONDS, self._keep_clicks)),
            asyncio.create_task(self._every(_CLEAN_UP_SECONDS, self._short_urls.clean_up)),
            asyncio.create_task(self._every(_CLEAN_UP_SECONDS, self._guesses.forgive)),
            asyncio.create_task(self._at_its_pace(self._retention.step)),
        ]

    async def stop(self) -> None:
        """Claim nothing more, let what is in flight end and be recorded, then close."""
        self._stopping.set()
        self._dispatch_wanted.set()
        self._reports_wanted.set()
        await asyncio.gather(*self._loops)  # not cancelled: what a step has claimed, it starts
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_DRAIN_SECONDS):
                await asyncio.gather(self._dispatcher.drain(), self._reporter.drain(), *self._tasks)
        await self._upstream.stop()
        await self._clicks.drain()
        await self._downstream.close()
        await self._store.close()
        self._gatekeeper.close()

    def _redirect(self, caller: CallerAddress) -> Redirect:
        settings = self._settings
        domains = ShortDomains(self._partners, gateway_base(settings), settings.server.public_url)
        return Redirect(
            domains,
            self._short_urls,
            self._clicks,
            self.metrics,
            guesses=self._guesses,
            caller=caller,
        )

    async def _keep_clicks(self) -> None:
        if await self._clicks.flush():
            self._reports_wanted.set()

    async def _is_ready(self) -> None:
        if self._stopping.is_set():
            raise StoreUnavailable("the gateway is stopping")
        await self._store.read(last_chain_id, None)

    def _sender_broken(self, receipt: Receipt) -> None:
        """Rest a sender that a receipt blames, without keeping the webhook waiting."""
        line = self._lines.get((Channel.WHATSAPP, receipt.sender))
        if line is None:
            return
        reason = f"{receipt.code} {receipt.detail}"
        self._spawn(self._dispatcher.rest(line, reason, None))

    def _answered_late(self, late: LateAnswer) -> None:
        self._spawn(self._dispatcher.answered_late(late))

    def _connection_changed(self, line: SenderLine) -> None:
        """Let what waited for a connection go, and say where operators look when one is gone."""
        if self._stopping.is_set():
            return
        self._dispatch_wanted.set()
        self._spawn(self._dispatcher.note_connection(line))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _stage(
        self, step: Callable[[], Awaitable[int | None]], wanted: asyncio.Event
    ) -> None:
        """Step whenever something is wanted or due; a fault is logged, and the stage goes on."""
        while not self._stopping.is_set():
            wanted.clear()
            try:
                next_at = await step()
            except Exception:  # noqa: BLE001 - a stage must outlive whatever one step meets
                _log.exception("stage_failed")
                await self._pause(_FAULT_PAUSE_SECONDS)
                continue
            idle = _IDLE_SECONDS
            if next_at is not None:
                idle = max(0.0, min(idle, (next_at - self._clock.now()) / SECOND))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(idle):
                    await wanted.wait()

    async def _every(self, seconds: float, duty: Callable[[], Awaitable[object]]) -> None:
        while not self._stopping.is_set():
            try:
                await duty()
            except Exception:  # noqa: BLE001 - the same
                _log.exception("duty_failed")
            await self._pause(seconds)

    async def _at_its_pace(self, step: Callable[[], Awaitable[float]]) -> None:
        """Step, and step again after as many seconds as the step has returned."""
        while not self._stopping.is_set():
            try:
                pause = await step()
            except Exception:  # noqa: BLE001 - the same
                _log.exception("duty_failed")
                pause = _FAULT_PAUSE_SECONDS
            await self._pause(pause)

    async def _pause(self, seconds: float) -> None:
        """Wait, but not beyond the stop."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()


def _downstream(settings: Settings) -> HttpOut:
    """The client for reports; Partners wrote their URLs, so addresses are guarded."""
    return HttpOut(
        address_rule=AddressRule(settings.reports.allowed_private_subnets),
        timeout=settings.reports.timeout_seconds,
        user_agent=_USER_AGENT,
        max_body=1_024,  # an excerpt, for the history
    )
