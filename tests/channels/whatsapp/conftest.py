"""A real HTTP server in Meta's place, and a connector that submits to it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import msgspec
import pytest

from whimbrel.channels.connector import Submission, SubmitError
from whimbrel.channels.whatsapp.connector import WhatsappConnector
from whimbrel.clock import DAY
from whimbrel.domain.content import Content, Text
from whimbrel.http_out import HttpOut
from whimbrel.settings import WhatsappAccount

TOKEN = "EAAB-very-secret-token"
APP_SECRET = "very-secret-app-secret"
VERIFY_TOKEN = "very-secret-verify-token"


def a_submission(content: Content | None = None, **changes: Any) -> Submission:
    members = {
        "link_id": 5_000_016,
        "attempt": 2,
        "sender": "WHIMBREL",
        "dest_addr": "447700900123",
        "content": content or Text("Your code is 4711"),
        "lifetime": DAY,
    }
    return Submission(**{**members, **changes})


class StandIn:
    """Answers every request with `answer`, as raw bytes; None: it hangs up instead.

    `silent`: it reads the request, and then says nothing. `hangs_up`: it answers, and ends.
    """

    def __init__(self) -> None:
        self.url = ""
        self.answer: bytes | None = None
        self.silent = self.hangs_up = False
        self.requests: list[bytes] = []
        self.over = asyncio.Event()

    def says(
        self, status: int, body: bytes | dict[str, Any], headers: Mapping[str, str] | None = None
    ) -> None:
        """Answer with a status and a body, JSON unless it is bytes."""
        raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
        lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(raw)}"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        self.answer = "\r\n".join([*lines, "", ""]).encode() + raw

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            await self._talk(reader, writer)
        writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
            self.requests.append(head + await reader.readexactly(length))
            if self.silent:
                await self.over.wait()
            if self.answer is None:
                return
            writer.write(self.answer)
            await writer.drain()
            if self.hangs_up:
                return


@pytest.fixture
async def meta() -> AsyncIterator[StandIn]:
    stand_in = StandIn()
    server = await asyncio.start_server(stand_in.talk, "127.0.0.1", 0)
    stand_in.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield stand_in
    stand_in.over.set()
    server.close()
    await server.wait_closed()


Connect = Callable[..., WhatsappConnector]


@pytest.fixture
async def connect(meta: StandIn) -> AsyncIterator[Connect]:
    """Make a connector to the stand-in, or to `base_url`; `timeout` is in seconds."""
    http = HttpOut(
        address_rule=None, connect_timeout=5, timeout=10, connections=10, user_agent="Whimbrel/test"
    )

    def connector(*, base_url: str | None = None, timeout: float = 10.0) -> WhatsappConnector:
        account = WhatsappAccount(
            sender="WHIMBREL",
            phone_number_id="200000000000001",
            token=TOKEN,
            app_secret=APP_SECRET,
            verify_token=VERIFY_TOKEN,
            base_url=base_url or meta.url,
        )
        return WhatsappConnector(account, http, timeout=timeout)

    yield connector
    await http.close()


Refuse = Callable[..., Awaitable[SubmitError]]


@pytest.fixture
def refused(connect: Connect) -> Refuse:
    """Submit, and return the error that this must raise."""

    async def submit(**arguments: Any) -> SubmitError:
        with pytest.raises(SubmitError) as raised:
            await connect(**arguments).submit(a_submission())
        return raised.value

    return submit


@pytest.fixture
def submission() -> Callable[..., Submission]:
    return a_submission
