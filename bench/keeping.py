"""What an accept pays in SQLite for what searches need: `python -m bench.keeping`.

Chains of one link go into a store in groups, as a busy gateway writes them, each to a phone of its
own, without the indexes of searches and with them, without an `extraParam` and with two pairs of
it. The ways take turns, each with a store of its own that goes on growing. `--stored` messages are
there before: then what is written goes to pages all over an index, and not to a few.
"""

import argparse
import asyncio
import random
import shutil
import sqlite3
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import NamedTuple

from bench import archive
from whimbrel.clock import DAY, SystemClock
from whimbrel.domain.chain import Chain, NewLink
from whimbrel.domain.chain_id import ChainIds, link_id
from whimbrel.domain.content import Channel, Text
from whimbrel.store.chains import accept_chains
from whimbrel.store.migrate import upgrade
from whimbrel.store.sqlite import SqliteStore

_INDEXES = ("chains_dest_addr", "chains_partner_ref", "links_undelivered")
_GROUP = 64
_TEXT = Text("Ваш заказ 8770100 готов к выдаче. Ждём вас до 20:00.")


class Way(NamedTuple):
    """What is kept for searches."""

    name: str
    indexes: bool
    pairs: bool


WAYS = (
    Way("nothing", indexes=False, pairs=False),
    Way("the indexes", indexes=True, pairs=False),
    Way("and two pairs", indexes=True, pairs=True),
)


class Cost(NamedTuple):
    """Of one chain."""

    cpu: float
    """Microseconds of this process."""
    written: float
    """KiB that went to the file and its log."""


class Chains:
    """Makes chains as the checks do."""

    def __init__(self, way: Way) -> None:
        self._way = way
        self._ids = ChainIds(0)
        self._clock = SystemClock()

    def group(self) -> list[Chain]:
        return [self._one() for _ in range(_GROUP)]

    def _one(self) -> Chain:
        now = self._clock.now()
        number = self._ids.next(now)
        link = NewLink(
            link_id=link_id(number, 0), position=0, channel=Channel.WHATSAPP, sender="BENCH",
            content=_TEXT, ttl=DAY, due_at=now, closes_at=None, expires_at=now + DAY,
        )  # fmt: skip
        extra = f"campaign={number % archive.CAMPAIGNS},order={number}" if self._way.pairs else None
        return Chain(
            chain_id=number, partner_id=1, partner_ref=f"order-{number}", dedupe_ref=None,
            content_key=None, content_window=0,
            dest_addr=str(79_000_000_000 + random.randrange(archive.PHONES)),
            registered_delivery=1, notify_url=None, extra_param=extra, schedule=None,
            accepted_at=now, request_id=f"bench-{number}", links=(link,),
        )  # fmt: skip


async def keep(path: Path, chains: Chains, count: int) -> Cost:
    """Accept `count` chains; what making them costs is left out."""
    store = SqliteStore(path)
    cpu, written, kept = 0.0, _written(), 0
    while kept < count:
        group = chains.group()
        began = time.process_time()
        await asyncio.gather(*(store.write(accept_chains, chain) for chain in group))
        cpu += time.process_time() - began
        kept += _GROUP
    written = _written() - written
    await store.close()
    return Cost(cpu / kept * 1e6, written / kept / 1_024)


def _written() -> int:
    """Return how many bytes this process has given to the kernel."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return int(dict(line.split(": ") for line in lines)["wchar"])


def _stores(folder: Path, stored: int) -> dict[Way, Path]:
    """Make a store for each way, from the same messages."""
    made = folder / "made.db"
    upgrade(made)
    archive.fill_sqlite(made, stored, SystemClock().now() - 30 * DAY)
    paths = {}
    for way in WAYS:
        paths[way] = folder / f"{way.name}.db"
        shutil.copyfile(made, paths[way])
        if not way.indexes:
            with sqlite3.connect(paths[way]) as connection:
                for name in _INDEXES:
                    connection.execute(f"DROP INDEX {name}")
            connection.close()
    made.unlink()
    return paths


def main() -> None:
    """Measure by the arguments and print the medians."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.keeping",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--chains", type=int, default=12_000, help="in each round of each way")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--stored", type=int, default=0, help="messages that are there before")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="whimbrel-bench-") as name:
        paths = _stores(Path(name), given.stored)
        chains = {way: Chains(way) for way in WAYS}
        costs: dict[Way, list[Cost]] = {way: [] for way in WAYS}
        for _ in range(given.rounds):
            for way in WAYS:
                costs[way].append(asyncio.run(keep(paths[way], chains[way], given.chains)))
    print(f"{given.stored:,} messages before; {given.rounds} rounds of {given.chains:,}; medians")
    print(f"{'kept for searches':<20}{'CPU us':>9}{'least':>8}{'KiB written':>13}")
    for way, all_of_way in costs.items():
        cpu = [cost.cpu for cost in all_of_way]
        written = median(cost.written for cost in all_of_way)
        print(f"{way.name:<20}{median(cpu):>9.1f}{min(cpu):>8.1f}{written:>13.2f}")


if __name__ == "__main__":
    main()
