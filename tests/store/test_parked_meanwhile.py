"""A receipt that comes while its submit is being recorded is not lost, whatever the moment.

On PostgreSQL two processes write at once, so one may park a receipt between any two steps of the
other.
"""

import asyncpg

from tests.support import postgres
from tests.support.builders import SMS_LANE, a_chain, a_receipt, accept, claim, opened, receive
from tests.support.clock import START
from whimbrel.clock import DAY, MINUTE
from whimbrel.domain.chain import PartsTaken, Taken
from whimbrel.domain.chain_id import link_id
from whimbrel.domain.content import Channel
from whimbrel.domain.receipt import Receipt
from whimbrel.domain.status import LinkState
from whimbrel.store.postgres import PostgresStore
from whimbrel.store.postgres_steps import Stepper
from whimbrel.store.receipts import ParkedSweep, sweep_parked
from whimbrel.store.submits import SubmitRecord, record_submits

PARTS = PartsTaken({1: "number-1", 2: "number-2"}, 2, ("number-1", "number-2"))
TAKEN = SubmitRecord(link_id(1, 0), Taken(1, START, "number-1"), START, parts=PARTS)


def delivered(part: int) -> Receipt:
    return a_receipt(LinkState.DELIVERED, provider_id=f"number-{part}")


async def record_with_a_receipt_before(step: int, store: PostgresStore, url: str) -> bool:
    """Record the submit; another process gets a receipt before one of the steps.

    Return whether there is such a step.
    """
    count = 0

    class Interrupted(Stepper):
        async def _ask(self, connection, asked):
            await meanwhile()
            return await super()._ask(connection, asked)

        async def _do(self, connection, asked):
            await meanwhile()
            await super()._do(connection, asked)

    async def meanwhile() -> None:
        nonlocal count
        count += 1
        if count == step:
            await receive(store, delivered(1))

    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction():
            await Interrupted().run(connection, record_submits([TAKEN]))
    finally:
        await connection.close()
    return count >= step


async def test_a_receipt_that_comes_between_any_two_steps_is_filed() -> None:
    database = postgres.migrated()
    there_are_more, step = True, 0
    while there_are_more:
        step += 1
        database.clear()
        async with opened(database) as store:
            await accept(store, a_chain(link={"channel": Channel.SMS}))
            await claim(store, lane=SMS_LANE)
            await receive(store, delivered(2))

            there_are_more = await record_with_a_receipt_before(step, store, database.url)
            if there_are_more:
                await store.write(sweep_parked, ParkedSweep(START - MINUTE, START - DAY))
                assert database.state() is LinkState.DELIVERED, step
                assert database.rows("SELECT count(*) FROM parked_receipts") == [(0,)]
    assert step > 10
