"""The pages for people, put together: the console, the request generator, the API reference.

They are on the Partners' port, or the console has one of its own. Where it has, the Partners' port
keeps what is for everybody: the reference, and the generator if it is public.
"""

import asyncio
from collections.abc import Callable, Iterator
from typing import NamedTuple

from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from whimbrel.clock import HOUR, MINUTE, Clock
from whimbrel.flow.narrative import Accounts
from whimbrel.flow.operator_sessions import Lifetimes, OperatorSessions
from whimbrel.flow.overview import Overview
from whimbrel.flow.partner_directory import PartnerDirectory
from whimbrel.flow.resend import Resender
from whimbrel.flow.sender_lines import Lines
from whimbrel.flow.tallies import Tallies
from whimbrel.http_out import Http
from whimbrel.settings import Settings
from whimbrel.store.engine import Store
from whimbrel.web.api import Endpoints
from whimbrel.web.caller import CallerAddress
from whimbrel.web.console.audit_log import AuditLog
from whimbrel.web.console.guard import Guard
from whimbrel.web.console.inbound import InboundPage
from whimbrel.web.console.links import LinkPages
from whimbrel.web.console.live import Live, Sampler
from whimbrel.web.console.message import MessagePage
from whimbrel.web.console.messages import MessagesPage
from whimbrel.web.console.numbering import NumberingPages
from whimbrel.web.console.operators import OperatorPages
from whimbrel.web.console.overview import OverviewPage
from whimbrel.web.console.partner_deeds import PartnerDeeds
from whimbrel.web.console.partners import PartnerPages, known_here
from whimbrel.web.console.reports import ReportPages
from whimbrel.web.console.senders import SenderPages
from whimbrel.web.console.signing_in import SigningIn
from whimbrel.web.console.site import console_routes
from whimbrel.web.generator import Generator
from whimbrel.web.pages.rendering import Pages
from whimbrel.web.pages.site import create_page_site
from whimbrel.web.reference import Reference


class PageParts(NamedTuple):
    """What the pages need of a gateway."""

    settings: Settings
    partners: PartnerDirectory
    store: Store
    clock: Clock
    caller: CallerAddress
    endpoints: Endpoints
    """The Partners' own, which the generator asks under its own origin."""
    stopping: asyncio.Event
    """Set when the process is to end: live streams end then."""
    resender: Resender
    sms_accounts: Accounts
    """The accounts of SMS senders, by which their pauses are called."""
    tallies: Tallies
    wake_reports: Callable[[], None]
    downstream: Http
    """The client by which reports go to Partners."""
    lines: Lines
    """The senders of the settings, as this process has them."""


class PageSites:
    """Both sites, and what they keep while they run."""

    def __init__(self, parts: PageParts) -> None:
        settings, clock = parts.settings.console, parts.clock
        pages = Pages(clock, settings)
        self._sessions = _sessions(parts)
        guard = Guard(self._sessions, pages, parts.caller, clock)
        reference = Reference(guard, pages)
        public_url = parts.settings.server.public_url
        generator = Generator(parts.endpoints, guard, pages, public_url=public_url)
        console = [*_console_routes(parts, pages, guard, self._sessions)]
        if settings.generator == "operators":
            console += map(guard.route, generator.pages())

        def site(*, with_console: bool) -> ASGIApp:
            shown: list[BaseRoute] = [*console] if with_console else []
            if settings.api_reference:
                shown += reference.routes(beside_console=with_console)
            if settings.generator == "public":
                shown += generator.open_routes(beside_console=with_console)
            return create_page_site(pages.assets, shown)

        has_own_port = bool(settings.port)
        self.beside_partners = site(with_console=settings.enabled and not has_own_port)
        """What the Partners' port has beside their protocol."""
        self.of_operators: ASGIApp | None = None
        """What is on the console's own port; None: it has none."""
        if has_own_port and settings.enabled:
            self.of_operators = site(with_console=True)

    def close(self) -> None:
        """End what they keep."""
        self._sessions.close()


def _sessions(parts: PageParts) -> OperatorSessions:
    lifetimes = Lifetimes(
        idle=round(parts.settings.console.session_idle_minutes * MINUTE),
        longest=round(parts.settings.console.session_hours * HOUR),
    )
    return OperatorSessions(parts.store, parts.clock, lifetimes)


def _console_routes(
    parts: PageParts, pages: Pages, guard: Guard, sessions: OperatorSessions
) -> Iterator[BaseRoute]:
    """Yield the console."""
    store, clock = parts.store, parts.clock
    partners = PartnerPages(store, clock, guard, pages, known_here(parts.settings))
    overview = Overview(store, clock, parts.settings, parts.partners)
    sampler = Sampler(overview, clock)
    live = Live(sampler, parts.stopping)
    subjects = (
        OverviewPage(sampler, live, clock, guard, pages),
        partners,
        PartnerDeeds(store, clock, guard, pages, partners=partners, downstream=parts.downstream),
        ReportPages(store, clock, guard, pages),
        LinkPages(store, clock, guard, pages),
        NumberingPages(store, pages),
        SenderPages(parts.settings, parts.lines, store, clock=clock, guard=guard, pages=pages),
        MessagesPage(store, clock, guard, pages),
        MessagePage(
            store,
            clock,
            guard,
            pages,
            parts.resender,
            accounts=parts.sms_accounts,
            tallies=parts.tallies,
            wake_reports=parts.wake_reports,
        ),
        InboundPage(store, pages),
        OperatorPages(store, clock, sessions, guard, pages),
        AuditLog(store, pages),
    )
    yield from console_routes(
        guard,
        SigningIn(sessions, pages, parts.caller),
        [page for subject in subjects for page in subject.pages()],
    )
