"""What the SMSC sends us over one connection, on its way to disk.

A deliver_sm is acknowledged after it was stored, and stored beside the reading of the socket: what
arrives while one list is being written forms the next, so that one commit serves many. Knows
nothing of sockets, nor of what a message says.
"""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from whimbrel.channels.sms.pdu import CommandStatus, DeliverSm

_log = structlog.get_logger(__name__)

Deliver = Callable[[list[DeliverSm]], Awaitable[list[bool]]]
"""Stores what came; tells for each, in order, whether it is on disk."""
Acknowledge = Callable[[list[tuple[int, int]]], None]
"""Answers deliver_sm PDUs: sequence and command_status of each."""


class Deliveries:
    """The deliver_sm PDUs of one connection that are not acknowledged yet."""

    def __init__(self, deliver: Deliver, acknowledge: Acknowledge, most: int) -> None:
        """`most`: how many may be unacknowledged before this is `full`."""
        self._deliver = deliver
        self._acknowledge = acknowledge
        self._most = most
        self._inbox: list[DeliverSm] = []
        self._in_hand = 0
        self._work: asyncio.Task[None] | None = None
        self._ended = False

    @property
    def full(self) -> bool:
        """Tell whether nothing more should be read for now."""
        return len(self._inbox) + self._in_hand >= self._most

    def add(self, pdus: list[DeliverSm]) -> None:
        """Take what one read brought."""
        self._inbox += pdus
        if self._work is None:
            self._work = asyncio.create_task(self._work_off())

    def end(self) -> None:
        """Drop what is not in hand: the connection is lost, and the SMSC will send it again."""
        self._ended = True
        self._inbox.clear()

    async def settled(self, within: float) -> None:
        """Wait until nothing is unacknowledged, `within` seconds at most."""
        if self._work:
            await asyncio.wait([self._work], timeout=within)

    async def cancel(self) -> None:
        """Let go of what is still in hand."""
        if self._work:
            self._work.cancel()
            await asyncio.gather(self._work, return_exceptions=True)

    async def _work_off(self) -> None:
        try:
            while self._inbox:
                pdus, self._inbox = self._inbox, []
                self._in_hand = len(pdus)
                statuses = await self._statuses(pdus)
                self._in_hand = 0
                if not self._ended:
                    self._acknowledge(
                        [(pdu.sequence, status) for pdu, status in zip(pdus, statuses, strict=True)]
                    )
        finally:
            self._work = None

    async def _statuses(self, pdus: list[DeliverSm]) -> list[CommandStatus]:
        """Store; whatever is not surely on disk is refused for now, and will come again."""
        try:
            stored = await self._deliver(pdus)
            if len(stored) == len(pdus):
                return [_ON_DISK if one else _NOT_NOW for one in stored]
            _log.error("smpp_deliveries_miscounted", given=len(pdus), told=len(stored))
        except Exception:  # noqa: BLE001 - whatever went wrong, the SMSC keeps them
            _log.exception("smpp_deliveries_not_stored", count=len(pdus))
        return [_NOT_NOW] * len(pdus)


_ON_DISK = CommandStatus.ESME_ROK
_NOT_NOW = CommandStatus.ESME_RX_T_APPN  # a temporary fault of the receiver: 5.1.3
