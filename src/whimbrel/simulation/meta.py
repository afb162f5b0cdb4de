"""A scripted Cloud API: it takes submits, and POSTs webhooks to the gateway until they are taken.

What a submit comes to is drawn from the run's chance; nothing here knows how the gateway works,
beyond Meta's own wire.
"""

import hashlib
import hmac
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from whimbrel.clock import SECOND
from whimbrel.domain.content import Channel
from whimbrel.domain.status import LinkState
from whimbrel.http_out import Headers
from whimbrel.settings import WhatsappAccount
from whimbrel.simulation.ledger import Ledger, SeenSubmit
from whimbrel.simulation.network import BROKEN, REFUSED, Reply, answer
from whimbrel.simulation.node import Gone, Node
from whimbrel.simulation.world import World

_REFUSALS = (131026, 131047, 131050, 132001, 100, 999_999)
_FAULTS = (130429, 130429, 131056, 131000, 131016, 1, 190, 131031, 80007, 131053)
_GIVEN_BACK = (131053, 130429, 131000)
"""Codes of a `failed` receipt after which another attempt is worth while."""
_LOST_FOR_GOOD = (131026, 131047, 131049)
_STATES = {
    "sent": LinkState.SENT,
    "delivered": LinkState.DELIVERED,
    "read": LinkState.READ,
    "failed": LinkState.FAILED,
}
_AGAIN = (2.0, 10.0, 60.0, 300.0, 900.0, 3_600.0)
"""Seconds between the attempts to deliver a webhook; the last for as long as it takes."""


class _Update(NamedTuple):
    """One status of a message."""

    link_id: int
    wamid: str
    seen: SeenSubmit
    status: str
    code: int
    body: dict[str, Any]


class Meta:
    """The host of one sending number."""

    def __init__(self, world: World, ledger: Ledger, node: Node, account: WhatsappAccount) -> None:
        self._world = world
        self._ledger = ledger
        self._node = node
        self._account = account
        self._count = 0
        self._outbox: list[_Update] = []

    def take(self, url: str, body: bytes, headers: Headers) -> Reply:  # noqa: ARG002
        """Take a submit."""
        world, random = self._world, self._world.random
        message = msgspec.json.decode(body)
        link_id, _, attempt = message["biz_opaque_callback_data"].partition(".")
        if world.strikes(world.odds.timeouts / 3):
            world.note("meta", link_id, attempt, "is not reached")
            return Reply(random.uniform(0.0, 5.0), REFUSED)
        lost = world.strikes(world.odds.timeouts)
        refused = not lost and world.strikes(world.odds.errors)
        taken = random.random() < 0.6 if lost else not refused
        seen = self._ledger.submitted(int(link_id), int(attempt), Channel.WHATSAPP, taken=taken)
        wamid = ""
        if taken:
            self._count += 1
            wamid = f"wamid.{self._count}"
            self._plan(int(link_id), wamid, seen, message)
        reply = self._lost(wamid) if lost else self._refusal() if refused else self._taken(wamid)
        world.note("meta", link_id, attempt, wamid or "-", f"{reply.after:.3f}", _said(reply))
        return reply

    def _taken(self, wamid: str) -> Reply:
        body = {"messaging_product": "whatsapp", "messages": [{"id": wamid}]}
        quick = self._world.random.uniform(0.02, 0.6)
        return Reply(quick, answer(200, msgspec.json.encode(body)))

    def _lost(self, wamid: str) -> Reply:
        """End a submit so that nobody can tell whether it was taken; a late answer included."""
        random = self._world.random
        after = random.choice((0.1, 5.0, 29.9, 30.1, 60.0))
        broken = (BROKEN, None, answer(502, b"<html>"), answer(200, b"{}"))
        if wamid and random.random() < 0.3:
            return self._taken(wamid)._replace(after=after)
        return Reply(after, random.choice(broken if wamid else broken[:3]))

    def _refusal(self) -> Reply:
        random = self._world.random
        code = random.choice(_REFUSALS if random.random() < 0.4 else _FAULTS)
        error = {"code": code, "message": "simulated", "type": "OAuthException"}
        status = random.choice((400, 429, 500))
        return Reply(
            random.uniform(0.02, 0.6), answer(status, msgspec.json.encode({"error": error}))
        )

    # Receipts

    def _plan(self, link_id: int, wamid: str, seen: SeenSubmit, message: dict[str, Any]) -> None:
        """Decide what becomes of a message, and when it is told."""
        for delay, status, code in self._fate():
            at = self._world.clock.now() // SECOND + round(delay)
            body: dict[str, Any] = {
                "id": wamid,
                "status": status,
                "timestamp": str(at),
                "recipient_id": message["to"].removeprefix("+"),
                "biz_opaque_callback_data": message["biz_opaque_callback_data"],
            }
            if code:
                body["errors"] = [{"code": code, "title": "simulated"}]
            update = _Update(link_id, wamid, seen, status, code, body)
            for late in self._deliveries(delay):
                self._world.after(late, self._tell, update)

    def _fate(self) -> Iterator[tuple[float, str, int]]:
        """Yield the statuses that a message will have, with the seconds until each."""
        world, random = self._world, self._world.random
        delay = random.uniform(0.01, 3.0)
        if world.strikes(world.odds.errors):
            if random.random() < 0.5:
                yield delay, "sent", 0
            code = random.choice(_GIVEN_BACK if random.random() < 0.5 else _LOST_FOR_GOOD)
            yield delay + random.uniform(0.0, 30.0), "failed", code
            return
        if world.strikes(world.odds.receipts / 3):
            return  # nothing is ever told
        yield delay, "sent", 0
        if random.random() < 0.85:
            delay += random.choice((0.2, 2.0, 30.0, 600.0)) * random.random()
            yield delay, "delivered", 0
            if random.random() < 0.5:
                yield delay + random.choice((1.0, 60.0, 7_200.0)) * random.random(), "read", 0

    def _deliveries(self, delay: float) -> Iterator[float]:
        """Yield after how many seconds each copy of a webhook sets out."""
        world, random = self._world, self._world.random
        if world.strikes(world.odds.receipts):
            delay = random.choice(
                (0.0, delay + 45.0, delay + 75.0, delay + 4_000.0, delay + 90_000.0)
            )
        yield delay
        while world.strikes(world.odds.receipts):
            delay += random.choice((0.0, 0.5, 100.0, 5_000.0))
            yield delay

    def _tell(self, update: _Update) -> None:
        """Put an update into the next webhook, which may carry others."""
        self._ledger.said[update.link_id].add(_STATES[update.status])
        if not self._outbox:
            self._world.after(self._world.random.choice((0.0, 0.0, 0.2)), self._send)
        self._outbox.append(update)

    def _send(self) -> None:
        updates, self._outbox = self._outbox, []
        if self._world.strikes(self._world.odds.receipts):
            self._world.random.shuffle(updates)
        self._world.spawn(self._deliver(updates))

    async def _deliver(self, updates: list[_Update]) -> None:
        value = {
            "messaging_product": "whatsapp",
            "metadata": {"phone_number_id": self._account.phone_number_id},
            "statuses": [update.body for update in updates],
        }
        entry = {"id": "1", "changes": [{"field": "messages", "value": value}]}
        body = msgspec.json.encode({"object": "whatsapp_business_account", "entry": [entry]})
        digest = hmac.new(self._account.app_secret.encode(), body, hashlib.sha256).hexdigest()
        headers = {"x-hub-signature-256": f"sha256={digest}"}
        path = f"/hooks/whatsapp/{self._account.sender.lower()}"
        for update in updates:
            update.seen.given_back |= update.code in _GIVEN_BACK
        what = ",".join(f"{one.wamid}:{one.status}" for one in updates)
        for attempt in range(10_000):
            try:
                status, _ = await self._node.call(path, headers, body)
            except Gone:
                status = 0
            self._world.note("webhook", what, status)
            if status == 200:
                break
            await _sleep(self._world, _AGAIN[min(attempt, len(_AGAIN) - 1)])
        for update in updates:
            update.seen.filed.setdefault(_STATES[update.status], self._world.loop.time())


async def _sleep(world: World, seconds: float) -> None:
    woken = world.loop.create_future()
    world.after(seconds, lambda: woken.set_result(None))
    await woken


def _said(reply: Reply) -> str:
    outcome = reply.outcome
    return str(getattr(outcome, "status", None) or type(outcome).__name__)
