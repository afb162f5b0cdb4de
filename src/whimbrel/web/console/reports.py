"""Reports to Partners: which are dead, waiting or acknowledged, and how they are sent once more."""

import asyncio
from collections.abc import Mapping
from datetime import tzinfo
from types import MappingProxyType
from typing import NamedTuple
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from whimbrel.clock import DAY, Clock
from whimbrel.domain.chain_id import accepted_since
from whimbrel.domain.operator import Right
from whimbrel.domain.partner import Partner
from whimbrel.domain.status import CLICKED, Status
from whimbrel.store.audit import Audited, audited
from whimbrel.store.engine import Store
from whimbrel.store.partners import partners_by_id
from whimbrel.store.queues import MOST_DEAD, DeadLane, count_dead_reports
from whimbrel.store.redelivery import (
    ANYBODY,
    NewRedelivery,
    Stop,
    latest_redeliveries,
    start_redeliveries,
    stop_redeliveries,
)
from whimbrel.store.report_list import BEYOND, Place, ReportPage, ReportWish, page_reports
from whimbrel.store.reports import Redelivery, ReportState, redeliver_reports
from whimbrel.web.console.guard import Guard, Page, operator_of, page
from whimbrel.web.pages.forms import Form, read_form
from whimbrel.web.pages.moments import moment_in, typed_moment
from whimbrel.web.pages.preferences import preferences_of
from whimbrel.web.pages.rendering import Pages
from whimbrel.web.pages.words import phrase

REPORTS = "/console/reports"
_PAGE = 25
_LOOKS = 10  # of three thousand reports each, for one page
_MOST_NUMBER = 1 << 53
STATUS_NAMES: Mapping[int, str] = MappingProxyType(
    {
        Status.HANDED_OVER: phrase("sent"),
        Status.DELIVERED: phrase("delivered"),
        Status.UNDELIVERED: phrase("not delivered"),
        Status.READ: phrase("read"),
        CLICKED: phrase("click"),
    }
)
STATE_NAMES: Mapping[ReportState, tuple[str, str]] = MappingProxyType(
    {
        ReportState.HELD: (phrase("behind another one"), "quiet"),
        ReportState.DUE: (phrase("due"), "busy"),
        ReportState.ACKNOWLEDGED: (phrase("acknowledged"), "good"),
        ReportState.DEAD: (phrase("dead"), "bad"),
    }
)
_RECEIVERS = MappingProxyType(
    {"": phrase("the Partner's own URL"), "clicks": phrase("the Partner's click URL")}
)
_DONE = MappingProxyType(
    {
        "started": phrase("It is under way. The page may be closed: it goes on by itself."),
        "nothing": phrase("No report of this kind is given up: there is nothing to do."),
        "stopped": phrase("It is stopped. What was made due already still goes."),
        "again": phrase("The message's reports go again."),
        "none": phrase("No report of this message is given up."),
    }
)
_start = audited(start_redeliveries, done=lambda number: number is not None)
_stop = audited(stop_redeliveries, done=bool)
_again = audited(redeliver_reports, done=bool)


class DeadReports(NamedTuple):
    """The reports of one receiver that were given up."""

    partner: Partner | None
    receiver: str
    number: int
    oldest_at: int


class ReportPages:
    """The list, and the buttons that send reports once more."""

    def __init__(self, store: Store, clock: Clock, guard: Guard, pages: Pages) -> None:
        self._store = store
        self._clock = clock
        self._guard = guard
        self._pages = pages

    def pages(self) -> list[Page]:
        """Return the pages."""
        return [
            page(REPORTS, Right.SEE, GET=self.show),
            page(f"{REPORTS}/redeliveries", Right.SEE, GET=self.show_progress),
            page(f"{REPORTS}/redeliver", Right.ACT, POST=self.start),
            page(f"{REPORTS}/stop", Right.ACT, POST=self.stop),
            page(f"{REPORTS}/message", Right.ACT, POST=self.redeliver_message),
        ]

    async def show(self, request: Request) -> Response:
        """Show a page of reports, and what can be done about the dead ones."""
        return await self._answer(request)

    async def show_progress(self, request: Request) -> Response:
        """Show how far redeliveries are; a part of the page, which asks for it again and again."""
        by_id = await self._store.read(partners_by_id, None)
        return self._pages.answer(
            request,
            "console/redeliveries.html",
            redeliveries=await self._store.read(latest_redeliveries, None),
            partners=by_id,
            anybody=ANYBODY,
        )

    async def start(self, request: Request) -> Response:
        """Begin to send all dead reports since a moment once more, of a Partner or of all."""
        form, by_id = await read_form(request), await self._store.read(partners_by_id, None)
        errors: dict[str, str] = {}
        login = form.get("partner", "")
        partner_id = _number_of(login, by_id)
        if partner_id is None:
            errors["partner"] = phrase("There is no such Partner.")
        since = moment_in(form.get("since", ""), preferences_of(request).tz)
        if since is None:
            errors["since"] = phrase("Write a moment like 2026-11-25T14:30.")
        if partner_id is None or since is None:
            return await self._answer(request, 400, form, errors)
        now = self._clock.now()
        wish = NewRedelivery(now, operator_of(request).login, partner_id, since)
        entry = self._guard.deed(request, "reports.redeliver", login or "*", since=since)
        number = await self._store.write(_start, Audited(wish, entry))
        return _back("nothing" if number is None else "started")

    async def stop(self, request: Request) -> Response:
        """End a redelivery now."""
        number = (await read_form(request)).get("number", "")
        if not _is_number(number):
            return self._guard.problem(request, 400, phrase("There is no such redelivery."))
        entry = self._guard.deed(request, "reports.stop", number)
        stop = Stop(int(number), self._clock.now())
        await self._store.write(_stop, Audited(stop, entry))
        return _back("stopped")

    async def redeliver_message(self, request: Request) -> Response:
        """Send the dead reports of one message once more."""
        number = (await read_form(request)).get("number", "")
        if not _is_number(number):
            return self._guard.problem(request, 400, phrase("There is no such message."))
        entry = self._guard.deed(request, "message.redeliver", number)
        wish = Redelivery(self._clock.now(), int(number))
        count = await self._store.write(_again, Audited(wish, entry))
        return _back("again" if count else "none")

    async def _answer(
        self,
        request: Request,
        status: int = 200,
        typed: Form | None = None,
        errors: dict[str, str] | None = None,
    ) -> Response:
        by_id, zone = await self._store.read(partners_by_id, None), preferences_of(request).tz
        asked = _Asked.of(request, by_id, zone)
        shown = await self._look(asked.wish)
        lanes = await self._store.read(count_dead_reports, None)
        dead = [_dead_reports(lane, by_id) for lane in lanes]
        return self._pages.answer(
            request,
            "console/reports.html",
            status=status,
            reports=shown.reports,
            older=asked.going_on(shown.rest) if shown.rest else "",
            asked=asked,
            state_names=STATE_NAMES,
            status_names=STATUS_NAMES,
            states=list(ReportState),
            receiver_of=_receiver_of,
            dead=dead,
            dead_number=sum(one.number for one in dead),
            is_at_least=sum(one.number for one in dead) >= MOST_DEAD,
            redeliveries=await self._store.read(latest_redeliveries, None),
            partners=by_id,
            logins=sorted(one.login for one in by_id.values()),
            anybody=ANYBODY,
            typed=typed or Form([("since", typed_moment(self._clock.now() - DAY, zone))]),
            errors=errors or {},
            done=_DONE.get(request.query_params.get("done", ""), ""),
        )

    async def _look(self, wish: ReportWish) -> ReportPage:
        """Look for a page of reports, a little at a time, and not for ever."""
        shown = ReportPage([], wish.below)
        for _ in range(_LOOKS):
            if shown.rest is None or len(shown.reports) >= wish.room:
                break
            rest = wish._replace(below=shown.rest, room=wish.room - len(shown.reports))
            more = await self._store.read(page_reports, rest)
            shown = ReportPage(shown.reports + more.reports, more.rest)
            await asyncio.sleep(0)  # others first
        return shown


class _Asked(NamedTuple):
    """What a list is asked for, as it was typed and as the store reads it."""

    typed: dict[str, str]
    wrong: dict[str, str]
    wish: ReportWish

    @classmethod
    def of(cls, request: Request, by_id: Mapping[int, Partner], zone: tzinfo) -> "_Asked":
        query = request.query_params
        typed = {name: query.get(name, "").strip() for name in ("state", "partner", "from")}
        if "state" not in query:
            typed["state"] = ReportState.DEAD.name.lower()
        wrong: dict[str, str] = {}
        partner_id = _number_of(typed["partner"], by_id)
        if partner_id is None:
            wrong["partner"] = phrase("There is no such Partner.")
        begin = moment_in(typed["from"], zone) if typed["from"] else 0
        if begin is None:
            wrong["begin"] = phrase("Write a moment like 2026-11-25T14:30.")
        state = ReportState.__members__.get(typed["state"].upper())
        nobody = -1
        wish = ReportWish(
            state,
            nobody if partner_id is None else partner_id,
            accepted_since(begin or 0),
            _place_in(query.get("below", "")),
            _PAGE,
        )
        return cls(typed, wrong, wish)

    def going_on(self, rest: Place) -> str:
        """Return the query of the page behind this one."""
        return urlencode({**self.typed, "below": f"{rest.link_id}-{rest.status}"})


def _place_in(text: str) -> Place:
    link, _, status = text.partition("-")
    if _is_number(link, BEYOND) and _is_number(status):
        return Place(int(link), int(status))
    return Place()


def _is_number(text: str, most: int = _MOST_NUMBER) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 20 and int(text) <= most


def _number_of(login: str, by_id: Mapping[int, Partner]) -> int | None:
    """Return the number of a login, the latest one where it was given out again; None: nobody's."""
    if not login:
        return ANYBODY
    return max((number for number, one in by_id.items() if one.login == login), default=None)


def _receiver_of(lane: str) -> str:
    origin = lane.partition("/")[2]
    return _RECEIVERS.get(origin, origin)


def _dead_reports(lane: DeadLane, by_id: Mapping[int, Partner]) -> DeadReports:
    partner = by_id.get(int(lane.lane.partition("/")[0]))
    return DeadReports(partner, _receiver_of(lane.lane), lane.number, lane.oldest_at)


def _back(done: str) -> Response:
    return RedirectResponse(f"{REPORTS}?done={done}", status_code=303)
