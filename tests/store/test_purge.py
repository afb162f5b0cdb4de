"""What is too old is removed with all that belongs to it, and nothing else is touched."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.store.test_clicks import a_click, a_told_click, record
from tests.store.test_short_urls import LONG, uids_of, with_draft
from tests.support.builders import (
    SMS_LANE,
    Database,
    a_cascade,
    a_chain,
    a_receipt,
    accept,
    answer,
    claim,
    receive,
)
from tests.support.clock import START
from whimbrel.clock import DAY, SECOND
from whimbrel.domain.chain import PartsTaken, Refused, Taken
from whimbrel.domain.content import Channel, Image, Text
from whimbrel.domain.receipt import MoMessage, Report
from whimbrel.domain.status import ErrorCode, LinkState
from whimbrel.store.click_reports import click_lane
from whimbrel.store.mo_messages import keep_mo_messages
from whimbrel.store.purge import (
    OldChains,
    OldContents,
    OldInbound,
    OldVisits,
    find_old_chains,
    oldest_inbound,
    oldest_visits,
    remove_chains,
    remove_contents,
    remove_inbound,
    remove_visits,
)
from whimbrel.store.reports import (
    Redelivery,
    ReportAttempt,
    ReportClaim,
    ReportState,
    claim_reports,
    record_report_attempts,
    redeliver_reports,
)
from whimbrel.store.short_urls import find_short_urls
from whimbrel.store.sqlite import SqliteStore

ALL = 1_000
OF_LINKS = ("links", "submits", "parts", "receipts", "reports")
OF_REPORTS = ("report_attempts", "click_reports")
Remove = Callable[[SqliteStore, list[int]], Awaitable[int]]


async def without_content(store: SqliteStore, chain_ids: list[int]) -> int:
    return await store.write(remove_contents, OldContents(chain_ids, START + 9))


async def without_chains(store: SqliteStore, chain_ids: list[int]) -> int:
    return await store.write(remove_chains, chain_ids)


REMOVALS = [
    pytest.param(without_content, id="content"),
    pytest.param(without_chains, id="chains"),
]


async def find(store: SqliteStore, **changes: Any) -> list[int]:
    """Find Partner 1's chains below 1,000."""
    wish = OldChains(1, 0, 1_000, ALL, False)
    return await store.read(find_old_chains, wish._replace(**changes))


async def take_reports(store: SqliteStore, lane: str = "1/") -> list[Report]:
    return await store.write(claim_reports, ReportClaim(lane, ALL, START + DAY, START + 2 * DAY))


async def tell(store: SqliteStore, *lanes: str, state: int = ReportState.ACKNOWLEDGED) -> None:
    """Let all reports of these lanes, or of Partner 1's own, come to an end."""
    for lane in lanes or ("1/",):
        while reports := await take_reports(store, lane):
            for one in reports:
                attempt = ReportAttempt(
                    one.report_id, one.chain_id, 1, 0, START, 5, 200, "", ReportState(state), START
                )
                await store.write(record_report_attempts, attempt)


async def a_finished_chain(store: SqliteStore, database: Database, chain_id: int) -> None:
    """A cascade with a row in every table: refused on WhatsApp, delivered as an SMS of two parts.

    Its short URL was followed, and the Partner was told of everything.
    """
    draft = with_draft(chain_id).links[0].content
    await accept(store, a_cascade({"content": draft}, {"channel": Channel.SMS}, chain_id=chain_id))
    await claim(store)
    refused = Refused(1, START, ErrorCode.FILTERED)
    await answer(store, refused, chain_id)
    await claim(store, lane=SMS_LANE)
    names = {part: f"{chain_id}-{part}" for part in (1, 2)}
    taken = PartsTaken(names, 2, tuple(names.values()))
    await answer(store, Taken(1, START, names[1]), chain_id, 1, parts=taken)
    for name in names.values():
        await receive(store, a_receipt(provider_id=name))
    [uid] = uids_of(database, chain_id)
    await record(store, a_told_click(uid, chain_id=chain_id))
    await tell(store, "1/", click_lane(1))


def rows_of(database: Database, chain_id: int) -> dict[str, int]:
    """Count what is there of a chain, by table."""
    span = (chain_id << 4, chain_id << 4 | 15)
    counts = {
        table: database.rows(
            f"SELECT count(*) FROM {table} WHERE link_id BETWEEN ? AND ?",
            *span,
        )[0][0]
        for table in OF_LINKS
    }
    counts["chains"] = len(database.rows("SELECT 1 FROM chains WHERE chain_id = ?", chain_id))
    return counts


def everything(database: Database) -> dict[str, list[tuple[Any, ...]]]:
    tables = ("chains", *OF_LINKS, *OF_REPORTS, "short_urls", "clicks")
    return {table: database.rows(f"SELECT * FROM {table}") for table in tables}


# Which are old


async def test_old_chains_are_a_partners_own_in_their_order(store: SqliteStore) -> None:
    await accept(store, *(a_chain(number) for number in (7, 3, 5, 900)))
    await accept(store, a_chain(4, partner_id=2))
    assert await find(store) == [3, 5, 7, 900]
    assert await find(store, before=900) == [3, 5, 7]
    assert await find(store, after=3, room=1) == [5]
    assert await find(store, partner_id=2) == [4]


async def test_content_is_looked_for_where_there_is_some(store: SqliteStore) -> None:
    await accept(store, a_chain(1), a_chain(2))
    await claim(store)
    for chain_id in (1, 2):
        await answer(store, Refused(1, START, ErrorCode.FILTERED), chain_id)
    await tell(store)
    assert await without_content(store, [1]) == 1
    assert await find(store, with_content=True) == [2]
    assert await find(store) == [1, 2]


# Whole chains


async def test_a_chain_goes_with_everything_and_leaves_its_neighbours(
    store: SqliteStore, database: Database
) -> None:
    for chain_id in (1, 2, 3):
        await a_finished_chain(store, database, chain_id)
    assert rows_of(database, 2) == {
        "chains": 1, "links": 2, "submits": 2, "parts": 2, "receipts": 2, "reports": 4,
    }  # fmt: skip
    before = everything(database)

    assert await without_chains(store, [2]) == 1

    assert set(rows_of(database, 2).values()) == {0}
    after = everything(database)
    for table in ("chains", *OF_LINKS, *OF_REPORTS):
        assert len(before[table]) == 3 * len(after[table]) // 2, table
        assert set(after[table]) < set(before[table]), table
    attempts = database.rows("SELECT DISTINCT report_id FROM report_attempts ORDER BY report_id")
    assert attempts == database.rows("SELECT report_id FROM reports ORDER BY report_id")
    assert after["clicks"] == before["clicks"]


async def test_its_short_url_leads_on_and_knows_nobody(
    store: SqliteStore, database: Database
) -> None:
    await a_finished_chain(store, database, 1)
    await a_finished_chain(store, database, 2)
    [uid], [other] = uids_of(database, 1), uids_of(database, 2)
    await without_chains(store, [1])

    kept = await store.read(find_short_urls, uid)
    assert kept is not None
    assert (kept.target, kept.visits, kept.clicks) == (LONG, 1, 1)
    assert (kept.subscriber, kept.chain_id, kept.link_id) == (None, None, None)
    assert await record(store, a_told_click(uid, START + SECOND)) == 0  # from a memory of before
    neighbour = await store.read(find_short_urls, other)
    assert neighbour is not None
    assert neighbour.chain_id == 2


async def test_an_id_goes_with_its_chain(store: SqliteStore) -> None:
    await accept(store, a_chain(1, dedupe_ref="order-1"))
    await claim(store)
    await answer(store, Refused(1, START, ErrorCode.FILTERED))
    await tell(store)
    [repeated] = await accept(store, a_chain(2, dedupe_ref="order-1"))
    assert (repeated.chain_id, repeated.repeats_ref) == (1, True)
    await without_chains(store, [1])
    [fresh] = await accept(store, a_chain(3, dedupe_ref="order-1"))
    assert (fresh.chain_id, fresh.repeats_ref) == (3, False)


async def test_a_receipt_that_comes_after_all_is_parked(
    store: SqliteStore, database: Database
) -> None:
    await a_finished_chain(store, database, 1)
    await without_chains(store, [1])
    [filed] = await receive(store, a_receipt(LinkState.READ, provider_id="1-1"))
    assert (filed.verdict, filed.moved) == ("parked", None)


# Content


async def test_content_goes_and_the_history_stays(store: SqliteStore, database: Database) -> None:
    await a_finished_chain(store, database, 1)
    await a_finished_chain(store, database, 2)
    before = rows_of(database, 1)
    texts = [database.link(2, position)["text"] for position in (0, 1)]
    assert await without_content(store, [1]) == 1
    assert [database.link(1, position)["text"] for position in (0, 1)] == [None, None]
    assert rows_of(database, 1) == before
    assert [database.link(2, position)["text"] for position in (0, 1)] == texts
    removed = database.rows("SELECT chain_id, content_removed_at FROM chains ORDER BY chain_id")
    assert removed == [(1, START + 9), (2, None)]


async def test_all_that_is_content_goes(store: SqliteStore, database: Database) -> None:
    image = {"content": Image("https://shop.example/a.png")}
    secret = {"extra_param": "place=home", "content_key": b"digest of the text"}
    await accept(store, a_chain(1, link=image, partner_ref="order-1", **secret))
    await claim(store)
    await answer(store, Refused(1, START, ErrorCode.FILTERED))
    await tell(store)
    await without_content(store, [1])
    assert database.link()["image_url"] is None
    [row] = database.rows("SELECT extra_param, content_key, partner_ref FROM chains")
    assert row == (None, None, "order-1")


async def test_what_was_removed_keeps_its_moment(store: SqliteStore, database: Database) -> None:
    await a_finished_chain(store, database, 1)
    await without_content(store, [1])
    assert await store.write(remove_contents, OldContents([1], START + DAY)) == 0
    assert database.rows("SELECT content_removed_at FROM chains") == [(START + 9,)]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
async def test_nothing_of_the_text_is_left_in_the_file(
    store: SqliteStore, database: Database
) -> None:
    secret = "the code is 471100815"
    await accept(store, a_chain(1, link={"content": Text(secret)}))
    await claim(store)
    await answer(store, Refused(1, START, ErrorCode.FILTERED))
    await tell(store)
    await without_content(store, [1])
    await store.close()  # the last connection puts the log into the file
    assert not database.path.with_name(database.path.name + "-wal").exists()
    assert secret.encode() not in database.path.read_bytes()


async def test_a_report_of_what_has_no_text_any_more_knows_its_parts(
    store: SqliteStore, database: Database
) -> None:
    await a_finished_chain(store, database, 1)
    await without_content(store, [1])
    await store.write(redeliver_reports, Redelivery(START, 1, acknowledged=True))
    reports = []
    while batch := await take_reports(store):
        for one in batch:
            reports.append((one.channel, one.status, one.text, one.parts))
            attempt = ReportAttempt(
                one.report_id, 1, 2, 0, START, 5, 200, "", ReportState.ACKNOWLEDGED, START
            )
            await store.write(record_report_attempts, attempt)
    assert reports == [("WHATSAPP", 5, None, 0), ("SMS", 0, None, 2), ("SMS", 2, None, 2)]


# What must not go


@pytest.mark.parametrize("remove", REMOVALS)
@pytest.mark.parametrize("state", [state for state in LinkState if state < LinkState.FAILED])
async def test_a_chain_on_its_way_stays(
    remove: Remove, state: LinkState, store: SqliteStore, database: Database
) -> None:
    for chain_id in (1, 2):
        await a_finished_chain(store, database, chain_id)
    database.rows("UPDATE links SET state = ? WHERE link_id = ?", state, 1 << 4 | 1)
    before = everything(database)
    assert await remove(store, [1]) == 0
    assert everything(database) == before
    assert await remove(store, [1, 2]) == 1


@pytest.mark.parametrize("remove", REMOVALS)
@pytest.mark.parametrize("state", [ReportState.HELD, ReportState.DUE])
@pytest.mark.parametrize("status", [2, 100])
async def test_a_chain_with_an_open_report_stays(
    remove: Remove, state: ReportState, status: int, store: SqliteStore, database: Database
) -> None:
    await a_finished_chain(store, database, 1)
    database.rows("UPDATE reports SET state = ? WHERE status = ?", state, status)
    before = everything(database)
    assert await remove(store, [1]) == 0
    assert everything(database) == before


@pytest.mark.parametrize("remove", REMOVALS)
async def test_a_dead_report_holds_nothing(
    remove: Remove, store: SqliteStore, database: Database
) -> None:
    await a_finished_chain(store, database, 1)
    database.rows("UPDATE reports SET state = ?", ReportState.DEAD)
    assert await remove(store, [1]) == 1


@pytest.mark.parametrize("remove", REMOVALS)
async def test_what_is_gone_is_removed_once(
    remove: Remove, store: SqliteStore, database: Database
) -> None:
    await a_finished_chain(store, database, 1)
    assert await remove(store, [1, 77]) == 1
    assert await remove(store, [1, 77]) == 0


# Visits and subscribers' messages


async def test_visits_go_the_oldest_first_and_counters_stay(
    store: SqliteStore, database: Database
) -> None:
    await accept(store, with_draft(1), with_draft(2, partner_id=2))
    [uid], [other] = uids_of(database, 1), uids_of(database, 2)
    await record(store, *(a_click(uid, START + at) for at in (3, 1, 2, 0)), a_click(other, START))
    assert await store.read(oldest_visits, 1) == START

    assert await store.write(remove_visits, OldVisits(1, START + 3, 2)) == 2
    assert await store.read(oldest_visits, 1) == START + 2
    assert await store.write(remove_visits, OldVisits(1, START + 3, 2)) == 1
    assert await store.write(remove_visits, OldVisits(1, START + 3, 2)) == 0

    left = [(uid, START + 3), (other, START)]
    assert sorted(database.rows("SELECT uid, at FROM clicks")) == sorted(left)
    counters = database.rows("SELECT visits, clicks, first_click_at FROM short_urls WHERE uid = ?",
                             uid)  # fmt: skip
    assert counters == [(4, 4, START)]


async def test_a_partner_without_visits_has_no_oldest(store: SqliteStore) -> None:
    assert await store.read(oldest_visits, 1) is None
    assert await store.read(oldest_inbound, None) is None


async def test_what_subscribers_wrote_goes_the_oldest_first(
    store: SqliteStore, database: Database
) -> None:
    for at in (2, 0, 1):
        await store.write(
            keep_mo_messages,
            MoMessage(
                channel=Channel.SMS, account="main", sender="1234", subscriber="79160000001",
                received_at=START + at, text="STOP", raw=b"STOP", data_coding=0,
            ),
        )  # fmt: skip
    assert await store.read(oldest_inbound, None) == START
    assert await store.write(remove_inbound, OldInbound(START + 2, 1)) == 1
    assert await store.write(remove_inbound, OldInbound(START + 2, 5)) == 1
    assert database.rows("SELECT received_at FROM mo_messages") == [(START + 2,)]
