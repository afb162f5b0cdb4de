"""Messages: looking for them, turning pages, and taking what was found along as CSV."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse

from whimbrel.clock import Clock
from whimbrel.domain.content import Channel
from whimbrel.domain.operator import Right
from whimbrel.domain.status import ErrorCode, LinkState
from whimbrel.flow.search import Cursor, Searcher, SearchPage
from whimbrel.store.audit import note_deeds
from whimbrel.store.engine import Store
from whimbrel.web.console.csv_file import SEPARATORS, separator_in
from whimbrel.web.console.explanations import explanation_of
from whimbrel.web.console.guard import Guard, Page, operator_of, page
from whimbrel.web.console.search_csv import as_csv
from whimbrel.web.console.search_form import (
    FIELDS,
    ON_ITS_WAY,
    Asked,
    read_search,
    readings_of,
)
from whimbrel.web.console.search_words import FIELD_NAMES
from whimbrel.web.console.state_names import STATES
from whimbrel.web.pages.forms import read_form
from whimbrel.web.pages.preferences import preferences_of
from whimbrel.web.pages.rendering import Pages
from whimbrel.web.pages.words import phrase

PATH = "/console/messages"
_SIZE = 50
_LONGEST_TEXT = 1_000


class Shown(NamedTuple):
    """A page of what was found, and as what."""

    asked: Asked
    """What was looked for; with the one text as the field that it was taken for."""
    found: SearchPage
    reading: str | None = None
    """The field that the one text was taken for."""
    others: tuple[str, ...] = ()
    """The fields for which it would have found something, too."""


class MessagesPage:
    """The list of messages."""

    def __init__(self, store: Store, clock: Clock, guard: Guard, pages: Pages) -> None:
        self._store = store
        self._clock = clock
        self._guard = guard
        self._pages = pages
        self._searcher = Searcher(store)

    def pages(self) -> list[Page]:
        """Return the pages."""
        return [
            page(PATH, Right.SEE, GET=self.show),
            page(f"{PATH}/export", Right.SEE, GET=self.lead_back, POST=self.export),
        ]

    async def show(self, request: Request) -> Response:
        """Show the form, and what was found."""
        fields, text = request.query_params, request.query_params.get("q", "").strip()
        asked = read_search(fields, preferences_of(request).zone)
        wrong = dict(asked.wrong)
        if len(text) > _LONGEST_TEXT:
            wrong["q"] = phrase("This is longer than anything that is kept.")
        if wrong:
            shown = Shown(asked, SearchPage([], None, None))
            return self._answer(request, text, asked.typed, shown, wrong)
        if text:
            shown = await self._read(asked, text)
        else:
            shown = Shown(asked, await self._searcher.page(asked.criteria, _cursor(fields), _SIZE))
        return self._answer(request, text, asked.typed, shown, wrong)

    async def export(self, request: Request) -> Response:
        """Send what was found as a file, as far back as there is anything; it is noted who did."""
        form = await read_form(request)
        asked = read_search(form, preferences_of(request).zone)
        separator = separator_in(form)
        if asked.wrong or separator is None:
            wrong = asked.wrong or ["separator"]
            return self._guard.problem(
                request, 400, phrase("The form could not be read."), ", ".join(wrong)
            )
        entry = self._guard.deed(request, "messages.export", "messages", **asked.typed)
        await self._store.write(note_deeds, entry)
        batches = self._searcher.everything(asked.criteria)
        sees = operator_of(request).sees_texts
        now = datetime.fromtimestamp(self._clock.now() / 1_000, UTC)
        name = f"messages-{now:%Y%m%dT%H%M%SZ}.csv"
        return StreamingResponse(
            as_csv(batches, separator, with_content=sees),
            media_type="text/csv; charset=utf-8; header=present",
            headers={"content-disposition": f'attachment; filename="{name}"'},
        )

    async def lead_back(self, _: Request) -> Response:
        """Lead whoever opens the address of a button to the page with the button."""
        return RedirectResponse(PATH, status_code=303)

    async def _read(self, asked: Asked, text: str) -> Shown:
        """Take a text for whatever finds something first, and note what else would."""
        best: Shown | None = None
        others = []
        for name in readings_of(text):
            reading = read_search({**asked.typed, name: text}, "UTC")
            size = _SIZE if best is None else 1
            found = await self._searcher.page(reading.criteria, None, size)
            if not found.chains:
                continue
            if best is None:
                best = Shown(reading, found, name)
            else:
                others.append(name)
        if best is None:
            return Shown(asked, SearchPage([], None, None))
        return best._replace(others=tuple(others))

    def _answer(
        self,
        request: Request,
        text: str,
        typed: Mapping[str, str],
        shown: Shown,
        wrong: Mapping[str, str],
    ) -> Response:
        # htmx shows no answer that says that something was wrong with the request.
        status = 400 if wrong and request.headers.get("hx-request") != "true" else 200
        return self._pages.answer(
            request,
            "console/messages.html",
            status=status,
            path=PATH,
            text=text,
            typed=typed,
            asked=shown.asked,
            found=shown.found,
            reading=shown.reading,
            others=shown.others,
            tried=readings_of(text) if text else [],
            wrong=wrong,
            zone_name=shown.asked.typed.get("zone") or preferences_of(request).zone,
            fields=FIELDS,
            field_names=FIELD_NAMES,
            channels=list(Channel),
            states=STATES,
            on_its_way=ON_ITS_WAY,
            all_states=list(LinkState),
            errors=[one for one in ErrorCode if one],
            explanation_of=explanation_of,
            separators=SEPARATORS,
        )


def _cursor(fields: Mapping[str, str]) -> Cursor | None:
    """Return where the page begins; what is no number counts as no cursor."""
    for name in ("older", "newer"):
        text = fields.get(name, "")
        if text.isascii() and text.isdecimal() and len(text) <= 16:
            return Cursor(int(text), older=name == "older")
    return None
