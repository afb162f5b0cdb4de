"""Server-sent events (WHATWG HTML, section 9.2): an answer that goes on until somebody ends it."""

import asyncio
from collections.abc import AsyncIterator, Callable

from starlette.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

_SLOW_SECONDS = 15.0  # a browser that reads nothing for so long is not there


def event(name: str, data: str) -> bytes:
    """Return an event."""
    lines = "".join(f"data: {line}\n" for line in data.splitlines())
    return f"event: {name}\n{lines}\n".encode()


STILL_THERE = b":\n\n"
"""Keeps a connection open, and says nothing."""


class EventStream(StreamingResponse):
    """Sends what `events` yields; a client that takes nothing is let go.

    `ended` is called once, however it ends.
    """

    media_type = "text/event-stream"

    def __init__(self, events: AsyncIterator[bytes], ended: Callable[[], None]) -> None:
        super().__init__(events, headers={"x-accel-buffering": "no"})
        self._ended = ended

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._ended()

    async def stream_response(self, send: Send) -> None:
        """Send the answer."""

        async def send_in_time(message: Message) -> None:
            async with asyncio.timeout(_SLOW_SECONDS):
                await send(message)

        try:
            await super().stream_response(send_in_time)
        except TimeoutError:
            return  # the server then closes the connection
