"""Lifetimes that end, and the measures of the queues."""

import pytest

from tests.flow.rig import Journey
from tests.support.builders import Database, a_cascade, a_chain, a_receipt, accept, an_echo
from tests.support.clock import START
from whimbrel.clock import DAY, MINUTE
from whimbrel.domain.status import ErrorCode, LinkState
from whimbrel.store.timers import BATCH

S = LinkState


async def handed_over(journey: Journey) -> None:
    await accept(journey.store, a_chain())
    await journey.dispatch()


@pytest.mark.parametrize(
    ("later", "told"), [(DAY - 1, [0]), (DAY, [0, 5])], ids=["before", "exactly"]
)
async def test_a_lifetime_ends_at_its_millisecond(
    journey: Journey, database: Database, later: int, told: list[int]
) -> None:
    await handed_over(journey)
    journey.clock.advance(later)
    await journey.timers.step()
    assert database.told() == told


async def test_an_end_is_counted_and_reported(journey: Journey, database: Database) -> None:
    await handed_over(journey)
    journey.woken.clear()
    journey.clock.advance(DAY)
    await journey.timers.step()
    assert journey.count("expired_links_total") == 1
    assert journey.woken["reports"] == 1
    assert database.link()["error_code"] == ErrorCode.TIMEOUT


async def test_a_delivery_after_the_end_is_the_truth_and_is_told_once(
    journey: Journey, database: Database
) -> None:
    await handed_over(journey)
    journey.clock.advance(DAY)
    await journey.timers.step()
    for _ in range(3):
        await journey.ingest.file([an_echo(S.DELIVERED, at=START + DAY + 1)])
    assert database.state() is S.DELIVERED
    assert database.told() == [0, 5, 2]
    assert journey.count("late_deliveries_total") == 1


async def test_nothing_is_sent_because_of_it(journey: Journey) -> None:
    await handed_over(journey)
    journey.clock.advance(DAY)
    await journey.timers.step()
    await journey.ingest.file([an_echo(S.DELIVERED)])
    await journey.dispatch()
    assert len(journey.connector.submissions) == 1


async def test_a_step_ends_all_that_is_due(journey: Journey, database: Database) -> None:
    many = 2 * BATCH + 1
    await accept(journey.store, *(a_chain(number) for number in range(1, many + 1)))
    journey.clock.advance(DAY)
    await journey.timers.step()
    assert database.rows("SELECT state, count(*) FROM links GROUP BY state") == [(S.EXPIRED, many)]
    assert journey.count("expired_links_total") == many


async def test_a_step_without_work_wakes_nobody(journey: Journey) -> None:
    await handed_over(journey)
    journey.woken.clear()
    await journey.timers.step()
    assert not journey.woken


async def test_a_sweep_measures_the_queues(journey: Journey) -> None:
    await handed_over(journey)
    await accept(journey.store, a_chain(2), a_chain(3, link={"due_at": START + DAY}))
    await journey.ingest.file([a_receipt(provider_id="unheard of")])
    journey.clock.advance(MINUTE)
    await journey.timers.sweep()
    depths = {
        queue: journey.count("queue_depth", queue=queue)
        for queue in ("links", "reports", "parked_receipts")
    }
    assert depths == {"links": 1, "reports": 1, "parked_receipts": 1}
    assert journey.count("queue_oldest_age_seconds", queue="links") == 60
    assert journey.count("queue_oldest_age_seconds", queue="reports") == 60


async def test_what_a_sweep_matches_lets_cascades_go_on(
    journey: Journey, database: Database
) -> None:
    failed = a_receipt(S.FAILED, error_code=ErrorCode.FILTERED)
    await journey.ingest.file([failed])
    parked = database.rows("SELECT * FROM parked_receipts")
    database.rows("DELETE FROM parked_receipts")
    await accept(journey.store, a_cascade())
    await journey.dispatch()
    # As if another process had parked it while the submit was being recorded.
    database.rows("INSERT INTO parked_receipts VALUES (?, ?, ?, ?, ?)", *parked[0])
    journey.woken.clear()
    await journey.timers.sweep()
    assert database.states() == [S.FAILED, S.QUEUED]
    assert journey.count("cascade_fall_throughs_total", reason="failed") == 1
    assert (journey.woken["dispatch"], journey.woken["reports"]) == (1, 1)


async def test_empty_queues_have_no_age(journey: Journey) -> None:
    await journey.timers.sweep()
    assert journey.count("queue_oldest_age_seconds", queue="links") == 0
    assert journey.count("queue_depth", queue="links") == 0
