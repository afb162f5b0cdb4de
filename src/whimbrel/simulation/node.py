"""One gateway after the other on one store: started, called, killed, stopped, started again."""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from whimbrel.gateway import Gateway
from whimbrel.settings import Settings
from whimbrel.simulation.loop import Life
from whimbrel.simulation.store import DiskMood, SimulatedStore
from whimbrel.simulation.world import World
from whimbrel.store.engine import StoreUnavailable
from whimbrel.upstream import Edges

_WAITS = (0.05, 0.5, 2.0, 2.0, 15.0, 90.0, 90.0, 600.0, 7_200.0)
"""How many seconds a gateway may be down for."""
_CLEANLY = 0.15
"""How many of the ends are stops, as SIGTERM brings them, and not kills."""
_SUDDEN = 80  # calls of the loop between what tempts fate and the end


class Gone(Exception):
    """The connection to the gateway was refused or lost."""


class Node:
    """The process that a supervisor starts whenever it is not running."""

    def __init__(
        self, world: World, path: Path, settings: Settings, edges: Edges, mood: DiskMood
    ) -> None:
        self._world = world
        self._path = path
        self._settings = settings
        self._edges = edges
        self._mood = mood
        self._life: Life | None = None
        self._store: SimulatedStore | None = None
        self._gateway: Gateway | None = None
        self._calls: set[asyncio.Future[tuple[int, bytes]]] = set()
        self._fuse = -1
        self._dead: list[Life] = []
        self.up_since: float | None = None
        self.counted: Counter[str] = Counter()
        """The metrics of lives that have ended."""
        self.on_start: list[Callable[[], None]] = []
        """Called when a gateway has started and none of its stages has run yet."""
        self.on_death: list[Callable[[], None]] = []

    @property
    def running(self) -> bool:
        """Tell whether requests are taken."""
        return self.up_since is not None

    def start(self) -> None:
        """Start a process."""
        self._life = Life(f"life {self._world.counts['start'] + 1}")
        self._world.note("start")
        self._world.spawn(self._live(), self._life)

    async def _live(self) -> None:
        try:
            self._store = SimulatedStore(self._path, self._mood)
            clock = self._world.clock
            self._gateway = Gateway(self._settings, self._store, clock, self._edges)
            await self._gateway.start()
        except StoreUnavailable:
            self._world.note("start-failed")
            self._world.after(0.0, self.die, 1.0)
            return
        self.up_since = self._world.loop.time()
        for tell in self.on_start:
            tell()

    def tempt(self) -> None:
        """Let something happen after which the process may die before very long."""
        if self._fuse < 0 and self.running and self._world.strikes(self._world.odds.crashes / 12):
            self._fuse = self._world.random.randrange(_SUDDEN)

    def before_call(self, life: Life | None) -> None:
        """Die between two calls of the loop, if it is time to."""
        if self._fuse < 0 or life is not self._life:
            return
        self._fuse -= 1
        if self._fuse >= 0 or not self.running:
            return
        wait = self._world.random.choice(_WAITS)
        if self._world.random.random() < _CLEANLY:
            self._world.spawn(self._stop(wait))
        else:
            self.die(wait)

    def die(self, wait: float) -> None:
        """Lose everything that is not in the store, and start again after a while."""
        if self._life is None:
            return
        self._world.note("kill", wait)
        self._end(wait)

    async def _stop(self, wait: float) -> None:
        """Stop as SIGTERM does it."""
        gateway, life = self._gateway, self._life
        if gateway is None or life is None or not self.running:
            return
        self._world.note("stop", wait)
        self.up_since = None
        if self._calls:
            await asyncio.wait(self._calls)
        await self._world.spawn(gateway.stop(), life)
        if self._life is life:
            self._world.note("stopped")
            self._end(wait)

    def _end(self, wait: float) -> None:
        life, self._life, self.up_since, self._fuse = self._life, None, None, -1
        if life is not None:
            life.end()
            self._dead.append(life)
        self._keep_counts()
        if self._store is not None:
            self._store.die()
        self._store = self._gateway = None
        for call in self._calls:
            if not call.done():
                call.set_exception(Gone())
        self._calls.clear()
        for tell in self.on_death:
            tell()
        self._world.after(wait, self.start)

    def _keep_counts(self) -> None:
        if self._gateway is None:
            return
        for family in self._gateway.metrics.registry.collect():
            for sample in family.samples:
                if sample.name in _COUNTED:
                    self.counted[sample.name] += int(sample.value)

    def end_for_good(self) -> None:
        """End the last life, with the world."""
        if self._life is not None:
            self._end(0.0)

    def bury(self) -> None:
        """Let go of all lives, once the world has ended."""
        for life in self._dead:
            life.bury()

    async def call(self, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        """POST to the gateway; return status and body. Raises `Gone`."""
        gateway, life = self._gateway, self._life
        if gateway is None or life is None or not self.running:
            raise Gone
        call: asyncio.Future[tuple[int, bytes]] = self._world.loop.create_future()
        self._calls.add(call)
        self._world.spawn(_serve(gateway, call, path, headers, body), life)
        try:
            return await call
        finally:
            self._calls.discard(call)


_COUNTED = frozenset({"whimbrel_ambiguous_resubmits_total", "whimbrel_ambiguous_submits_total"})


async def _serve(
    gateway: Gateway,
    call: "asyncio.Future[tuple[int, bytes]]",
    path: str,
    headers: Mapping[str, str],
    body: bytes,
) -> None:
    """Be the HTTP server for one request."""
    said: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        said.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "client": ("198.51.100.7", 40_000),
        "server": ("gateway.example", 80),
    }
    await gateway.site(scope, receive, send)
    if not call.done():
        whole = b"".join(part.get("body", b"") for part in said[1:])
        call.set_result((said[0]["status"], whole))
