"""One message: what was asked, what was decided and why, what happened, and what is next.

And three things that can be done about it. What happened is `flow/narrative.py`'s account; texts
and what reveals them are shown to those alone who may see texts.
"""

from collections.abc import Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from whimbrel.clock import Clock
from whimbrel.domain.chain import Named
from whimbrel.domain.numbering import NumberRange, national_number
from whimbrel.domain.operator import Right
from whimbrel.domain.refusal import Refusal
from whimbrel.flow.narrative import Accounts, Narrative, narrate
from whimbrel.flow.resend import CannotResend, Resender
from whimbrel.flow.tallies import Tallies
from whimbrel.store.audit import Audited, audited, note_deeds
from whimbrel.store.cancelling import Cancellation, cancel_chains
from whimbrel.store.engine import Store
from whimbrel.store.history import Story, tell_stories
from whimbrel.store.numbering import find_number_ranges
from whimbrel.store.reports import Redelivery, redeliver_reports
from whimbrel.web.console import message_words
from whimbrel.web.console.code_meanings import meaning_of_answer, meaning_of_receipt
from whimbrel.web.console.explanations import explanation_of
from whimbrel.web.console.guard import Guard, Page, operator_of, page
from whimbrel.web.console.message_view import asked_of, kind_of, reveals
from whimbrel.web.console.state_names import STATES
from whimbrel.web.pages.forms import read_form
from whimbrel.web.pages.rendering import Pages

_PATH = "/console/messages/{mt_num:int}"
_GREATEST = (1 << 53) - 1  # domain/chain_id.py
_cancel_audited = audited(cancel_chains)
_redeliver_audited = audited(redeliver_reports)


class MessagePage:
    """The page of a message, the part of it that grows, and its buttons."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        guard: Guard,
        pages: Pages,
        resender: Resender,
        *,
        accounts: Accounts,
        tallies: Tallies,
        wake_reports: Callable[[], None],
    ) -> None:
        """`accounts` names the accounts of SMS senders."""
        self._store = store
        self._clock = clock
        self._guard = guard
        self._pages = pages
        self._resender = resender
        self._accounts = accounts
        self._tallies = tallies
        self._wake_reports = wake_reports

    def pages(self) -> list[Page]:
        """Return the pages; those of the buttons lead whoever opens them by address back."""
        return [
            page(_PATH, Right.SEE, GET=self.show),
            page(f"{_PATH}/live", Right.SEE, GET=self.show_live),
            page(f"{_PATH}/redeliver", Right.ACT, GET=self.lead_back, POST=self.redeliver),
            page(f"{_PATH}/cancel", Right.ACT, GET=self.lead_back, POST=self.cancel),
            page(f"{_PATH}/resend", Right.ACT, GET=self.lead_back, POST=self.resend),
        ]

    async def show(self, request: Request) -> Response:
        """Show a message."""
        story = await self._story(request)
        return self._nowhere(request) if story is None else await self._page(request, story)

    async def show_live(self, request: Request) -> Response:
        """Show what may have changed since, as a part of the page."""
        story = await self._story(request)
        if story is None:
            return self._nowhere(request)
        values = self._values(request, story)
        return self._pages.answer(request, "console/message_live.html", **values)

    async def lead_back(self, request: Request) -> Response:
        """Lead to the message."""
        return RedirectResponse(_address(_mt_num(request)), status_code=303)

    async def redeliver(self, request: Request) -> Response:
        """Send its reports once more: the dead ones, or all that were sent."""
        mt_num, form = _mt_num(request), await read_form(request)
        wish = Redelivery(self._clock.now(), mt_num, acknowledged="acknowledged" in form)
        entry = self._guard.deed(
            request, "message.redeliver", str(mt_num), acknowledged=wish.acknowledged
        )
        count = await self._store.write(_redeliver_audited, Audited(wish, entry))
        self._wake_reports()
        return RedirectResponse(f"{_address(mt_num)}?redelivered={count}", status_code=303)

    async def cancel(self, request: Request) -> Response:
        """Call off what has not been sent, and tell what that was."""
        mt_num = _mt_num(request)
        wish = Cancellation(mt_num, self._clock.now())
        entry = self._guard.deed(request, "message.cancel", str(mt_num))
        told = await self._store.write(_cancel_audited, Audited(wish, entry))
        if told is None:
            return self._nowhere(request)
        for one in told:
            self._tallies.news(one.news)
        self._wake_reports()
        places = ".".join(str(place) for place, one in enumerate(told, 1) if one.is_new)
        return RedirectResponse(f"{_address(mt_num)}?cancelled={places or 0}", status_code=303)

    async def resend(self, request: Request) -> Response:
        """Send it again as a new message, and lead there; or say why that cannot be."""
        story, form = await self._story(request), await read_form(request)
        if story is None:
            return self._nowhere(request)
        first, at_once = _place(form.get("from", "")), "at_once" in form
        who = operator_of(request).login
        try:
            new = await self._resender.resend(story, who, at_once=at_once, first=first)
        except CannotResend as error:
            return await self._page(request, story, 409, {"resend": error.why.value})
        except Refusal as error:
            return await self._page(request, story, 409, {"refused": error.text})
        entry = self._guard.deed(
            request, "message.resend", str(_mt_num(request)), new=str(new), at_once=at_once
        )
        await self._store.write(note_deeds, entry)
        return RedirectResponse(_address(new), status_code=303)

    async def _story(self, request: Request) -> Story | None:
        mt_num = _mt_num(request)
        return await self._store.read(tell_stories, mt_num) if mt_num <= _GREATEST else None

    async def _page(
        self,
        request: Request,
        story: Story,
        status: int = 200,
        troubles: Mapping[str, str] | None = None,
    ) -> Response:
        values = self._values(request, story)
        return self._pages.answer(
            request,
            "console/message.html",
            status=status,
            origin=await self._origin(story.chain["dest_addr"]),
            troubles={"resend": "", "refused": "", **(troubles or {})},
            did=_did(request),
            **values,
        )

    async def _origin(self, dest_addr: str) -> NumberRange | None:
        """Return what the registry says now of the subscriber's number."""
        number = national_number(dest_addr)
        return None if number is None else await self._store.read(find_number_ranges, number)

    def _values(self, request: Request, story: Story) -> dict[str, Any]:
        """Return what the page and its live part are made of."""
        told: Narrative = narrate(story, self._clock.now(), self._accounts)
        operator = operator_of(request)
        return {
            "told": told,
            "asked": asked_of(told),
            "sees": operator.sees_texts,
            "may_act": operator.may(Right.ACT),
            "words": message_words,
            "states": STATES,
            "kind_of": kind_of,
            "reveals": reveals,
            "meaning_of_answer": meaning_of_answer,
            "meaning_of_receipt": meaning_of_receipt,
            "explanation_of": explanation_of,
            "Named": Named,
        }

    def _nowhere(self, request: Request) -> Response:
        text = "There is no such message, or it was removed because of its age."
        return self._guard.problem(request, 404, text)


def _mt_num(request: Request) -> int:
    number: int = request.path_params["mt_num"]
    return number


def _address(mt_num: int) -> str:
    return f"/console/messages/{mt_num}"


def _place(typed: str) -> int:
    """Return which link of the chain to begin with, from 0."""
    return int(typed) - 1 if typed.isascii() and typed.isdigit() and 0 < int(typed) <= 10 else 0


def _did(request: Request) -> dict[str, Any]:
    """Return what a button has just done, as it is told in the address."""
    cancelled = request.query_params.get("cancelled", "").split(".")
    redelivered = request.query_params.get("redelivered", "")
    places = [int(one) for one in cancelled if one.isascii() and one.isdigit() and len(one) < 3]
    is_count = redelivered.isascii() and redelivered.isdigit() and len(redelivered) < 6
    return {
        "cancelled": [one for one in places if one] if places else None,
        "redelivered": int(redelivered) if is_count else None,
    }
