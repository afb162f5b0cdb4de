"""Keeps an open page up to date: server-sent events that carry pieces of it.

Each look draws everything anew and sends what differs from what the page was sent before. So a page
that has missed something, or was away, is right again after the next look.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple

from starlette.responses import StreamingResponse

SIGN_OF_LIFE = 15.0  # seconds; proxies and browsers end a connection on which nothing comes
BETWEEN_LOOKS = 0.1  # seconds: a page need not be quicker than an eye


class Piece(NamedTuple):
    """A piece of a page, known by its `key`; `event` tells the page where it belongs."""

    key: str
    event: str
    html: str


class Look(NamedTuple):
    """Everything that a page shows.

    `again_in` is the seconds until it changes by itself, if it does; the next look is at least a
    `pause` away.
    """

    pieces: Sequence[Piece]
    again_in: float | None = None
    pause: float = BETWEEN_LOOKS


def live_response(
    look: Callable[[], Look],
    changed: AbstractContextManager[asyncio.Event],
    stopping: asyncio.Event,
) -> StreamingResponse:
    """Return the stream of a page that looks again when `changed`; `stopping` ends it."""
    return StreamingResponse(
        _events(look, changed, stopping),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _events(
    look: Callable[[], Look],
    listening: AbstractContextManager[asyncio.Event],
    stopping: asyncio.Event,
) -> AsyncIterator[str]:
    shown: dict[str, str] = {}
    with listening as changed:
        # A page that comes back may show what has gone meanwhile.
        yield _event("present", "\n".join(piece.key for piece in look().pieces))
        while not stopping.is_set():
            changed.clear()
            now = look()
            for event in _differences(shown, now.pieces):
                yield event
            yield ":\n\n"
            await _first_of(stopping, within=now.pause)
            within = SIGN_OF_LIFE if now.again_in is None else min(SIGN_OF_LIFE, now.again_in)
            await _first_of(stopping, changed, within=within)


def _differences(shown: dict[str, str], pieces: Sequence[Piece]) -> Iterable[str]:
    """Yield an event for each piece that is new, other or gone, and note it in `shown`."""
    present = {piece.key for piece in pieces}
    for key in shown.keys() - present:
        del shown[key]
        yield _event("gone", key)
    for piece in pieces:
        if shown.get(piece.key) != piece.html:
            shown[piece.key] = piece.html
            yield _event(piece.event, piece.html)


def _event(name: str, data: str) -> str:
    lines = "".join(f"data: {line}\n" for line in data.splitlines())
    return f"event: {name}\n{lines}\n"


async def _first_of(*events: asyncio.Event, within: float) -> None:
    """Wait until one of the events is set, but no longer than so many seconds."""
    waits = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, timeout=within, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
