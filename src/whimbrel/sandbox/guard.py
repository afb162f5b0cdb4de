"""Keeps web pages of strangers away from a sandbox that has no password.

A browser on this machine reaches the sandbox, and so does any page that is open in it. Programs
such as curl send none of the headers that are looked at here, and pass.
"""

import ipaddress
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

# Names that nobody can register, and lead here from a page of his own (RFC 6761, RFC 6762, ICANN's
# reservation of .internal); a name without a dot is as good.
_PRIVATE_ENDS = (".localhost", ".local", ".internal", ".test")
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class Guard:
    """Passes on what is not a stranger's page's request; the others are answered with 403.

    `host` is the address that the sandbox listens on: a name of its own is good as well.
    """

    def __init__(self, app: ASGIApp, host: str = "") -> None:
        self._app = app
        self._host = host

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Judge one request."""
        reason = _reason_against(Request(scope), self._host)
        if reason is None:
            await self._app(scope, receive, send)
        else:
            await PlainTextResponse(reason + "\n", 403)(scope, receive, send)


def _reason_against(request: Request, own_host: str) -> str | None:
    host = request.headers.get("host", "")
    if not _is_private(host, own_host):
        return "Host must be an IP address, localhost or a private name (see docs/sandbox.md)"
    if request.method in _SAFE_METHODS:
        return None
    if request.headers.get("sec-fetch-site", "none") not in {"same-origin", "none"}:
        return "a page of another site may not change anything here (Sec-Fetch-Site)"
    origin = request.headers.get("origin")
    if origin is not None and origin != f"{request.url.scheme}://{host}":
        return "a page of another site may not change anything here (Origin)"
    return None


def _is_private(host: str, own_host: str) -> bool:
    """Tell whether a Host is no foreign name that was made to lead here (DNS rebinding)."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
        if "." not in name or name == own_host or name.endswith(_PRIVATE_ENDS):
            return True
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
