"""How long operators wait for a search in a large store: `python -m bench.search`.

Ten million messages in PostgreSQL, one million in SQLite, of a month. Pages are asked for one after
the other, each with other values, on every road and on several at once; then everything that an
export would hold is read. `stop` is the longest time for which the process's loop did nothing else:
on SQLite the searches run on the loop that accepts. `cpu` is what a page costs this process.
"""

import argparse
import asyncio
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import asyncpg

from bench import archive, database
from bench.load import percentile
from whimbrel.clock import HOUR, SECOND, SystemClock
from whimbrel.domain.chain_id import accepted_since
from whimbrel.domain.content import Channel
from whimbrel.domain.status import ErrorCode, LinkState
from whimbrel.flow.search import Cursor, Searcher
from whimbrel.store.criteria import Criteria, Span
from whimbrel.store.engine import PoolLimits, Store
from whimbrel.store.migrate import upgrade
from whimbrel.store.postgres.store import PostgresStore
from whimbrel.store.sqlite import SqliteStore

_LIMITS = PoolLimits(size=10, statement=60.0, lock=5.0)
_SIZE = 50
_TICK = 0.001
S = LinkState


class Questions:
    """What operators ask, each time of something else."""

    def __init__(self, count: int, began: int) -> None:
        self.count, self.began = count, began

    def n(self) -> int:
        return random.randrange(self.count - 20_000)

    def number(self, n: int | None = None) -> int:
        return archive.number_of(self.n() if n is None else n, self.began)

    def deep(self) -> Cursor:
        return Cursor(self.number(), older=random.random() < 0.5)

    def phone(self) -> str:
        return str(79_000_000_000 + self.n() * 7_919 % archive.PHONES)

    def hour(self) -> Span:
        at = self.began + self.n() * 1_000 // archive.RATE
        return Span(accepted_since(at), accepted_since(at + HOUR))

    def campaign(self) -> tuple[str, str]:
        return "campaign", str(random.randrange(archive.CAMPAIGNS))

    def all(self) -> dict[str, Callable[[], tuple[Criteria, Cursor | None]]]:
        def first(**wanted: Callable[[], object]) -> Callable[[], tuple[Criteria, Cursor | None]]:
            return lambda: (Criteria(**{name: make() for name, make in wanted.items()}), None)  # type: ignore[arg-type]

        def deep(**wanted: Callable[[], object]) -> Callable[[], tuple[Criteria, Cursor | None]]:
            return lambda: (first(**wanted)()[0], self.deep())

        def one() -> Span:
            number = self.number()
            return Span(number, number + 1)

        def wamid() -> tuple[str, ...]:
            return (f"wamid.HBgLNzkxNjEyMzQ1NjcVAgARGBI{self.number()}",)

        def sms() -> tuple[str, ...]:
            n = 900_000_000 + self.n() // 65 * 65 + 15
            return f"{n:x}", str(n)

        return {
            "the newest": first(),
            "anywhere": deep(),
            "mtNum": first(span=one),
            "phone": first(dest_addr=self.phone),
            "phone of 1 %": first(dest_addr=lambda: archive.TEST_PHONE),
            "phone of 1 %, anywhere": deep(dest_addr=lambda: archive.TEST_PHONE),
            "Partner's id": first(partner_ref=lambda: f"order-{self.n()}"),
            "Partner's id of 2 %, anywhere": deep(partner_ref=lambda: "daily"),
            "wamid": first(provider_ids=wamid),
            "SMSC's id, two spellings": first(provider_ids=sms),
            "Partner of 50 %, anywhere": deep(login=lambda: "partner-1"),
            "Partner of 0.01 %": first(login=lambda: "partner-20"),
            "extraParam, one": first(pair=lambda: ("order", str(self.n() // 2 * 2))),
            "extraParam, 1 in 80": first(pair=self.campaign),
            "extraParam, 1 in 80, anywhere": deep(pair=self.campaign),
            "extraParam by its name": deep(pair=lambda: ("campaign", None)),
            "error of 4.7 %, anywhere": deep(error_code=lambda: ErrorCode.UNKNOWN_SUBSCRIBER),
            "error of 0.02 %": first(error_code=lambda: ErrorCode.OPER_INVSRCADDR),
            "failed": first(states=lambda: (S.FAILED, S.FAILED)),
            "failed, anywhere": deep(states=lambda: (S.FAILED, S.FAILED)),
            "queued (500)": first(states=lambda: (S.QUEUED, S.QUEUED)),
            "unsure (none)": first(states=lambda: (S.UNSURE, S.UNSURE)),
            "read": first(states=lambda: (S.READ, S.READ)),
            "sender of 25 %, anywhere": deep(sender=lambda: "SENDER1"),
            "sender of 0.001 % (bounded)": first(sender=lambda: "RARE"),
            "no such sender (bounded)": first(sender=lambda: "NOBODY"),
            "an hour": first(span=self.hour),
            "an hour, a sender, read": first(
                span=self.hour, sender=lambda: "SENDER2", states=lambda: (S.READ, S.READ)
            ),
            "Partner of 50 %, failed, anywhere": deep(
                login=lambda: "partner-1", states=lambda: (S.FAILED, S.FAILED)
            ),
            "Partner of 0.01 %, read": first(
                login=lambda: "partner-20", states=lambda: (S.READ, S.READ)
            ),
            "campaign, error of 0.02 %": first(
                pair=self.campaign, error_code=lambda: ErrorCode.OPER_INVSRCADDR
            ),
            "phone of 1 %, failed": first(
                dest_addr=lambda: archive.TEST_PHONE,
                channel=lambda: Channel.WHATSAPP,
                states=lambda: (S.FAILED, S.FAILED),
            ),
        }


class Ticker:
    """Notes for how long the loop did nothing else."""

    def __init__(self) -> None:
        self.longest = 0.0

    async def run(self) -> None:
        while True:
            began = time.perf_counter()
            await asyncio.sleep(_TICK)
            self.longest = max(self.longest, time.perf_counter() - began - _TICK)


async def _measure(store: Store, questions: Questions, times: int, exported: int) -> None:
    searcher, ticker = Searcher(store), Ticker()
    ticking = asyncio.create_task(ticker.run())
    print("| what | rows | looked until the end | p50 ms | p99 ms | longest | cpu ms | stop ms |")
    print("|---|---|---|---|---|---|---|---|")
    for what, ask in questions.all().items():
        seconds, rows, ends = [], 0, 0
        ticker.longest, cpu = 0.0, time.process_time()
        for _ in range(times):
            wanted, cursor = ask()
            began = time.perf_counter()
            page = await searcher.page(wanted, cursor, _SIZE)
            seconds.append(time.perf_counter() - began)
            rows += len(page.chains)
            ends += page.looked_until is None
        seconds.sort()
        spread = " | ".join(f"{percentile(seconds, one):.1f}" for one in (50, 99, 100))
        print(
            f"| {what} | {rows / times:.1f} | {ends * 100 // times} % | {spread} "
            f"| {1_000 * (time.process_time() - cpu) / times:.1f} "
            f"| {1_000 * ticker.longest:.1f} |",
            flush=True,
        )
    for what, wanted in (("everything", Criteria()), ("a Partner", Criteria(login="partner-3"))):
        ticker.longest = 0.0
        began, rows = time.perf_counter(), 0
        async for chains in searcher.everything(wanted):
            rows += len(chains)
            if rows > exported:
                break
        took = time.perf_counter() - began
        print(
            f"export of {what}: {rows:,} chains in {took:.1f} s, {rows / took:,.0f} a second, "
            f"the longest stop {1_000 * ticker.longest:.1f} ms",
            flush=True,
        )
    ticking.cancel()


async def _in_postgres(url: str, given: argparse.Namespace) -> None:
    began = _began(given.postgres_chains)
    connection = await asyncpg.connect(url)
    try:
        at = time.perf_counter()
        await archive.fill_postgres(connection, given.postgres_chains, began)
        size = await connection.fetchval("SELECT pg_database_size(current_database())")
        version = await connection.fetchval("SHOW server_version")
        buffers = await connection.fetchval("SHOW shared_buffers")
        filled = time.perf_counter() - at
    finally:
        await connection.close()
    print(
        f"\nPostgreSQL {version}, shared_buffers {buffers}: {given.postgres_chains:,} messages, "
        f"{size / 2**30:.1f} GiB, filled in {filled:.0f} s\n",
        flush=True,
    )
    store = await PostgresStore.open(url, _LIMITS)
    try:
        questions = Questions(given.postgres_chains, began)
        await _measure(store, questions, given.times, given.exported)
    finally:
        await store.close()


async def _in_sqlite(folder: Path, given: argparse.Namespace) -> None:
    began, path = _began(given.sqlite_chains), folder / "whimbrel.db"
    upgrade(path)
    at = time.perf_counter()
    archive.fill_sqlite(path, given.sqlite_chains, began)
    size = path.stat().st_size / 2**30
    print(
        f"\nSQLite: {given.sqlite_chains:,} messages, {size:.1f} GiB, "
        f"filled in {time.perf_counter() - at:.0f} s\n",
        flush=True,
    )
    store = SqliteStore(path)
    try:
        questions = Questions(given.sqlite_chains, began)
        await _measure(store, questions, given.times, given.exported)
    finally:
        await store.close()


def _began(count: int) -> int:
    return SystemClock().now() // SECOND * SECOND - count // archive.RATE * SECOND


def main() -> None:
    """Measure by the arguments, and print."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.search",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--postgres", default=database.LOCAL, help="a server, by any database")
    parser.add_argument("--postgres-chains", type=int, default=10_000_000, help="0: leave it out")
    parser.add_argument("--sqlite-chains", type=int, default=1_000_000, help="0: leave it out")
    parser.add_argument("--times", type=int, default=200, help="of each question")
    parser.add_argument("--exported", type=int, default=200_000, help="chains of each export")
    given = parser.parse_args()
    random.seed(7)
    if given.sqlite_chains:
        with tempfile.TemporaryDirectory(prefix="whimbrel-bench-") as folder:
            asyncio.run(_in_sqlite(Path(folder), given))
    if given.postgres_chains:
        with database.database(given.postgres, "search") as url:
            database.run(_in_postgres(url, given))


if __name__ == "__main__":
    main()
