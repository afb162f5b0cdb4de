"""The sandbox as a process: the app, its server, its signals.

Owns the HTTP server's life. What it serves is told by `graph`, `control` and `handset`.
"""

import asyncio
from contextlib import nullcontext
from pathlib import Path

from starlette.applications import Starlette

from whimbrel.sandbox.control import ControlApi
from whimbrel.sandbox.graph import GraphApi
from whimbrel.sandbox.guard import Guard
from whimbrel.sandbox.handset.api import PhonesApi
from whimbrel.sandbox.handset.chat import Chats
from whimbrel.sandbox.handset.hand import Hand
from whimbrel.sandbox.handset.pages import HandsetPages
from whimbrel.sandbox.handset.phones import Phones
from whimbrel.sandbox.numbers import numbers_from
from whimbrel.sandbox.smsc import Smsc, accounts_from
from whimbrel.sandbox.world import World
from whimbrel.serving import OnReady, collector_calmed, serve_app, signals_set
from whimbrel.settings import Settings


def create_app(world: World, smsc: Smsc | None = None, *, host: str = "") -> Starlette:
    """Return the app over a world, and an SMSC, that their owner has entered.

    `host` is the address that it is served on. The Graph API has its tokens; all else is guarded.
    """
    chats, hand = Chats(world, smsc), Hand(world, smsc)
    guarded = [
        *ControlApi(world, smsc).routes(),
        *PhonesApi(world.phones, chats, hand).routes(),
        *HandsetPages(world, smsc, chats, hand).routes(),
    ]
    for route in guarded:
        route.app = Guard(route.app, host)
    send, *others = GraphApi(world).routes()
    # Sends come by the thousand, and no other path is like theirs: they are looked for first.
    return Starlette(routes=[send, *guarded, *others])


async def serve(
    world: World,
    host: str,
    port: int,
    *,
    smsc: Smsc | None = None,
    on_ready: OnReady | None = None,
) -> None:
    """Let the world and the SMSC live, and serve them until the world's `stopping` is set.

    Port 0 takes a free one. `on_ready` is called with the base URL when requests are being taken,
    and then with the SMSC's. Raises `OSError` if an address cannot be listened on.
    """

    def tell(url: str) -> None:
        for one in (url, *([smsc.url] if smsc else [])):
            if on_ready:
                on_ready(one)

    async with world, smsc or nullcontext():
        app = create_app(world, smsc, host=host)
        await serve_app(app, host, port, stop=world.stopping, on_ready=tell)


async def run(
    settings: Settings,
    *,
    on_ready: OnReady | None = None,
    stop: asyncio.Event | None = None,
    state_file: Path | None = None,
    smsc_state_file: Path | None = None,
) -> None:
    """Serve the sandbox of the settings until SIGINT, SIGTERM or `stop`, then leave cleanly.

    It plays an SMSC too if there is a section `[smpp.NAME]`. With `state_file`, statuses that were
    not delivered are kept there for the next run; receipts in `smsc_state_file`. Wants
    uvloop to be the caller's loop, and the process to itself: `uvloop.run(run(settings))`.
    """
    sandbox = settings.sandbox
    stopping = stop or asyncio.Event()
    phones = Phones()
    world = World(
        numbers_from(settings),
        speed=sandbox.speed,
        throughput=sandbox.throughput,
        pair_limit=sandbox.pair_limit,
        phones=phones,
        state_file=state_file,
        stopping=stopping,
    )
    smsc = None
    if settings.smpp:
        smsc = Smsc(
            accounts_from(settings),
            host=sandbox.host,
            port=sandbox.smsc_port,
            speed=sandbox.speed,
            phones=phones,
            state_file=smsc_state_file,
        )
    with signals_set(stopping), collector_calmed():
        await serve(world, sandbox.host, sandbox.port, smsc=smsc, on_ready=on_ready)
