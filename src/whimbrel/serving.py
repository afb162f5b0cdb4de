"""Serves an ASGI application as a well-behaved process: the socket, the server, the signals.

Knows nothing of what is served; the gateway and the sandbox both stand on it.
"""

import asyncio
import contextlib
import gc
import logging
import re
import signal
import socket
from collections.abc import Callable, Iterator

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

OnReady = Callable[[str], object]

_BACKLOG = 2048
# Longer than clients keep idle connections themselves, so that ours is not closed under a request.
_KEEP_ALIVE_SECONDS = 75
# For requests that are under way at the stop; the store answers each within milliseconds.
_SHUTDOWN_SECONDS = 5


async def serve_app(
    app: ASGIApp,
    host: str,
    port: int,
    *,
    stop: asyncio.Event,
    on_ready: OnReady | None = None,
    listener: socket.socket | None = None,
) -> None:
    """Serve `app` until `stop` is set, then finish what is under way.

    Port 0 takes a free one; `listener`, which listens already, goes before host and port.
    `on_ready` is called once with the base URL, when requests are being taken. Raises `OSError` if
    the address cannot be listened on.
    """
    listener = listener or listen(host, port)
    address, port = listener.getsockname()[:2]
    shown = f"[{address}]" if ":" in address else address
    config = uvicorn.Config(
        app,
        http=_Protocol,
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        proxy_headers=False,
        server_header=False,
        backlog=_BACKLOG,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
    )
    logging.getLogger("uvicorn.error").addFilter(_is_news)
    with contextlib.closing(listener):
        server = _Server(config, stop, lambda: on_ready and on_ready(f"http://{shown}:{port}"))
        await server.serve(sockets=[listener])


def _is_news(record: logging.LogRecord) -> bool:
    """Pass over what clients may do: keep a connection beyond the stop, or not read a stream."""
    said = record.getMessage()
    return "graceful shutdown exceeded" not in said and "without completing response" not in said


class _Protocol(HttpToolsProtocol):
    """HTTP/1.1, which also serves who would rather speak something else.

    A client may offer HTTP/2 by `Upgrade: h2c`, as Java's does with every request that is not over
    TLS; a server that does not care goes on as if nothing had been said (RFC 9110, section 7.8).
    The parser takes what follows such headers for the other protocol, and the body would be lost:
    so it does not get to see the offer.
    """

    def data_received(self, data: bytes) -> None:
        """Parse what came."""
        if _OFFER in data and _REQUEST_LINE.match(data):
            head, end, body = data.partition(b"\r\n\r\n")
            data = _UPGRADE.sub(b"", head) + end + body
        super().data_received(data)


_OFFER = b"h2c"
_REQUEST_LINE = re.compile(rb"[A-Z]+ \S+ HTTP/1\.1\r\n")
_UPGRADE = re.compile(rb"\r\nupgrade:[^\r\n]*", re.IGNORECASE)


class _Server(uvicorn.Server):
    """uvicorn's server, ended by an event instead of signals: these belong to the caller."""

    def __init__(
        self, config: uvicorn.Config, stop: asyncio.Event, tell_started: Callable[[], object]
    ) -> None:
        super().__init__(config)
        self._stop = stop
        self._tell_started = tell_started

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so."""
        await super().startup(sockets)
        self._tell_started()

    async def main_loop(self) -> None:
        """Run until the event is set."""
        while not self._stop.is_set():
            await self.on_tick(0)  # renews the Date header, which counts in seconds
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), timeout=1.0)


def listen(host: str, port: int) -> socket.socket:
    """Bind. Raises `OSError`.

    It is done here, for uvicorn would end the process if it could not.

    The protocol is named because asyncio's own loop switches Nagle's algorithm off only for sockets
    that say they are TCP; answers would wait 40 ms for it.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise OSError(error.errno, f"{error.strerror}: {host}:{port}") from error
    return listener


@contextlib.contextmanager
def collector_calmed() -> Iterator[None]:
    """Let the cyclic collector look seldom, and not at what stays.

    It finds next to nothing here, yet each walk over everything stops requests for tens of
    milliseconds.
    """
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


@contextlib.contextmanager
def signals_set(event: asyncio.Event) -> Iterator[None]:
    """Set `event` on SIGINT and SIGTERM, and give the signals back at the end."""
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        loop.add_signal_handler(number, event.set)
    try:
        yield
    finally:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)
