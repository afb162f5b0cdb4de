"""The overview: what has happened in a range, how things stand, and both as they change."""

from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from whimbrel.clock import Clock
from whimbrel.domain.operator import Right
from whimbrel.domain.tally import What
from whimbrel.flow.overview import PERCENTS, RANGES, SERIES, Figures, Range
from whimbrel.flow.standing import Condition, missing_roles
from whimbrel.store.engine import StoreUnavailable
from whimbrel.web.console.explanations import explanation_of
from whimbrel.web.console.guard import Guard, Page, operator_of, page
from whimbrel.web.console.live import Live, Sample, Sampler, TooManyViewers, Viewer
from whimbrel.web.pages.event_stream import STILL_THERE, EventStream, event
from whimbrel.web.pages.numbers import grouped, share
from whimbrel.web.pages.preferences import preferences_of
from whimbrel.web.pages.rendering import Pages

_DEFAULT = "24h"
_RETRY = b"retry: 3000\n\n"
_TABLES_EVERY = 5.0  # seconds; tables are many bytes, and somebody reads them
_STILL_THERE_EVERY = 10.0
_AGAIN_SECONDS = 30
_SHOWN_FAILURES = 12


class OverviewPage:
    """The page, and its live figures."""

    def __init__(
        self, sampler: Sampler, live: Live, clock: Clock, guard: Guard, pages: Pages
    ) -> None:
        self._sampler = sampler
        self._live = live
        self._clock = clock
        self._guard = guard
        self._pages = pages

    def pages(self) -> list[Page]:
        """Return the pages."""
        return [
            page("/console", Right.SEE, GET=self.show),
            page("/console/live", Right.SEE, GET=self.stream),
        ]

    async def show(self, request: Request) -> Response:
        """Show the figures as they are now."""
        wanted = _range_of(request)
        sample = await self._sampler.sample(wanted)
        return self._pages.answer(
            request,
            "console/overview.html",
            **_values(request, sample),
            ranges=list(RANGES.values()),
            chart=_chart(sample.figures).decode(),
        )

    async def stream(self, request: Request) -> Response:
        """Tell the figures whenever they have changed."""
        if request.method == "HEAD":
            return Response(media_type=EventStream.media_type)
        try:
            viewer = self._live.join(operator_of(request).login, _range_of(request))
        except TooManyViewers:
            text = "Too many look at live figures now.\n"
            return PlainTextResponse(text, 503, {"retry-after": str(_AGAIN_SECONDS)})
        return EventStream(self._events(request, viewer), viewer.leave)

    async def _events(self, request: Request, viewer: Viewer) -> AsyncIterator[bytes]:
        """Yield what is new of each sample, as long as the operator is signed in."""
        yield _RETRY
        told: dict[str, bytes] = {}
        tables_at = said_at = float("-inf")
        while (sample := await viewer.next()) is not None:
            if not await self._is_still_signed_in(request):
                yield event("signed-out", "-")
                return
            now = self._clock.elapsed()
            wanted = ["tiles", "chart"]
            if now - tables_at >= _TABLES_EVERY:
                wanted.append("tables")
                tables_at = now
            parts = {name: self._part(request, sample, name) for name in wanted}
            news = b"".join(part for name, part in parts.items() if told.get(name) != part)
            told |= parts
            if news or now - said_at >= _STILL_THERE_EVERY:
                said_at = now
                yield news or STILL_THERE

    async def _is_still_signed_in(self, request: Request) -> bool:
        try:
            return await self._guard.is_still_signed_in(request)
        except StoreUnavailable:
            return True  # nobody can tell, and there is nothing new to be seen

    def _part(self, request: Request, sample: Sample, name: str) -> bytes:
        """Return one event, made once for all who read the same language and zone."""
        if name == "chart":
            return sample.render((name,), lambda: event(name, _chart(sample.figures).decode()))
        chosen = preferences_of(request)

        def make() -> bytes:
            template = f"console/overview_{name}.html"
            return event(name, self._pages.text(request, template, **_values(request, sample)))

        return sample.render((name, chosen.language, chosen.zone), make)


def _range_of(request: Request) -> Range:
    return RANGES.get(request.query_params.get("range", _DEFAULT), RANGES[_DEFAULT])


def _values(request: Request, sample: Sample) -> dict[str, Any]:
    """Return what the templates show."""
    figures, standing = sample.figures, sample.standing
    return {
        "figures": figures,
        "standing": standing,
        "What": What,
        "Condition": Condition,
        "series": SERIES,
        "percents": PERCENTS,
        "explain": explanation_of,
        "failures": figures.failures[:_SHOWN_FAILURES],
        "missing_roles": missing_roles(standing.nodes),
        "number": partial(grouped, language=preferences_of(request).language),
        "share": share,
    }


def _chart(figures: Figures) -> bytes:
    """Return what the chart draws: the begin of each step in seconds, and a line for each kind."""
    lines = [figures.series[what] for what in SERIES]
    return msgspec.json.encode([[time // 1_000 for time in figures.times], *lines])
