"""As much HTTP/1.1 as the benchmarks need, at as little cost as Python allows.

Bodies have a Content-Length or there is none, and nobody sends a request before the answer to the
last one. Knows what a request to send looks like, and nothing of who sends how many.
"""

import asyncio
import re
import socket
from collections.abc import Callable
from typing import cast

LOGIN, PASSWORD, SENDER = "bench", "bench-secret", "WHIMBREL"
SHORT_HOST = "go.bench.example"
FIRST_NUMBER = 79_100_000_000  # far from the sandbox's own: 7000000... are magic, 7900... send

_HEAD = """\
POST /send HTTP/1.1\r
Host: 127.0.0.1:{port}\r
User-Agent: partner/1.0\r
Accept: application/json\r
Content-Type: application/json; charset=utf-8\r
Content-Length: {length}\r
\r
"""
_TEXT = "Ваш заказ 8770100 готов к выдаче. Ждём вас до 20:00.%s"
_CONTENT = {
    "whatsapp": f'"instantContent":{{"type":"TEXT","data":{{"text":"{_TEXT}"}}}}',
    "sms": f'"text":"{_TEXT}"',
}
CHANNELS = tuple(_CONTENT)
_BODY = f"""\
{{"login":"{LOGIN}","password":"{PASSWORD}","id":"%012d","destAddr":"%011d","message":\
{{"type":"TYPE","data":{{CONTENT,"serviceNumber":"%s",\
"ttl":1440,"ttlUnit":"MINUTES"}}}},"registeredDelivery":1}}"""


def senders(count: int) -> tuple[str, ...]:
    """Return the names of so many senders, all of one length."""
    return (SENDER, *(f"{SENDER[:-1]}{number}" for number in range(1, count)))


_LENGTH = re.compile(rb"content-length: *([0-9]+)", re.IGNORECASE)
_STATUS = slice(9, 12)  # of "HTTP/1.1 200 OK"
_BLANK_LINE = b"\r\n\r\n"


class Requests:
    """Requests to one server, each with an id and a subscriber of its own."""

    def __init__(
        self, port: int, *, channel: str = "whatsapp", url: str = "", senders: tuple[str, ...] = ()
    ) -> None:
        """`url` stands at the end of each text; the senders take turns."""
        body = _BODY.replace("TYPE", channel.upper()).replace("CONTENT", _CONTENT[channel]).encode()
        self._url = f" {url}".encode() if url else b""
        self._senders = [name.encode() for name in senders or (SENDER,)]
        length = len(body % (0, FIRST_NUMBER, self._url, self._senders[0]))
        self._template = _HEAD.format(port=port, length=length).encode() + body

    def one(self, number: int) -> bytes:
        """Return the request whose `id` is `number`."""
        sender = self._senders[number % len(self._senders)]
        return self._template % (number, FIRST_NUMBER + number, self._url, sender)

    def is_good(self, status: bytes, body: bytes) -> bool:
        """Tell whether an answer says that a request was accepted."""
        return status == b"200" and body.startswith(b'{"mtNum":"')


class Connection(asyncio.Protocol):
    """A kept-alive connection to a server; one request is under way on it at most."""

    def __init__(
        self,
        on_answer: Callable[["Connection", bytes, bytes], None],
        on_lost: Callable[["Connection"], None],
    ) -> None:
        """`on_answer` is given the status, as three digits, and the body."""
        self.number = 0
        """Whose answer is awaited."""
        self.sent_at = 0.0
        self._on_answer = on_answer
        self._on_lost = on_lost
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
        self._on_answer(self, data[_STATUS], data[extent[0] : extent[1]])

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._on_lost(self)

    def send(self, request: bytes) -> None:
        self._transport.write(request)

    def close(self) -> None:
        self._transport.abort()


class Receiving(asyncio.Protocol):
    """A connection of a client that posts: every body is handed on, and answered 200 at once."""

    _ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

    def __init__(self, on_body: Callable[[bytes], None]) -> None:
        self._on_body = on_body
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
        self._transport.write(self._ANSWER)
        self._on_body(data[extent[0] : extent[1]])


def message_extent(data: bytes) -> tuple[int, int] | None:
    """Return where a message's body begins and ends; None while it is not complete."""
    blank = data.find(_BLANK_LINE)
    if blank < 0:
        return None
    begin = blank + len(_BLANK_LINE)
    length = _LENGTH.search(data, 0, blank)
    end = begin + (int(length[1]) if length else 0)
    return (begin, end) if len(data) >= end else None


def send_at_once(transport: asyncio.Transport) -> None:
    """Switch Nagle's algorithm off."""
    connection: socket.socket = transport.get_extra_info("socket")
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
