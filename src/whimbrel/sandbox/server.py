"""The sandbox as a process: the app, its server, its signals.

Owns the HTTP server's life. What it serves is told by `graph` and `control`.
"""

import asyncio
import contextlib
import gc
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.types import ASGIApp

from whimbrel.sandbox.control import ControlApi
from whimbrel.sandbox.graph import GraphApi
from whimbrel.sandbox.numbers import numbers_from
from whimbrel.sandbox.world import World
from whimbrel.settings import Settings

OnReady = Callable[[str], object]

BACKLOG = 2048
# Longer than clients keep idle connections themselves, so that ours is not closed under a request.
KEEP_ALIVE_SECONDS = 75
# Every answer is quick once `stopping` is set; this is for a client that does not read its own.
SHUTDOWN_SECONDS = 2


def create_app(world: World) -> Starlette:
    """Return the app over a world that its owner has entered."""
    return Starlette(routes=ControlApi(world).routes() + GraphApi(world).routes())


async def serve(world: World, host: str, port: int, *, on_ready: OnReady | None = None) -> None:
    """Let the world live, and serve it until its `stopping` is set.

    Port 0 takes a free one. `on_ready` is called once with the base URL, when requests are being
    taken. Raises `OSError` if the address cannot be listened on.
    """
    async with world:
        await serve_app(create_app(world), host, port, stop=world.stopping, on_ready=on_ready)


async def run(
    settings: Settings,
    *,
    on_ready: OnReady | None = None,
    stop: asyncio.Event | None = None,
    state_file: Path | None = None,
) -> None:
    """Serve the sandbox of the settings until SIGINT, SIGTERM or `stop`, then leave cleanly.

    With `state_file`, statuses that were not delivered are kept there for the next run. Wants
    uvloop to be the caller's loop, and the process to itself: `uvloop.run(run(settings))`.
    """
    sandbox = settings.sandbox
    stopping = stop or asyncio.Event()
    world = World(
        numbers_from(settings),
        speed=sandbox.speed,
        throughput=sandbox.throughput,
        pair_limit=sandbox.pair_limit,
        state_file=state_file,
        stopping=stopping,
    )
    with _signals_set(stopping), _calm_collector():
        await serve(world, sandbox.host, sandbox.port, on_ready=on_ready)


async def serve_app(
    app: ASGIApp, host: str, port: int, *, stop: asyncio.Event, on_ready: OnReady | None = None
) -> None:
    """Serve any app until `stop` is set. `on_ready` and errors as in `serve`."""
    listener = _listen(host, port)
    address, port = listener.getsockname()[:2]
    shown = f"[{address}]" if ":" in address else address
    config = uvicorn.Config(
        app,
        http="httptools",
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        proxy_headers=False,
        server_header=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )
    with contextlib.closing(listener):
        server = _Server(config, stop, lambda: on_ready and on_ready(f"http://{shown}:{port}"))
        await server.serve(sockets=[listener])


class _Server(uvicorn.Server):
    """uvicorn's server, ended by an event instead of signals: these belong to the caller."""

    def __init__(
        self, config: uvicorn.Config, stop: asyncio.Event, tell_started: Callable[[], object]
    ) -> None:
        super().__init__(config)
        self._stop = stop
        self._tell_started = tell_started

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._tell_started()

    async def main_loop(self) -> None:
        while not self._stop.is_set():
            await self.on_tick(0)  # renews the Date header, which counts in seconds
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), timeout=1.0)


def _listen(host: str, port: int) -> socket.socket:
    """Bind here, for uvicorn would end the process if it could not.

    The protocol is named because asyncio's own loop switches Nagle's algorithm off only for sockets
    that say they are TCP; answers would wait 40 ms for it.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    return listener


@contextlib.contextmanager
def _calm_collector() -> Iterator[None]:
    """Let the cyclic collector look seldom, and not at what stays.

    It finds next to nothing here, yet walking the record of messages took 25 ms at a time.
    """
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


@contextlib.contextmanager
def _signals_set(event: asyncio.Event) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        loop.add_signal_handler(number, event.set)
    try:
        yield
    finally:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)
