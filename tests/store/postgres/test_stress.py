"""Two nodes do everything at once to a few chains, for some seconds: nothing is lost or doubled.

What one node's transaction has to be run again for, a deadlock, is allowed and counted: it should
be rare, for all hold chains in the same order.
"""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator

import pytest
import structlog

from tests.support.builders import a_chain, a_lane, a_receipt, an_echo
from tests.support.clock import START
from tests.support.postgres import PostgresDatabase
from whimbrel.clock import DAY, MINUTE, SECOND
from whimbrel.domain.chain import Taken
from whimbrel.domain.status import LinkState
from whimbrel.store.chains import Claim, ClaimedLink, accept_chains, claim_links
from whimbrel.store.postgres import PostgresStore
from whimbrel.store.receipts import ParkedSweep, ReceivedReceipt, record_receipts, sweep_parked
from whimbrel.store.reports import (
    Redelivery,
    ReportAttempt,
    ReportClaim,
    ReportState,
    claim_reports,
    record_report_attempts,
    redeliver_reports,
)
from whimbrel.store.submits import SubmitRecord, record_submits
from whimbrel.store.timers import Tick, expire_links, settle_limbo

CHAINS = 200
SEEDS = [1, 2]
MOST_RUN_AGAIN = 0.02  # of all transactions


_OPEN = "SELECT count(*) FROM reports WHERE state IN (0, 1)"

_TRANSACTIONS = """
SELECT sum(last) FROM
    (SELECT max(mark) AS last FROM commits GROUP BY split_part(writer, '/', 1)) AS of_nodes
"""


@pytest.fixture
async def nodes(
    store: PostgresStore, database: PostgresDatabase
) -> AsyncIterator[list[PostgresStore]]:
    other = await database.open()
    yield [store, other]
    await other.close()


class World:
    """What the network does: it takes every message, and tells of it on any node, in any order."""

    def __init__(self, nodes: list[PostgresStore], seed: int) -> None:
        self._nodes = nodes
        self._random = random.Random(seed)
        self.submits: Counter[int] = Counter()
        self.heard: list[tuple[int, int]] = []
        self._over = asyncio.Event()

    def _node(self) -> PostgresStore:
        return self._random.choice(self._nodes)

    async def accept(self) -> None:
        numbers = [number for number in range(1, CHAINS + 1) for _ in range(2)]
        self._random.shuffle(numbers)
        outcomes = await asyncio.gather(
            *(
                self._node().write(
                    accept_chains,
                    a_chain(
                        10_000 + index,
                        dedupe_ref=f"id {number}",
                        content_key=b"content %d" % number,
                        content_window=DAY,
                        registered_delivery=1,
                    ),
                )
                for index, number in enumerate(numbers)
            )
        )
        by_number: dict[int, set[int]] = {}
        for number, outcome in zip(numbers, outcomes, strict=True):
            by_number.setdefault(number, set()).add(outcome.chain_id)
        assert all(len(ids) == 1 for ids in by_number.values())

    async def dispatch(self, node: PostgresStore) -> None:
        while claimed := await node.write(claim_links, Claim(a_lane(), 9, START, START + MINUTE)):
            await asyncio.gather(*(self._submit(one) for one in claimed))

    async def _submit(self, link: ClaimedLink) -> None:
        self.submits[link.link_id] += 1
        number = f"wamid.{link.link_id}"
        states = [LinkState.SENT, LinkState.DELIVERED, LinkState.READ] * 2
        self._random.shuffle(states)
        receipts = [
            an_echo(state, link_id=link.link_id, provider_id=number)
            if self._random.random() < 0.5
            else a_receipt(state, provider_id=number)
            for state in states
        ]
        record = SubmitRecord(link.link_id, Taken(1, START, number), START)
        await asyncio.gather(
            self._node().write(record_submits, record),
            *(self._node().write(record_receipts, ReceivedReceipt(one, START)) for one in receipts),
        )

    async def report(self, node: PostgresStore) -> None:
        while not self._over.is_set():
            wish = ReportClaim("1/", 20, START + SECOND, START + MINUTE)
            claimed = await node.write(claim_reports, wish)
            self.heard += [(one.chain_id, one.status) for one in claimed]
            await asyncio.gather(
                *(
                    self._node().write(
                        record_report_attempts,
                        ReportAttempt(
                            *(one.report_id, one.chain_id, one.attempt + 1, 0, START, 5, 200, ""),
                            ReportState.ACKNOWLEDGED,
                            START,
                        ),
                    )
                    for one in claimed
                )
            )
            await asyncio.sleep(0)

    async def tick(self, node: PostgresStore) -> None:
        while not self._over.is_set():
            await node.write(expire_links, START)
            await node.write(settle_limbo, Tick(START, START + DAY))
            await node.write(sweep_parked, ParkedSweep(START - MINUTE, START - DAY))
            nobody = Redelivery(START, chain_id=self._random.randrange(10_000, 10_000 + CHAINS))
            await node.write(redeliver_reports, nobody)

    async def live(self, database: PostgresDatabase) -> None:
        await self.accept()
        async with asyncio.timeout(60), asyncio.TaskGroup() as group:
            for node in self._nodes:
                group.create_task(self.report(node))
                group.create_task(self.tick(node))
            await asyncio.gather(*(self.dispatch(node) for node in self._nodes))
            while database.rows(_OPEN) != [(0,)]:  # noqa: ASYNC110 - it has no event
                await asyncio.sleep(0)
            self._over.set()


@pytest.mark.parametrize("seed", SEEDS)
async def test_nothing_is_lost_or_doubled(
    nodes: list[PostgresStore], database: PostgresDatabase, seed: int
) -> None:
    world = World(nodes, seed)
    with structlog.testing.capture_logs() as logs:
        await world.live(database)
    again = sum(log["event"] == "transaction_runs_again" for log in logs)
    links = database.rows("SELECT link_id, state FROM links")
    assert len(links) == CHAINS
    assert {state for _, state in links} == {LinkState.READ}
    assert world.submits == {number: 1 for number, _ in links}
    told = database.rows("SELECT chain_id, status FROM reports ORDER BY chain_id, report_id")
    in_order: dict[int, list[int]] = {}
    for chain_id, status in told:
        in_order.setdefault(chain_id, []).append(status)
    heard: dict[int, list[int]] = {}
    for chain_id, status in world.heard:
        heard.setdefault(chain_id, []).append(status)
    assert heard == in_order
    assert all(statuses == sorted(statuses) and statuses[-1] == 9 for statuses in heard.values())
    assert database.rows("SELECT count(*) FROM parked_receipts") == [(0,)]
    transactions = int(database.rows(_TRANSACTIONS)[0][0])
    print(f"run again: {again} of {transactions} transactions")
    assert again <= MOST_RUN_AGAIN * transactions
