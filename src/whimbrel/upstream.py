"""The senders of the settings: which connector serves each, and how fast.

Connections are begun and ended as this node's part of the accounts changes.

A new channel adds its connectors here, and nothing else outside its own folder.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import NamedTuple, Protocol

from whimbrel.channels.connector import Connector, LateAnswer
from whimbrel.channels.sms.connector import SmsConnector
from whimbrel.channels.whatsapp.connector import WhatsappConnector
from whimbrel.clock import Clock
from whimbrel.domain.content import Channel
from whimbrel.domain.receipt import MoMessage, Receipt
from whimbrel.flow.sender_accounts import senders_of
from whimbrel.flow.sender_lines import SenderLine
from whimbrel.http_out import AddressRule, Http, HttpOut
from whimbrel.settings import Settings, SmppAccount, WhatsappAccount


class Inbox(NamedTuple):
    """Where connections put what comes back; it is on disk when these return."""

    file: Callable[[list[Receipt]], Awaitable[None]]
    keep: Callable[[list[MoMessage]], Awaitable[None]]
    late: Callable[[LateAnswer], None]
    """Told of what a channel took after its submit had been given up; this one only begins."""


class Connection(Connector, Protocol):
    """A connector that keeps a connection."""

    async def run(self) -> None:
        """Keep it until `stop`."""
        ...

    async def stop(self) -> None:
        """Take leave."""
        ...


class MakesHttp(Protocol):
    """`HttpOut`, or what stands for it."""

    def __call__(
        self,
        *,
        address_rule: AddressRule | None,
        timeout: float,
        user_agent: str,
        max_body: int = 64 * 1024,
    ) -> Http:
        """Make a client."""
        ...


class MakesSms(Protocol):
    """`SmsConnector`, or what stands for it."""

    def __call__(
        self,
        name: str,
        account: SmppAccount,
        clock: Clock,
        *,
        timeout: float,
        file: Callable[[list[Receipt]], Awaitable[None]],
        keep: Callable[[list[MoMessage]], Awaitable[None]],
        late: Callable[[LateAnswer], None],
        changed: Callable[[], None],
    ) -> Connection:
        """Make a connector that is not running yet."""
        ...


class Edges(NamedTuple):
    """Where the process ends and the world begins; a simulation is a world of its own."""

    http: MakesHttp = HttpOut
    sms: MakesSms = SmsConnector
    chance: Callable[[], float] = random.random


class Upstream:
    """Everything that the gateway sends through."""

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        inbox: Inbox,
        *,
        user_agent: str,
        changed: Callable[[SenderLine], None],
        edges: Edges,
    ) -> None:
        """`changed` is called with the line whose connection is there or gone."""
        self._settings = settings
        self._clock = clock
        self._inbox = inbox
        self._changed = changed
        self._edges = edges
        self._http = edges.http(
            address_rule=None,  # the operator wrote these URLs, so any address may be one
            timeout=settings.dispatch.submit_timeout_seconds,
            user_agent=user_agent,
        )
        self._connections: dict[SenderLine, Callable[[], Connection]] = {}
        self._running: dict[SenderLine, tuple[Connection, asyncio.Task[None]]] = {}
        self.lines: dict[tuple[Channel, str], SenderLine] = {}
        for account in settings.whatsapp.values():
            self.lines[Channel.WHATSAPP, account.sender] = self._whatsapp(account)
        for name, smsc in settings.smpp.items():
            line = self._sms(name, smsc)
            self.lines |= {(Channel.SMS, sender): line for sender in smsc.senders}

    def begin(self, line: SenderLine) -> None:
        """Connect, and stay connected, where a line needs a connection."""
        if line in self._connections:
            line.connector = connection = self._connections[line]()
            self._running[line] = connection, asyncio.create_task(connection.run())

    async def end(self, line: SenderLine) -> None:
        """Take leave, where a line has a connection."""
        if line in self._running:
            connection, running = self._running.pop(line)
            await connection.stop()
            await running

    async def stop(self) -> None:
        """Take leave of everybody."""
        await asyncio.gather(*(self.end(line) for line in list(self._running)))
        await self._http.close()

    def senders(self) -> dict[Channel, frozenset[str]]:
        """Return the senders' names by channel."""
        return senders_of(self._settings)

    def _whatsapp(self, account: WhatsappAccount) -> SenderLine:
        timeout = self._settings.dispatch.submit_timeout_seconds
        return SenderLine(
            Channel.WHATSAPP,
            WhatsappConnector(account, self._http, timeout=timeout),
            throughput=account.throughput,
            pair_pacing=account.pair_pacing,
            concurrency=self._settings.dispatch.concurrency,
            slots=account.nodes,
        )

    def _sms(self, name: str, account: SmppAccount) -> SenderLine:
        def connection() -> Connection:  # one is never used again once it was ended
            return self._edges.sms(
                name,
                account,
                self._clock,
                timeout=self._settings.dispatch.submit_timeout_seconds,
                file=self._inbox.file,
                keep=self._inbox.keep,
                late=self._inbox.late,
                changed=lambda: self._changed(line),
            )

        line = SenderLine(
            Channel.SMS,
            connection(),
            throughput=account.throughput,
            pair_pacing=False,
            concurrency=account.submit_window,
            slots=account.binds,
        )
        self._connections[line] = connection
        return line
