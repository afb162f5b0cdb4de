"""PostgreSQL is away for a while under a steady load: what the client sees meanwhile."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from rich.table import Table

from tests.chaos.load import Load
from tests.chaos.orders import Try
from tests.chaos.place import Place

BEFORE = 15.0
"""Seconds of load before it goes."""


class Outage(NamedTuple):
    """When PostgreSQL went and came back, by the loop's clock."""

    began: float
    gone: float
    back: float


async def take_away(place: Place, seconds: float) -> Outage:
    """Stop PostgreSQL for so many seconds."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    await asyncio.sleep(BEFORE)
    assert place.postgres
    gone = loop.time()
    await asyncio.to_thread(place.postgres.stop)
    await asyncio.sleep(max(0.0, gone + seconds - loop.time()))
    await asyncio.to_thread(place.postgres.start)
    return Outage(began, gone, loop.time())


def table_of(load: Load, outage: Outage) -> Table:
    """Return what the client saw, by phase."""
    tries = sorted((one for order in load.orders for one in order.tries), key=lambda one: one.began)
    table = Table(
        "requests begun", "seconds", "mtNum", "code 1 + Retry-After", "code 1 without",
        "unknown", "no answer", "other", "mtNum: p50/p99/max ms", "code 1: p50/p99/max ms",
        box=None, pad_edge=False,
    )  # fmt: skip
    for name, begin, end in _phases(outage, tries[-1].ended):
        part = [one for one in tries if begin <= one.began < end]
        counts = Counter(_kind(one) for one in part)
        table.add_row(
            name, f"{end - begin:.1f}",
            *(str(counts.pop(kind, 0)) for kind in ("200", "1", "1 without", "1 unknown",
                                                   "no answer")),
            str(sum(counts.values())),
            _spread([one for one in part if one.outcome == "200"]),
            _spread([one for one in part if one.outcome.startswith("1")]),
        )  # fmt: skip
    return table


def first_accept(load: Load, outage: Outage) -> float:
    """Return how long after PostgreSQL's return the first request was accepted that met it."""
    ends = [
        one.ended
        for order in load.orders
        for one in order.tries
        if one.outcome == "200" and one.ended >= outage.back
    ]
    return min(ends) - outage.back if ends else float("inf")


def _phases(outage: Outage, end: float) -> Iterator[tuple[str, float, float]]:
    yield "before", outage.began, outage.gone
    for begin in range(0, int(outage.back - outage.gone), 5):
        start = outage.gone + begin
        yield f"away, from {begin} s", start, min(start + 5, outage.back)
    for begin in range(0, 10, 2):
        start = outage.back + begin
        yield f"back, from {begin} s", start, start + 2
    yield "after", outage.back + 10, end


def _kind(one: Try) -> str:
    return "1 without" if one.outcome == "1" and not one.retry_after else one.outcome


def _spread(tries: list[Try]) -> str:
    if not tries:
        return "-"
    lasted = sorted((one.ended - one.began) * 1_000 for one in tries)
    at = [lasted[min(int(len(lasted) * share), len(lasted) - 1)] for share in (0.5, 0.99, 1)]
    return " / ".join(f"{one:,.0f}" for one in at)
