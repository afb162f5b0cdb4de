"""Puts the endpoints at their paths.

Wrong paths and methods are answered in the protocol's own error form, with 404 and 405.
"""

from collections.abc import Awaitable, Callable

import structlog
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from whimbrel.domain.refusal import Refusal, RefusalCode
from whimbrel.metrics import Metrics
from whimbrel.store.engine import StoreUnavailable
from whimbrel.web.answers import error_body, send_json, send_refusal
from whimbrel.web.api import Endpoints, RequestEndpoint
from whimbrel.web.hooks import WhatsappHook
from whimbrel.web.openapi import openapi_document
from whimbrel.web.pages.site import is_page
from whimbrel.web.redirect import Redirect

_log = structlog.get_logger(__name__)
_Handler = Callable[[Request], Awaitable[Response]]


def create_site(
    endpoints: Endpoints,
    whatsapp: WhatsappHook,
    metrics: Metrics,
    redirect: Redirect,
    pages: ASGIApp,
    *,
    is_ready: Callable[[], Awaitable[None]],
) -> ASGIApp:
    """Return the whole site. `is_ready` raises `StoreUnavailable` while the gateway is not.

    What belongs to a short domain goes to `redirect`, whatever the path: nothing else is there.
    `pages` are those for people.
    """
    openapi = openapi_document()

    async def show_openapi(_: Request) -> Response:
        return Response(openapi, media_type="application/json")

    router = Router(
        routes=[
            *_watch_routes(metrics, is_ready),
            _route("/openapi.json", GET=show_openapi),
            _route("/hooks/whatsapp/{account}", GET=whatsapp.shake_hands, POST=whatsapp.receive),
            Route("/check", _only_post(endpoints.check)),
            Route("/{login}", _only_post(endpoints.send)),
        ],
        redirect_slashes=False,
        default=_not_found,
    )

    hot = {"/send": endpoints.send, "/check": endpoints.check}

    async def site(scope: Scope, receive: Receive, send: Send) -> None:
        """Take the hot paths straight to their endpoints."""
        place = redirect.place_of(scope) if scope["type"] == "http" else None
        if place is not None:
            await redirect.answer(place, scope, send)
        elif scope["type"] == "http" and scope["path"] in hot and scope["method"] == "POST":
            await hot[scope["path"]](scope, receive, send)
        elif scope["type"] == "http" and is_page(scope["path"]):
            await pages(scope, receive, send)
        else:
            await router(scope, receive, send)

    return site


def create_watch_site(metrics: Metrics, *, is_ready: Callable[[], Awaitable[None]]) -> ASGIApp:
    """Return the site of a node that takes no requests: what machines watch it by."""
    return Router(
        routes=_watch_routes(metrics, is_ready), redirect_slashes=False, default=_not_found
    )


def _watch_routes(metrics: Metrics, is_ready: Callable[[], Awaitable[None]]) -> list[Route]:
    async def healthz(_: Request) -> Response:
        return PlainTextResponse("alive\n")

    async def readyz(_: Request) -> Response:
        try:
            await is_ready()
        except StoreUnavailable as error:
            return PlainTextResponse(f"not ready: {error}\n", 503)
        return PlainTextResponse("ready\n")

    async def show_metrics(_: Request) -> Response:
        return Response(metrics.exposition(), media_type="text/plain; version=0.0.4")

    return [
        _route("/healthz", GET=healthz),
        _route("/readyz", GET=readyz),
        _route("/metrics", GET=show_metrics),
    ]


def _route(path: str, **handlers: _Handler) -> Route:
    """Route each method to its handler, HEAD to GET's, and others to 405."""
    allowed = sorted({*handlers, "HEAD"} if "GET" in handlers else handlers)

    async def endpoint(scope: Scope, receive: Receive, send: Send) -> None:
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        handler = handlers.get(method)
        if handler is None:
            await _refuse_method(scope, send, allowed)
            return
        try:
            response = await handler(Request(scope, receive, send))
        except Exception:  # noqa: BLE001 - the caller gets an answer, the log the details
            _log.exception("handler_failed", path=path)
            refusal = Refusal(RefusalCode.UNFORESEEN, "Something unforeseen happened.")
            await send_refusal(send, refusal)
        else:
            await response(scope, receive, send)

    return Route(path, _Application(endpoint))


class _Application:
    """An ASGI application that Starlette does not take for a handler of requests."""

    def __init__(self, application: ASGIApp) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._application(scope, receive, send)


def _only_post(endpoint: RequestEndpoint) -> _Application:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "POST":
            await _refuse_method(scope, send, ["POST"])
        else:
            await endpoint(scope, receive, send)

    return _Application(application)


async def _refuse_method(scope: Scope, send: Send, allowed: list[str]) -> None:
    names = ", ".join(allowed)
    refusal = Refusal(
        RefusalCode.INVALID_REQUEST, f"{scope['method']} is not a method of this path: {names}."
    )
    await send_json(send, 405, error_body(refusal), (b"allow", names.encode()))


async def _not_found(scope: Scope, _receive: Receive, send: Send) -> None:
    if scope["type"] != "http":
        return
    refusal = Refusal(
        RefusalCode.INVALID_REQUEST, "There is no such path. Requests are POSTed to /send."
    )
    await send_json(send, 404, error_body(refusal))
