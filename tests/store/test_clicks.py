"""Visits as they are kept, first clicks as they are told, and the end of short URLs."""

import asyncio
from typing import Any

import pytest

from tests.store.test_short_urls import LONG, OTHER, uids_of, with_draft
from tests.support.builders import Database, a_receipt, accept, claim, receive, submit
from tests.support.clock import START
from whimbrel.clock import DAY, MINUTE, SECOND
from whimbrel.domain.chain_id import link_id
from whimbrel.domain.receipt import ClickedUrl, Report
from whimbrel.domain.status import CLICKED, LinkState
from whimbrel.domain.visitor import AgentClass
from whimbrel.store.clicks import NewClick, record_clicks, remove_ended
from whimbrel.store.reports import (
    Redelivery,
    ReportAttempt,
    ReportClaim,
    ReportState,
    claim_reports,
    record_report_attempts,
    redeliver_reports,
)
from whimbrel.store.short_urls import used_uids
from whimbrel.store.sqlite import SqliteStore

HELD, DUE, ACKNOWLEDGED, DEAD = ReportState


def a_click(uid: str, at: int = START, **changes: Any) -> NewClick:
    members: dict[str, Any] = {"agent": AgentClass.MOBILE, "counted": True}
    return NewClick(uid, at, **{**members, **changes})


def a_crawl(uid: str, at: int = START) -> NewClick:
    return a_click(uid, at, agent=AgentClass.BOT, counted=False)


def a_told_click(uid: str, at: int = START, chain_id: int = 1) -> NewClick:
    clicked = ClickedUrl(f"https://go.example/{uid}", LONG)
    return a_click(uid, at, partner_id=1, link_id=link_id(chain_id, 0), clicked=clicked)


async def record(store: SqliteStore, *clicks: NewClick) -> int:
    return await store.write(record_clicks, list(clicks))


async def a_short_url(store: SqliteStore, database: Database, **how: Any) -> str:
    await accept(store, with_draft(1, **how))
    return uids_of(database)[0]


def counters(database: Database, uid: str) -> tuple[Any, ...]:
    [row] = database.rows(
        "SELECT visits, clicks, first_click_at, last_click_at FROM short_urls WHERE uid = ?", uid
    )
    return row


async def test_counters_move_with_the_visits(store: SqliteStore, database: Database) -> None:
    uid = await a_short_url(store, database)
    await record(store, a_crawl(uid, START + 1), a_click(uid, START + 3), a_click(uid, START + 2))
    assert counters(database, uid) == (3, 2, START + 2, START + 3)
    await record(store, a_crawl(uid, START + 9))
    assert counters(database, uid) == (4, 2, START + 2, START + 3)
    await record(store, a_click(uid, START + 1, agent=AgentClass.DESKTOP))  # a clock that was set
    assert counters(database, uid) == (5, 3, START + 1, START + 3)
    assert database.rows("SELECT at, agent, counted FROM clicks ORDER BY click_id") == [
        (START + 1, "bot", 0),
        (START + 3, "mobile", 1),
        (START + 2, "mobile", 1),
        (START + 9, "bot", 0),
        (START + 1, "desktop", 1),
    ]


async def test_a_crawler_alone_leaves_no_click(store: SqliteStore, database: Database) -> None:
    uid = await a_short_url(store, database)
    await record(store, a_crawl(uid))
    assert counters(database, uid) == (1, 0, None, None)


async def test_batches_of_one_group_do_not_mix(store: SqliteStore, database: Database) -> None:
    await accept(store, with_draft(1, LONG, OTHER))
    first, second = uids_of(database)
    await asyncio.gather(
        record(store, a_click(first), a_click(second)), record(store, a_click(second))
    )
    assert (counters(database, first)[1], counters(database, second)[1]) == (1, 2)


async def test_a_visit_of_what_was_removed_meanwhile_is_not_kept(
    store: SqliteStore, database: Database
) -> None:
    uid = await a_short_url(store, database)
    assert await record(store, a_told_click("gone5678"), a_click(uid)) == 0
    assert database.rows("SELECT uid FROM clicks") == [(uid,)]


@pytest.mark.parametrize(
    ("before", "after_click", "until"),
    [
        (10 * DAY, START + 11 * DAY, START + 11 * DAY),
        (10 * DAY, START + 9 * DAY, START + 10 * DAY),
        (10 * DAY, None, None),
        (None, START + DAY, None),
    ],
)
async def test_a_click_prolongs_what_would_be_idle(
    store: SqliteStore, database: Database, before: int | None, after_click: int | None, until: int
) -> None:
    uid = await a_short_url(store, database, idle=before)
    await record(store, a_click(uid, START + SECOND, idle_until=after_click))
    assert database.rows("SELECT idle_until FROM short_urls") == [(until,)]


async def test_a_crawler_prolongs_nothing(store: SqliteStore, database: Database) -> None:
    uid = await a_short_url(store, database, idle=DAY)
    await record(store, a_crawl(uid, START + SECOND))
    assert database.rows("SELECT idle_until FROM short_urls") == [(START + DAY,)]


# What has ended


async def remove(store: SqliteStore, now: int) -> int:
    removed = await store.write(remove_ended, now)
    return len(removed.uids)


@pytest.mark.parametrize("how", [{"idle": DAY}, {"idle": None, "lifetime": DAY}])
async def test_what_has_ended_goes_with_its_visits(
    store: SqliteStore, database: Database, how: dict[str, Any]
) -> None:
    uid = await a_short_url(store, database, **how)
    await accept(store, with_draft(2, idle=2 * DAY, lifetime=2 * DAY))
    [other] = uids_of(database, 2)
    await record(store, a_crawl(uid), a_click(uid), a_click(other))
    assert await remove(store, START + DAY - 1) == 0
    assert await remove(store, START + DAY) == 1
    assert database.rows("SELECT uid FROM short_urls") == [(other,)]
    assert database.rows("SELECT uid FROM clicks") == [(other,)]
    assert await store.read(used_uids, None) == {8: 1}


async def test_a_lifetime_ends_even_what_is_followed(
    store: SqliteStore, database: Database
) -> None:
    uid = await a_short_url(store, database, idle=DAY, lifetime=3 * DAY)
    await record(store, a_click(uid, START + 2 * DAY, idle_until=START + 99 * DAY))
    assert await remove(store, START + 3 * DAY - 1) == 0
    assert await remove(store, START + 3 * DAY) == 1


async def test_what_never_ends_stays(store: SqliteStore, database: Database) -> None:
    await a_short_url(store, database, idle=None)
    assert await remove(store, START + 10_000 * DAY) == 0


async def test_removing_goes_in_small_batches(store: SqliteStore, database: Database) -> None:
    await accept(store, *(with_draft(number, idle=DAY) for number in range(1, 251)))
    sizes = []
    more = True
    while more:
        removed = await store.write(remove_ended, START + DAY)
        sizes.append(len(removed.uids))
        more = removed.more
    assert sizes == [100, 100, 50]
    assert await store.read(used_uids, None) == {8: 0}


async def test_very_many_visits_go_in_several(store: SqliteStore, database: Database) -> None:
    uid = await a_short_url(store, database, idle=DAY)
    await record(store, *(a_crawl(uid, START + number) for number in range(2_500)))
    left = []
    for _ in range(3):
        removed = await store.write(remove_ended, START + DAY)
        left.append((database.rows("SELECT count(*) FROM clicks")[0][0], removed.uids))
        assert removed.more == (not removed.uids)
    assert left == [(1_500, []), (500, []), (0, [uid])]


# First clicks are told


def reports(database: Database) -> list[tuple[int, ReportState]]:
    rows = database.rows("SELECT status, state FROM reports ORDER BY report_id")
    return [(status, ReportState(state)) for status, state in rows]


async def take(store: SqliteStore, lane: str, now: int = START + MINUTE) -> list[Report]:
    return await store.write(claim_reports, ReportClaim(lane, 10, now, now + MINUTE))


async def settle(store: SqliteStore, report: Report, state: ReportState = ACKNOWLEDGED) -> None:
    now = START + MINUTE
    attempt = ReportAttempt(
        report.report_id, report.chain_id, 1, 1, now, 5, 200, "", state, now + MINUTE
    )
    await store.write(record_report_attempts, attempt)


async def test_the_first_click_of_a_subscriber_is_told_once(
    store: SqliteStore, database: Database
) -> None:
    await accept(store, with_draft(1, LONG, OTHER, partner_ref="order-1"))
    first, second = uids_of(database)
    crawl = a_crawl(first)
    assert await record(store, crawl, a_told_click(first, START + 5), a_told_click(first)) == 1
    assert await record(store, a_told_click(first, START + 9), a_told_click(second)) == 0
    [report] = await take(store, "1/clicks")
    assert (report.status, report.done_at, report.chain_id) == (CLICKED, START, 1)
    assert (report.partner_ref, report.dest_addr) == ("order-1", "79161234567")
    assert report.clicked == ClickedUrl(f"https://go.example/{first}", LONG)
    assert reports(database) == [(CLICKED, DUE)]


async def test_both_of_a_chain_in_one_batch_are_told_once(
    store: SqliteStore, database: Database
) -> None:
    await accept(store, with_draft(1, LONG, OTHER), with_draft(2))
    first, second = uids_of(database)
    [other] = uids_of(database, 2)
    clicks = [a_told_click(first), a_told_click(second), a_told_click(other, chain_id=2)]
    assert await record(store, *clicks) == 2
    assert database.rows("SELECT chain_id FROM reports ORDER BY 1") == [(1,), (2,)]


async def test_clicks_before_there_was_a_url_for_them_are_not_made_up_for(
    store: SqliteStore, database: Database
) -> None:
    uid = await a_short_url(store, database)
    await record(store, a_click(uid))
    assert await record(store, a_told_click(uid)) == 0


async def test_a_click_waits_for_the_reports_before_it_and_none_waits_for_it(
    store: SqliteStore, database: Database
) -> None:
    await submit(store, link={"content": with_draft(1).links[0].content})
    [uid] = uids_of(database)
    await record(store, a_told_click(uid))
    await receive(store, a_receipt(LinkState.DELIVERED))
    assert reports(database) == [(0, DUE), (CLICKED, HELD), (2, HELD)]

    [handed_over] = await take(store, "1/")
    await settle(store, handed_over)
    assert reports(database) == [(0, ACKNOWLEDGED), (CLICKED, DUE), (2, DUE)]

    [click] = await take(store, "1/clicks")
    await settle(store, click, DUE)  # its receiver is down
    await receive(store, a_receipt(LinkState.READ))
    [delivered] = await take(store, "1/")
    await settle(store, delivered)
    assert reports(database)[2:] == [(2, ACKNOWLEDGED), (9, DUE)]


async def test_a_report_after_an_open_click_does_not_wait(
    store: SqliteStore, database: Database
) -> None:
    await accept(store, with_draft(1))
    [uid] = uids_of(database)
    await record(store, a_told_click(uid))
    await claim(store)
    await receive(store, a_receipt(LinkState.DELIVERED, link_id=link_id(1, 0), attempt=1))
    assert reports(database) == [(CLICKED, DUE), (0, DUE), (2, HELD)]


async def test_a_dead_click_is_redelivered_with_its_chain(
    store: SqliteStore, database: Database
) -> None:
    uid = await a_short_url(store, database)
    await record(store, a_told_click(uid))
    [click] = await take(store, "1/clicks")
    await settle(store, click, DEAD)
    assert await store.write(redeliver_reports, Redelivery(START + DAY, chain_id=1)) == 1
    [again] = await take(store, "1/clicks", START + DAY)
    assert (again.report_id, again.clicked) == (click.report_id, click.clicked)


async def test_what_is_told_outlives_the_short_url(store: SqliteStore, database: Database) -> None:
    uid = await a_short_url(store, database, idle=DAY)
    await record(store, a_told_click(uid))
    assert await remove(store, START + DAY) == 1
    [click] = await take(store, "1/clicks", START + DAY)
    assert click.clicked == ClickedUrl(f"https://go.example/{uid}", LONG)


async def test_delivery_reports_carry_no_click(store: SqliteStore) -> None:
    await submit(store)
    [report] = await take(store, "1/")
    assert report.clicked is None
