"""The sandbox as a process: the app, its server, its signals.

Owns the HTTP server's life. What it serves is told by `graph` and `control`.
"""

import asyncio
from pathlib import Path

from starlette.applications import Starlette

from whimbrel.sandbox.control import ControlApi
from whimbrel.sandbox.graph import GraphApi
from whimbrel.sandbox.numbers import numbers_from
from whimbrel.sandbox.world import World
from whimbrel.serving import OnReady, collector_calmed, serve_app, signals_set
from whimbrel.settings import Settings


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
    with signals_set(stopping), collector_calmed():
        await serve(world, sandbox.host, sandbox.port, on_ready=on_ready)
