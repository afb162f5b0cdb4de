"""`/docs`: the API's document for people, rendered in the browser, and its errors at a glance.

The renderer is Swagger UI, a vendored file; `docs/decisions/0023-api-reference.md` says why. It
loads the OpenAPI document and asks nobody else anything.
"""

import contextlib
import json
from collections.abc import Iterator
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from whimbrel.store.engine import StoreUnavailable
from whimbrel.web.answers import ERROR_FORMS
from whimbrel.web.console.guard import Guard
from whimbrel.web.error_examples import ERROR_EXAMPLES, example_of
from whimbrel.web.openapi import openapi_document
from whimbrel.web.pages.rendering import Pages

PATH = "/docs"
_DOCUMENT_PATH = f"{PATH}/openapi.json"
"""The document beside the page, which may be on another port than the Partners' API."""


class _Error(NamedTuple):
    """A line of the table of errors."""

    code: int
    http_status: int
    description: str
    when: str
    example: str


class Reference:
    """The page."""

    def __init__(self, guard: Guard, pages: Pages) -> None:
        self._guard = guard
        self._pages = pages
        self._errors = list(_errors())
        self._document = openapi_document()

    def routes(self, *, beside_console: bool) -> list[Route]:
        """Return its routes, which are for everybody.

        `beside_console`: operators sign in on the same site, and shall see that they are known.
        """
        return [
            Route(PATH, self.show_known if beside_console else self.show, methods=["GET"]),
            Route(_DOCUMENT_PATH, self.show_document, methods=["GET"]),
        ]

    async def show_known(self, request: Request) -> Response:
        """Show the page; whoever is signed in sees that he is, if the store can tell."""
        with contextlib.suppress(StoreUnavailable):
            await self._guard.recognise(request)
        return await self.show(request)

    async def show(self, request: Request) -> Response:
        """Show the page."""
        return self._pages.answer(
            request, "reference.html", errors=self._errors, document=_DOCUMENT_PATH
        )

    async def show_document(self, _: Request) -> Response:
        """Answer with the document, as `/openapi.json` does."""
        return Response(self._document, media_type="application/json")


def _errors() -> Iterator[_Error]:
    for code, form in ERROR_FORMS.items():
        example = json.dumps(example_of(code), indent=2)
        yield _Error(code, form.http_status, form.description, ERROR_EXAMPLES[code].when, example)
