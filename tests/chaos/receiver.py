"""Where reports go. It keeps all that comes, and may answer 500, or nothing at all."""

import asyncio
from typing import Any, NamedTuple, cast

import msgspec
from bench.wire import message_extent, send_at_once

_OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
_SORRY = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"


class Arrival(NamedTuple):
    """A report that came: of which channel, what it says, and whether it was acknowledged."""

    channel: str
    status: int
    error_code: int
    acknowledged: bool
    at: float


class Receiver:
    """The ledger of reports by `mtNum`."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}/reports"
        self.mood = "well"
        """`well`, `sorry` (500) or `mute` (no answer)."""
        self.arrivals: dict[str, list[Arrival]] = {}
        self.count = 0
        self._server: asyncio.Server | None = None
        self._mute: set[_Reception] = set()

    async def open(self) -> None:
        loop = asyncio.get_running_loop()
        make = lambda: _Reception(self)  # noqa: E731
        self._server = await loop.create_server(make, "127.0.0.1", self.port, backlog=1_024)

    def close(self) -> None:
        if self._server is not None:
            self._server.close()

    def be(self, mood: str) -> None:
        """Change the mood; those who were left without an answer lose their connection."""
        self.mood = mood
        for reception in self._mute:
            reception.close()
        self._mute.clear()

    def take(self, reception: "_Reception", body: bytes) -> None:
        report = cast("dict[str, Any]", msgspec.json.decode(body))
        arrival = Arrival(
            report["type"], report["status"], int(report["errorCode"]), self.mood == "well",
            asyncio.get_running_loop().time(),
        )  # fmt: skip
        self.arrivals.setdefault(report["mtNum"], []).append(arrival)
        self.count += 1
        if self.mood == "mute":
            self._mute.add(reception)
        else:
            reception.write(_OK if self.mood == "well" else _SORRY)


class _Reception(asyncio.Protocol):
    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        send_at_once(self._transport)

    def data_received(self, data: bytes) -> None:
        data = self._buffer + data if self._buffer else data
        extent = message_extent(data)
        if extent is None:
            self._buffer = data
            return
        self._buffer = b""
        self._receiver.take(self, data[extent[0] : extent[1]])

    def write(self, answer: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(answer)

    def close(self) -> None:
        self._transport.abort()
