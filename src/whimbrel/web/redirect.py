"""Short URLs as visitors follow them: 302 to what is stored, or a small page.

Nothing of a request gets into the answer: it names a UID and no more. A query behind the UID, which
some applications add, is passed over. HEAD is answered as GET is, and not counted.
"""

import math
from collections.abc import Iterable

from starlette.types import Scope, Send

from whimbrel.domain.visitor import LONGEST_AGENT, agent_class
from whimbrel.flow.address_pace import AddressPace
from whimbrel.flow.clicks import Clicks, Visit
from whimbrel.flow.short_domains import ShortDomains, ShortPlace
from whimbrel.flow.short_urls import KnownUrl, ShortUrls
from whimbrel.metrics import Metrics
from whimbrel.store.engine import StoreUnavailable
from whimbrel.web.bodies import header
from whimbrel.web.caller import CallerAddress
from whimbrel.web.short_pages import page

Headers = Iterable[tuple[bytes, bytes]]
# The target need not know on which page the short URL was found; searching machines have no use for
# short URLs; and each visit is to be seen here.
_REDIRECT_HEADERS = (
    (b"cache-control", b"no-store"),
    (b"content-length", b"0"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-robots-tag", b"noindex"),
)
_AHEAD = frozenset({b"sec-purpose", b"purpose", b"x-purpose", b"x-moz"})
"""What browsers fetch ahead of their users with: Fetch Standard; old Chrome, Safari, Firefox."""
_AHEAD_WORDS = (b"prefetch", b"prerender", b"preview")
_RETRY_AFTER = 5
_OUTCOMES = ("clicked", "uncounted", "head", "unknown", "throttled", "unavailable", "method")


class Redirect:
    """The endpoint of all short domains."""

    def __init__(
        self,
        domains: ShortDomains,
        short_urls: ShortUrls,
        clicks: Clicks,
        metrics: Metrics,
        *,
        guesses: AddressPace,
        caller: CallerAddress,
    ) -> None:
        self._domains = domains
        self._short_urls = short_urls
        self._clicks = clicks
        self._guesses = guesses
        self._caller = caller
        self._counts = {name: metrics.redirects.labels(name) for name in _OUTCOMES}

    def place_of(self, scope: Scope) -> ShortPlace | None:
        """Return which short URL a request asks for; None if it is for the rest of the site."""
        return self._domains.find(header(scope, b"host"), scope["path"])

    async def answer(self, place: ShortPlace, scope: Scope, send: Send) -> None:
        """Answer a request for a short URL."""
        if scope["method"] not in {"GET", "HEAD"}:
            await self._page("method", 405, scope, send, [(b"allow", b"GET, HEAD")])
            return
        known = self._short_urls.recall(place.uid)
        if known is None and place.uid:
            address = self._caller.of(scope)
            wait = self._guesses.wait(address)
            if wait > 0:
                await self._page("throttled", 429, scope, send, [_retry_after(wait)])
                return
            try:
                known = await self._short_urls.find(place.uid)
            except StoreUnavailable:
                await self._page("unavailable", 503, scope, send, [_retry_after(_RETRY_AFTER)])
                return
            if known is None:
                self._guesses.count(address)
        if known is None or (place.owners is not None and known.partner_id not in place.owners):
            await self._page("unknown", 404, scope, send)
            return
        self._count(place, known, scope)
        headers = [(b"location", known.location), *_REDIRECT_HEADERS]
        await send({"type": "http.response.start", "status": 302, "headers": headers})
        await send({"type": "http.response.body"})

    def _count(self, place: ShortPlace, known: KnownUrl, scope: Scope) -> None:
        if scope["method"] == "HEAD":
            self._counts["head"].inc()
            return
        agent = header(scope, b"user-agent")[:LONGEST_AGENT].decode("latin-1")
        visit = Visit(f"{place.base}/{known.uid}", known, agent_class(agent), _is_ahead(scope))
        counted = self._clicks.note(visit)
        self._counts["clicked" if counted else "uncounted"].inc()

    async def _page(
        self, outcome: str, status: int, scope: Scope, send: Send, headers: Headers = ()
    ) -> None:
        self._counts[outcome].inc()
        shown = page(status, header(scope, b"accept-language"))
        start = {"type": "http.response.start", "status": status}
        await send({**start, "headers": [*shown.headers, *headers]})
        await send({"type": "http.response.body", "body": shown.body})


def _retry_after(seconds: float) -> tuple[bytes, bytes]:
    return b"retry-after", str(math.ceil(seconds)).encode()


def _is_ahead(scope: Scope) -> bool:
    """Tell whether a browser fetches this in case that its user will ask for it."""
    return any(
        name in _AHEAD and any(word in value.lower() for word in _AHEAD_WORDS)
        for name, value in scope["headers"]
    )
