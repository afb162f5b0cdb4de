"""Several nodes on one store and one steady clock, stepped by hand."""

from typing import Any

from tests.flow.rig import GRACE, ScriptedConnector
from tests.support.clock import FakeClock
from whimbrel.clock import SECOND
from whimbrel.domain.content import Channel
from whimbrel.flow.holdings import Connections, Holdings
from whimbrel.flow.membership import Member, Membership
from whimbrel.flow.sender_lines import SenderLine
from whimbrel.metrics import Metrics
from whimbrel.store.engine import Item, Operation, Result, Store, StoreUnavailable

ROLES = ("api", "dispatch", "reports", "smpp")


class ShakyStore:
    """A store as one node sees it, which can be away; what `after` it is written, it says not."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.away = False
        self.loses_answers = False
        """It writes, and its answer does not come."""

    @property
    def waiting(self) -> int:
        return self._store.waiting

    async def write(self, operation: Operation[Item, Result], item: Item) -> Result:
        if self.away:
            raise StoreUnavailable("the store is away")
        result = await self._store.write(operation, item)
        if self.loses_answers:
            raise StoreUnavailable("the answer was lost")
        return result

    async def read(self, operation: Operation[Item, Result], item: Item) -> Result:
        if self.away:
            raise StoreUnavailable("the store is away")
        return await self._store.read(operation, item)

    async def close(self) -> None:
        raise AssertionError("it is the test's")


def a_line(
    name: str, channel: Channel = Channel.WHATSAPP, *, slots: int = 1, throughput: float = 80.0
) -> SenderLine:
    connector = ScriptedConnector(name)
    return SenderLine(
        channel,
        connector,
        throughput=throughput,
        pair_pacing=False,
        concurrency=8,
        slots=slots,
    )


class Node:
    """One process: its place, and what it sends through."""

    def __init__(
        self,
        store: Store,
        clock: FakeClock,
        *lines: SenderLine,
        roles: tuple[str, ...] = ROLES,
        name: str = "node",
        alone: bool = False,
        post: str = "",
    ) -> None:
        self.store = ShakyStore(store)
        self.clock = clock
        self.metrics = Metrics()
        self.lines = {(line.channel, line.name): line for line in lines}
        self.connections: list[tuple[str, str]] = []
        """`begun` and `ended`, each with a line's name."""
        self.membership = Membership(
            self.store, clock, self.metrics, Member(name, roles, alone, post), grace=GRACE
        )
        self.woken = 0
        self.holdings = Holdings(
            self.store,
            clock,
            self.membership,
            self.lines,
            roles=roles,
            connections=Connections(self._begun, self._ended),
            wake_dispatch=self._wake,
        )

    @property
    def held(self) -> set[str]:
        return {line.name for line in self.lines.values() if line.held}

    def line(self, name: str, channel: Channel = Channel.WHATSAPP) -> SenderLine:
        return self.lines[channel, name]

    async def start(self) -> "Node":
        await self.membership.join()
        await self.holdings.step()
        return self

    async def step(self) -> None:
        """What each second brings, as far as the store lets it."""
        for work in (self.membership.step, self.holdings.step):
            try:
                await work()
            except StoreUnavailable:
                assert self.store.away or self.store.loses_answers

    def count(self, name: str) -> float:
        return self.metrics.registry.get_sample_value(f"whimbrel_{name}") or 0.0

    def _begun(self, line: SenderLine) -> None:
        assert line.held
        self.connections.append(("begun", line.name))

    async def _ended(self, line: SenderLine) -> None:
        assert not line.held
        self.connections.append(("ended", line.name))

    def _wake(self) -> None:
        self.woken += 1


async def live(clock: FakeClock, *nodes: Node, seconds: float, step: int = SECOND) -> None:
    """Let nodes step each second for so long; those that are not named stand still."""
    end = clock.moment + round(seconds * SECOND)
    while clock.moment < end:
        clock.advance(min(step, end - clock.moment))
        for node in nodes:
            await node.step()


async def started(store: Store, clock: FakeClock, count: int, **node: Any) -> list[Node]:
    return [await Node(store, clock, name=f"n{i}", **node).start() for i in range(count)]
