"""SMPP clients for tests: one on smpp34, and one by hand that does what no library would."""

import asyncio
import struct
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import NamedTuple, Self

import smpp34

WITHIN = 20.0  # seconds; a bound that only ends a test which has failed already

BIND_RECEIVER, BIND_TRANSMITTER, SUBMIT_SM, DELIVER_SM = 0x01, 0x02, 0x04, 0x05
UNBIND, BIND_TRANSCEIVER, ENQUIRE_LINK, ANSWER = 0x06, 0x09, 0x15, 0x80000000


async def eventually(condition: Callable[[], bool]) -> None:
    """Wait for what smpp34's threads and the peer bring about; they tell nobody."""
    async with asyncio.timeout(WITHIN):
        while not condition():  # noqa: ASYNC110 - there is nothing to wait on
            await asyncio.sleep(0.001)


class Esme:
    """A bound client that collects what is delivered to it."""

    def __init__(self, smsc: smpp34.Smsc) -> None:
        self.smsc = smsc
        self.delivered: list[smpp34.DeliverSmEvent] = []
        self.disconnected = False
        self._changed = asyncio.Condition()
        self._listening = asyncio.create_task(self._listen())

    @classmethod
    @asynccontextmanager
    async def bound(
        cls, port: int, system_id: str, password: str, *, bind_type: str = "TRX"
    ) -> AsyncIterator[Self]:
        """Bind for the length of the block."""
        client = smpp34.Client(
            "127.0.0.1",
            port,
            system_id,
            password,
            bind_type=bind_type,
            window_size=100,
            inbound_capacity=100_000,  # more than a test brings: a full one ends the session
        )
        esme = cls(await client.connect())
        try:
            yield esme
        finally:
            esme._listening.cancel()
            await esme.smsc.unbind()

    @property
    def stats(self) -> list[str]:
        """The word after `stat:` of each receipt, in order of arrival."""
        return [stat_of(event.short_message) for event in self.delivered]

    async def submit(self, to: str, text: bytes = b"Hello", **members: int) -> smpp34.SubmitSmResp:
        """Submit from WHIMBREL, and want receipts."""
        wanted = {"registered_delivery": 1, "source_addr_ton": 5} | members
        return await self.smsc.submit_sm(to, text, source_addr="WHIMBREL", **wanted)  # type: ignore[arg-type]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something that was delivered makes the condition true."""
        async with asyncio.timeout(WITHIN), self._changed:
            await self._changed.wait_for(condition)

    async def until_delivered(self, count: int) -> None:
        await self.until(lambda: len(self.delivered) >= count)

    async def until_disconnected(self) -> None:
        await self.until(lambda: self.disconnected)

    async def _listen(self) -> None:
        while not self.disconnected:
            event = await self.smsc.next()
            async with self._changed:
                if isinstance(event, smpp34.Disconnected):
                    self.disconnected = True
                else:
                    self.delivered.append(event)
                self._changed.notify_all()


def stat_of(short_message: bytes) -> str:
    return short_message.partition(b"stat:")[2][:7].decode()


class Pdu(NamedTuple):
    command: int
    status: int
    sequence: int
    body: bytes

    def encode(self) -> bytes:
        header = (16 + len(self.body), self.command, self.status, self.sequence)
        return struct.pack(">4I", *header) + self.body


class RawEsme:
    """A client of one socket: nothing happens on it but what the test does.

    `answers` are the command_status of the next deliver_sm_resp; then all are 0.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer
        self.answers: deque[int] = deque()
        self._sequence = 0

    @classmethod
    @asynccontextmanager
    async def connected(cls, port: int) -> AsyncIterator[Self]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            yield cls(reader, writer)
        finally:
            writer.transport.abort()

    async def bind(
        self, system_id: str, password: str, command: int = BIND_TRANSCEIVER, *, split_at: int = 0
    ) -> Pdu:
        """Bind, in two writes if `split_at`, and return the answer."""
        strings = f"{system_id}\0{password}\0\0".encode()
        wire = self._next(command, strings + b"\x34\0\0\0").encode()
        if split_at:
            self.writer.write(wire[:split_at])
            await self.writer.drain()
            await asyncio.sleep(0)
        self.writer.write(wire[split_at:])
        return await self.read()

    def send(self, command: int, body: bytes = b"") -> int:
        """Send a request, and return its sequence number."""
        pdu = self._next(command, body)
        self.writer.write(pdu.encode())
        return pdu.sequence

    def submit(self, to: str, text: bytes = b"Hello") -> int:
        wire = smpp34.SubmitSm("WHIMBREL", to, text, registered_delivery=1).encode()
        return self.send(SUBMIT_SM, wire[16:])

    async def read(self) -> Pdu:
        """Read the next PDU. Raises what the connection meets."""
        async with asyncio.timeout(WITHIN):
            length, *rest = struct.unpack(">4I", await self._reader.readexactly(16))
            return Pdu(*rest, await self._reader.readexactly(length - 16))

    async def read_delivery(self) -> bytes:
        """Read a deliver_sm, answer it as `answers` says, and return its body."""
        pdu = await self.read()
        assert pdu.command == DELIVER_SM, hex(pdu.command)
        status = self.answers.popleft() if self.answers else 0
        answer = Pdu(DELIVER_SM | ANSWER, status, pdu.sequence, b"\0")
        self.writer.write(answer.encode())
        return pdu.body

    def _next(self, command: int, body: bytes) -> Pdu:
        self._sequence += 1
        return Pdu(command, 0, self._sequence, body)
