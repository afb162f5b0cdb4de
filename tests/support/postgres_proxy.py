"""Stands between a store and PostgreSQL, and cuts connections at the moment of a COMMIT."""

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator
from enum import Enum, auto
from urllib.parse import urlsplit

_STARTUP = 196_608  # protocol 3.0; other first messages ask for TLS or cancel
_COMMIT = b"COMMIT\0"


class Cut(Enum):
    """When a connection ends that sends COMMIT."""

    BEFORE = auto()
    """The server never gets it, and sees its client go."""
    AFTER = auto()
    """The server has done it, and its answer is lost."""
    UNSEEN = auto()
    """The server never gets it, and sees nothing: a network in between has forgotten both."""


class Proxy:
    """Passes messages on; `cut` is for the next COMMIT alone."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connections: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self.cut: Cut | None = None
        self.commits = 0
        self.opened = 0
        self.on_cut = asyncio.Event()
        """Set when a connection was cut; what is to happen first goes into `before_cut`."""
        self.before_cut = _nothing

    @property
    def url(self) -> str:
        assert self._server
        port = self._server.sockets[0].getsockname()[1]
        parts = urlsplit(self._url)
        return parts._replace(netloc=f"{parts.username}@127.0.0.1:{port}").geturl()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)

    async def stop(self) -> None:
        assert self._server
        self._server.close()
        self.cut_all()
        await self._server.wait_closed()

    def cut_all(self) -> None:
        for writer in self._connections:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        parts = urlsplit(self._url)
        self.opened += 1
        try:
            from_server, to_server = await asyncio.open_connection(parts.hostname, parts.port)
        except OSError:
            writer.transport.abort()
            return
        self._connections |= {writer, to_server}
        answers = asyncio.create_task(_pass_on(from_server, writer))
        unseen = False
        try:
            unseen = await self._pass_requests(reader, to_server, answers)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            answers.cancel()
            await asyncio.gather(answers, return_exceptions=True)
            writer.transport.abort()
            if not unseen:
                to_server.close()

    async def _pass_requests(
        self,
        reader: asyncio.StreamReader,
        to_server: asyncio.StreamWriter,
        answers: asyncio.Task[None],
    ) -> bool:
        """Pass on until a cut; tell whether the server is to see nothing of it."""
        while await _pass_untyped(reader, to_server) != _STARTUP:
            pass
        while True:
            kind = await reader.readexactly(1)
            size = await reader.readexactly(4)
            body = await reader.readexactly(struct.unpack("!I", size)[0] - 4)
            if kind == b"Q" and body == _COMMIT:
                self.commits += 1
                if cut := self.cut:
                    self.cut = None
                    answers.cancel()
                    if cut is Cut.AFTER:
                        await asyncio.gather(answers, return_exceptions=True)
                        to_server.write(kind + size + body)
                        await self.before_cut()
                    else:
                        await self.before_cut()
                    self.on_cut.set()
                    return cut is Cut.UNSEEN
            to_server.write(kind + size + body)
            await to_server.drain()


async def _pass_untyped(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> int:
    size = await reader.readexactly(4)
    body = await reader.readexactly(struct.unpack("!I", size)[0] - 4)
    writer.write(size + body)
    return int(struct.unpack("!I", body[:4])[0])


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.transport.abort()


async def _nothing() -> None:
    pass


@contextlib.asynccontextmanager
async def proxied(url: str) -> AsyncIterator[Proxy]:
    proxy = Proxy(url)
    await proxy.start()
    try:
        yield proxy
    finally:
        await proxy.stop()
