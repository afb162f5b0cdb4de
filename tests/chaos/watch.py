"""Looks on while the run goes: who is bound to the SMSC, how far everything is."""

import asyncio
from collections.abc import Callable
from typing import Any

import aiohttp

from tests.chaos.place import Place

_EVERY = 0.25
_EMPTY = (
    "SELECT (SELECT count(*) FROM links WHERE state < 50), "
    "(SELECT count(*) FROM reports WHERE state IN (0, 1))"
)


class Sample(tuple[float, str, int]):
    """A moment in seconds UTC, an account, and how many were bound to it."""

    __slots__ = ()


async def watch_binds(place: Place, now: Callable[[], float], seen: list[Sample]) -> None:
    """Keep every moment at which an account had more than one bind. Cancel it to end it."""
    async with aiohttp.ClientSession() as http:
        while True:
            for account, sessions in (await health(http, place))["smsc"]["sessions"].items():
                if sessions > 1:
                    seen.append(Sample((now(), account, sessions)))
            await asyncio.sleep(_EVERY)


async def health(http: aiohttp.ClientSession, place: Place) -> dict[str, Any]:
    async with http.get(f"{place.sandbox_url}/sandbox/health") as answer:
        return await answer.json()


async def until_in_place(place: Place, within: float) -> None:
    """Wait until no place is that of a node that has died, and nobody's senders are idle."""
    loop = asyncio.get_running_loop()
    began, names = loop.time(), sorted(node.name for node in place.nodes)
    while loop.time() - began < within:
        nodes = await place.rows("SELECT name FROM nodes WHERE token IS NOT NULL ORDER BY name")
        [[held]] = await place.rows("SELECT count(*) FROM holdings")
        if [name for [name] in nodes] == names and held == place.senders:
            return
        await asyncio.sleep(0.5)


async def until_settled(place: Place, within: float) -> tuple[float, bool]:
    """Wait until nothing is on its way any more; return how long it took, and whether it was."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    while loop.time() - began < within:
        [counts] = await place.rows(_EMPTY)
        if not any(counts):
            return loop.time() - began, True
        await asyncio.sleep(0.5)
    return loop.time() - began, False
