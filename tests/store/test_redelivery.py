"""Dead reports of many messages in the store: sent once more in batches, which remember how far."""

import pytest

from tests.store.test_reports import settle, take
from tests.support.builders import Database, a_receipt, receive, submit
from tests.support.clock import START
from whimbrel.clock import DAY, MINUTE, SECOND
from whimbrel.domain.status import LinkState
from whimbrel.store.redelivery import (
    ANYBODY,
    BATCH,
    MOST_DUE,
    Batch,
    LaneStep,
    NewRedelivery,
    Place,
    Range,
    Stop,
    dead_lanes,
    latest_redeliveries,
    open_redelivery_lanes,
    redeliver_batches,
    redeliver_ranges,
    redelivery_progress,
    start_redeliveries,
    step_redeliveries,
    stop_redeliveries,
)
from whimbrel.store.reports import ReportState as R
from whimbrel.store.sqlite import SqliteStore

LATER = START + DAY


async def dead(store: SqliteStore, *chain_ids: int, partner_id: int = 1, at: int = START) -> None:
    """Submit chains, and let the reports of that be dead."""
    for chain_id in chain_ids:
        await submit(store, chain_id, f"wamid.{chain_id}", now=at, partner_id=partner_id)
    for report in await take(store, lane=f"{partner_id}/", now=at):
        await settle(store, report, R.DEAD)


def many_dead(database: Database, count: int, lane: str = "1/") -> None:
    """Write dead reports of chains that are not there, which none of this looks at."""
    database.script(
        "INSERT INTO reports (chain_id, link_id, status, lane, state, next_at, attempts, failures,"
        " created_at, error_code) "
        f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count}) "
        f"SELECT 1000 + i, (1000 + i) * 16, 0, '{lane}', 3, 0, 11, 11, {START} + i / 3, 0 FROM n"
    )


def due(database: Database) -> int:
    return database.rows("SELECT count(*) FROM reports WHERE state = 1")[0][0]


async def start(store: SqliteStore, partner_id: int = ANYBODY, since: int = START) -> int | None:
    return await store.write(start_redeliveries, NewRedelivery(LATER, "ann", partner_id, since))


async def step(store: SqliteStore, number: int | None, lane: str = "1/") -> int:
    assert number is not None
    return await store.write(step_redeliveries, LaneStep(number, lane, LATER))


async def test_dead_reports_are_found_by_their_receivers(store: SqliteStore) -> None:
    assert await store.read(dead_lanes, ANYBODY) == []
    await dead(store, 1, 2)
    await dead(store, 3, partner_id=2)
    assert await store.read(dead_lanes, ANYBODY) == ["1/", "2/"]
    assert await store.read(dead_lanes, 2) == ["2/"]
    assert await store.read(dead_lanes, 3) == []


async def test_a_batch_takes_the_oldest_and_tells_where_to_go_on(
    store: SqliteStore, database: Database
) -> None:
    many_dead(database, 5)
    first = await store.write(redeliver_batches, Batch("1/", Place(0), LATER, 2, LATER))
    assert (first.reports, due(database)) == (2, 2)
    assert first.after is not None
    second = await store.write(redeliver_batches, Batch("1/", first.after, LATER, 2, LATER))
    assert second.after is not None
    last = await store.write(redeliver_batches, Batch("1/", second.after, LATER, 2, LATER))
    assert (last.reports, last.after, due(database)) == (1, None, 5)
    rows = database.rows("SELECT state, next_at, failures, attempts FROM reports")
    assert set(rows) == {(R.DUE, LATER, 0, 11)}


async def test_it_is_of_a_time(store: SqliteStore, database: Database) -> None:
    for chain_id, moment in [(1, START), (2, START + MINUTE), (3, START + 2 * MINUTE)]:
        await dead(store, chain_id, at=moment)
    wish = Batch("1/", Place(START + MINUTE), START + 2 * MINUTE, BATCH, LATER)
    assert (await store.write(redeliver_batches, wish)).reports == 1
    assert [report.chain_id for report in await take(store, now=LATER)] == [2]


async def test_reports_of_one_message_keep_their_order_over_two_batches(
    store: SqliteStore, database: Database
) -> None:
    await submit(store)
    await receive(store, a_receipt(LinkState.READ))
    for _ in range(3):
        [report] = await take(store)
        await settle(store, report, R.DEAD)
    place: Place | None = Place(START)
    told = []
    while place is not None:
        done = await store.write(redeliver_batches, Batch("1/", place, LATER, 1, START))
        place = done.after
        told += [report.status for report in await take(store)]
    assert told == [0], "the others wait behind the first"
    states = database.rows("SELECT status, state FROM reports ORDER BY report_id")
    assert states == [(0, R.DUE), (2, R.HELD), (9, R.HELD)]


@pytest.mark.parametrize(("since", "before", "again"), [(0, LATER, [1, 2]), (START + 1, LATER, [])])
async def test_a_range_takes_the_acknowledged_ones_too(
    store: SqliteStore, since: int, before: int, again: list[int]
) -> None:
    await dead(store, 1)
    await submit(store, 2, "wamid.2")
    [report] = await take(store)
    await settle(store, report, R.ACKNOWLEDGED)
    await dead(store, 3, partner_id=2)
    done = await store.write(redeliver_ranges, Range(1, since, before, START))
    assert (done.reports, done.after) == (len(again), None)
    assert [report.chain_id for report in await take(store)] == again


async def test_a_range_goes_on_behind_what_it_has_looked_at(
    store: SqliteStore, database: Database
) -> None:
    many_dead(database, 2_001)
    first = await store.write(redeliver_ranges, Range(1, 0, LATER, LATER))
    assert first.after is not None
    rest = await store.write(redeliver_ranges, Range(1, 0, LATER, LATER, first.after.report_id))
    assert (first.reports, rest.reports, rest.after) == (2_000, 1, None)


# What an operator has asked for


async def test_where_nothing_is_dead_there_is_nothing_to_do(store: SqliteStore) -> None:
    assert await start(store) is None
    await dead(store, 1)
    assert await start(store, since=START + SECOND) is None
    assert await start(store, partner_id=2) is None
    assert await store.read(latest_redeliveries, None) == []


async def test_it_goes_lane_by_lane_and_tells_how_far_it_is(
    store: SqliteStore, database: Database
) -> None:
    many_dead(database, BATCH + 1)
    await dead(store, 1, partner_id=2)
    number = await start(store)
    assert await store.read(open_redelivery_lanes, None) == [(number, "1/"), (number, "2/")]
    assert number is not None

    assert await step(store, number) == BATCH
    progress = await store.read(redelivery_progress, number)
    assert progress is not None
    assert (progress.done, progress.total, progress.open_lanes) == (BATCH, BATCH + 2, 2)
    assert (progress.operator, progress.is_open, progress.is_at_least) == ("ann", True, False)

    assert await step(store, number) == 1
    assert await step(store, number, "2/") == 1
    progress = await store.read(redelivery_progress, number)
    assert progress is not None
    assert (progress.done, progress.is_open, progress.last_ended_at) == (BATCH + 2, False, LATER)
    assert await store.read(open_redelivery_lanes, None) == []
    assert await store.read(latest_redeliveries, None) == [progress]
    assert await step(store, number) == 0


async def test_what_dies_again_meanwhile_is_not_sent_for_ever(store: SqliteStore) -> None:
    await dead(store, 1, 2)
    number = await start(store)
    assert await step(store, number) == 2
    for report in await take(store, now=LATER):
        await settle(store, report, R.DEAD)
    assert await step(store, number) == 0
    assert await store.read(open_redelivery_lanes, None) == []


async def test_new_reports_never_have_many_old_ones_before_them(
    store: SqliteStore, database: Database
) -> None:
    many_dead(database, MOST_DUE + 50)
    number = await start(store)
    while await step(store, number):
        assert due(database) <= MOST_DUE
    assert due(database) == MOST_DUE
    database.script("UPDATE reports SET state = 2 WHERE state = 1")
    assert await step(store, number) == 50


async def test_a_receiver_that_takes_nothing_keeps_no_other_waiting(
    store: SqliteStore, database: Database
) -> None:
    many_dead(database, MOST_DUE + 1)
    await dead(store, 1, partner_id=2)
    number = await start(store)
    while await step(store, number):
        pass
    assert await step(store, number, "2/") == 1


async def test_it_can_be_stopped(store: SqliteStore, database: Database) -> None:
    many_dead(database, BATCH + 1)
    number = await start(store)
    assert number is not None
    await step(store, number)
    assert await store.write(stop_redeliveries, Stop(number, LATER))
    assert await step(store, number) == 0
    assert due(database) == BATCH, "what is due stays due"
    progress = await store.read(redelivery_progress, number)
    assert progress is not None
    assert (progress.stopped_at, progress.is_open) == (LATER, False)
    assert not await store.write(stop_redeliveries, Stop(number, LATER))


async def test_old_ones_are_forgotten(store: SqliteStore) -> None:
    await dead(store, 1)
    first = await start(store)
    wish = NewRedelivery(LATER + 91 * DAY, "ann", ANYBODY, START)
    second = await store.write(start_redeliveries, wish)
    numbers = [one.redelivery_id for one in await store.read(latest_redeliveries, None)]
    assert numbers == [second]
    assert await store.read(open_redelivery_lanes, None) == [(second, "1/")]
    assert first != second
