"""Delivery of webhooks to the callback of one number, as stubborn as Meta's.

Owns the handshake, the order of one message's statuses, batching, retries and the bound on
concurrent POSTs. Knows nothing about scripts or about who sends messages.
"""

import asyncio
import logging
import secrets
from dataclasses import dataclass, field

import aiohttp

from whimbrel.clock import DAY, SECOND, Clock
from whimbrel.sandbox.ledger import Message, Status
from whimbrel.sandbox.numbers import SandboxNumber
from whimbrel.sandbox.timeline import Timeline
from whimbrel.sandbox.webhooks import Update, signed_headers, statuses_body

log = logging.getLogger(__name__)

LARGEST_POST = 1_000  # updates; Meta's own bound
PAUSES = (0.0, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)  # seconds before each retry; the last one repeats
GIVE_UP_AFTER = 7 * DAY / SECOND  # seconds
FRESH_POSTERS = 24
SEALED_POSTERS = 8  # apart from the others, so that what failed before never delays what is new
HANDSHAKE_PAUSE = 1.0  # seconds; the gateway is usually just starting
HANDSHAKES_IN_SILENCE = 10  # before the first word about it, for the same reason
SHORTEST_HANDSHAKE_PAUSE = 0.05  # seconds; a fast world must not hammer a gateway that is down
# Meta's own limit is not published; receivers have seen some seconds. Not divided by the speed: it
# measures a real process.
ANSWER_TIMEOUT = aiohttp.ClientTimeout(total=10)


@dataclass(slots=True, eq=False)
class Parcel:
    """A webhook whose bytes are fixed: each retry sends the same. `started` is in clock seconds."""

    body: bytes
    headers: dict[str, str]
    started: float
    attempts: int = 0
    messages: list[Message] = field(default_factory=list)
    statuses: list[Status] = field(default_factory=list)


class Courier:
    """Posts one number's webhooks to its callback.

    `offer` and `send` never wait. Nothing is posted before the callback has passed the handshake,
    for Meta would have refused to configure it.
    """

    def __init__(
        self,
        number: SandboxNumber,
        clock: Clock,
        *,
        speed: float,
        largest_post: int = LARGEST_POST,
        contacts_on_failed: bool = False,
    ) -> None:
        self.number = number
        self.handshake = "not tried yet"
        self.delivered = 0
        self.dropped = 0
        self._clock = clock
        self._speed = speed
        self._largest_post = largest_post
        self._contacts_on_failed = contacts_on_failed
        self._ready: asyncio.Queue[Message] = asyncio.Queue()
        self._sealed: asyncio.Queue[Parcel] = asyncio.Queue()
        self._retries: Timeline[Parcel] = Timeline(clock, self._sealed.put_nowait)
        self._under_way: set[Parcel] = set()

    def offer(self, message: Message, status: Status) -> None:
        """Deliver a status, after those of the same message that were offered before."""
        message.outbox.append(status)
        if not message.travelling:
            message.travelling = True
            self._ready.put_nowait(message)

    def send(self, body: bytes) -> None:
        """Deliver a webhook that is in order with nothing else."""
        self._sealed.put_nowait(self.seal(body))

    def resume(self, parcel: Parcel) -> None:
        """Take up a parcel that an earlier run could not deliver."""
        for message in parcel.messages:
            message.travelling = True
        self._sealed.put_nowait(parcel)

    def seal(self, body: bytes) -> Parcel:
        """Sign a body."""
        headers = signed_headers(self.number.app_secret, body)
        return Parcel(body, headers, started=self._clock.elapsed())

    async def run(self, http: aiohttp.ClientSession) -> None:
        """Shake hands, then deliver until cancelled."""
        await self._shake_hands(http)
        async with asyncio.TaskGroup() as posters:
            for _ in range(FRESH_POSTERS):
                posters.create_task(self._post_fresh(http))
            for _ in range(SEALED_POSTERS):
                posters.create_task(self._post_sealed(http))

    def unfinished(self) -> list[Parcel]:
        """Return all that was offered and not acknowledged. Call it when `run` has been cancelled.

        A status that waits behind a parcel is still in its message's outbox.
        """
        self._retries.stop()
        parcels = [*self._under_way, *(parcel for _, parcel in self._retries.remaining())]
        while not self._sealed.empty():
            parcels.append(self._sealed.get_nowait())
        while not self._ready.empty():
            parcels.append(self._pack(self._ready.get_nowait()))
        return parcels

    async def _shake_hands(self, http: aiohttp.ClientSession) -> None:
        tries = 0
        while (outcome := await self._try_handshake(http)) != "done":
            tries += 1
            if tries == HANDSHAKES_IN_SILENCE:
                log.warning("callback %s: %s", self.number.callback_url, outcome)
            self.handshake = outcome
            await asyncio.sleep(max(SHORTEST_HANDSHAKE_PAUSE, HANDSHAKE_PAUSE / self._speed))
        self.handshake = outcome

    async def _try_handshake(self, http: aiohttp.ClientSession) -> str:
        challenge = str(secrets.randbelow(10**10))
        query = {
            "hub.mode": "subscribe",
            "hub.challenge": challenge,
            "hub.verify_token": self.number.verify_token,
        }
        try:
            async with http.get(
                self.number.callback_url,
                params=query,
                timeout=ANSWER_TIMEOUT,
                allow_redirects=False,
            ) as answer:
                body = await answer.read()
                if answer.status != 200:
                    return f"handshake refused with HTTP {answer.status}"
                return "done" if body == challenge.encode() else "handshake answered wrongly"
        except (aiohttp.ClientError, TimeoutError) as error:
            return f"cannot be reached ({type(error).__name__})"

    async def _post_fresh(self, http: aiohttp.ClientSession) -> None:
        while True:
            message = await self._ready.get()
            await self._deliver(http, self._pack(message))

    async def _post_sealed(self, http: aiohttp.ClientSession) -> None:
        while True:
            await self._deliver(http, await self._sealed.get())

    def _pack(self, message: Message) -> Parcel:
        """Put whatever waits into one parcel, starting with `message`."""
        updates: list[Update] = []
        messages: list[Message] = []
        while True:
            room = self._largest_post - len(updates)
            updates += [(message, status) for status in message.outbox[:room]]
            del message.outbox[:room]
            messages.append(message)
            if len(updates) >= self._largest_post or self._ready.empty():
                break
            message = self._ready.get_nowait()
        body = statuses_body(self.number, updates, contacts_on_failed=self._contacts_on_failed)
        parcel = self.seal(body)
        parcel.messages = messages
        parcel.statuses = [status for _, status in updates]
        return parcel

    async def _deliver(self, http: aiohttp.ClientSession, parcel: Parcel) -> None:
        self._under_way.add(parcel)
        acknowledged = await self._post(http, parcel)  # cancelled here, it stays under way
        self._under_way.remove(parcel)
        if acknowledged:
            self._close(parcel)
        else:
            self._put_off(parcel)

    async def _post(self, http: aiohttp.ClientSession, parcel: Parcel) -> bool:
        parcel.attempts += 1
        try:
            async with http.post(
                self.number.callback_url,
                data=parcel.body,
                headers=parcel.headers,
                timeout=ANSWER_TIMEOUT,
                allow_redirects=False,
            ) as answer:
                await answer.read()
                return answer.status == 200
        except (aiohttp.ClientError, TimeoutError):
            return False

    def _close(self, parcel: Parcel) -> None:
        """Note the acknowledgement, and let the messages' next statuses go."""
        now = self._clock.now()
        for status in parcel.statuses:
            status.acknowledged_at = now
        self.delivered += len(parcel.statuses)
        for message in parcel.messages:
            message.settle()
            self._release(message)

    def _release(self, message: Message) -> None:
        if message.outbox:
            self._ready.put_nowait(message)
        else:
            message.travelling = False

    def _put_off(self, parcel: Parcel) -> None:
        if self._clock.elapsed() - parcel.started >= GIVE_UP_AFTER / self._speed:
            self.dropped += 1
            for message in parcel.messages:
                self._release(message)
            return
        pause = PAUSES[min(parcel.attempts, len(PAUSES)) - 1]
        self._retries.add(pause / self._speed, parcel)
