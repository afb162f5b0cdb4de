"""A stretch of network that can be cut, and that can swallow everything for a while."""

import asyncio
import socket
from collections.abc import Callable


class Stretch:
    """Hands connections on to the port that `target` names at the moment; None: nobody is there."""

    def __init__(self, port: int, target: Callable[[], int | None], *, delay: float = 0.0) -> None:
        """`delay` is how long what the other side says is on its way, in seconds."""
        self.port = port
        self.delay = delay
        self._target = target
        self._server: asyncio.Server | None = None
        self._ends: set[_End] = set()
        self._held = False

    async def open(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._meet, "127.0.0.1", self.port, backlog=512)

    def close(self) -> None:
        if self._server is not None:
            self._server.close()
        self.cut()

    def cut(self) -> int:
        """Tear all connections with a reset; return how many there were."""
        ends = list(self._ends)
        for end in ends:
            end.tear()
        return len(ends) // 2

    def say(self, data: bytes) -> int:
        """Say something to all clients in the place of the other side; return to how many."""
        near = [end for end in self._ends if not end.is_far]
        for end in near:
            end.write(data)
        return len(near)

    def hold(self) -> None:
        """Pass nothing on any more, in neither direction, and say nothing of it."""
        self._held = True
        for end in self._ends:
            end.pause()

    def release(self) -> None:
        """Pass on again, what was held first."""
        self._held = False
        for end in self._ends:
            end.resume()

    def _meet(self) -> "_End":
        return _End(self, None)

    def joined(self, end: "_End") -> None:
        self._ends.add(end)
        if self._held:
            end.pause()

    def left(self, end: "_End") -> None:
        self._ends.discard(end)

    async def reach(self, near: "_End") -> None:
        """Connect to the other side for a client that has come."""
        port = self._target()
        loop = asyncio.get_running_loop()
        try:
            if port is None:
                raise ConnectionRefusedError
            await loop.create_connection(lambda: _End(self, near), "127.0.0.1", port)
        except OSError:
            near.tear()


class _End(asyncio.Protocol):
    """One side of a connection that is handed on."""

    def __init__(self, stretch: Stretch, other: "_End | None") -> None:
        self._stretch = stretch
        self._other = other
        self.is_far = other is not None
        self._transport: asyncio.Transport | None = None
        self._early: list[bytes] = []
        self._reaching: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        connection = transport.get_extra_info("socket")
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._stretch.joined(self)
        if self._other is None:
            self._reaching = asyncio.create_task(self._stretch.reach(self))
        elif self._other._transport is None or self._other._transport.is_closing():
            self.tear()
        else:
            self._other._found(self)

    def _found(self, far: "_End") -> None:
        self._other = far
        for data in self._early:
            far.write(data)
        self._early.clear()

    def data_received(self, data: bytes) -> None:
        if self._other is None:
            self._early.append(data)
        else:
            self._after_the_way(self._other.write, data)

    def _after_the_way(self, then: Callable[..., object], *given: object) -> None:
        if self._stretch.delay and self.is_far:
            asyncio.get_running_loop().call_later(self._stretch.delay, then, *given)
        else:
            then(*given)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stretch.left(self)
        if self._other is not None:
            self._after_the_way(self._other._end, exc is not None)

    def tear(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def pause(self) -> None:
        if self._transport is not None and self._transport.is_reading():
            self._transport.pause_reading()

    def resume(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def _end(self, is_torn: bool) -> None:
        if self._transport is not None:
            self._transport.abort() if is_torn else self._transport.close()

    def write(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)
