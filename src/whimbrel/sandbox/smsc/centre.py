"""The SMSC itself: takes submits, and sees to it that their scripts come true.

Owns the SMPP server, message ids and what each submit is answered with. What becomes of a message
is told by `scripts`, the form of its receipts by `receipts`; `postman` delivers them.
"""

import asyncio
import itertools
import secrets
import socket
from collections.abc import Hashable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

import smpp34

from whimbrel.clock import Clock, SystemClock
from whimbrel.sandbox.handset.phones import Answer, Phone, Phones
from whimbrel.sandbox.smsc import state
from whimbrel.sandbox.smsc.accounts import SmscAccount
from whimbrel.sandbox.smsc.ledger import SmsLedger, SubmittedSms
from whimbrel.sandbox.smsc.postman import Postman
from whimbrel.sandbox.smsc.receipts import inbound_sms, receipts_of
from whimbrel.sandbox.smsc.relay import Relay
from whimbrel.sandbox.smsc.scripts import RSYSERR, USUAL, Hearing, SmsScript
from whimbrel.sandbox.smsc.sessions import Sessions
from whimbrel.sandbox.smsc.submits import submitted_sms

# Events. A full queue makes smpp34 refuse submits with ESME_RMSGQFUL, and forget that somebody has
# bound or unbound, so it is longer than all windows of all clients together; unused room is free.
INBOUND_CAPACITY = 1_000_000
# One puller would wait for smpp34's threads after each event; several share the waiting.
PULLERS = 16
REMEMBERED_ATTEMPTS = 100_000  # messages under a refusing script; the oldest are forgotten


class Smsc:
    """An SMSC on `host` and `port` (0: a free one). Enter it (`async with`) to let it listen.

    `speed` divides every delay. SMS under the usual script wait for `phones` that are off. With
    `state_file`, receipts that are not delivered when it is left are kept there for the next one.
    Entering raises `OSError` if the address is taken.
    """

    def __init__(
        self,
        accounts: Iterable[SmscAccount],
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        clock: Clock | None = None,
        speed: float = 1.0,
        phones: Phones | None = None,
        state_file: Path | None = None,
    ) -> None:
        self.clock = clock or SystemClock()
        self.phones = phones or Phones()
        self.speed = speed
        self.host = host
        self.port = port
        self.accounts = {account.name: account for account in accounts}
        self.ledger = SmsLedger()
        self.faults: dict[str, int] = {}
        self.postmen = {
            account.system_id: Postman(self.clock, speed=speed)
            for account in self.accounts.values()
        }
        inner_port = _free_port()
        self.relay = Relay(
            {account.system_id: account.password for account in self.accounts.values()},
            behind=inner_port,
        )
        self._by_system_id = {account.system_id: account for account in self.accounts.values()}
        self._server = smpp34.Server(
            "127.0.0.1", inner_port, system_id="SANDBOX", inbound_capacity=INBOUND_CAPACITY
        )
        self._sessions = Sessions()
        self._attempts: dict[Hashable, int] = {}
        self._waiting: dict[str, list[SubmittedSms]] = {}  # for phones that are off
        self.phones.watch(self._phone_changed)
        # Unique from one run to the next as well: a client may still hold ids of the last one.
        self._ids = itertools.count(secrets.randbits(30) << 32)
        self._state_file = state_file
        self._running: list[asyncio.Task[None]] = []
        self._answering: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """Where it listens; smpp is no registered scheme, but tells what it is."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"smpp://{host}:{self.port}"

    @property
    def waiting(self) -> int:
        """How many SMS wait for a phone that is off."""
        return sum(map(len, self._waiting.values()))

    async def __aenter__(self) -> Self:
        for saved in state.load(self._state_file) if self._state_file else ():
            if postman := self.postmen.get(saved.system_id):
                postman.add(saved.due_in, saved.delivery)
        await self._listen()
        lives = [self._pull() for _ in range(PULLERS)]
        lives += [postman.run() for postman in self.postmen.values()]
        self._running = [asyncio.create_task(life) for life in lives]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.relay.stop()
        tasks = [*self._running, *self._answering]
        for task in tasks:
            task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        await self._server.stop()
        if self._state_file:
            for number in list(self._waiting):  # the next run's phones are on
                self._let_go(number)
            unfinished = {name: postman.unfinished() for name, postman in self.postmen.items()}
            state.save(self._state_file, unfinished)
        for end in ends:
            if isinstance(end, Exception):
                raise end

    def write_inbound(self, account: SmscAccount, *, subscriber: str, to: str, text: str) -> str:
        """Let a subscriber write to a sender of an account, and return the id of what he wrote.

        Raises `ValueError` if the text needs more than one part.
        """
        message_id, at = str(next(self._ids)), self.clock.now()
        self.postmen[account.system_id].offer(
            inbound_sms(message_id=message_id, subscriber=subscriber, to=to, text=text, at=at)
        )
        self.phones.note(
            Answer(id=message_id, number=subscriber, channel="SMS", business=to, text=text, at=at)
        )
        return message_id

    async def _listen(self) -> None:
        try:
            await self._server.start()
        except smpp34.SmppError as error:  # somebody took the port that was free just now
            raise OSError(str(error)) from error
        try:
            self.port = await self.relay.start(self.host, self.port)
        except OSError:
            await self._server.stop()
            raise

    async def _pull(self) -> None:
        while True:
            event = await self._server.next()
            if isinstance(event, smpp34.SubmitSmEvent):
                await self._take(event)
            elif isinstance(event, smpp34.Esme):
                await self._greet(event)
            else:
                esme = self._sessions.end(event.session_id).esme
                if esme and (postman := self.postmen.get(esme.system_id)):
                    postman.unbind(esme.session_id)

    async def _greet(self, esme: smpp34.Esme) -> None:
        lives = self._sessions.bind(esme)
        postman = self.postmen.get(esme.system_id)
        if postman is None:  # came by the back door, past the relay
            await esme.unbind()
        elif lives:
            postman.bind(esme)

    async def _take(self, event: smpp34.SubmitSmEvent) -> None:
        session = await self._sessions.of(event.session_id)
        esme = session.esme if session else None
        account = self._by_system_id.get(esme.system_id) if esme else None
        if session is None or account is None:
            event.reject(RSYSERR)
            return
        sms = submitted_sms(
            event, account=account.name, message_id=str(next(self._ids)), at=self.clock.now()
        )
        attempt = self._count_attempt(sms)
        if status := self.faults.get(account.name) or _refusal(sms.script, attempt):
            self.ledger.refused += 1
            event.reject(status)
            return
        self.ledger.add(sms)
        self.phones.news.tell(sms.to)
        is_dropped = sms.script.refusals < attempt <= sms.script.refusals + sms.script.drops
        if is_dropped:
            self.relay.drop(account.system_id)
        else:
            self._attempts.pop(_key(sms), None)  # the next message like it meets the same again
        if is_dropped or sms.script.hearing is Hearing.NEVER:
            session.unanswered.append(event)
        elif sms.script.hearing is Hearing.AFTER_RECEIPT:
            self._answer_after_receipt(event, sms, account)
            return
        else:
            event.accept(_answered_id(sms))
        self._schedule(sms, account)

    def _answer_after_receipt(
        self, event: smpp34.SubmitSmEvent, sms: SubmittedSms, account: SmscAccount
    ) -> None:
        """Hand the first receipt over now; without a session that takes it, answer all the same."""
        sms.started_at = sms.accepted_at

        async def answer() -> None:
            receipts = receipts_of(sms, zone=account.zone, speed=self.speed)
            postman = self.postmen[account.system_id]
            for _, receipt in receipts:
                sms.receipts.append(receipt)
                if not await postman.hand_over(receipt):
                    postman.offer(receipt)
            event.accept(_answered_id(sms))

        task = asyncio.create_task(answer())
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)

    def _schedule(self, sms: SubmittedSms, account: SmscAccount) -> None:
        """Let its steps fall due from now on, or from when the phone is switched on."""
        if sms.script is USUAL and not self.phones.of(sms.to).is_on:
            self._waiting.setdefault(sms.to, []).append(sms)
        else:
            self._start(sms, account, sms.accepted_at)

    def _start(self, sms: SubmittedSms, account: SmscAccount, at: int) -> None:
        sms.started_at = at
        postman = self.postmen[account.system_id]
        for after, receipt in receipts_of(sms, zone=account.zone, speed=self.speed):
            sms.receipts.append(receipt)
            postman.add(after, receipt)

    def _phone_changed(self, phone: Phone) -> None:
        if phone.is_on:
            self._let_go(phone.number)

    def _let_go(self, number: str) -> None:
        for sms in self._waiting.pop(number, ()):
            self._start(sms, self.accounts[sms.account], self.clock.now())

    def _count_attempt(self, sms: SubmittedSms) -> int:
        """Count the attempts at messages whose script refuses some, and return which this is."""
        if not sms.script.refusals and not sms.script.drops:
            return 1
        key = _key(sms)
        self._attempts[key] = attempt = self._attempts.get(key, 0) + 1
        if len(self._attempts) > REMEMBERED_ATTEMPTS:
            del self._attempts[next(iter(self._attempts))]
        return attempt


def _refusal(script: SmsScript, attempt: int) -> int:
    return script.refusal_status if attempt <= script.refusals else 0


def _answered_id(sms: SubmittedSms) -> str:
    return f"{int(sms.message_id):x}" if sms.script.hex_answer else sms.message_id


def _key(sms: SubmittedSms) -> Hashable:
    """Return what tells one message from another; a second attempt may have another reference."""
    part = sms.part
    return (sms.account, sms.source.address, sms.to, part.part if part else 0, sms.body)


def _free_port() -> int:
    """Return a free port for smpp34, which does not tell which one it took."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
