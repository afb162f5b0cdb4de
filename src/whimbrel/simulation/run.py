"""One run: a world is made from a seed, lives through some days, heals, and is audited."""

import asyncio
import contextlib
import gc
import sqlite3
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import structlog
from argon2 import PasswordHasher

from whimbrel.clock import DAY, SECOND
from whimbrel.domain.partner import Partner
from whimbrel.loops import POLLING
from whimbrel.settings import ClusterSettings, Settings, SmppAccount, WhatsappAccount
from whimbrel.simulation.audit import audit_end, audit_hour, audit_start
from whimbrel.simulation.books import Books
from whimbrel.simulation.clients import PASSWORD, SENDER, Client, Clients, make_clients
from whimbrel.simulation.faults import Fault, draw_odds
from whimbrel.simulation.ledger import Ledger
from whimbrel.simulation.loop import Circle, Life, SimulatedLoop, Standstill
from whimbrel.simulation.meta import Meta
from whimbrel.simulation.network import Network
from whimbrel.simulation.node import Node
from whimbrel.simulation.receivers import Receiver
from whimbrel.simulation.smsc import Smsc
from whimbrel.simulation.store import DiskMood, make_store
from whimbrel.simulation.world import START, World
from whimbrel.store.engine import StoreUnavailable
from whimbrel.store.partners import PartnerChange, add_partners
from whimbrel.store.sqlite import SqliteStore
from whimbrel.upstream import Edges

_LONGEST_END = 40 * DAY // SECOND
"""Seconds after the trouble in which all must have ended: nine reports of a cascade that go to a
dead receiver, one after the other, take the longest."""
_JUMPS = (-90_000.0, -7_200.0, -90.0, -2.0, 2.0, 90.0, 7_200.0, 90_000.0)
_EXPECTED = (StoreUnavailable, sqlite3.Error)


class Outcome(NamedTuple):
    """What a run came to."""

    seed: int
    hash: str
    violations: list[str]
    counts: Counter[str]
    simulated: float
    """Seconds of simulated time."""
    accepted: int
    faults: int
    """How often trouble has struck."""
    resent: int
    """Second attempts because the first had no answer and no receipt."""
    doubled: int
    """Of these, those of which the first had been taken: the subscriber may have got two."""
    lines: list[str]

    @property
    def submits(self) -> int:
        """How many attempts the channels saw, those that did not reach them included."""
        return self.counts["meta"] + self.counts["sms"]


def simulate(seed: int, days: float, faults: frozenset[Fault]) -> Outcome:
    """Live through `days` of load and faults, and on until all has ended."""
    random = Random(f"{seed} {days:g} {sorted(faults)}")  # noqa: S311 - to be repeated
    loop = SimulatedLoop(lazy=POLLING)  # type: ignore[abstract]  # asyncio needs no more
    world = World(loop, random, draw_odds(faults, random))
    folder = Path("/dev/shm")  # noqa: S108 - in memory, where there is such a folder
    with tempfile.TemporaryDirectory(dir=folder if folder.is_dir() else None) as own, _ears(world):
        run = _Run(world, Path(own) / "whimbrel.db", days)
        try:
            loop.run_until_complete(run.live())
        except (Circle, Standstill) as error:
            world.violated("time goes on", repr(error))
        finally:
            run.end()
    ledger = run.ledger
    return Outcome(
        seed, world.hash, world.violations, world.counts, loop.time(),
        len(ledger.accepted), world.injected, ledger.resent, ledger.doubled, world.lines,
    )  # fmt: skip


class _Run:
    """The world's inhabitants, and the course of things."""

    def __init__(self, world: World, path: Path, days: float) -> None:
        self._world = world
        self._path = path
        self._days = days
        make_store(path)
        self._books = Books(path)
        settings = _settings()
        clients = make_clients()
        self._partners = clients
        controlled = frozenset(
            one.login for one in clients if one.profile.duplicate_control != "off"
        )
        self.ledger = Ledger(
            world, self._books, grace=settings.dispatch.ambiguity_grace_seconds,
            controlled=controlled,
            rules={number: one.profile.unanswered for number, one in enumerate(clients, 1)},
        )  # fmt: skip
        self._network = Network(world)
        smsc = Smsc(world, self.ledger)
        edges = Edges(self._network.http, smsc.connect, world.random.random)
        self.node = Node(world, path, settings, edges, DiskMood(world))
        self.node.on_death.append(smsc.gateway_died)
        self.node.on_start.append(lambda: audit_start(world, self._books))
        self._people(settings, clients)
        patience = round(settings.dispatch.blocked_sender_seconds * SECOND)
        world.loop.foresee = lambda: self._foresee(patience)
        world.loop.before_call = self.node.before_call
        world.loop.complain = self._complain
        world.on_note = self.node.tempt
        self._jumped_at = 0.0

    def _people(self, settings: Settings, clients: list[Client]) -> None:
        account = settings.whatsapp["whimbrel"]
        self._network.hosts["graph.example"] = Meta(self._world, self.ledger, self.node, account)
        for name in (*(client.login for client in clients), "notify"):
            self._network.hosts[f"{name}.example"] = Receiver(self._world, self.ledger, name)
        self._clients = Clients(self._world, self.node, self.ledger, clients)

    async def live(self) -> None:
        """Live through all of it."""
        world, loop = self._world, self._world.loop
        await self._add_partners()
        self.node.start()
        until = self._days * (DAY // SECOND)
        load = asyncio.create_task(self._clients.load(until))
        clock = asyncio.create_task(self._set_clock(until))
        while loop.time() < until and not world.violations:
            await asyncio.sleep(min(3_600.0, until - loop.time()))
            self._audit_hour()
        world.troubled = False
        await load
        await clock
        give_up_at = loop.time() + _LONGEST_END
        while not (self._all_ended() or world.violations) and loop.time() < give_up_at:
            await asyncio.sleep(3_600.0)
            self._audit_hour()
        await asyncio.sleep(1.0)  # the last answers are being recorded
        self.node.end_for_good()
        if not world.violations:  # else the run was broken off
            audit_end(world, self._books, self.ledger, self.node)
        for row in self._books.rows("SELECT link_id, state, attempt FROM links ORDER BY link_id"):
            world.note("link", *row)

    def end(self) -> None:
        """Let go of everything."""
        # A webhook that Meta would have sent once more in an hour ends with the world.
        self._world.loop.complain = lambda *_: None
        self._world.loop.close()
        self.node.bury()
        self._books.close()

    def _all_ended(self) -> bool:
        return not self._books.rows(
            "SELECT 1 FROM links WHERE state < 50 UNION ALL"
            " SELECT 1 FROM reports WHERE state IN (0, 1) LIMIT 1"
        )

    def _audit_hour(self) -> None:
        now = self._world.loop.time()
        up = self.node.up_since
        if up is not None and now - max(up, self._jumped_at) > 600.0:
            audit_hour(self._world, self._books)

    async def _set_clock(self, until: float) -> None:
        """Set the machine's clock, now and then."""
        world = self._world
        while world.odds.clock and world.loop.time() < until:
            await asyncio.sleep(world.random.expovariate(world.odds.clock / 2_000.0))
            if world.troubled:
                seconds = world.random.choice(_JUMPS)
                world.note("clock", seconds)
                world.injected += 1
                world.clock.skew += round(seconds * SECOND)
                self._jumped_at = world.loop.time()

    def _foresee(self, patience: int) -> float:
        clock = self._world.clock
        moment = self._books.next_moment(clock.now(), patience)
        return float("inf") if moment is None else (moment - START - clock.skew) / SECOND

    def _complain(self, life: Life | None, context: dict[str, Any]) -> None:
        """Take note of an exception that nobody took."""
        error = context.get("exception")
        if not isinstance(error, _EXPECTED):
            self._world.violations.append(f"nothing unforeseen: {life and life.name}: {context}")
        else:
            self._world.counts["untaken"] += 1

    async def _add_partners(self) -> None:
        store = SqliteStore(self._path)
        hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
        hashed = hasher.hash(PASSWORD, salt=b"of the simulated")
        for login, profile in self._partners:
            partner = Partner(0, login, hashed, False, profile)
            await store.write(add_partners, PartnerChange(partner, START))
        await store.close()


def _settings() -> Settings:
    account = WhatsappAccount(
        sender=SENDER,
        phone_number_id="1",
        token="token",  # noqa: S106
        app_secret="secret",  # noqa: S106
        verify_token="word",  # noqa: S106
        base_url="http://graph.example",
    )
    smsc = SmppAccount(senders=[SENDER], host="smsc.example", system_id="us", password="word")  # noqa: S106
    return Settings(
        cluster=ClusterSettings(name="node"), whatsapp={"whimbrel": account}, smpp={"smsc": smsc}
    )


@contextlib.contextmanager
def _ears(world: World) -> Iterator[None]:
    """Hear what the gateway logs: nothing is printed, and what was not foreseen is a violation.

    The collector rests meanwhile, so that what it would end is not ended at moments of its own.
    """

    def hear(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> Any:
        error = sys.exc_info()[1] if event.get("exc_info") else None
        if error is not None and not isinstance(error, _EXPECTED):
            world.violations.append(f"nothing unforeseen: {event.get('event')}: {error!r}")
        raise structlog.DropEvent

    processors = structlog.get_config()["processors"]
    before = list(processors)
    processors[:] = [hear]
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        processors[:] = before
        if collecting:
            gc.enable()
