"""Links that time moves."""

import pytest

from tests.support.builders import (
    A_CODE,
    Database,
    a_chain,
    accept,
    an_echo,
    answer,
    claim,
    receive,
    submit,
)
from tests.support.clock import START
from whimbrel.clock import DAY, MINUTE
from whimbrel.domain.chain import NoAnswer
from whimbrel.domain.status import ErrorCode, LinkState
from whimbrel.store.nodes import Departure, NewNode, bury_nodes, join_nodes
from whimbrel.store.sqlite import SqliteStore
from whimbrel.store.timers import BATCH, Tick, expire_links, settle_limbo

S = LinkState
GRACE = MINUTE
END = START + DAY  # of every link's lifetime here


def tick(now: int) -> Tick:
    return Tick(now, now + GRACE)


async def without_answer(store: SqliteStore, chain_id: int = 1) -> None:
    await accept(store, a_chain(chain_id, link=A_CODE))
    await claim(store)
    await answer(store, NoAnswer(1, START, START + GRACE), chain_id)


@pytest.mark.parametrize(("now", "state"), [(END - 1, S.QUEUED), (END, S.EXPIRED)])
async def test_a_link_that_never_went_ends_with_its_lifetime(
    store: SqliteStore, database: Database, now: int, state: LinkState
) -> None:
    await accept(store, a_chain())
    await store.write(expire_links, now)
    assert database.state() is state


async def test_the_lifetime_runs_from_the_handing_over(
    store: SqliteStore, database: Database
) -> None:
    await submit(store, now=START + MINUTE)
    await store.write(expire_links, END + MINUTE - 1)
    assert database.state() is S.SUBMITTED
    await store.write(expire_links, END + MINUTE)
    link = database.link()
    assert (link["state"], link["error_code"], link["done_at"]) == (
        S.EXPIRED,
        ErrorCode.TIMEOUT,
        END + MINUTE,
    )
    assert database.told() == [0, 5]


async def test_a_submit_under_way_is_left_to_its_answer(
    store: SqliteStore, database: Database
) -> None:
    await accept(store, a_chain())
    await claim(store)
    await store.write(expire_links, END)
    assert database.state() is S.SUBMITTING


async def test_what_has_arrived_does_not_end(store: SqliteStore, database: Database) -> None:
    await submit(store)
    await receive(store, an_echo(S.DELIVERED))
    assert await store.write(expire_links, END + DAY) == []
    assert database.state() is S.DELIVERED


async def test_a_link_ends_once(store: SqliteStore, database: Database) -> None:
    await submit(store)
    assert len(await store.write(expire_links, END)) == 1
    assert await store.write(expire_links, END) == []
    assert database.told() == [0, 5]


async def test_many_ends_come_in_batches(store: SqliteStore) -> None:
    await accept(store, *(a_chain(number) for number in range(1, BATCH + 11)))
    assert len(await store.write(expire_links, END)) == BATCH
    assert len(await store.write(expire_links, END)) == 10


@pytest.mark.parametrize(
    ("now", "state"), [(START + GRACE - 1, S.UNSURE), (START + GRACE, S.QUEUED)]
)
async def test_a_submit_without_answer_waits_for_its_grace(
    store: SqliteStore, database: Database, now: int, state: LinkState
) -> None:
    await without_answer(store)
    await store.write(settle_limbo, tick(now))
    assert database.state() is state


async def test_a_receipt_in_the_grace_settles_it(store: SqliteStore, database: Database) -> None:
    await without_answer(store)
    await receive(store, an_echo(S.SENT))
    await store.write(settle_limbo, tick(START + GRACE))
    assert (database.state(), await claim(store, now=START + GRACE)) == (S.SENT, [])


async def test_a_receipt_after_the_grace_still_stops_the_second_submit(
    store: SqliteStore, database: Database
) -> None:
    await without_answer(store)
    await store.write(settle_limbo, tick(START + GRACE))
    await receive(store, an_echo(S.SENT))
    assert (database.state(), await claim(store, now=START + GRACE)) == (S.SENT, [])


@pytest.mark.parametrize(
    ("receipt", "state"),
    [(an_echo(S.FAILED), S.FAILED), (an_echo(S.FAILED, retry_pause=MINUTE), S.QUEUED)],
    ids=["final", "given back"],
)
async def test_so_does_a_failure_for_good(
    store: SqliteStore, database: Database, receipt: object, state: LinkState
) -> None:
    await without_answer(store)
    await store.write(settle_limbo, tick(START + GRACE))
    await receive(store, receipt)  # type: ignore[arg-type]
    assert database.state() is state


@pytest.mark.parametrize(
    ("now", "state"), [(START + MINUTE - 1, S.SUBMITTING), (START + MINUTE, S.UNSURE)]
)
async def test_a_lost_lease_may_have_gone(
    store: SqliteStore, database: Database, now: int, state: LinkState
) -> None:
    await accept(store, a_chain())
    await claim(store)  # for a minute
    await store.write(settle_limbo, tick(now))
    assert database.state() is state


async def test_and_has_its_grace_before_another_attempt(
    store: SqliteStore, database: Database
) -> None:
    await accept(store, a_chain(link=A_CODE))
    await claim(store)
    lost_at = START + MINUTE
    await store.write(settle_limbo, tick(lost_at))
    await store.write(settle_limbo, tick(lost_at + GRACE - 1))
    assert database.state() is S.UNSURE
    await store.write(settle_limbo, tick(lost_at + GRACE))
    [again] = await claim(store, now=lost_at + GRACE)
    assert again.attempt == 2
    assert database.rows("SELECT attempt, outcome FROM submits") == [(1, "no answer")]


async def test_a_restart_gives_up_the_leases_of_the_dead(
    store: SqliteStore, database: Database
) -> None:
    await accept(store, a_chain(1), a_chain(2, link={"due_at": END - 1}))
    await without_answer(store, 3)
    await claim(store)
    await store.write(join_nodes, NewNode("token", "node", "dispatch", "1", START, START))
    departure = Departure(0, "token", START + 1, START + 1 + GRACE)
    assert await store.write(bury_nodes, departure) == 1
    assert await store.write(bury_nodes, departure) is None
    assert [database.state(number) for number in (1, 2, 3)] == [S.UNSURE, S.QUEUED, S.UNSURE]
    assert [database.link(number)["due_at"] for number in (1, 3)] == [
        START + 1 + GRACE,
        START + GRACE,
    ]
