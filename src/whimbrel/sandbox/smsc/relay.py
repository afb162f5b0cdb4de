"""The door of the SMSC: a TCP relay that reads the bind and passes everything else on.

Owns passwords, which smpp34 cannot check from Python, and what a network does to connections:
tearing and stalling them. Of what passes it reads the first PDU and an unbind at the end: smpp34
mostly closes without having answered it.
"""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Iterator, Mapping
from typing import cast

# Values of command_id (SMPP 3.4, section 5.1.2.1).
BIND_RECEIVER, BIND_TRANSMITTER, BIND_TRANSCEIVER, UNBIND = 0x01, 0x02, 0x09, 0x06
_ANSWER = 0x80000000
_GENERIC_NACK = 0x80000000
# Values of command_status (SMPP 3.4, section 5.1.3).
ROK, RINVCMDLEN, RINVBNDSTS, RBINDFAIL, RINVPASWD, RINVSYSID = 0x00, 0x02, 0x04, 0x0D, 0x0E, 0x0F
HEADER = struct.Struct(">4I")  # command_length, command_id, command_status, sequence_number
LONGEST_BIND = 1024  # octets; a bind with all of its members filled has about 120
BIND_WITHIN = 10.0  # seconds, SMPP's session_init_timer
_UNBIND_ANSWERED = struct.pack(">II", 16, UNBIND | _ANSWER)
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER


class Relay:
    """Listens, and connects whoever binds rightly to the SMSC behind it.

    `passwords` are by system_id; `behind` is the SMSC's port on this machine.
    """

    def __init__(self, passwords: Mapping[str, str], *, behind: int) -> None:
        self.held = False
        self.fronts: set[_Front] = set()
        self.passwords = passwords
        self._behind = behind
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen, and return the port: 0 takes a free one. Raises `OSError` if it cannot."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Front(self), host, port)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Listen no more, and close all connections."""
        if self._server:
            self._server.close()
        self.drop()
        if self._server:
            await self._server.wait_closed()

    async def reach(self, front: "_Front") -> "_Back":
        """Connect to the SMSC behind. Raises `OSError` if it is not there."""
        loop = asyncio.get_running_loop()
        _, back = await loop.create_connection(
            lambda: _Back(self, front), "127.0.0.1", self._behind
        )
        return back

    def drop(self, system_id: str | None = None) -> int:
        """Tear the connections of one system_id, or all, and return how many: nobody is told.

        The peers meet a TCP reset; what was under way is lost.
        """
        torn = [front for front in self.fronts if system_id in {None, front.system_id}]
        for front in torn:
            front.tear()
        return len(torn)

    def hold(self) -> None:
        """Pass nothing on from now on, in either direction; connections stay open."""
        self.held = True

    @property
    def held_bytes(self) -> int:
        """How much waits to be passed on."""
        return sum(len(end.waiting) for front in self.fronts for end in (front, front.other) if end)

    def release(self) -> None:
        """Pass on what was held, and whatever comes."""
        self.held = False
        for front in list(self.fronts):
            front.catch_up()


class _End(asyncio.Protocol):
    """One end of a relayed connection; what it reads goes out at the other one."""

    transport: asyncio.Transport

    def __init__(self, relay: Relay, other: "_End | None" = None) -> None:
        self.other = other
        self._relay = relay
        self.waiting = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Pass it on, or keep it while the relay holds or there is no other end."""
        if self.waiting or self._relay.held or not self.other:
            self.waiting += data
        else:
            self.other.transport.write(data)

    def flush(self) -> None:
        """Pass on what was kept."""
        if self.waiting and self.other:
            self.other.transport.write(bytes(self.waiting))
            self.waiting.clear()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's name
        """Close the other end, once all is written to it."""
        if self.other:
            self.other.transport.close()

    def pause_writing(self) -> None:
        """Read no more at the other end than can be written here."""
        if self.other:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        """Read again."""
        if self.other:
            self.other.transport.resume_reading()


class _Front(_End):
    """The end of the client, who has to bind first."""

    def __init__(self, relay: Relay) -> None:
        super().__init__(relay)
        self.system_id: str | None = None
        self.unbind_sequence: int | None = None
        self._patience: asyncio.TimerHandle | None = None
        self._reaching: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the bind, but not for ever."""
        super().connection_made(transport)
        self._relay.fronts.add(self)
        self._patience = asyncio.get_running_loop().call_later(BIND_WITHIN, self.tear)

    def data_received(self, data: bytes) -> None:
        """Read the bind, then pass on."""
        if len(data) >= 16:
            length, command, _, sequence = HEADER.unpack_from(data, len(data) - 16)
            self.unbind_sequence = sequence if (length, command) == (16, UNBIND) else None
        super().data_received(data)
        self._look_for_bind()

    def answer(self, command: int, status: int, sequence: int) -> None:
        """Answer a request in the SMSC's place."""
        # An answer to a bind names the SMSC also where it refuses (SMPP 3.4, section 4.1.2).
        body = b"" if command in {_GENERIC_NACK, UNBIND | _ANSWER} else b"\0"
        self.transport.write(HEADER.pack(16 + len(body), command, status, sequence) + body)

    def catch_up(self) -> None:
        """Pass on what was held at both ends."""
        self._look_for_bind()
        self.flush()
        if self.other:
            self.other.flush()

    def tear(self) -> None:
        """Reset the connection at this end and cut it at the other."""
        for end in (self, self.other):
            if end is None:
                continue
            wire = end.transport.get_extra_info("socket")
            with contextlib.suppress(OSError):  # closed already
                wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            end.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Be forgotten."""
        self._relay.fronts.discard(self)
        if self._patience:
            self._patience.cancel()
        if self._reaching:
            self._reaching.cancel()
        super().connection_lost(exc)

    def _look_for_bind(self) -> None:
        if self._relay.held or self._reaching or len(self.waiting) < 16:
            return
        length, command, _, sequence = HEADER.unpack_from(self.waiting)
        if command not in {BIND_RECEIVER, BIND_TRANSMITTER, BIND_TRANSCEIVER}:
            self._refuse(_GENERIC_NACK, RINVBNDSTS, sequence)
        elif not 16 <= length <= LONGEST_BIND:
            self._refuse(command | _ANSWER, RINVCMDLEN, sequence)
        elif command == BIND_RECEIVER:
            # smpp34 takes a receiver, but not its deliver_sm_resp. Such SMSCs exist: they want
            # one transceiver.
            self._refuse(command | _ANSWER, RBINDFAIL, sequence)
        elif len(self.waiting) >= length:
            self._judge(command, sequence, bytes(self.waiting[16:length]))

    def _judge(self, command: int, sequence: int, body: bytes) -> None:
        """Compare system_id and password (SMPP 3.4, section 4.1)."""
        system_id, password, *_ = (*_strings(body), "", "")
        known = self._relay.passwords.get(system_id)
        if known is None:
            self._refuse(command | _ANSWER, RINVSYSID, sequence)
        elif known != password:
            self._refuse(command | _ANSWER, RINVPASWD, sequence)
        else:
            self.system_id = system_id
            if self._patience:
                self._patience.cancel()
            self._reaching = asyncio.get_running_loop().create_task(self._reach())

    async def _reach(self) -> None:
        try:
            self.other = await self._relay.reach(self)
        except OSError:  # the SMSC is being stopped
            self.tear()
        else:
            if not self._relay.held:
                self.flush()

    def _refuse(self, command: int, status: int, sequence: int) -> None:
        self.answer(command, status, sequence)
        self.transport.close()


class _Back(_End):
    """The end of the SMSC."""

    def __init__(self, relay: Relay, front: _Front) -> None:
        super().__init__(relay, front)
        self._front = front

    def data_received(self, data: bytes) -> None:
        """Pass it on, and note an answer to the unbind."""
        if data[-16:-8] == _UNBIND_ANSWERED:
            self._front.unbind_sequence = None
        super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Answer the unbind that ended the session, and close the other end."""
        if self._front.unbind_sequence is not None:
            self._front.answer(UNBIND | _ANSWER, ROK, self._front.unbind_sequence)
        super().connection_lost(exc)


def _strings(body: bytes) -> Iterator[str]:
    return (part.decode("latin-1") for part in body.split(b"\0"))
