"""A session under test, and the SMSCs that it meets: two strangers' and the nastiest of ours."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import pytest
import uvloop

from tests.support.clock import FakeClock
from tests.support.node_smsc import NodeSmsc, node_smsc
from tests.support.processes import free_ports
from whimbrel.channels.sms.pdu import DeliverSm, SubmitSm
from whimbrel.channels.sms.session import Session
from whimbrel.settings import SmppAccount

PASSWORD = "s3cret"
WITHIN = 20.0  # a bound that only ends a test which has failed already


def an_account(port: int, **changes: Any) -> SmppAccount:
    members = {
        "senders": ["SHOP"],
        "host": "127.0.0.1",
        "port": port,
        "system_id": "whimbrel",
        "password": PASSWORD,
    }
    return SmppAccount(**{**members, **changes})


def a_submit(number: int = 0, **changes: Any) -> SubmitSm:
    members = {
        "source_addr": "SHOP",
        "dest_addr": f"{79_000_000_000 + number}",
        "short_message": f"Order {number}".encode(),
        "registered_delivery": 1,
    }
    return SubmitSm(**{**members, **changes})


_LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,  # the gateway's own
}


def pytest_asyncio_loop_factories(
    item: pytest.Item,
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run the sessions on both event loops, since their transports differ in corners."""
    return _LOOPS if item.path.stem.startswith("test_session") else {"asyncio": _LOOPS["asyncio"]}


class Rig:
    """A session, what it handed over, and a way to wait for it."""

    def __init__(self, account: SmppAccount, *, response_timeout: float, chance: float) -> None:
        self.clock = FakeClock()
        self.handed: list[list[DeliverSm]] = []
        """The lists that `deliver` was given."""
        self.stored: Callable[[list[DeliverSm]], list[bool]] = lambda pdus: [True] * len(pdus)
        """What `deliver` tells, or raises."""
        self.disk = asyncio.Event()
        """Until it is set, nothing is stored."""
        self.disk.set()
        self.late: list[tuple[SubmitSm, str]] = []
        self.pauses = 0
        """How often it has begun to wait for the next connection."""
        self._luck = chance
        self.states: list[tuple[bool, str]] = []
        self._pulse = asyncio.Event()
        self.session = Session(
            "main",
            account,
            self.clock,
            deliver=self._deliver,
            changed=self._changed,
            response_timeout=response_timeout,
            late=self._late,
            chance=self._chance,
        )

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something that the session told makes `condition` true."""
        async with asyncio.timeout(WITHIN):
            while not condition():
                self._pulse.clear()
                await self._pulse.wait()

    async def until_bound(self) -> Session:
        await self.until(lambda: self.session.bound)
        return self.session

    async def until_down(self, why: str) -> None:
        """Wait until it has ever been down for a reason that holds `why`."""
        await self.until(lambda: any(why in reason for bound, reason in self.states if not bound))

    async def _deliver(self, pdus: list[DeliverSm]) -> list[bool]:
        self.handed.append(pdus)
        self._pulse.set()
        await self.disk.wait()
        return self.stored(pdus)

    def _chance(self) -> float:
        self.pauses += 1
        self._pulse.set()
        return self._luck

    def _late(self, pdu: SubmitSm, message_id: str) -> None:
        self.late.append((pdu, message_id))
        self._pulse.set()

    def _changed(self) -> None:
        self.states.append((self.session.bound, self.session.why))
        self._pulse.set()


Start = Callable[..., Awaitable[Rig]]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Start a session with an SMSC on a port; `changes` are of its account.

    `chance` 0 makes it reconnect without a pause.
    """
    async with contextlib.AsyncExitStack() as stack:

        async def rig(
            port: int, *, response_timeout: float = 10.0, chance: float = 0.0, **changes: Any
        ) -> Rig:
            one = Rig(an_account(port, **changes), response_timeout=response_timeout, chance=chance)
            running = asyncio.create_task(one.session.run())
            stack.push_async_callback(_end, one, running)
            return one

        yield rig


async def _end(rig: Rig, running: "asyncio.Task[None]") -> None:
    rig.disk.set()
    async with asyncio.timeout(WITHIN):
        await rig.session.stop()
        await running


@pytest.fixture
async def smsc() -> AsyncIterator[NodeSmsc]:
    """A stranger's SMSC that is ready."""
    async with node_smsc() as server:
        yield server


@pytest.fixture
def port() -> int:
    """A port on which nobody listens."""
    return free_ports(1)


Outcome = str | BaseException


async def outcomes(session: Session, pdus: list[SubmitSm]) -> list[Outcome]:
    """Submit all at once; return how each ended."""
    async with asyncio.timeout(WITHIN):
        return await asyncio.gather(*map(session.submit, pdus), return_exceptions=True)
