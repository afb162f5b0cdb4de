"""Accepting requests as the gateway does, with a Partner that has a password."""

from typing import Any

import pytest
from msgspec.structs import replace

from tests.support.builders import SENDER, SUBSCRIBER, a_partner
from tests.support.clock import FakeClock
from whimbrel.domain.chain_id import ChainIds, moment_after
from whimbrel.domain.content import Channel
from whimbrel.domain.refusal import Refusal
from whimbrel.domain.request import MessageRequest, SendRequest
from whimbrel.flow.accept import Acceptor, Answer
from whimbrel.flow.gatekeeper import Gatekeeper
from whimbrel.flow.message_checks import Senders
from whimbrel.flow.numbering_directory import NumberingDirectory
from whimbrel.flow.partner_directory import PartnerDirectory
from whimbrel.flow.reception import Reception
from whimbrel.flow.shortening import Shortening
from whimbrel.flow.tallies import Tallies
from whimbrel.metrics import Metrics
from whimbrel.store.partners import PartnerChange, change_partners
from whimbrel.store.sqlite import SqliteStore

PASSWORD = "shop-password"
ADDRESS = "203.0.113.9"
LOGIN = a_partner().login
QUEUE_LIMIT = 3
SENDERS = {Channel.WHATSAPP: frozenset({SENDER, "OTHER"})}


def stored(password: str) -> str:
    """Stand in for argon2, which takes a tenth of a second; `tests/domain` has the real one."""
    return f"hash of {password}"


def a_message(**changes: Any) -> MessageRequest:
    members = {
        "type": "WHATSAPP",
        "content_type": "TEXT",
        "text": "Hello",
        "image_url": None,
        "plain_text": None,
        "service_number": None,
        "ttl": None,
        "ttl_unit": None,
        "shorten_links": None,
    }
    return MessageRequest(**{**members, **changes})


def a_request(**changes: Any) -> SendRequest:
    members = {
        "login": LOGIN,
        "password": PASSWORD,
        "partner_ref": None,
        "use_time_diff": False,
        "shorten_links": True,
        "schedule": None,
        "dest_addr": f"+{SUBSCRIBER}",
        "message": a_message(),
        "extra_param": None,
        "registered_delivery": 1,
        "notify_url": None,
        "cascade": None,
    }
    return SendRequest(**{**members, **changes})


class Door:
    """An acceptor, and what it needs."""

    def __init__(
        self,
        store: SqliteStore,
        clock: FakeClock,
        *,
        senders: Senders = SENDERS,
        last: int = 0,
        base: str = "",
        metrics: Metrics | None = None,
    ) -> None:
        """`last` is the greatest number of a chain so far, `base` the gateway's short domain."""
        metrics = metrics or Metrics()
        self.store, self.clock = store, clock
        self.partners = PartnerDirectory(store)
        self.numbering = NumberingDirectory(store)
        self.shortening = Shortening(store, self.partners, metrics, base=base)
        self.gatekeeper = Gatekeeper(self.partners, clock)
        self.woken = 0
        self.tallies = Tallies(store, clock, metrics)
        reception = Reception(
            store,
            clock,
            self.gatekeeper,
            senders,
            ChainIds(0, begin=moment_after(last)),
            numbering=self.numbering,
            shortening=self.shortening,
            queue_limit=QUEUE_LIMIT,
        )
        self.acceptor = Acceptor(store, reception, self.tallies, wake_dispatch=self._wake)

    async def configure(self, **profile: Any) -> None:
        """Give the Partner a password, and change its profile."""
        self.clock.advance(1)
        await self.configure_quietly(**profile)

    async def configure_quietly(self, **profile: Any) -> None:
        """The same, and no time passes."""
        partner = replace(a_partner(**profile), password_hash=stored(PASSWORD))
        await self.store.write(change_partners, PartnerChange(partner, self.clock.now()))
        await self.partners.refresh()

    async def accept(self, request: SendRequest) -> Answer:
        return await self.acceptor.accept(request, ADDRESS, "request-1")

    async def refusal(self, request: SendRequest) -> Refusal:
        with pytest.raises(Refusal) as refused:
            await self.accept(request)
        return refused.value

    def _wake(self) -> None:
        self.woken += 1
