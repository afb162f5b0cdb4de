"""Short URLs: how they are followed, as a chart, a table and a CSV file."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from whimbrel.clock import SECOND, Clock
from whimbrel.domain.operator import Right
from whimbrel.domain.partner import Partner
from whimbrel.flow.link_figures import (
    MOST_VISITS,
    By,
    Figures,
    LinkFigures,
    by_message,
    count_links,
    look_up,
)
from whimbrel.store.audit import note_deeds
from whimbrel.store.engine import Store
from whimbrel.store.partners import partners_by_id
from whimbrel.store.visits import VisitedUrl
from whimbrel.web.console.csv_file import BYTE_ORDER_MARK, csv_lines, separator_in
from whimbrel.web.console.guard import Guard, Page, operator_of, page
from whimbrel.web.console.link_query import asked_in
from whimbrel.web.pages.forms import read_form
from whimbrel.web.pages.preferences import preferences_of
from whimbrel.web.pages.rendering import Pages
from whimbrel.web.pages.words import phrase

LINKS = "/console/links"
_SHOWN_ROWS = 50
_MOST_ROWS = 10_000
BY_NAMES = MappingProxyType(
    {
        By.DAY: phrase("day"),
        By.SHORT_URL: phrase("short URL"),
        By.MESSAGE: phrase("message"),
        By.PARTNER: phrase("Partner"),
    }
)
_ABOUT = MappingProxyType(
    {
        By.DAY: ("day",),
        By.SHORT_URL: ("uid", "partner", "target", "number", "subscriber"),
        By.MESSAGE: ("number", "partner", "subscriber"),
        By.PARTNER: ("partner",),
    }
)
"""What a row of each grouping is about: the columns before the figures."""
_COUNTS = ("visits", "clicks", "mobile", "desktop", "first_click_at", "last_click_at")


_TargetOf = Callable[[str], str]


class Row(NamedTuple):
    """A row of the table: what it is about, and the figures."""

    about: dict[str, Any]
    figures: Figures


class LinkPages:
    """The page, and its file."""

    def __init__(self, store: Store, clock: Clock, guard: Guard, pages: Pages) -> None:
        self._store = store
        self._clock = clock
        self._guard = guard
        self._pages = pages

    def pages(self) -> list[Page]:
        """Return the pages."""
        return [
            page(LINKS, Right.SEE, GET=self.show),
            page(f"{LINKS}/csv", Right.SEE, POST=self.export),
        ]

    async def show(self, request: Request) -> Response:
        """Show the figures that are asked for, of the last thirty days unless told otherwise."""
        by_id, zone = await self._store.read(partners_by_id, None), preferences_of(request).tz
        asked = asked_in(request.query_params, by_id, self._clock.now(), zone)
        figures = await count_links(self._store, asked.wish, zone)
        rows = await self._rows(asked.by, figures, by_id, _SHOWN_ROWS + 1)
        return self._pages.answer(
            request,
            "console/links.html",
            asked=asked,
            by_names=BY_NAMES,
            groupings=list(By),
            logins=sorted(one.login for one in by_id.values()),
            total=figures.total,
            followed=len(figures.by_uid),
            is_whole=figures.is_whole,
            most_visits=MOST_VISITS,
            rows=rows[:_SHOWN_ROWS],
            has_more=len(rows) > _SHOWN_ROWS,
            shown_rows=_SHOWN_ROWS,
            days=[(f"{day}", one) for day, one in figures.by_day.items()],
            chart=_chart(figures),
            target_of=_shown_target(sees_texts=operator_of(request).sees_texts),
        )

    async def export(self, request: Request) -> Response:
        """Answer with the same figures as CSV (RFC 4180), up to ten thousand rows."""
        form, by_id = await read_form(request), await self._store.read(partners_by_id, None)
        zone = preferences_of(request).tz
        asked = asked_in(form, by_id, self._clock.now(), zone)
        if asked.wrong:
            return self._guard.problem(request, 400, next(iter(asked.wrong.values())))
        separator = separator_in(form)
        if separator is None:
            return self._guard.problem(
                request, 400, phrase("The form could not be read."), "separator"
            )
        figures = await count_links(self._store, asked.wish, zone)
        rows = await self._rows(asked.by, figures, by_id, _MOST_ROWS)
        entry = self._guard.deed(
            request, "links.export", asked.typed["partner"] or "*", by=asked.by, rows=len(rows)
        )
        await self._store.write(note_deeds, entry)
        target_of = _shown_target(sees_texts=operator_of(request).sees_texts)
        headers = {"content-disposition": 'attachment; filename="short-urls.csv"'}
        text = _csv(rows, asked.by, separator, target_of)
        return Response(text, media_type="text/csv; charset=utf-8", headers=headers)

    async def _rows(
        self, by: By, figures: LinkFigures, by_id: Mapping[int, Partner], most: int
    ) -> list[Row]:
        """Return the rows of a grouping, the most clicked first; days in their order."""
        if by is By.DAY:
            days = [Row({"day": f"{day}"}, one) for day, one in figures.by_day.items()]
            return list(reversed(days))[:most]
        if by is By.PARTNER:
            partners = _most_clicked(figures.by_partner, most)
            return [Row({"partner": _login(number, by_id)}, one) for number, one in partners]
        if by is By.SHORT_URL:
            top = _most_clicked(figures.by_uid, most)
            urls = await look_up(self._store, (uid for uid, _ in top))
            return [Row(_about(uid, urls.get(uid), by_id), one) for uid, one in top]
        urls = await look_up(self._store, figures.by_uid)
        of_message = {url.chain_id: url for url in urls.values() if url.chain_id is not None}
        messages = _most_clicked(by_message(figures.by_uid, urls), most)
        return [
            Row(
                {
                    "number": number,
                    "partner": _login(of_message[number].partner_id, by_id),
                    "subscriber": of_message[number].subscriber,
                },
                one,
            )
            for number, one in messages
        ]


def _most_clicked(figures: Mapping[Any, Figures], most: int) -> list[tuple[Any, Figures]]:
    ranked = sorted(figures.items(), key=lambda one: (-one[1].clicks, -one[1].visits, str(one[0])))
    return ranked[:most]


def _about(uid: str, url: VisitedUrl | None, by_id: Mapping[int, Partner]) -> dict[str, Any]:
    if url is None:  # removed while it was counted
        return {"uid": uid, "partner": "", "target": "", "number": None, "subscriber": None}
    return {
        "uid": uid,
        "partner": _login(url.partner_id, by_id),
        "target": url.target,
        "number": url.chain_id,
        "subscriber": url.subscriber,
    }


def _login(number: int, by_id: Mapping[int, Partner]) -> str:
    return by_id[number].login if number in by_id else str(number)


def _shown_target(*, sees_texts: bool) -> _TargetOf:
    """Return how targets are shown: they come out of texts, and may hold what opens an account."""

    def shown(target: str) -> str:
        if sees_texts or not target:
            return target
        split = urlsplit(target)
        return f"{split.scheme}://{split.netloc.rpartition('@')[2]}/…"

    return shown


def _chart(figures: LinkFigures) -> str:
    """Return days, visits and clicks for the chart, as JSON."""
    days = [f"{day}" for day in figures.by_day]
    visits = [one.visits for one in figures.by_day.values()]
    clicks = [one.clicks for one in figures.by_day.values()]
    return msgspec.json.encode([days, visits, clicks]).decode()


def _csv(rows: Iterable[Row], by: By, separator: str, target_of: _TargetOf) -> str:
    lines: list[Sequence[object]] = [(*_ABOUT[by], *_COUNTS)]
    for row in rows:
        about = row.about | {"target": target_of(row.about.get("target", ""))}
        lines.append(
            [*(about[name] for name in _ABOUT[by]), *(_cell(row, name) for name in _COUNTS)]
        )
    return BYTE_ORDER_MARK + csv_lines(lines, separator)


def _cell(row: Row, name: str) -> object:
    value = getattr(row.figures, name)
    if value is None or not name.endswith("_at"):
        return value
    return f"{datetime.fromtimestamp(value / SECOND, UTC):%Y-%m-%dT%H:%M:%SZ}"
