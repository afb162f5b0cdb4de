import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from whimbrel.http_out import AddressRule, HttpOut

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Peer:
    """A real TCP server that counts its connections and keeps the requests it read."""

    def __init__(self) -> None:
        self.connections = 0
        self.requests: list[bytes] = []
        self.request_came = asyncio.Event()
        self.port = 0
        self._talks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self, talk: Talk, host: str = "127.0.0.1") -> None:
        async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.connections += 1
            task = asyncio.current_task()
            assert task
            self._talks.add(task)
            try:
                await talk(reader, writer)
            except (asyncio.CancelledError, ConnectionError, asyncio.IncompleteReadError):
                pass
            finally:
                writer.close()

        self._server = await asyncio.start_server(meet, host, 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def read(self, reader: asyncio.StreamReader) -> bytes:
        """Read one whole request; raises IncompleteReadError when the client is gone."""
        head = await reader.readuntil(b"\r\n\r\n")
        _, found, rest = head.lower().partition(b"content-length:")
        body = await reader.readexactly(int(rest.split(b"\r\n")[0])) if found else b""
        self.requests.append(head + body)
        self.request_came.set()
        return head + body

    async def close(self) -> None:
        assert self._server
        self._server.close()
        for talk in self._talks:
            talk.cancel()
        await asyncio.gather(*self._talks, return_exceptions=True)
        await self._server.wait_closed()


class Names(AbstractResolver):
    """Look-ups by script: each takes the next list of addresses, the last one stays."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[ResolveResult]:
        self.asked += 1
        ips = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [
            ResolveResult(hostname=host, host=ip, port=port, family=family, proto=0, flags=0)
            for ip in ips
        ]

    async def close(self) -> None:
        pass


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


@pytest.fixture
def a_peer(stack: AsyncExitStack) -> Callable[..., Awaitable[Peer]]:
    """Start a server whose every connection reads requests and writes `answer` to each.

    `then_close`: end the connection after the first answer.
    """

    async def start(answer: bytes | None, *, then_close: bool = False) -> Peer:
        peer = Peer()

        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while True:
                await peer.read(reader)
                if answer is None:
                    await asyncio.get_running_loop().create_future()  # silent, until cancelled
                else:
                    writer.write(answer)
                    await writer.drain()
                if then_close:
                    return

        await peer.start(talk)
        stack.push_async_callback(peer.close)
        return peer

    return start


@pytest.fixture
def an_out(stack: AsyncExitStack) -> Callable[..., HttpOut]:
    """Build an `HttpOut` without an address rule, closed at the end of the test."""

    def build(
        allowed: list[str] | None = None,
        *,
        connect_timeout: float = 5.0,
        timeout: float = 10.0,
        connections: int = 10,
        max_body: int = 1000,
        resolver: AbstractResolver | None = None,
    ) -> HttpOut:
        out = HttpOut(
            address_rule=None if allowed is None else AddressRule(allowed),
            connect_timeout=connect_timeout,
            timeout=timeout,
            connections=connections,
            user_agent="whimbrel/test",
            max_body=max_body,
            resolver=resolver,
        )
        stack.push_async_callback(out.close)
        return out

    return build


@pytest.fixture
def names() -> type[Names]:
    return Names


@pytest.fixture
def bare_peer() -> type[Peer]:
    return Peer
