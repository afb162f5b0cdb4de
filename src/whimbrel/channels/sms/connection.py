"""One TCP connection to an SMSC: reads and writes PDUs, and notices when the other side is gone.

Knows nothing of accounts, pauses or reconnecting (`session.py`), nor of what messages say.
"""

import asyncio
import socket
from typing import NamedTuple, cast

import structlog

from whimbrel.channels.sms import pdu as wire
from whimbrel.channels.sms.deliveries import Deliver, Deliveries
from whimbrel.channels.sms.pdu import CommandStatus, DeliverSm, Pdu, PduError, SubmitSm
from whimbrel.channels.sms.submits import Late, Submits

_log = structlog.get_logger(__name__)

MOST_UNACKNOWLEDGED = 1_000
"""deliver_sm PDUs in memory, beyond which the socket is not read; one more read may add to it."""
_MOST_UNWRITTEN = 10_000
"""PDUs of ours that an SMSC which does not read may leave in memory, before it is given up."""
_SETTLE_SECONDS = 2.0  # for what is under way when either side unbinds
_UNBIND_SECONDS = 2.0  # for the answer to our unbind
_LINGER_SECONDS = 1.0  # for our last words to leave, before the socket is closed on them


class ConnectionOver(Exception):
    """The connection ended before the answer came; the text says why, for operators."""


class BindRefused(Exception):
    """The SMSC does not let us in."""

    def __init__(self, status: int) -> None:
        super().__init__(f"bind refused: {wire.status_name(status)}")
        self.status = status


class Limits(NamedTuple):
    """What one connection is held to; times are in seconds."""

    submit_window: int
    response_timeout: float
    enquire_link_seconds: float


class Connection(asyncio.Protocol):
    """One connection, from connecting to its end; it is never used again."""

    def __init__(
        self, name: str, limits: Limits, *, deliver: Deliver, late: Late | None = None
    ) -> None:
        """`name` is the account's, for the log."""
        self._log = _log.bind(account=name)
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._framer = wire.Framer()
        self._sequence = 0
        self._requests: dict[int, asyncio.Future[Pdu]] = {}
        self._out: list[bytes] = []
        self._flush_is_due = False
        self._writable = True
        self._reading = True
        self._heard_at = 0.0
        self._asked = False  # and nothing was heard since
        self._watch: asyncio.TimerHandle | None = None
        self._leaving: asyncio.Task[None] | None = None
        self._submits = Submits(
            limits.submit_window,
            limits.response_timeout,
            next_sequence=self._next_sequence,
            wake=self._flush_soon,
            late=late,
        )
        self._deliveries = Deliveries(deliver, self._acknowledge, MOST_UNACKNOWLEDGED)
        self._why: str | None = None
        self._lost = asyncio.Event()
        self._closed = asyncio.Event()

    # What the session does with it.

    async def bind(self, body: bytes) -> str:
        """Bind, and return the SMSC's name. Raises `BindRefused`, `ConnectionOver`."""
        try:
            async with asyncio.timeout(self._limits.response_timeout):
                answer = await self._request(wire.BIND_TRANSCEIVER, body)
        except TimeoutError:
            raise ConnectionOver("no answer to the bind") from None
        if answer.command_status != CommandStatus.ESME_ROK:
            raise BindRefused(answer.command_status)
        return wire.read_system_id(answer.body)

    def submit(self, pdu: SubmitSm) -> "asyncio.Future[str]":
        """Queue a submit; see `Submits.add`."""
        return self._submits.add(pdu)

    async def until_lost(self) -> str:
        """Wait until the connection is of no more use; return why, for operators."""
        await self._lost.wait()
        return self._why or ""

    async def unbind(self, why: str) -> None:
        """End politely, in a few seconds at most."""
        self._submits.shut(why)
        await self._settle()
        try:
            async with asyncio.timeout(_UNBIND_SECONDS):
                await self._request(wire.UNBIND)
        except (TimeoutError, ConnectionOver):
            pass  # it is over either way
        self.give_up(why)

    def give_up(self, why: str) -> None:
        """End at once. Calling it again changes nothing."""
        self._end(why)
        self._transport.abort()

    async def over(self) -> None:
        """Wait for the last of it: the socket, and what is being stored. A few seconds at most."""
        if self._leaving:
            await self._leaving
        try:
            await self._deliveries.settled(_SETTLE_SECONDS)
        finally:
            await self._deliveries.cancel()
            await self._closed.wait()

    # What the event loop tells.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)
        connected: socket.socket = transport.get_extra_info("socket")
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._heard_at = self._loop.time()
        self._look_later(self._limits.enquire_link_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        """End: the socket is closed."""
        self._end(f"connection lost: {exc or 'closed by the SMSC'}")
        self._closed.set()

    def pause_writing(self) -> None:
        """Keep what is to be written: the socket has no room."""
        self._writable = False

    def resume_writing(self) -> None:
        """Write what was kept."""
        self._writable = True
        self._flush_soon()

    def data_received(self, data: bytes) -> None:
        """Take what one read brought."""
        if self._why is not None:
            return
        delivered: list[DeliverSm] = []
        try:
            for pdu in self._framer.feed(data):
                self._heard_at, self._asked = self._loop.time(), False
                self._take(pdu, delivered)
        except PduError as error:
            self._log.error("smpp_stream_broken", why=str(error))
            self.give_up(f"not SMPP: {error}")
            return
        if delivered and self._why is None:
            self._deliveries.add(delivered)
            if self._reading and self._deliveries.full:
                self._reading = False
                self._transport.pause_reading()

    # Reading.

    def _take(self, pdu: Pdu, delivered: list[DeliverSm]) -> None:
        match pdu.command_id:
            case wire.SUBMIT_SM_RESP:
                self._submits.answer(pdu.sequence, pdu.command_status, pdu.body)
            case wire.DELIVER_SM:
                self._take_delivery(pdu, delivered)
            case wire.ENQUIRE_LINK:
                self._write(wire.ENQUIRE_LINK_RESP, CommandStatus.ESME_ROK, pdu.sequence)
            case wire.UNBIND:
                if self._leaving is None:
                    self._leaving = asyncio.create_task(self._leave(pdu.sequence))
            case wire.GENERIC_NACK:
                self._take_nack(pdu)
            case wire.ALERT_NOTIFICATION:
                pass
            case response if response & wire.RESPONSE_BIT:
                self._answer(pdu)
            case unknown:
                self._log.warning("smpp_command_unknown", command=f"0x{unknown:08X}")
                self._write(wire.GENERIC_NACK, CommandStatus.ESME_RINVCMDID, pdu.sequence)

    def _take_delivery(self, pdu: Pdu, delivered: list[DeliverSm]) -> None:
        try:
            delivered.append(wire.read_deliver_sm(pdu))
        except PduError as error:
            # It would not be better the next time, so it is refused for good.
            self._log.error("smpp_delivery_unreadable", why=str(error), length=len(pdu.body))
            self._write(wire.DELIVER_SM_RESP, CommandStatus.ESME_RX_R_APPN, pdu.sequence)

    def _take_nack(self, pdu: Pdu) -> None:
        if self._submits.answer(pdu.sequence, pdu.command_status or _NACK, b""):
            return
        if not self._answer(pdu._replace(command_status=pdu.command_status or _NACK)):
            status = wire.status_name(pdu.command_status)
            self._log.warning("smpp_nack_for_nothing", status=status, sequence=pdu.sequence)

    def _answer(self, pdu: Pdu) -> bool:
        """Hand a response to whoever waits for it; an enquire_link_resp is its own message."""
        future = self._requests.pop(pdu.sequence, None)
        if future is None or future.done():
            return False
        future.set_result(pdu)
        return True

    async def _leave(self, sequence: int) -> None:
        """Answer the SMSC's unbind, once the answers that are still due have had their time."""
        why = "the SMSC unbound us"
        self._submits.shut(why)
        await self._settle()
        if self._why is None:
            response = wire.pdu_bytes(wire.UNBIND_RESP, CommandStatus.ESME_ROK, sequence)
            self._transport.write(b"".join([*self._out, response]))
            self._transport.close()
            self._loop.call_later(_LINGER_SECONDS, self._transport.abort)
            self._end(why)

    async def _settle(self) -> None:
        await asyncio.gather(
            self._submits.settled(_SETTLE_SECONDS), self._deliveries.settled(_SETTLE_SECONDS)
        )

    # Writing: once a turn of the event loop, so that a burst of submits is one system call.

    def _request(self, command_id: int, body: bytes = b"") -> "asyncio.Future[Pdu]":
        future: asyncio.Future[Pdu] = self._loop.create_future()
        if self._why is not None:
            future.set_exception(ConnectionOver(self._why))
            return future
        sequence = self._next_sequence()
        self._requests[sequence] = future
        self._write(command_id, CommandStatus.ESME_ROK, sequence, body)
        return future

    def _acknowledge(self, statuses: list[tuple[int, int]]) -> None:
        for sequence, status in statuses:
            self._write(wire.DELIVER_SM_RESP, status, sequence, _NO_MESSAGE_ID)
        if not self._reading and self._why is None:
            self._reading = True
            self._heard_at = self._loop.time()  # the silence was ours
            self._transport.resume_reading()

    def _write(self, command_id: int, status: int, sequence: int, body: bytes = b"") -> None:
        if len(self._out) >= _MOST_UNWRITTEN:
            self.give_up("the SMSC does not read")
            return
        self._out.append(wire.pdu_bytes(command_id, status, sequence, body))
        self._flush_soon()

    def _flush_soon(self) -> None:
        if not self._flush_is_due:
            self._flush_is_due = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_is_due = False
        while self._writable and self._why is None:
            pdus = self._out + self._submits.take()
            self._out = []
            if not pdus:
                return
            self._transport.write(b"".join(pdus))

    def _next_sequence(self) -> int:
        """Return the next sequence_number: used again only after all the others (3.2)."""
        self._sequence = self._sequence % wire.LAST_SEQUENCE + 1
        return self._sequence

    # The end.

    def _look(self) -> None:
        """Ask after a silence whether the SMSC is there, and give it up after another."""
        patience = self._limits.enquire_link_seconds
        if not self._reading:
            self._heard_at = self._loop.time()
        silence = self._loop.time() - self._heard_at
        if silence < patience:
            self._look_later(patience - silence)
        elif not self._asked:
            self._asked = True
            self._write(wire.ENQUIRE_LINK, CommandStatus.ESME_ROK, self._next_sequence())
            self._look_later(patience)
        else:
            self.give_up("no answer to enquire_link")

    def _look_later(self, seconds: float) -> None:
        if self._why is None:
            self._watch = self._loop.call_later(seconds, self._look)

    def _end(self, why: str) -> None:
        if self._why is not None:
            return
        self._why = why
        self._lost.set()
        if self._watch:
            self._watch.cancel()
        self._submits.end(why)
        self._deliveries.end()
        for future in self._requests.values():
            if not future.done():
                future.set_exception(ConnectionOver(why))
        self._requests.clear()


_NACK = CommandStatus.ESME_RUNKNOWNERR  # a generic_nack with status 0 is a refusal all the same
_NO_MESSAGE_ID = b"\0"  # message_id, unused: 4.6.2
