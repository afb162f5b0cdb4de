"""Which senders this node sends through: an even part of them; a slot has one holder at a time.

What is held is held as long as this is a node (`membership.py`), and what the store says counts: a
slot that it keeps for this node is used or given back, whatever became of the write that took it. A
sender that one node alone sends through keeps its pace exactly; several nodes that share one share
its throughput.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from itertools import chain
from typing import NamedTuple, TypeVar

import structlog

from whimbrel.clock import SECOND, Clock
from whimbrel.domain.content import Channel
from whimbrel.domain.even_parts import even_parts
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

T = TypeVar("T")
_log = structlog.get_logger(__name__)
_STORE_SECONDS = 3.0  # a store that takes longer must not keep this node from seeing its lease end
_UNWANTED_SECONDS = 10.0
"""A place that its node has not taken for so long is anybody's: that node may not know the sender,
where settings are being changed node by node."""
_OLD_NEWS = 5 * SECOND
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
        self._sharing: dict[SenderLine, int] = {}
        self._untaken_since: dict[SenderLine, float] = {}
        self._others: list[str | None] = []
        for line in self._all_lines():
            line.held = False
        membership.when_given_up(self._stop_claiming)

    async def step(self) -> None:
        """Come nearer to an even part, and note what other nodes and earlier ones say."""
        if not self._membership.is_mine:
            await self.drop()
            return
        held = await _in_time(self._store.read(all_holdings, None))
        pauses = await _in_time(self._store.read(paused_senders, None))
        await self._drop_those_that_are_gone(held)
        self._see_who_is_there()
        for channel in self._channels:
            await self._balance(channel, [one for one in held if one.channel == channel], pauses)
        for line in self._all_lines():
            await self._note(line, held, _pause_of(line, pauses))

    async def drop(self) -> None:
        """Send through none any more: the store is away, or has given this node up."""
        await asyncio.gather(*(self._end(line) for line in list(self._slots)))

    def _stop_claiming(self) -> None:
        """Claim for none from this moment on; the next step ends the connections."""
        for line in self._slots:
            line.held = False

    def _all_lines(self) -> list[SenderLine]:
        return list(chain.from_iterable(lines.values() for lines in self._lines.values()))

    def _see_who_is_there(self) -> None:
        """Begin anew to see which places are taken, when nodes have come or gone."""
        others = [node.token for node in self._membership.nodes]
        if others != self._others:
            self._others = others
            self._untaken_since.clear()

    async def _drop_those_that_are_gone(self, held: list[Holding]) -> None:
        mine = self._mine(held)
        await asyncio.gather(
            *(self._end(line) for line, slot in list(self._slots.items()) if slot not in mine)
        )

    def _mine(self, held: Iterable[Holding]) -> list[Slot]:
        node_id = self._membership.node_id
        return [Slot(*one[:3]) for one in held if one.node_id == node_id]

    async def _balance(
        self, channel: Channel, held: list[Holding], pauses: list[SenderPause]
    ) -> None:
        part, lines = self._part(channel, held), self._lines[channel]
        for slot in self._mine(held):
            line = lines[slot.account]  # a slot ends with its node, and a node has one set of lines
            if line not in part or self._slots.get(line, slot) != slot:
                await self._give_back(line, slot)
            elif line not in self._slots:
                await self._begin(line, slot, pauses)
        for line in part:
            free = _free_slot(line, held)
            if line in self._slots or free is None:
                continue
            if await _in_time(self._store.write(take_slots, self._wish(free))):
                await self._begin(line, free, pauses)  # else another node was first

    def _part(self, channel: Channel, held: list[Holding]) -> list[SenderLine]:
        """Return the lines that this node is to hold."""
        lines, node_id = self._lines[channel], self._membership.node_id
        holders: dict[str, set[int]] = {name: set() for name in lines}
        for one in held:
            holders.setdefault(one.account, set()).add(one.node_id)
        parts = even_parts(
            {name: line.slots for name, line in lines.items()},
            holders,
            self._membership.with_roles(ROLE_OF[channel]),
        )
        mine = parts.get(node_id, set())
        unwanted = {name for name, line in lines.items() if self._is_unwanted(line, held)}
        return [line for name, line in lines.items() if name in mine | unwanted]

    def _is_unwanted(self, line: SenderLine, held: list[Holding]) -> bool:
        """Tell whether no node has taken a place that is there, though it was one's to take."""
        now = self._clock.elapsed()
        since = self._untaken_since.get(line)
        if since is not None and now - since >= _UNWANTED_SECONDS:
            return True  # until nodes come or go
        if any(one.account == line.name for one in held):
            self._untaken_since.pop(line, None)
        else:
            self._untaken_since.setdefault(line, now)
        return False

    async def _begin(self, line: SenderLine, slot: Slot, pauses: list[SenderPause]) -> None:
        if line.channel is Channel.WHATSAPP:
            line.pause = _pause_of(line, pauses)
        else:  # what the connection was like before, perhaps another node's, says nothing now
            await self._resume(line)
        if not self._membership.is_mine:
            return  # it has taken too long; the slot is there when the lease is
        self._slots[line] = slot
        line.held = True
        self._connections.begin(line)
        _log.info("sender_taken", sender=line.name, channel=line.channel, slot=slot.slot)
        self._wake_dispatch()

    async def _resume(self, line: SenderLine) -> None:
        await _in_time(self._store.write(resume_senders, (line.channel, line.name)))

    async def _give_back(self, line: SenderLine, slot: Slot) -> None:
        """Free a slot, after the connection: the next holder may have to bind at once."""
        if self._slots.get(line) == slot:
            await self._end(line)
        await _in_time(self._store.write(give_back_slots, self._wish(slot)))

    async def _end(self, line: SenderLine) -> None:
        line.held = False
        del self._slots[line]
        await self._connections.end(line)
        _log.info("sender_given_back", sender=line.name, channel=line.channel)

    async def _note(
        self, line: SenderLine, held: list[Holding], stored: SenderPause | None
    ) -> None:
        """Share the throughput, adopt a pause that others saw cause for, hear of their SMSC."""
        others = sum(
            one[:2] == (line.channel, line.name) and one.node_id != self._membership.node_id
            for one in held
        )
        holders = others + (line in self._slots)
        # A place that has just become free is taken in a moment: who goes faster waits for a look.
        line.share_with(max(1, holders, self._sharing.get(line, 0)))
        self._sharing[line] = holders
        line.silent_elsewhere = not holders or stored is not None
        if line.channel is Channel.WHATSAPP:
            if not line.held:
                line.pause = stored
            elif stored is not None and stored.changed_at > _known_at(line):
                line.pause = stored  # another node saw cause, or an operator wants it tried now
                self._wake_dispatch()
        elif stored is not None and line.held and not others:
            # Nobody but this node can know, and it may have told its two latest news crosswise.
            old = self._clock.now() - stored.changed_at > _OLD_NEWS
            if old and line.connector.blocked_since is None:
                await self._resume(line)

    def _wish(self, slot: Slot) -> TakenSlot:
        membership = self._membership
        return TakenSlot(slot, membership.node_id, membership.token, self._clock.now())


async def _in_time(answer: Awaitable[T]) -> T:
    async with asyncio.timeout(_STORE_SECONDS):
        return await answer


def _known_at(line: SenderLine) -> int:
    """Return the moment of the latest that this node knows of a sender's health."""
    return line.resumed_at if line.pause is None else line.pause.changed_at


def _free_slot(line: SenderLine, held: Iterable[Holding]) -> Slot | None:
    taken = {one[:3] for one in held}
    slots = (Slot(line.channel, line.name, number) for number in range(line.slots))
    return next((slot for slot in slots if slot not in taken), None)


def _pause_of(line: SenderLine, pauses: list[SenderPause]) -> SenderPause | None:
    found = (one for one in pauses if (one.channel, one.sender) == (line.channel, line.name))
    return next(found, None)
