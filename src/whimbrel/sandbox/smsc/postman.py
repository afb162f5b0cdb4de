"""Delivery of deliver_sm PDUs to one account, as stubborn as an SMSC.

Owns store and forward: what is due waits for a session that receives, keeps the order of its
message, and comes again until it is acknowledged. Knows nothing about scripts or texts.
"""

import asyncio
from collections import deque
from collections.abc import Iterable, Iterator

import smpp34
from msgspec import Struct

from whimbrel.clock import Clock
from whimbrel.sandbox.timeline import Timeline

HANDS = 32  # deliveries under way at once
PAUSES = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)  # seconds before each retry; the last one repeats
SHORTEST_PAUSE = 0.02  # seconds; a fast world must not hammer a client that refuses
# Seconds. SMSCs wait some seconds for a deliver_sm_resp. Not divided by the speed: it measures a
# real process.
ANSWER_TIMEOUT = 10.0


class Delivery(Struct, kw_only=True):
    """One deliver_sm. Those with the same `message_id` keep their order.

    `stat` is what it says of the message if it is a receipt; empty for a text from a subscriber.
    `at` is when it falls due, in milliseconds UTC.
    """

    message_id: str
    stat: str
    at: int
    source: tuple[str, int, int]
    destination: tuple[str, int, int]
    esm_class: int
    data_coding: int = 0
    short_message: bytes
    tlvs: list[tuple[int, bytes]] = []
    attempts: int = 0
    acknowledged_at: int | None = None


class Postman:
    """Hands over one account's deliveries.

    `add` and `offer` never wait. Run `run` while the world lives.
    """

    def __init__(self, clock: Clock, *, speed: float) -> None:
        self.delivered = 0
        self._clock = clock
        self._speed = speed
        self._sessions: dict[str, smpp34.Esme] = {}
        self._bound = asyncio.Event()  # set while a session receives
        self._due: Timeline[Delivery] = Timeline(clock, self.offer)
        self._outboxes: dict[str, deque[Delivery]] = {}
        self._ready: asyncio.Queue[str] = asyncio.Queue()
        self._retries: Timeline[str] = Timeline(clock, self._ready.put_nowait)

    @property
    def sessions(self) -> int:
        """How many sessions are bound."""
        return len(self._sessions)

    @property
    def pending(self) -> int:
        """How many deliveries are to come, or not acknowledged."""
        return len(self._due) + sum(map(len, self._outboxes.values()))

    def bind(self, session: smpp34.Esme) -> None:
        """Deliver to a session from now on, if it receives."""
        self._sessions[session.session_id] = session
        self._tell()

    def unbind(self, session_id: str) -> None:
        """Deliver no more to a session."""
        self._sessions.pop(session_id, None)
        self._tell()

    def add(self, after: float, delivery: Delivery) -> None:
        """Deliver in `after` seconds of real life."""
        self._due.add(after / self._speed, delivery)

    def offer(self, delivery: Delivery) -> None:
        """Deliver after those of the same message that were offered before."""
        if outbox := self._outboxes.get(delivery.message_id):
            outbox.append(delivery)
            return
        self._outboxes[delivery.message_id] = deque([delivery])
        self._ready.put_nowait(delivery.message_id)

    async def run(self) -> None:
        """Deliver until cancelled."""
        async with asyncio.TaskGroup() as hands:
            for _ in range(HANDS):
                hands.create_task(self._hand_over_all())

    async def hand_over(self, delivery: Delivery) -> bool:
        """Try once, with the session that was bound last; tell whether it was acknowledged.

        An older session may be dead without having said so.
        """
        receiving = next(self._receiving(), None)
        if receiving is None:
            return False
        delivery.attempts += 1
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT):
                answer = await _deliver(receiving, delivery)
        except (smpp34.SmppError, TimeoutError):
            return False
        if not answer.is_success:
            return False
        delivery.acknowledged_at = self._clock.now()
        self.delivered += 1
        return True

    def unfinished(self) -> Iterable[tuple[float, Delivery]]:
        """Yield all that was not acknowledged, with the seconds of real life that it has left.

        Call it when `run` has been cancelled.
        """
        self._due.stop()
        self._retries.stop()
        for outbox in self._outboxes.values():
            yield from ((0.0, delivery) for delivery in outbox)
        for left, delivery in self._due.remaining():
            yield left * self._speed, delivery

    async def _hand_over_all(self) -> None:
        while True:
            message_id = await self._ready.get()
            await self._bound.wait()
            outbox = self._outboxes[message_id]
            if await self.hand_over(outbox[0]):
                outbox.popleft()
                if outbox:
                    self._ready.put_nowait(message_id)
                else:
                    del self._outboxes[message_id]
            else:
                self._put_off(outbox[0])

    def _put_off(self, delivery: Delivery) -> None:
        pause = PAUSES[min(max(delivery.attempts, 1), len(PAUSES)) - 1]
        self._retries.add(max(SHORTEST_PAUSE, pause / self._speed), delivery.message_id)

    def _receiving(self) -> Iterator[smpp34.Esme]:
        return (session for session in reversed(self._sessions.values()) if session.can_receive)

    def _tell(self) -> None:
        if next(self._receiving(), None):
            self._bound.set()
        else:
            self._bound.clear()


async def _deliver(session: smpp34.Esme, delivery: Delivery) -> smpp34.DeliverSmResp:
    source, source_ton, source_npi = delivery.source
    destination, dest_ton, dest_npi = delivery.destination
    return await session.deliver_sm(
        destination,
        delivery.short_message,
        source_addr=source,
        source_addr_ton=source_ton,
        source_addr_npi=source_npi,
        dest_addr_ton=dest_ton,
        dest_addr_npi=dest_npi,
        esm_class=delivery.esm_class,
        data_coding=delivery.data_coding,
        tlvs=[smpp34.Tlv(tag, value) for tag, value in delivery.tlvs],
    )
