"""The fake world behind the API: numbers, accepted messages, and the statuses still to come.

Owns time and fate: which script a message follows and when each of its statuses is due. Knows
nothing about HTTP requests; those are the Graph API's and the control API's.
"""

import asyncio
from collections.abc import Hashable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

import aiohttp
import msgspec

from whimbrel.clock import Clock, SystemClock
from whimbrel.sandbox import state
from whimbrel.sandbox.courier import LARGEST_POST, Courier
from whimbrel.sandbox.errors import GraphError, whatsapp_error
from whimbrel.sandbox.handset.phones import Answer as Written
from whimbrel.sandbox.handset.phones import Phone, Phones
from whimbrel.sandbox.ledger import Ledger, Message, Status, label_of, mint_wamid
from whimbrel.sandbox.limits import pairs_limit, throughput_limit
from whimbrel.sandbox.numbers import SandboxNumber
from whimbrel.sandbox.scripts import (
    BLOCKED,
    NOT_ON_WHATSAPP,
    USUAL,
    Answer,
    Script,
    Step,
    script_for,
)
from whimbrel.sandbox.shapes import Content, Send
from whimbrel.sandbox.timeline import Timeline
from whimbrel.sandbox.webhooks import inbound_body

REMEMBERED_REFUSALS = 100_000  # messages under a refusing script; the oldest are forgotten


class World:
    """Everything that a message can meet. Enter it (`async with`) to let time pass.

    `speed` divides every delay and multiplies every limit. `throughput` is in messages a second
    for each number, 0 for no limit. `largest_post` bounds the updates of one webhook. How the
    subscribers' `phones` are set decides about messages under the usual script.
    With `state_file`, statuses that are not delivered when the world is left are kept there for
    the next one. Set `stopping` to let requests go that would hang for ever.
    """

    def __init__(
        self,
        numbers: Iterable[SandboxNumber],
        *,
        clock: Clock | None = None,
        speed: float = 1.0,
        throughput: float = 80.0,
        pair_limit: bool = True,
        contacts_on_failed: bool = False,
        largest_post: int = LARGEST_POST,
        phones: Phones | None = None,
        state_file: Path | None = None,
        stopping: asyncio.Event | None = None,
    ) -> None:
        self.clock = clock or SystemClock()
        self.phones = phones or Phones()
        self.speed = speed
        self.numbers = {number.phone_number_id: number for number in numbers}
        self.tokens = {number.token for number in self.numbers.values()}
        self.ledger = Ledger()
        self.faults: dict[str, GraphError] = {}
        self.stopping = stopping or asyncio.Event()
        self.couriers = {
            number.phone_number_id: Courier(
                number,
                self.clock,
                speed=speed,
                largest_post=largest_post,
                contacts_on_failed=contacts_on_failed,
            )
            for number in self.numbers.values()
        }
        self._throughput = throughput_limit(self.clock, throughput * speed) if throughput else None
        self._pairs = pairs_limit(self.clock, speed) if pair_limit else None
        self._refusals: dict[Hashable, int] = {}
        self._steps: Timeline[tuple[Message, Step]] = Timeline(self.clock, self._fall_due)
        self._waiting: dict[str, list[tuple[Message, Step]]] = {}  # for phones that are off
        self.phones.watch(self._phone_changed)
        self._state_file = state_file
        self._http: aiohttp.ClientSession | None = None
        self._running: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        # The couriers bound their own concurrency, so the pool need not.
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), cookie_jar=aiohttp.DummyCookieJar()
        )
        if self._state_file:
            self._resume(state.load(self._state_file))
        self._running = [
            asyncio.create_task(courier.run(self._http)) for courier in self.couriers.values()
        ]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._steps.stop()
        for task in self._running:
            task.cancel()
        ends = await asyncio.gather(*self._running, return_exceptions=True)
        if self._http:
            await self._http.close()
        if self._state_file:
            self._suspend(self._state_file)
        for end in ends:
            if isinstance(end, Exception):
                raise end

    @property
    def pending(self) -> int:
        """How many statuses have not fallen due yet, or wait for a phone that is off."""
        return len(self._steps) + sum(map(len, self._waiting.values()))

    def accept(self, number: SandboxNumber, send: Send, to: str, content: Content) -> Message:
        """Take a well-formed message, and set its script going.

        Raises `GraphError` if the recipient's script refuses it this time, or a limit does.
        """
        script = self._script_of(to)
        self._check_script(script, number, send, to, content)
        self._check_limits(number, to)
        message = Message(
            wamid=mint_wamid(to),
            number=number,
            to=to,
            type=send.type,
            content=content,
            callback_data=send.callback_data,
            accepted_at=self.clock.now(),
            script=script,
            settled=asyncio.Event() if script.answer is Answer.AFTER_RECEIPTS else None,
        )
        self.ledger.add(message)
        for step in script.steps:
            self._steps.add(step.after / self.speed, (message, step))
        self.phones.news.tell(to)
        return message

    def read(self, message: Message) -> None:
        """Let a subscriber read a message now."""
        self._bring_about(message, Step(0.0, "read"))

    def write_inbound(
        self, number: SandboxNumber, *, sender: str, text: str, name: str | None = None
    ) -> str:
        """Let a subscriber write to a number, and return the wamid of what he wrote."""
        wamid = mint_wamid(sender, inbound=True)
        at = self.clock.now()
        body = inbound_body(number, wamid=wamid, sender=sender, name=name, text=text, at=at)
        self.couriers[number.phone_number_id].send(body)
        self.phones.note(
            Written(
                id=wamid,
                number=sender,
                channel="WHATSAPP",
                business=number.phone_number_id,
                text=text,
                at=at,
            )
        )
        return wamid

    def _script_of(self, to: str) -> Script:
        script = script_for(to)
        if script is not USUAL:
            return script
        phone = self.phones.of(to)
        if not phone.is_on_whatsapp:
            return NOT_ON_WHATSAPP
        return BLOCKED if phone.is_blocking else script

    def _check_script(
        self, script: Script, number: SandboxNumber, send: Send, to: str, content: Content
    ) -> None:
        """Refuse as many attempts at one message as its script says."""
        if not script.refusals:
            return
        label: Hashable = (
            label_of(send.callback_data)
            if send.callback_data is not None
            else (to, msgspec.json.encode(content))
        )
        key = (number.phone_number_id, label)
        refused = self._refusals.get(key, 0)
        if refused >= script.refusals:
            return
        self._refusals[key] = refused + 1
        if len(self._refusals) > REMEMBERED_REFUSALS:
            del self._refusals[next(iter(self._refusals))]
        raise whatsapp_error(script.refusal_code)

    def _check_limits(self, number: SandboxNumber, to: str) -> None:
        if self._throughput and not self._throughput.admits(number.phone_number_id):
            raise whatsapp_error(130429)
        if self._pairs and not self._pairs.admits((number.phone_number_id, to)):
            raise whatsapp_error(131056)

    def _fall_due(self, item: tuple[Message, Step]) -> None:
        """Bring a status about, unless the recipient's phone is set otherwise by now."""
        message, step = item
        phone = self.phones.of(message.to)
        if message.script is not USUAL or step.status not in {"delivered", "read"}:
            self._bring_about(message, step)
        elif phone.is_blocking:
            return
        elif not phone.is_on:
            self._waiting.setdefault(message.to, []).append(item)
        elif step.status == "delivered" or (phone.reads_itself and not message.is_read):
            self._bring_about(message, step)

    def _phone_changed(self, phone: Phone) -> None:
        """Let go what has waited for a phone: at once, and what comes after that, in its time."""
        if not phone.is_on:
            return
        first: dict[Message, float] = {}
        for message, step in self._waiting.pop(phone.number, ()):
            after_first = step.after - first.setdefault(message, step.after)
            self._steps.add(after_first / self.speed, (message, step))

    def _bring_about(self, message: Message, step: Step) -> None:
        status = Status(step.status, step.code, self.clock.now())
        message.statuses.append(status)
        self.couriers[message.number.phone_number_id].offer(message, status)
        self.phones.news.tell(message.to)

    def _resume(self, saved: state.Saved) -> None:
        messages = state.messages_of(saved, self.numbers)
        for step in saved.steps:
            if step.wamid in messages:
                due = Step(step.due_in, step.status, step.code)
                self._steps.add(step.due_in / self.speed, (messages[step.wamid], due))
        for webhook in saved.webhooks:
            if courier := self.couriers.get(webhook.phone_number_id):
                parcel = courier.seal(webhook.body.encode("ascii"))
                parcel.attempts = webhook.attempts
                parcel.messages = [messages[wamid] for wamid in webhook.wamids]
                courier.resume(parcel)

    def _suspend(self, path: Path) -> None:
        steps = [(left * self.speed, *item) for left, item in self._steps.remaining()]
        for waiting in self._waiting.values():
            steps += [(step.after, message, step) for message, step in waiting]
        parcels = {
            phone_number_id: courier.unfinished()
            for phone_number_id, courier in self.couriers.items()
        }
        state.save(path, steps, parcels)
