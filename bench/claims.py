"""How long the hot statements take in a large PostgreSQL store: `python -m bench.claims`.

Ten million messages are over, a million wait, half of them due. The gateway's own operations run
over that: claims, submits, receipts, reports, accepts and what looks at the clock, one after the
other, each waiting for its commit. `--plans FILE` writes how PostgreSQL runs the statements.
"""

import argparse
import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import asyncpg

from bench import database
from bench.crowd import PARTNERS, SENDERS, Crowd, fill
from bench.load import percentile
from bench.plans import Explaining
from whimbrel.clock import DAY, MINUTE, SystemClock
from whimbrel.domain.chain import Chain, NewLink, PartsTaken, Taken
from whimbrel.domain.chain_id import ChainIds, link_id
from whimbrel.domain.content import Channel, Text
from whimbrel.domain.partner import Partner, Profile
from whimbrel.domain.receipt import Receipt, Report
from whimbrel.domain.status import LinkState
from whimbrel.store.chains import Claim, ClaimedLink, accept_chains, claim_links, due_lanes
from whimbrel.store.engine import PoolLimits
from whimbrel.store.partners import PartnerChange, add_partners
from whimbrel.store.postgres.steps import Stepper
from whimbrel.store.postgres.store import PostgresStore
from whimbrel.store.queues import measure_depths
from whimbrel.store.receipts import (
    ParkedSweep,
    ReceivedReceipt,
    record_receipts,
    sweep_parked,
)
from whimbrel.store.reports import (
    ReportAttempt,
    ReportClaim,
    ReportState,
    claim_reports,
    due_report_lanes,
    record_report_attempts,
)
from whimbrel.store.submits import SubmitRecord, record_submits
from whimbrel.store.timers import Tick, expire_links, release_links, settle_limbo

T = TypeVar("T")
_LIMITS = PoolLimits(size=10, statement=60.0, lock=5.0)
_ROOM = 64  # links a claim, as many as one sender has under way
_NODE = 1


class Life:
    """Items for the operations, each the next one's cause."""

    def __init__(self) -> None:
        self.clock = SystemClock()
        self.ids = ChainIds(_NODE)

    def chain(self) -> Chain:
        """Return a new message."""
        now = self.clock.now()
        number = self.ids.next(now)
        link = NewLink(
            link_id=link_id(number, 0), position=0, channel=Channel.WHATSAPP, sender="SENDER0",
            content=Text("Your order is ready."), ttl=DAY, due_at=now, closes_at=None,
            expires_at=now + DAY,
        )  # fmt: skip
        return Chain(
            chain_id=number, partner_id=1 + number % PARTNERS, partner_ref=f"new-{number}",
            dedupe_ref=f"new-{number}", content_key=None, content_window=0,
            dest_addr="79161234567", registered_delivery=1, notify_url=None, extra_param=None,
            schedule=None, accepted_at=now, request_id="bench", links=(link,),
        )  # fmt: skip

    def claim(self, lane: str) -> Claim:
        """Return a claim of what is due in a lane."""
        now = self.clock.now()
        return Claim(lane, _ROOM, now, now + MINUTE, _NODE)

    def taken(self, link: ClaimedLink) -> SubmitRecord:
        """Return the good answer to a submit."""
        now, name = self.clock.now(), f"wamid.bench.{link.link_id}"
        event = Taken(link.attempt, now, name)
        return SubmitRecord(link.link_id, event, now, parts=PartsTaken({1: name}))

    def receipt(self, link: ClaimedLink, state: LinkState) -> ReceivedReceipt:
        """Return what the channel says of a message afterwards."""
        now = self.clock.now()
        receipt = Receipt(
            provider_id=f"wamid.bench.{link.link_id}", state=state, at=now, sender=link.sender,
            link_id=link.link_id, attempt=link.attempt,
        )  # fmt: skip
        return ReceivedReceipt(receipt, now)

    def acknowledged(self, report: Report) -> ReportAttempt:
        """Return the good answer to a report."""
        now = self.clock.now()
        return ReportAttempt(
            report.report_id, report.chain_id, report.attempt + 1, 0, now, 5, 200, "",
            ReportState.ACKNOWLEDGED, now,
        )  # fmt: skip


class Stopwatch:
    """Keeps how long each kind of work took."""

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = defaultdict(list)

    async def time(self, what: str, work: Awaitable[T]) -> T:
        """Wait for a work, and keep how long it took."""
        began = time.perf_counter()
        result = await work
        self.seconds[what].append(time.perf_counter() - began)
        return result

    def shown(self) -> str:
        """Return a table."""
        rows = [f"| {'what':44} | times | p50 ms | p99 ms | longest |", "|---|---|---|---|---|"]
        for what, seconds in self.seconds.items():
            ordered = sorted(seconds)
            spread = [f"{percentile(ordered, share):.1f}" for share in (50, 99, 100)]
            rows.append(f"| {what:44} | {len(ordered):,} | {' | '.join(spread)} |")
        return "\n".join(rows)


async def _cycle(store: PostgresStore, life: Life, watch: Stopwatch) -> None:
    """Let some messages make the whole journey, and look at everything that time moves."""
    now = life.clock.now()
    lanes = await watch.time("due lanes (each step of the dispatcher)", store.read(due_lanes, None))
    due = [lane for lane, due_at in lanes if due_at <= now]
    claims = [store.write(claim_links, life.claim(lane)) for lane in due]
    claimed = await watch.time(
        f"claim {_ROOM} links of each of {len(due)} lanes", asyncio.gather(*claims)
    )
    links = claimed[0]
    await watch.time(
        f"claim {_ROOM} links of one lane", store.write(claim_links, life.claim(due[0]))
    )
    await watch.time(f"record {_ROOM} submits", _all(store, record_submits, map(life.taken, links)))
    for state in (LinkState.SENT, LinkState.READ):
        receipts = [life.receipt(link, state) for link in links]
        await watch.time(f"record {_ROOM} receipts", _all(store, record_receipts, receipts))
    lane = (await watch.time("due lanes of reports", store.read(due_report_lanes, None)))[0][0]
    wish = ReportClaim(lane, _ROOM, now + MINUTE, now + 2 * MINUTE, _NODE)
    reports = await watch.time(f"claim {_ROOM} reports", store.write(claim_reports, wish))
    attempts = map(life.acknowledged, reports)
    await watch.time(
        f"record {_ROOM} attempts at reports", _all(store, record_report_attempts, attempts)
    )
    await watch.time("accept one message", store.write(accept_chains, life.chain()))
    chains = [life.chain() for _ in range(_ROOM)]
    await watch.time(f"accept {_ROOM} messages", _all(store, accept_chains, chains))
    await _look_at_the_clock(store, now, watch)


async def _look_at_the_clock(store: PostgresStore, now: int, watch: Stopwatch) -> None:
    await watch.time("end lifetimes", store.write(expire_links, now))
    await watch.time("settle limbo", store.write(settle_limbo, Tick(now, now + MINUTE)))
    await watch.time("release cascades", store.write(release_links, now))
    sweep = ParkedSweep(now - 10 * MINUTE, now - 7 * DAY)
    await watch.time("sweep parked receipts", store.write(sweep_parked, sweep))
    await watch.time("measure the queues (each 5 s)", store.read(measure_depths, now))


def _all(store: PostgresStore, operation: Any, items: Iterable[Any]) -> Awaitable[Any]:
    return asyncio.gather(*(store.write(operation, item) for item in items))


async def _explain(url: str, life: Life) -> Explaining:
    """Run each hot operation once more, and undo it."""
    connection = await asyncpg.connect(url)
    explaining, stepper = Explaining(connection), Stepper()

    async def run(operation: Any, *items: Any) -> Any:
        explaining.operation = operation.__name__
        return await stepper.run(explaining, operation(list(items)))

    try:
        await connection.execute("BEGIN")
        now = life.clock.now()
        await run(accept_chains, life.chain(), life.chain())
        [lanes] = await run(due_lanes, None)
        [links] = await run(claim_links, life.claim(lanes[0][0]))
        await run(record_submits, *map(life.taken, links))
        for state in (LinkState.SENT, LinkState.READ):
            await run(record_receipts, *(life.receipt(link, state) for link in links))
        [lanes] = await run(due_report_lanes, None)
        wish = ReportClaim(lanes[0][0], _ROOM, now + MINUTE, now + 2 * MINUTE, _NODE)
        [reports] = await run(claim_reports, wish)
        await run(record_report_attempts, *map(life.acknowledged, reports))
        await run(expire_links, now)
        await run(settle_limbo, Tick(now, now + MINUTE))
        await run(release_links, now)
        await run(sweep_parked, ParkedSweep(now - 10 * MINUTE, now - 7 * DAY))
        await run(measure_depths, now)
        await connection.execute("ROLLBACK")
    finally:
        await connection.close()
    return explaining


def _page(explaining: Explaining, crowd: Crowd, version: str) -> str:
    """Return the plans as a page of the documentation."""
    intro = (
        f"PostgreSQL {version}, {crowd.settled:,} messages that are over and {crowd.waiting:,} "
        "that wait, half of them due. Prepared and planned for any parameters, as a connection "
        "does that has run a statement a few times; the times hold what `ANALYZE` itself costs. "
        "Written by `python -m bench.claims --plans docs/query-plans.md`.\n"
    )
    parts = ["# How PostgreSQL runs the hot statements\n", intro]
    operation = ""
    for plan in explaining.plans:
        if plan.operation != operation:
            operation = plan.operation
            parts.append(f"## {operation}\n")
        parts.append(plan.shown())
    return "\n".join(parts)


async def _measure(url: str, given: argparse.Namespace) -> None:
    crowd, life, watch = Crowd(given.settled, given.waiting), Life(), Stopwatch()
    store = await PostgresStore.open(url, _LIMITS)
    try:
        for number in range(PARTNERS):
            profile = Profile(senders=[f"SENDER{place}" for place in range(SENDERS)])
            partner = Partner(0, f"partner-{number}", "", False, profile)
            await store.write(add_partners, PartnerChange(partner, life.clock.now()))
        connection = await asyncpg.connect(url)
        try:
            for line in await fill(connection, crowd, life.clock.now()):
                print(line)
            size = await connection.fetchval("SELECT pg_database_size(current_database())")
            version = await connection.fetchval("SHOW server_version")
            buffers = await connection.fetchval("SHOW shared_buffers")
        finally:
            await connection.close()
        print(f"{size / 2**30:.1f} GiB; PostgreSQL {version}, shared_buffers {buffers}\n")
        deadline = time.perf_counter() + given.seconds
        while time.perf_counter() < deadline:
            await _cycle(store, life, watch)
        print(watch.shown(), flush=True)
    finally:
        await store.close()
    if given.plans:
        page = _page(await _explain(url, life), crowd, version)
        given.plans.write_text(page, encoding="utf-8")


def main() -> None:
    """Measure by the arguments, and print."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.claims",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--postgres", default=database.LOCAL, help="a server, by any database")
    parser.add_argument("--settled", type=int, default=10_000_000)
    parser.add_argument("--waiting", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=60.0, help="of measuring")
    parser.add_argument("--plans", type=Path, help="write the plans to this page")
    given = parser.parse_args()
    print(f"{given.settled:,} messages that are over, {given.waiting:,} that wait")
    with database.database(given.postgres, "claims") as url:
        database.run(_measure(url, given))


if __name__ == "__main__":
    main()
