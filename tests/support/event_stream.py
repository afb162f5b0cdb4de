"""Server-sent events, as a browser hears them."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Callable
from html import unescape
from typing import NamedTuple

import aiohttp

from tests.support.console import ConsoleClient

_LONGEST = 20.0  # seconds; it only ends a test that has failed already
_TILE = re.compile(r'<strong data-tile="(\w+)">([^<]*)</strong>')


class Event(NamedTuple):
    """One event."""

    name: str
    data: str

    @property
    def tiles(self) -> dict[str, int]:
        """The numbers on the overview's tiles."""
        return tiles_in(self.data)


def tiles_in(html: str) -> dict[str, int]:
    """Return the numbers on the tiles of a page, or of a part of one."""
    digits = {name: re.sub(r"\D", "", unescape(shown)) for name, shown in _TILE.findall(html)}
    return {name: int(shown) for name, shown in digits.items()}


class EventSource:
    """A stream that is open."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self.answer = answer

    async def until(self, condition: Callable[[Event], bool]) -> Event:
        """Return the next event that makes a condition true. Raises `EOFError` at the end."""
        async with asyncio.timeout(_LONGEST):
            while not condition(event := await self._next()):
                pass
            return event

    async def ended(self) -> None:
        """Wait until the stream ends."""
        with contextlib.suppress(EOFError):
            await self.until(lambda _: False)

    async def _next(self) -> Event:
        name, lines = "", []
        while raw := await self.answer.content.readline():
            line = raw.decode().rstrip("\n")
            field, _, value = line.partition(": ")
            if field == "event":
                name = value
            elif field == "data":
                lines.append(value)
            elif not line and name:
                return Event(name, "\n".join(lines))
        raise EOFError


@contextlib.asynccontextmanager
async def listening(browser: ConsoleClient, path: str) -> AsyncIterator[EventSource]:
    """Open a stream."""
    async with browser.session.get(browser.url + path, allow_redirects=False) as answer:
        yield EventSource(answer)
