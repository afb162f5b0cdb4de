"""An SMSC that sends what it is told to, byte by byte: for what no library would do.

It has no codec but a header's four numbers.
"""

import asyncio
import contextlib
import ssl
import struct
from collections.abc import AsyncIterator, Callable

HEADER = struct.Struct("!4I")
WITHIN = 20.0  # a bound that only ends a test which has failed already

BIND_TRANSCEIVER, SUBMIT_SM, DELIVER_SM, ENQUIRE_LINK, UNBIND = 0x9, 0x4, 0x5, 0x15, 0x6
RESPONSE = 0x8000_0000


def a_pdu(command: int, status: int, sequence: int, body: bytes = b"") -> bytes:
    return HEADER.pack(16 + len(body), command, status, sequence) + body


Heard = tuple[int, int, int, bytes]
"""command_id, command_status, sequence_number, body"""


class RawSmsc:
    """What it heard, and the newest connection.

    `habits`: what is sent back for a command: bytes of the PDU's sequence_number. A command that
    has none is heard, and not answered.
    """

    def __init__(self) -> None:
        self.port = 0
        self.heard: list[Heard] = []
        self.connections = 0
        self.habits: dict[int, Callable[[int], bytes]] = {
            BIND_TRANSCEIVER: lambda n: a_pdu(BIND_TRANSCEIVER | RESPONSE, 0, n, b"raw\0"),
            ENQUIRE_LINK: lambda n: a_pdu(ENQUIRE_LINK | RESPONSE, 0, n),
            UNBIND: lambda n: a_pdu(UNBIND | RESPONSE, 0, n),
        }
        self.reading = asyncio.Event()
        """Cleared: it reads nothing more."""
        self.reading.set()
        self._changed = asyncio.Condition()
        self._writers: list[asyncio.StreamWriter] = []

    def send(self, data: bytes) -> None:
        self._writers[-1].write(data)

    def hang_up(self) -> None:
        self._writers[-1].close()

    def told(self, command: int) -> list[Heard]:
        return [one for one in self.heard if one[0] == command]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until what it heard makes `condition` true."""
        async with asyncio.timeout(WITHIN), self._changed:
            await self._changed.wait_for(condition)

    async def until_told(self, command: int, count: int = 1) -> list[Heard]:
        await self.until(lambda: len(self.told(command)) >= count)
        return self.told(command)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.append(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            await self._listen(reader, writer)
        writer.close()

    async def _listen(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await self.reading.wait()
            length, command, status, sequence = HEADER.unpack(await reader.readexactly(16))
            body = await reader.readexactly(length - 16)
            if command in self.habits:
                writer.write(self.habits[command](sequence))
            self.heard.append((command, status, sequence, body))
            async with self._changed:
                self._changed.notify_all()


@contextlib.asynccontextmanager
async def raw_smsc(tls: ssl.SSLContext | None = None) -> AsyncIterator[RawSmsc]:
    """Run one on a free port of the loopback interface."""
    smsc = RawSmsc()
    server = await asyncio.start_server(smsc.talk, "127.0.0.1", 0, ssl=tls)
    smsc.port = server.sockets[0].getsockname()[1]
    yield smsc
    smsc.reading.set()
    server.close()
    for writer in smsc._writers:
        writer.transport.abort()
    await server.wait_closed()
