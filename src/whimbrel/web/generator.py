"""The request generator: a page that writes requests, and the Partners' endpoints beside it.

The page may be on another port than the Partners' API, and its scripts may talk to their own origin
alone. So the endpoints are here again, under the page's own path: the very same applications.

`/generator/send` needs no token against forged requests: no cookie lets anybody in there, but the
login and the password in its body, which a forging page would have to know.
"""

import contextlib

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from whimbrel.domain.operator import Right
from whimbrel.store.engine import StoreUnavailable
from whimbrel.web.api import Endpoints, RequestEndpoint
from whimbrel.web.console.guard import Guard, Handler, Page, page
from whimbrel.web.pages.rendering import Pages

PATH = "/generator"


class Generator:
    """The page, for everybody or for operators."""

    def __init__(
        self, endpoints: Endpoints, guard: Guard, pages: Pages, *, public_url: str
    ) -> None:
        """`public_url` is where Partners reach the gateway; empty: where the page is, it seems."""
        self._endpoints = endpoints
        self._guard = guard
        self._pages = pages
        self._public_url = public_url

    def open_routes(self, *, beside_console: bool) -> list[BaseRoute]:
        """Return the routes of a generator that is for everybody.

        `beside_console`: operators sign in on the same site, and shall see that they are known.
        """
        show = self._show_anybody if beside_console else self._show
        return [
            Route(PATH, show, methods=["GET"]),
            Route(f"{PATH}/check", _Forwarding(self._endpoints.check_draft), methods=["POST"]),
            Route(f"{PATH}/send", _Forwarding(self._endpoints.send), methods=["POST"]),
        ]

    def pages(self) -> list[Page]:
        """Return the pages of a generator that is for operators."""
        return [
            page(PATH, Right.SEE, GET=self._show),
            page(f"{PATH}/check", Right.SEE, POST=_handled_by(self._endpoints.check_draft)),
            page(f"{PATH}/send", Right.SEE, POST=_handled_by(self._endpoints.send)),
        ]

    async def _show_anybody(self, request: Request) -> Response:
        """Show the page; whoever is signed in sees that he is, if the store can tell."""
        with contextlib.suppress(StoreUnavailable):
            await self._guard.recognise(request)
        return await self._show(request)

    async def _show(self, request: Request) -> Response:
        return self._pages.answer(request, "generator.html", send_url=self._public_url)


class _Forwarding:
    """An ASGI application that Starlette does not take for a handler of requests."""

    def __init__(self, application: ASGIApp) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._application(scope, receive, send)


class _Forwarded(Response):
    """An answer that an endpoint gives."""

    def __init__(self, endpoint: RequestEndpoint) -> None:
        super().__init__()
        self._endpoint = endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._endpoint(scope, receive, send)


def _handled_by(endpoint: RequestEndpoint) -> Handler:
    """Return a handler that lets an endpoint answer."""

    async def handler(_: Request) -> Response:
        return _Forwarded(endpoint)

    return handler
