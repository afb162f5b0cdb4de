"""Failed reports of many messages go once more: batch by batch, and never before the new ones."""

from pathlib import Path

from tests.store.test_redelivery import dead, due, many_dead
from tests.store.test_reports import settle, take
from tests.support.builders import Database, opened, submit
from tests.support.clock import START, FakeClock
from whimbrel.clock import DAY
from whimbrel.flow.redelivery import Redeliveries, Wish, redeliver
from whimbrel.store.redelivery import (
    ANYBODY,
    BATCH,
    MOST_DUE,
    NewRedelivery,
    open_redelivery_lanes,
    start_redeliveries,
)
from whimbrel.store.reports import ReportState

EVER = 1 << 60


async def test_each_step_does_some_batches_and_wakes_the_reports(tmp_path: Path) -> None:
    database, clock, woken = Database(tmp_path / "whimbrel.db"), FakeClock(), []
    async with opened(database) as store:
        many_dead(database, MOST_DUE + BATCH)
        redeliveries = Redeliveries(store, clock, wake_reports=lambda: woken.append(1))
        await redeliveries.step()
        assert woken == [], "nobody has asked"

        await store.write(start_redeliveries, NewRedelivery(START + DAY, "ann", ANYBODY, 0))
        await redeliveries.step()
        assert due(database) == MOST_DUE
        assert len(woken) == MOST_DUE // BATCH
        await redeliveries.step()
        assert due(database) == MOST_DUE, "those go first"

        database.script("UPDATE reports SET state = 2 WHERE state = 1")
        await redeliveries.step()
        assert due(database) == BATCH
        await redeliveries.step()
        assert await store.read(open_redelivery_lanes, None) == []


async def test_a_command_makes_all_due_at_once(tmp_path: Path) -> None:
    database, clock = Database(tmp_path / "whimbrel.db"), FakeClock()
    async with opened(database) as store:
        many_dead(database, MOST_DUE + BATCH)
        await dead(store, 1, partner_id=2)
        assert await redeliver(store, clock, Wish(1, 0, EVER, acknowledged=False)) == 600
        assert due(database) == 600
        assert await redeliver(store, clock, Wish(1, 0, EVER, acknowledged=False)) == 0


async def test_acknowledged_ones_go_too_if_asked_for(tmp_path: Path) -> None:
    database, clock = Database(tmp_path / "whimbrel.db"), FakeClock()
    async with opened(database) as store:
        await submit(store)
        [report] = await take(store)
        await settle(store, report, ReportState.ACKNOWLEDGED)
        many_dead(database, 4_500)
        wish = Wish(1, 0, EVER, acknowledged=False)
        assert await redeliver(store, clock, wish._replace(acknowledged=True)) == 4_501
        assert await redeliver(store, clock, wish) == 0
