"""The hand that harms: by a seed, it decides what happens when, and to whom, and for how long."""

import asyncio
import contextlib
import random
import signal
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, NamedTuple

import aiohttp

from tests.chaos.options import Options
from tests.chaos.place import Node, Place

DECK = {
    "kill": 5, "cut": 3, "swallow": 1, "restart": 1, "crash": 1, "stand still": 1, "doze": 1,
    "report 500": 1, "report mute": 1, "smsc drop": 2, "smsc hold": 1, "meta 500": 1,
    "meta cut": 1, "meta swallow": 1,
}  # fmt: skip
"""How often each harm comes in a round; rounds are shuffled."""
_OF_POSTGRES = {"cut", "swallow", "restart", "crash"}
_PAST_LEASE = (16.0, 22.0)  # seconds; a lease is 15


class Harm(NamedTuple):
    """One thing that happens."""

    after: float
    """Seconds after the one before it."""
    kind: str
    node: int
    lasting: float
    """A number from 0 to 1: how much of the longest time that it may last."""


def plan(options: Options, nodes: int) -> Iterator[Harm]:
    """Return what happens, without an end; the same for the same seed."""
    chance = random.Random(f"harm {options.seed}")
    first = list(options.first)
    while True:
        kinds = [kind for kind, times in DECK.items() for _ in range(times)]
        if options.engine == "sqlite":
            kinds = [kind for kind in kinds if kind not in _OF_POSTGRES]
        chance.shuffle(kinds)
        for kind in (*first, *kinds):
            after = min(chance.expovariate(1 / options.every), 4 * options.every)
            yield Harm(after, kind, chance.randrange(nodes), chance.random())
        first = []


class Down(NamedTuple):
    """A node that was killed or stood still, in seconds UTC."""

    node: str
    kind: str
    began: float
    ended: float


class Hand:
    """Does harm until it is told to stop, then heals everything."""

    def __init__(self, place: Place, options: Options, now: Callable[[], float]) -> None:
        self._place = place
        self._options = options
        self._now = now
        self._store = asyncio.Lock()
        self._well = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self.done: Counter[str] = Counter()
        self.told: list[str] = []
        self.downs: list[Down] = []
        self.store_away: list[tuple[float, float]] = []

    async def harm(self) -> None:
        """Do what the plan says, each thing when its time has come. Cancel it to end it."""
        for one in plan(self._options, len(self._place.nodes)):
            await asyncio.sleep(one.after)
            self._tell(f"{one.kind} {self._place.nodes[one.node].name if _is_about(one) else ''}")
            task = asyncio.create_task(self._do(one))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def heal(self) -> None:
        """End all harm, and wait until everybody is up."""
        self._well.set()
        while self._tasks:
            await asyncio.gather(*self._tasks)
        self._tell("healed")

    def _tell(self, what: str) -> None:
        self.told.append(f"{self._now():.3f} {what}")

    async def _do(self, one: Harm) -> None:
        node = self._place.nodes[one.node]
        doing: dict[str, Callable[[], Awaitable[object]]] = {
            "kill": lambda: self._kill(node, 0.5 + 4 * one.lasting),
            "cut": lambda: self._cut(node),
            "swallow": lambda: self._swallow(node, 3 + 25 * one.lasting),
            "restart": lambda: self._restart(signal.SIGINT, 3 * one.lasting),
            "crash": lambda: self._restart(signal.SIGQUIT, 3 * one.lasting),
            "stand still": lambda: self._stand_still(node, *_between(_PAST_LEASE, one.lasting)),
            "doze": lambda: self._stand_still(node, 1 + 9 * one.lasting),
            "report 500": lambda: self._receiver("sorry", 2 + 6 * one.lasting),
            "report mute": lambda: self._receiver("mute", 2 + 10 * one.lasting),
            "smsc drop": lambda: self._sandbox("smsc/drop"),
            "smsc hold": lambda: self._hold_smsc(1 + 5 * one.lasting),
            "meta cut": self._cut_meta,
            "meta swallow": lambda: self._swallow_meta(2 + 12 * one.lasting),
            "meta 500": lambda: self._meta(2 + 4 * one.lasting),
        }
        await doing[one.kind]()
        self.done[one.kind] += 1

    async def _pause(self, seconds: float) -> None:
        """Wait, but not beyond the healing."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._well.wait()

    @contextlib.asynccontextmanager
    async def _down(self, node: Node, kind: str) -> AsyncIterator[None]:
        async with node.turn:
            began = self._now()
            yield
            self.downs.append(Down(node.name, kind, began, self._now()))

    async def _kill(self, node: Node, seconds: float) -> None:
        async with self._down(node, "kill"):
            await node.kill()
            await self._pause(seconds)
            await node.start()

    async def _stand_still(self, node: Node, seconds: float) -> None:
        async with self._down(node, "stand still"):
            node.stand_still()
            await self._pause(min(seconds, 2.0))
            node.is_well = False  # by now a balancer has seen that it does not answer
            await self._pause(seconds - 2.0)
            node.go_on()
            node.is_well = True

    async def _cut(self, node: Node) -> None:
        if node.to_store is not None:
            node.to_store.cut()

    async def _swallow(self, node: Node, seconds: float) -> None:
        """Let every byte between a node and PostgreSQL vanish, then tear what is left."""
        if node.to_store is not None:
            node.to_store.hold()
            await self._pause(seconds)
            node.to_store.cut()
            node.to_store.release()

    async def _restart(self, number: signal.Signals, seconds: float) -> None:
        postgres = self._place.postgres
        assert postgres
        async with self._store:
            began = self._now()
            await asyncio.to_thread(postgres.stop, number)
            await self._pause(seconds)
            await asyncio.to_thread(postgres.start)
            self.store_away.append((began, self._now()))

    async def _receiver(self, mood: str, seconds: float) -> None:
        self._place.receiver.be(mood)
        await self._pause(seconds)
        self._place.receiver.be("well")

    async def _hold_smsc(self, seconds: float) -> None:
        await self._sandbox("smsc/hold")
        await self._pause(seconds)
        await self._sandbox("smsc/release")

    async def _cut_meta(self) -> None:
        self._place.to_meta.cut()

    async def _swallow_meta(self, seconds: float) -> None:
        """Let answers to submits vanish, and requests too."""
        self._place.to_meta.hold()
        await self._pause(seconds)
        self._place.to_meta.cut()
        self._place.to_meta.release()

    async def _meta(self, seconds: float) -> None:
        number = "200000000000001"
        wrong = {"http": 500, "code": 131000}
        await self._sandbox("faults", {"phone_number_id": number, "error": wrong})
        await self._pause(seconds)
        await self._sandbox("faults", {"phone_number_id": number, "error": None})

    async def _sandbox(self, path: str, document: Any = None) -> None:
        await tell_sandbox(self._place, path, document)


async def tell_sandbox(place: Place, path: str, document: Any = None) -> None:
    """POST to a path of the sandbox's own API."""
    url = f"{place.sandbox_url}/sandbox/{path}"
    async with aiohttp.ClientSession() as http, http.post(url, json=document or {}) as answer:
        assert answer.status in {200, 204}, await answer.text()


def _is_about(harm: Harm) -> bool:
    return harm.kind in {"kill", "cut", "swallow", "stand still", "doze"}


def _between(bounds: tuple[float, float], share: float) -> tuple[float]:
    return (bounds[0] + (bounds[1] - bounds[0]) * share,)
