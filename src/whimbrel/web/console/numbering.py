"""The numbering registry: what was imported and when, and what it says of a number."""

from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from whimbrel.domain.numbering import NumberRange, national_number
from whimbrel.domain.operator import Right
from whimbrel.domain.operators import mcc_mnc_of
from whimbrel.domain.phone import BadPhone, normalise
from whimbrel.store.engine import Store
from whimbrel.store.numbering import find_number_ranges, numbering_imports
from whimbrel.web.console.guard import Page, page
from whimbrel.web.pages.rendering import Pages
from whimbrel.web.pages.words import phrase

_LONGEST = 64


class _Found(NamedTuple):
    """What a look-up came to: a range, or why there is none."""

    digits: str = ""
    range: NumberRange | None = None
    mcc_mnc: str = ""
    problem: str = ""


class NumberingPages:
    """One page."""

    def __init__(self, store: Store, pages: Pages) -> None:
        self._store = store
        self._pages = pages

    def pages(self) -> list[Page]:
        """Return the page."""
        return [page("/console/numbering", Right.SEE, GET=self.show)]

    async def show(self, request: Request) -> Response:
        """Show the imports, and look a number up if one is asked for."""
        number = request.query_params.get("number", "").strip()[:_LONGEST]
        return self._pages.answer(
            request,
            "console/numbering.html",
            imports=await self._store.read(numbering_imports, None),
            number=number,
            found=await self._look_up(number) if number else None,
        )

    async def _look_up(self, number: str) -> _Found:
        try:
            digits = normalise(number)
        except BadPhone:
            return _Found(problem=phrase("This is not a phone number."))
        national = national_number(digits)
        if national is None:
            text = phrase("The registry knows Russian numbers only, those of +7.")
            return _Found(digits, problem=text)
        one = await self._store.read(find_number_ranges, national)
        if one is None:
            return _Found(digits, problem=phrase("No range of the registry holds this number."))
        return _Found(digits, one, mcc_mnc_of(one.inn))
