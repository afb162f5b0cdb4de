"""Which senders this node sends through: an even part of them; a slot has one holder at a time.

What is held is held as long as this is a node (`membership.py`). A sender that one node alone sends
through keeps its pace exactly; several nodes that share one share its throughput.
"""

import asyncio
from collections.abc import Awaitable, Callable
from collections.abc import Set as AbstractSet
from itertools import chain
from typing import NamedTuple

import structlog

from whimbrel.clock import Clock
from whimbrel.domain.content import Channel
from whimbrel.flow.membership import Membership
from whimbrel.flow.sender_lines import Lines, SenderLine
from whimbrel.store.engine import Store
from whimbrel.store.holdings import (
    Holding,
    Slot,
    TakenSlot,
    all_holdings,
    give_back_slots,
    take_slots,
)
from whimbrel.store.senders import SenderPause, paused_senders, resume_senders

_log = structlog.get_logger(__name__)
_STEP_SECONDS = 5.0  # a store that takes longer must not keep this node from seeing its lease end
ROLE_OF = {Channel.WHATSAPP: "dispatch", Channel.SMS: "smpp"}
"""The role of the nodes that send through a channel."""


class Connections(NamedTuple):
    """How a line's connection is made and ended, for those that need one."""

    begin: Callable[[SenderLine], None]
    end: Callable[[SenderLine], Awaitable[None]]


class Holdings:
    """Takes, shares and gives back senders. `step` it every second or so."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        membership: Membership,
        lines: Lines,
        *,
        roles: tuple[str, ...],
        connections: Connections,
        wake_dispatch: Callable[[], None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._membership = membership
        self._lines = {
            channel: {line.name: line for line in lines.values() if line.channel is channel}
            for channel in Channel
        }
        self._channels = [channel for channel in Channel if ROLE_OF[channel] in roles]
        self._connections = connections
        self._wake_dispatch = wake_dispatch
        self._slots: dict[SenderLine, Slot] = {}
        for line in self._all_lines():
            line.held = False

    async def step(self) -> None:
        """Come nearer to an even part, and note what other nodes and earlier ones say."""
        if not self._membership.is_mine:
            await self.drop()
            return
        async with asyncio.timeout(_STEP_SECONDS):
            held = await self._store.read(all_holdings, None)
            pauses = await self._store.read(paused_senders, None)
        await self._drop_those_that_are_gone(held)
        for channel in self._channels:
            await self._balance(channel, [one for one in held if one.channel == channel], pauses)
        self._note(held, pauses)

    async def drop(self) -> None:
        """Send through none any more: the store is away, or has given this node up."""
        await asyncio.gather(*(self._end(line) for line in list(self._slots)))

    def _all_lines(self) -> list[SenderLine]:
        return list(chain.from_iterable(lines.values() for lines in self._lines.values()))

    async def _drop_those_that_are_gone(self, held: list[Holding]) -> None:
        mine = {one[:3] for one in held if one.node_id == self._membership.node_id}
        await asyncio.gather(
            *(self._end(line) for line, slot in list(self._slots.items()) if slot not in mine)
        )

    async def _balance(
        self, channel: Channel, held: list[Holding], pauses: list[SenderPause]
    ) -> None:
        lines = self._lines[channel]
        slots = sum(line.slots for line in lines.values())
        part = -(-slots // max(1, self._membership.alive(ROLE_OF[channel])))
        mine = [line for line in self._slots if line.channel is channel]
        for line in mine[part:]:
            await self._give_back(line)
        taken = {one[:3] for one in held}
        free = [
            (line, slot)
            for line in lines.values()
            if line not in self._slots and (slot := _free_slot(line, taken)) is not None
        ]
        for line, slot in free[: max(0, part - len(mine))]:
            await self._take(line, slot, pauses)

    async def _take(self, line: SenderLine, slot: Slot, pauses: list[SenderPause]) -> None:
        if not await self._store.write(take_slots, self._wish(slot)):
            return  # another node was first
        self._slots[line] = slot
        if line.channel is Channel.WHATSAPP:
            line.pause = _pause_of(line, pauses)
        else:  # what the connection was like before, perhaps another node's, says nothing now
            await self._store.write(resume_senders, (line.channel, line.name))
        line.held = True
        self._connections.begin(line)
        _log.info("sender_taken", sender=line.name, channel=line.channel, slot=slot.slot)
        self._wake_dispatch()

    async def _give_back(self, line: SenderLine) -> None:
        slot = self._slots[line]
        await self._end(line)
        await self._store.write(give_back_slots, self._wish(slot))

    async def _end(self, line: SenderLine) -> None:
        line.held = False
        del self._slots[line]
        await self._connections.end(line)
        _log.info("sender_given_back", sender=line.name, channel=line.channel)

    def _note(self, held: list[Holding], pauses: list[SenderPause]) -> None:
        """Share throughputs, adopt pauses that others saw cause for, hear of SMSCs elsewhere."""
        for line in self._all_lines():
            holders = sum(one[:2] == (line.channel, line.name) for one in held)
            stored = _pause_of(line, pauses)
            line.silent_elsewhere = not holders or stored is not None
            line.share_with(max(1, holders))
            unknown = line.held and line.channel is Channel.WHATSAPP and line.pause is None
            if unknown and stored is not None and stored.changed_at > line.resumed_at:
                line.pause = stored

    def _wish(self, slot: Slot) -> TakenSlot:
        membership = self._membership
        return TakenSlot(slot, membership.node_id, membership.token, self._clock.now())


def _free_slot(line: SenderLine, taken: AbstractSet[tuple[str, str, int]]) -> Slot | None:
    slots = (Slot(line.channel, line.name, number) for number in range(line.slots))
    return next((slot for slot in slots if slot not in taken), None)


def _pause_of(line: SenderLine, pauses: list[SenderPause]) -> SenderPause | None:
    found = (one for one in pauses if (one.channel, one.sender) == (line.channel, line.name))
    return next(found, None)
