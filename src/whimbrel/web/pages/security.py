"""What keeps pages to themselves: headers on every answer, and requests from other sites refused.

No script or style but our own files, no frame, no address of ours told to others. A page that needs
another policy names it in its own `content-security-policy` header.
"""

from collections.abc import Mapping
from types import MappingProxyType
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; font-src 'self'; form-action 'self'; frame-ancestors 'none'; "
    "base-uri 'none'"
)
_HEADERS: Mapping[str, str] = MappingProxyType(
    {
        "content-security-policy": POLICY,
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        "referrer-policy": "same-origin",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
        "cache-control": "no-store",
    }
)
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


def secured(app: ASGIApp) -> ASGIApp:
    """Return an application whose every answer has the headers that it does not set itself."""

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_secured(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await app(scope, receive, send_secured)

    return application


def changes_something(request: Request) -> bool:
    """Tell whether a request's method may change anything (RFC 9110, section 9.2.1)."""
    return request.method not in _SAFE


def is_from_elsewhere(request: Request) -> bool:
    """Tell whether a page of another site makes this request.

    Browsers say so themselves where the connection is one that they trust (W3C Fetch Metadata);
    elsewhere the origin (RFC 6454) must be the host that was asked. What is no browser says
    neither.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site not in {"same-origin", "none"}
    origin = request.headers.get("origin")
    return origin is not None and urlsplit(origin).netloc != request.headers.get("host")


def is_https(request: Request) -> bool:
    """Tell whether the browser's connection is secure; a proxy that ends TLS says so.

    Only for marking cookies as secure: who lies gets a cookie back that his browser will not send.
    """
    return "https" in {request.url.scheme, request.headers.get("x-forwarded-proto", "")}
