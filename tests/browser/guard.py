"""What a page does that its test would not notice, and must not do.

A guard sees everything that happens in a browser's context: messages of severity "error" on the
console, errors that no script caught, violations of the page's Content-Security-Policy, requests
that fail, and requests that leave the test's own servers, which it blocks.
"""

import re
from urllib.parse import urlsplit

from playwright.async_api import (
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    Route,
    WebError,
    WebSocket,
)

_VIOLATION = "Content-Security-Policy violated:"
_TELL_VIOLATIONS = f"""
document.addEventListener("securitypolicyviolation", (event) => {{
    console.error("{_VIOLATION}", event.violatedDirective, event.blockedURI, event.sourceFile);
}});
"""
_ABORTED = "net::ERR_ABORTED"  # a stream that ended with its page, or a download
_BLOCKED = "net::ERR_BLOCKED_BY_CLIENT"  # by us, and told already


class Guard:
    """Gathers what goes wrong in one context; `check` tells all of it at once."""

    def __init__(self) -> None:
        self._allowed: set[str] = set()
        self._expected: list[re.Pattern[str]] = []
        self._troubles: list[str] = []

    def allow(self, *urls: str) -> None:
        """Let pages ask the servers of these URLs, besides those that were allowed before."""
        self._allowed.update(map(_server, urls))

    def expect(self, pattern: str) -> None:
        """Expect a trouble that holds `pattern`; it is one if no such trouble comes.

        Chromium tells every answer of 400 and more on the console: `"status of 403"`.
        """
        self._expected.append(re.compile(pattern))

    async def watch(self, context: BrowserContext) -> None:
        """See everything that happens in the context from now on, in pages that pop up too."""
        context.on("console", self._see_message)
        context.on("weberror", self._see_error)
        context.on("requestfailed", self._see_failure)
        context.on("page", self._see_page)
        await context.add_init_script(_TELL_VIOLATIONS)
        await context.route("**/*", self._let_through)

    def check(self) -> None:
        """Raise `AssertionError` of what was not expected, and of what was but did not come."""
        found = [
            trouble
            for trouble in self._troubles
            if not any(pattern.search(trouble) for pattern in self._expected)
        ]
        missing = [
            f"expected, and did not come: {pattern.pattern}"
            for pattern in self._expected
            if not any(map(pattern.search, self._troubles))
        ]
        assert not [*found, *missing], "\n".join(["The page misbehaved:", *found, *missing])

    def _see_message(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "assert"}:
            place = message.location
            self._troubles.append(
                f"console: {message.text} ({place.get('url')}:{place.get('lineNumber')})"
            )

    def _see_error(self, error: WebError) -> None:
        self._troubles.append(f"uncaught: {error.error.stack or error.error}")

    def _see_failure(self, request: Request) -> None:
        if request.failure not in {_ABORTED, _BLOCKED}:
            self._troubles.append(f"failed: {request.method} {request.url}: {request.failure}")

    def _see_page(self, page: Page) -> None:
        page.on("websocket", self._see_socket)

    def _see_socket(self, socket: WebSocket) -> None:
        if _server(socket.url) not in self._allowed:
            self._troubles.append(f"foreign: WebSocket {socket.url}")

    async def _let_through(self, route: Route) -> None:
        request = route.request
        if _server(request.url) in self._allowed:
            await route.continue_()
            return
        self._troubles.append(f"foreign: {request.method} {request.url}")
        await route.abort("blockedbyclient")


def _server(url: str) -> str:
    return urlsplit(url).netloc
