"""A wire between a gateway and an SMSC that notes what passes: each submit, and its answer.

What it counts as answered has reached the gateway's socket: where the SMSC's end is lost, the
gateway is given the rest and then the end. It reads PDUs by itself (SMPP 3.4, section 4), with
neither side's codec.
"""

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

WITHIN = 30.0  # seconds; a bound that only ends a test which has failed already
SUBMIT_SM, SUBMIT_SM_RESP = 0x04, 0x80000004
_HEADER = struct.Struct(">4I")

Key = tuple[str, bytes]
"""A part as a subscriber would tell it from others: dest_addr and short_message."""


@dataclass(eq=False)
class PassedSubmit:
    """A submit that went towards the SMSC."""

    key: Key
    message_id: str | None = None
    """What the SMSC called it in an answer that the gateway was given; None: it was given none."""


@dataclass(eq=False)
class _Session:
    by_sequence: dict[int, PassedSubmit] = field(default_factory=dict)
    over: bool = False

    @property
    def unheard(self) -> int:
        return sum(submit.message_id is None for submit in self.by_sequence.values())


class SmppTap:
    """Listens on `port`, and connects to `behind`, which may be set later."""

    def __init__(self) -> None:
        self.port = 0
        self.behind = 0
        self.submits: list[PassedSubmit] = []
        self._stall_after: int | None = None
        self._stalled: _Session | None = None
        self._changed = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator["SmppTap"]:
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def stall_after(self, count: int) -> None:
        """Keep what the SMSC says from the gateway once so many submits have passed.

        For ever on that connection; the next one is whole again.
        """
        self._stall_after, self._stalled = count, None

    @property
    def unanswered(self) -> int:
        return sum(submit.message_id is None for submit in self.submits)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something that passed makes `condition` true."""
        async with asyncio.timeout(WITHIN), self._changed:
            await self._changed.wait_for(condition)

    async def until_unheard(self, count: int) -> None:
        """Wait until the connection that `stall_after` stalls has so many without an answer."""
        await self.until(lambda: self._stalled is not None and self._stalled.unheard >= count)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        try:
            await self._relay(reader, writer)
        except OSError:
            pass  # nobody is behind, or the gateway was killed
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_smsc, to_smsc = await asyncio.open_connection("127.0.0.1", self.behind)
        session = _Session()
        downwards = asyncio.create_task(self._downwards(from_smsc, writer, session))
        try:
            await self._upwards(reader, to_smsc, session)
        finally:
            session.over = True
            to_smsc.close()
            downwards.cancel()
            await asyncio.gather(downwards, return_exceptions=True)

    async def _upwards(
        self, reader: asyncio.StreamReader, to_smsc: asyncio.StreamWriter, session: _Session
    ) -> None:
        async for pdu in _pdus(reader):
            if _HEADER.unpack_from(pdu)[1] == SUBMIT_SM:
                await self._note(pdu, session)
            if not session.over:  # else it is lost, as on a real wire
                to_smsc.write(pdu)

    async def _note(self, pdu: bytes, session: _Session) -> None:
        submit = PassedSubmit(_key_of(pdu))
        session.by_sequence[_HEADER.unpack_from(pdu)[3]] = submit
        async with self._changed:
            self.submits.append(submit)
            if not session.over and 0 < (self._stall_after or 0) <= len(self.submits):
                self._stalled, self._stall_after = session, None
            self._changed.notify_all()

    async def _downwards(
        self, from_smsc: asyncio.StreamReader, writer: asyncio.StreamWriter, session: _Session
    ) -> None:
        with contextlib.suppress(OSError):  # torn
            async for pdu in _pdus(from_smsc):
                if session is self._stalled:
                    continue
                writer.write(pdu)
                _, command, status, sequence = _HEADER.unpack_from(pdu)
                if command == SUBMIT_SM_RESP and status == 0:
                    message_id = pdu[_HEADER.size :].partition(b"\0")[0].decode()
                    session.by_sequence[sequence].message_id = message_id
                    async with self._changed:
                        self._changed.notify_all()
        session.over = True
        writer.write_eof()  # and what the gateway still says is read, or its last answers were lost


async def _pdus(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    with contextlib.suppress(asyncio.IncompleteReadError):
        while True:
            length = await reader.readexactly(4)
            yield length + await reader.readexactly(int.from_bytes(length, "big") - 4)


def _key_of(pdu: bytes) -> Key:
    """Read a submit_sm as far as its text (section 4.4.1)."""
    _, rest = _text(pdu[_HEADER.size :])  # service_type
    _, rest = _text(rest[2:])  # source, after its ton and npi
    dest_addr, rest = _text(rest[2:])
    _, rest = _text(rest[3:])  # schedule_delivery_time, after esm_class, protocol_id, priority_flag
    _, rest = _text(rest)  # validity_period
    length = rest[4]  # after registered_delivery, replace_if_present, data_coding, sm_default
    return dest_addr, rest[5 : 5 + length]


def _text(octets: bytes) -> tuple[str, bytes]:
    text, _, rest = octets.partition(b"\0")
    return text.decode(), rest
