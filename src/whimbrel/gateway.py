"""The composition root: makes the parts, starts them in order and stops them in reverse."""

import asyncio
import contextlib
import socket
from collections.abc import Coroutine
from functools import partial
from typing import Any

from starlette.types import ASGIApp

from whimbrel import __version__
from whimbrel.channels.connector import LateAnswer
from whimbrel.clock import SECOND, Clock
from whimbrel.domain.content import Channel
from whimbrel.domain.receipt import Receipt
from whimbrel.flow.accept import Acceptor
from whimbrel.flow.address_pace import AddressPace
from whimbrel.flow.cascade import Cascade
from whimbrel.flow.clicks import Clicks
from whimbrel.flow.dispatch import Dispatcher, DispatchRules
from whimbrel.flow.gatekeeper import Gatekeeper
from whimbrel.flow.holdings import Connections, Holdings
from whimbrel.flow.ingest import Ingest
from whimbrel.flow.membership import Member, Membership
from whimbrel.flow.numbering_directory import NumberingDirectory
from whimbrel.flow.own_domain import gateway_base
from whimbrel.flow.partner_directory import PartnerDirectory
from whimbrel.flow.partner_pace import OwnPace, SharedPace
from whimbrel.flow.preview import Previewer
from whimbrel.flow.reception import Reception
from whimbrel.flow.redelivery import Redeliveries
from whimbrel.flow.report import Reporter
from whimbrel.flow.resend import Resender
from whimbrel.flow.retention import Retention
from whimbrel.flow.sender_accounts import sms_accounts
from whimbrel.flow.sender_lines import SenderLine, unheard
from whimbrel.flow.short_domains import ShortDomains
from whimbrel.flow.short_urls import ShortUrls
from whimbrel.flow.shortening import Shortening
from whimbrel.flow.tallies import Tallies
from whimbrel.flow.timers import Timers
from whimbrel.http_out import AddressRule, Http
from whimbrel.loops import Loops
from whimbrel.metrics import Metrics
from whimbrel.page_sites import PageParts, PageSites
from whimbrel.settings import Settings
from whimbrel.store.chains import last_chain_id
from whimbrel.store.engine import Store, StoreUnavailable
from whimbrel.upstream import Edges, Inbox, Upstream
from whimbrel.web.api import Endpoints
from whimbrel.web.caller import CallerAddress
from whimbrel.web.hooks import WhatsappHook
from whimbrel.web.redirect import Redirect
from whimbrel.web.site import create_site, create_watch_site

_USER_AGENT = f"Whimbrel/{__version__}"
_REFRESH_SECONDS = 1.0  # changes of Partners and of the registry reach the gateway in this time
_PLACE_SECONDS = 1.0  # how late a dead node, or a sender that is free, may be noticed
_TICK_SECONDS = 0.25  # how late a lifetime may be noticed
_BYPASS_SECONDS = 1.0
_SWEEP_SECONDS = 5.0
_CLICKS_SECONDS = 0.25  # what a kill -9 may lose of visits, at most, while the store takes writes
_TALLIES_SECONDS = 2.0  # what a kill -9 may lose of the overview's figures
_CLEAN_UP_SECONDS = 10.0
_REDELIVERY_SECONDS = 0.5  # between the batches of old reports that are to go once more
_TALLIES_CLEAN_UP_SECONDS = 60.0
_DRAIN_SECONDS = 15.0  # longer than a report takes; what is not done by then is done after a start
# How long a stage sleeps if nothing wakes it. Polling carries correctness; where other nodes write,
# nothing else tells what they have written.
_IDLE_SECONDS = 1.0
_IDLE_AMONG_NODES_SECONDS = 0.2


class Gateway:
    """All parts of one process, of which its roles run some."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        clock: Clock,
        edges: Edges | None = None,
        *,
        alone: bool = True,
        post: str = "",
        stopping: asyncio.Event | None = None,
    ) -> None:
        """`alone` says that no other process can write to the store; `post` is a `Member`'s.

        `stopping` is set when the process is to end: answers that go on by themselves end then.
        """
        self._edges = edges = edges or Edges()
        self._settings = settings
        self._store = store
        self._clock = clock
        self._roles = tuple(settings.cluster.roles)
        self._loops = Loops(clock, idle=_IDLE_SECONDS if alone else _IDLE_AMONG_NODES_SECONDS)
        self._lease = Loops(clock, idle=_IDLE_SECONDS)
        self._dispatch_wanted = asyncio.Event()
        self._reports_wanted = asyncio.Event()
        self._stopping = stopping or asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._pages: PageSites | None = None
        self._grace = round(settings.dispatch.ambiguity_grace_seconds * SECOND)

        self.metrics = Metrics()
        self._tallies = Tallies(store, clock, self.metrics)
        self._partners = PartnerDirectory(store)
        self._numbering = NumberingDirectory(store)
        self._membership = Membership(
            store,
            clock,
            self.metrics,
            Member(_name(settings), self._roles, alone, post),
            grace=self._grace,
        )
        self._gatekeeper = Gatekeeper(
            self._partners,
            clock,
            pace=OwnPace(clock) if alone else SharedPace(store, clock),
            nodes=partial(self._membership.alive, "api"),
        )
        self._shortening = Shortening(
            store, self._partners, self.metrics, base=gateway_base(settings)
        )
        self._short_urls = ShortUrls(store, clock, self.metrics)
        self._clicks = Clicks(store, clock, self._partners, self.metrics)
        self._retention = Retention(
            store, clock, self._partners, self.metrics, inbound_days=settings.retention.inbound_days
        )
        self._guesses = AddressPace(clock)
        self._drafts = AddressPace(clock, at_once=60, a_second=5)
        self._downstream = _downstream(settings, edges)
        self._ingest = Ingest(
            store,
            clock,
            self.metrics,
            tallies=self._tallies,
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
            edges=edges,
        )
        self._lines = self._upstream.lines
        for line in set(self._lines.values()):
            rate = self.metrics.sender_rate.labels(line.name)
            rate.set_function(partial(getattr, line.pacing, "rate"))
        self._holdings = Holdings(
            store,
            clock,
            self._membership,
            self._lines,
            roles=self._roles,
            connections=Connections(self._upstream.begin, self._upstream.end),
            wake_dispatch=self._dispatch_wanted.set,
        )
        self._make_stages(settings)

    def _make_stages(self, settings: Settings) -> None:
        """Make what moves messages by itself: each stage wakes the next by an event."""
        store, clock, seat = self._store, self._clock, self._membership
        wake_dispatch, wake_reports = self._dispatch_wanted.set, self._reports_wanted.set
        self._dispatcher = Dispatcher(
            store,
            clock,
            self._lines,
            self.metrics,
            DispatchRules(round(settings.dispatch.submit_timeout_seconds * SECOND), self._grace),
            tallies=self._tallies,
            wake=wake_dispatch,
            wake_reports=wake_reports,
            seat=seat,
            chance=self._edges.chance,
        )
        self._reporter = Reporter(
            store,
            clock,
            self._partners,
            self._downstream,
            self.metrics,
            tallies=self._tallies,
            numbering=self._numbering,
            cap=settings.reports.endpoint_concurrency,
            timeout=round(settings.reports.timeout_seconds * SECOND),
            wake=wake_reports,
            seat=seat,
            chance=self._edges.chance,
        )
        self._redeliveries = Redeliveries(store, clock, wake_reports=wake_reports)
        self._timers = Timers(
            store,
            clock,
            self.metrics,
            tallies=self._tallies,
            grace=self._grace,
            rules=lambda: self._partners.unanswered,
            unheard=partial(unheard, self._lines),
            seat=seat,
            wake_dispatch=wake_dispatch,
            wake_reports=wake_reports,
        )
        self._cascade = Cascade(
            store,
            clock,
            self._lines,
            self.metrics,
            tallies=self._tallies,
            patience=round(settings.dispatch.blocked_sender_seconds * SECOND),
            wake_dispatch=wake_dispatch,
            wake_reports=wake_reports,
        )

    async def start(self) -> None:
        """Take a place among the nodes, then let the stages of this node's roles run."""
        await self._partners.refresh()
        await self._numbering.refresh()
        await self._shortening.refresh()
        await self._membership.join()
        await self._holdings.step()
        self.watch_site = create_watch_site(self.metrics, is_ready=self._is_ready)
        self.site = self._site() if self._has("api") else self.watch_site
        duty, stage = self._loops.duty, self._loops.stage
        self._lease.duty(_PLACE_SECONDS, self._membership.step)
        duty(_PLACE_SECONDS, self._holdings.step)
        duty(_REFRESH_SECONDS, self._partners.refresh)
        duty(_TALLIES_SECONDS, self._tallies.flush)
        if self._has("api", "reports"):
            duty(_REFRESH_SECONDS, self._numbering.refresh)
        if self._has("api"):
            duty(_REFRESH_SECONDS, self._shortening.refresh)
            duty(_CLICKS_SECONDS, self._keep_clicks)
            duty(_CLEAN_UP_SECONDS, self._short_urls.clean_up)
            duty(_CLEAN_UP_SECONDS, self._guesses.forgive)
            duty(_CLEAN_UP_SECONDS, self._drafts.forgive)
        if self._has("dispatch", "smpp"):
            stage(self._dispatcher.step, self._dispatch_wanted)
            duty(_TICK_SECONDS, self._timers.step)
            duty(_TICK_SECONDS, self._cascade.release)
            duty(_BYPASS_SECONDS, self._cascade.bypass)
            duty(_SWEEP_SECONDS, self._timers.sweep)
            self._loops.paced(self._remove_what_is_old)
            duty(_TALLIES_CLEAN_UP_SECONDS, self._remove_old_tallies)
        if self._has("reports"):
            stage(self._reporter.step, self._reports_wanted)
            duty(_REDELIVERY_SECONDS, self._redeliveries.step)

    async def stop(self) -> None:
        """Claim nothing more, let what is in flight end and be recorded, then close."""
        await self._loops.stop()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_DRAIN_SECONDS):
                await asyncio.gather(self._dispatcher.drain(), self._reporter.drain(), *self._tasks)
        await self._upstream.stop()
        await self._clicks.drain()
        await self._tallies.drain()
        await self._downstream.close()
        await self._lease.stop()  # until here others must not take what is in flight for lost
        with contextlib.suppress(StoreUnavailable):  # then others see it by its silence
            await self._membership.leave()
        await self._store.close()
        self._gatekeeper.close()
        if self._pages is not None:
            self._pages.close()

    @property
    def console_site(self) -> ASGIApp | None:
        """What is served on the console's own port; None: it has none."""
        return self._pages.of_operators if self._pages else None

    def _has(self, *roles: str) -> bool:
        return not set(roles).isdisjoint(self._roles)

    def _site(self) -> ASGIApp:
        settings = self._settings
        caller = CallerAddress(settings.server.trusted_proxies)
        reception = self._reception()
        acceptor = Acceptor(
            self._store, reception, self._tallies, wake_dispatch=self._dispatch_wanted.set
        )
        endpoints = self._endpoints(caller, reception, acceptor)
        self._pages = PageSites(
            PageParts(
                settings,
                self._partners,
                self._store,
                self._clock,
                caller,
                endpoints,
                self._stopping,
                resender=Resender(acceptor, self._partners),
                sms_accounts=sms_accounts(settings),
                tallies=self._tallies,
                wake_reports=self._reports_wanted.set,
                downstream=self._downstream,
                lines=self._lines,
            )
        )
        return create_site(
            endpoints,
            WhatsappHook(settings.whatsapp, self._ingest, self._clock, self.metrics),
            self.metrics,
            self._redirect(caller),
            self._pages.beside_partners,
            is_ready=self._is_ready,
        )

    def _reception(self) -> Reception:
        return Reception(
            self._store,
            self._clock,
            self._gatekeeper,
            self._upstream.senders(),
            self._membership.chain_ids,
            numbering=self._numbering,
            shortening=self._shortening,
            queue_limit=self._settings.server.accept_queue_limit,
        )

    def _endpoints(
        self, caller: CallerAddress, reception: Reception, acceptor: Acceptor
    ) -> Endpoints:
        return Endpoints(
            acceptor,
            Previewer(self._store, reception, self._numbering),
            caller,
            self.metrics,
            self._clock,
            drafts=self._drafts,
        )

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

    async def _remove_what_is_old(self) -> float:
        """Let one node do it; return after how many seconds to look again."""
        if not self._membership.is_eldest("dispatch", "smpp"):
            return _CLEAN_UP_SECONDS
        return await self._retention.step()

    async def _remove_old_tallies(self) -> None:
        if self._membership.is_eldest("dispatch", "smpp"):
            await self._tallies.clean_up()

    async def _keep_clicks(self) -> None:
        if await self._clicks.flush():
            self._reports_wanted.set()

    async def _is_ready(self) -> None:
        if self._loops.stopping:
            raise StoreUnavailable("the gateway is stopping")
        if not self._membership.is_mine:
            raise StoreUnavailable("the node's lease could not be renewed")
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
        if self._loops.stopping:
            return
        self._dispatch_wanted.set()
        self._spawn(self._dispatcher.note_connection(line))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _name(settings: Settings) -> str:
    return settings.cluster.name or f"{socket.gethostname()}:{settings.server.port}"


def _downstream(settings: Settings, edges: Edges) -> Http:
    """The client for reports; Partners wrote their URLs, so addresses are guarded."""
    return edges.http(
        address_rule=AddressRule(settings.reports.allowed_private_subnets),
        timeout=settings.reports.timeout_seconds,
        user_agent=_USER_AGENT,
        max_body=1_024,  # an excerpt, for the history
    )
