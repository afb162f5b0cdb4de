"""The Partners' clients: what they ask for, and how they insist when they are not answered."""

import asyncio
from datetime import UTC, datetime
from random import Random
from typing import Any, NamedTuple

import msgspec

from whimbrel.clock import HOUR, MINUTE, SECOND
from whimbrel.domain.content import Channel
from whimbrel.domain.partner import DuplicateControl, Profile
from whimbrel.domain.unanswered import Unanswered
from whimbrel.simulation.ledger import Accepted, Ledger
from whimbrel.simulation.node import Gone, Node
from whimbrel.simulation.world import World

PASSWORD = "simulated-password"  # noqa: S105 - nobody else's
SENDER = "WHIMBREL"
SIGNING_SECRET = "whsec_" + "c2ltdWxhdGVkIHNlY3JldCE="
_SUBSCRIBERS = tuple(f"7916000000{last}" for last in range(8))
_PATIENCE = 0.8  # seconds: deployed clients give up then
_PAUSES = (0.5, 1.0, 3.0, 20.0, 120.0, 900.0)
_LONG_TEXT = "A text that takes more than one part of an SMS. " * 5


class Client(NamedTuple):
    """A Partner's login and rights."""

    login: str
    profile: Profile


def make_clients() -> list[Client]:
    """Return the Partners of the simulated world, one for each way of duplicate control."""

    def client(login: str, control: DuplicateControl, **profile: Any) -> Client:
        return Client(
            login,
            Profile(
                senders=[SENDER],
                default_sender=SENDER,
                message_types=[Channel.WHATSAPP, Channel.SMS],
                cascades=True,
                duplicate_control=control,
                report_url=f"http://{login}.example/reports",
                signing_secret=SIGNING_SECRET,
                **profile,
            ),
        )

    return [
        client("shop", DuplicateControl.RETURN, unanswered=Unanswered.RESEND),
        client("bank", DuplicateControl.REJECT, ttl_minutes={Channel.SMS: 5}),
        client(
            "club",
            DuplicateControl.OFF,
            content_window_seconds=30,
            unanswered=Unanswered.FAIL,
        ),
    ]


class Clients:
    """What all clients ask for in a run."""

    def __init__(self, world: World, node: Node, ledger: Ledger, clients: list[Client]) -> None:
        self._world = world
        self._node = node
        self._ledger = ledger
        self._clients = clients
        self._requests = 0

    async def load(self, until: float) -> None:
        """Ask for messages, now and then some at once, until a moment of the loop's time."""
        random, loop = self._world.random, self._world.loop
        mean = random.choice((3_600.0, 7_200.0, 14_400.0))
        asked: list[Any] = []
        while loop.time() < until:
            await asyncio.sleep(random.expovariate(1 / mean))
            for _ in range(random.choice((1, 1, 1, 2, 8))):
                asked.append(self._world.spawn(self._ask()))
                if random.random() < 0.5:
                    await asyncio.sleep(random.uniform(0.0, 0.2))
        await asyncio.gather(*asked)

    async def _ask(self) -> None:
        """Ask for one message until there is an answer that says yes or no."""
        random = self._world.random
        client = random.choice(self._clients)
        self._requests += 1
        controlled = client.profile.duplicate_control is not DuplicateControl.OFF
        ref = f"{client.login}-{self._requests}" if controlled or random.random() < 0.5 else None
        request, promise = self._request(client, ref)
        body = msgspec.json.encode(request)
        racing = [self._insist(body, promise)]
        if controlled and random.random() < 0.1:
            racing.append(self._insist(body, promise))  # two machines of one Partner
        await asyncio.gather(*racing)

    async def _insist(self, body: bytes, promise: Accepted) -> None:
        who = promise.ref or promise.partner
        for pause in _PAUSES:
            try:
                async with asyncio.timeout(_PATIENCE):
                    status, answer = await self._node.call("/send", {}, body)
            except (Gone, TimeoutError) as error:
                self._world.note("ask", who, type(error).__name__)
            else:
                if status == 200:
                    mt_num = int(msgspec.json.decode(answer)["mtNum"])
                    self._world.note("ask", who, mt_num)
                    self._ledger.answered(mt_num, promise)
                    return
                code = msgspec.json.decode(answer)["error"]["code"]
                self._world.note("ask", who, f"code {code}")
                if code not in {1, 3}:
                    self._refused(code, answer, promise)
                    return
            await asyncio.sleep(pause * self._world.random.uniform(0.5, 1.5))

    def _refused(self, code: int, answer: bytes, promise: Accepted) -> None:
        """Take a no: only duplicates, and deadlines that have passed meanwhile, may be refused."""
        if code == 10 and promise.ref is not None:
            self._ledger.refused_as_repeated(promise)
        late = promise.deadline is not None and self._world.clock.now() > promise.deadline - HOUR
        if code != 10 and not late:
            self._world.violated("a good request is accepted", answer.decode())

    # What they ask for

    def _request(self, client: Client, ref: str | None) -> tuple[dict[str, Any], Accepted]:
        random = self._world.random
        dest_addr = random.choice(_SUBSCRIBERS)
        first, *rest = self._messages(random)
        request: dict[str, Any] = {
            "login": client.login,
            "password": PASSWORD,
            "destAddr": dest_addr,
            "message": first,
            "registeredDelivery": random.choice((1, 1, 1, 1, 2, 0)),
        }
        if ref is not None:
            request["id"] = ref
        link: dict[str, Any] = request
        member = "cascadeChainLink"
        for message in rest:
            state = random.choice(("DELIVERED", "READ"))
            link[member] = {"state": state, "message": message}
            link, member = link[member], "nextLink"
        if random.random() < 0.2:
            request["notifyUrl"] = f"http://notify.example/{client.login}"
        schedule, deadline = self._schedule(random)
        if schedule:
            request["scheduleInfo"] = schedule
        return request, Accepted(client.login, ref, dest_addr, deadline)

    def _messages(self, random: Random) -> list[dict[str, Any]]:
        """Return the message, and those that follow it in a cascade."""
        links = random.choice((1, 1, 1, 2, 2, 3))
        channels = [random.choice(tuple(Channel)) for _ in range(links)]
        messages = [self._message(random, channel) for channel in channels]
        for message in messages[:-1]:
            seconds = random.choice((60, 120, 600, 7_200))
            message["data"] |= {"ttl": seconds, "ttlUnit": "SECONDS"}
        return messages

    def _message(self, random: Random, channel: Channel) -> dict[str, Any]:
        text = f"Message {self._requests} {random.randrange(5)}"
        if channel is Channel.SMS:
            ttl = random.choice((1, 5, 60, 1_440))
            return {
                "type": "SMS",
                "data": {"text": random.choice((text, text, _LONG_TEXT)), "ttl": ttl},
            }
        content = {"type": "TEXT", "data": {"text": text}}
        return {"type": "WHATSAPP", "data": {"instantContent": content}}

    def _schedule(self, random: Random) -> tuple[dict[str, str], int | None]:
        """Return sending hours and deadline, mostly none; the deadline in milliseconds UTC."""
        hours, deadline = {}, None
        if random.random() < 0.1:
            begin = random.randrange(24)
            hours = {"timeBegin": f"{begin:02}:00", "timeEnd": f"{(begin + 8) % 24:02}:30"}
        if random.random() < 0.15:
            wait = (
                random.choice((26 * HOUR, 30 * HOUR))
                if hours
                else random.choice((2 * MINUTE, 20 * MINUTE, 2 * HOUR))
            )
            deadline = (self._world.clock.now() + wait) // SECOND * SECOND
            moment = datetime.fromtimestamp(deadline // SECOND, UTC)
            hours["deadline"] = f"{moment:%Y-%m-%dT%H:%M:%SZ}"
        return hours, deadline
