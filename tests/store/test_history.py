"""What operators are told."""

from typing import Any

import pytest

from tests.support.builders import (
    Database,
    a_chain,
    a_receipt,
    accept,
    answer,
    claim,
    receive,
    submit,
)
from tests.support.clock import START
from whimbrel.clock import MINUTE
from whimbrel.domain.chain import Again, Taken
from whimbrel.domain.chain_id import link_id
from whimbrel.domain.status import LinkState
from whimbrel.store.history import ReportFilter, list_reports, tell_stories
from whimbrel.store.queues import count_queues, measure_depths
from whimbrel.store.reports import (
    ReportAttempt,
    ReportState,
    record_report_attempts,
)
from whimbrel.store.sqlite import SqliteStore

ANY = ReportFilter(chain_id=0, login="", since=0, before=START * 2, state=-1, most=100)


def an_attempt(report_id: int, chain_id: int, state: ReportState) -> ReportAttempt:
    return ReportAttempt(
        report_id=report_id,
        chain_id=chain_id,
        attempt=1,
        failures=0,
        ended_at=START + 4,
        latency=3,
        http_status=204,
        answer="thanks",
        state=state,
        next_at=START,
    )


async def test_a_story_is_told_from_the_request_to_the_reports(store: SqliteStore) -> None:
    await accept(store, a_chain(partner_ref="order-1"))
    await claim(store)
    await answer(store, Again(1, START + 1, START + MINUTE))
    await claim(store, now=START + MINUTE)
    await answer(store, Taken(2, START + MINUTE + 1, "wamid.1"))
    await receive(store, a_receipt(LinkState.DELIVERED, at=START + 3 * MINUTE))
    await store.write(record_report_attempts, an_attempt(1, 1, ReportState.ACKNOWLEDGED))

    story = await store.read(tell_stories, 1)

    assert story is not None
    assert story.chain["login"] == "partner1"
    assert story.chain["partner_ref"] == "order-1"
    [link] = story.links
    assert (link["state"], link["attempt"], link["provider_id"]) == (70, 2, "wamid.1")
    assert [(one["attempt"], one["outcome"]) for one in story.submits] == [
        (1, "not sent"),
        (2, "submitted"),
    ]
    assert [(one["state"], one["happened_at"]) for one in story.receipts] == [
        (70, START + 3 * MINUTE)
    ]
    assert [(one["status"], one["state"]) for one in story.reports] == [(0, 2), (2, 1)]
    assert [(one["http_status"], one["answer"]) for one in story.report_attempts] == [
        (204, "thanks")
    ]


async def test_a_story_is_of_its_own_chain(store: SqliteStore) -> None:
    for chain_id in (1, 2, 3):
        await submit(store, chain_id, f"wamid.{chain_id}")
    story = await store.read(tell_stories, 2)
    assert story is not None
    assert [one["provider_id"] for one in story.submits] == ["wamid.2"]
    assert [one["link_id"] for one in (*story.links, *story.reports)] == [link_id(2, 0)] * 2


async def test_there_is_no_story_without_a_chain(store: SqliteStore) -> None:
    assert await store.read(tell_stories, 99) is None


@pytest.mark.parametrize(
    ("wish", "listed"),
    [
        ({}, [4, 3, 2, 1]),
        ({"chain_id": 1}, [2, 1]),
        ({"login": "partner2"}, [4]),
        ({"login": "nobody"}, []),
        ({"since": START + 1}, [4, 3]),
        ({"before": START + 1}, [2, 1]),
        ({"state": ReportState.HELD}, [2]),
        ({"state": ReportState.DEAD}, [3]),
        ({"state": ReportState.DUE, "login": "partner1"}, [1]),
        ({"most": 2}, [4, 3]),
    ],
)
async def test_reports_are_listed_newest_first_by_a_filter(
    store: SqliteStore, wish: dict[str, Any], listed: list[int]
) -> None:
    await submit(store, 1, "wamid.1")
    await receive(store, a_receipt(LinkState.DELIVERED))
    await submit(store, 2, "wamid.2", now=START + 1)
    await store.write(record_report_attempts, an_attempt(3, 2, ReportState.DEAD))
    await accept(store, a_chain(3, partner_id=2))
    await claim(store, lane="WHATSAPP/2/WHIMBREL")
    await answer(store, Taken(1, START + 2, "wamid.3"), 3)
    rows = await store.read(list_reports, ANY._replace(**wish))
    assert [row[0] for row in rows] == listed


async def test_a_listed_report_shows_its_last_answer(store: SqliteStore) -> None:
    await submit(store)
    await store.write(record_report_attempts, an_attempt(1, 1, ReportState.DUE))
    later = an_attempt(1, 1, ReportState.DUE)._replace(attempt=2, http_status=500, answer="oops")
    await store.write(record_report_attempts, later)
    [row] = await store.read(list_reports, ANY)
    assert row[-2:] == (500, "oops")


async def test_queues_are_counted_by_lane(store: SqliteStore) -> None:
    await submit(store, 1)
    await accept(store, a_chain(2), a_chain(3), a_chain(4, partner_id=2))
    await receive(store, a_receipt(provider_id="unheard of"), at=START + 5)
    queues = await store.read(count_queues, None)
    assert [(lane, state, count) for lane, state, count, *_ in queues.links] == [
        ("WHATSAPP/1/WHIMBREL", 0, 2),
        ("WHATSAPP/1/WHIMBREL", 30, 1),
        ("WHATSAPP/2/WHIMBREL", 0, 1),
    ]
    assert [(lane, count) for lane, count, *_ in queues.reports] == [("1/", 1)]
    assert (queues.dead_reports, queues.parked, queues.parked_since) == (0, 1, START + 5)


async def test_depths_are_of_what_is_due(store: SqliteStore, database: Database) -> None:
    empty = await store.read(measure_depths, START)
    assert empty == (0, None, 0, None, 0)
    await accept(store, a_chain(1), a_chain(2, link={"due_at": START + MINUTE}))
    depths = await store.read(measure_depths, START + 1)
    assert (depths.links_due, depths.oldest_due_at) == (1, START)


async def test_depths_are_of_all_lanes(store: SqliteStore, database: Database) -> None:
    later = {"due_at": START + MINUTE}
    await accept(store, a_chain(1, link=later), a_chain(2, partner_id=2, link=later))
    assert (await store.read(measure_depths, START + 1))[:2] == (0, None)
    await accept(store, *(a_chain(n, partner_id=1 + n % 2) for n in (3, 4, 5)))
    await accept(store, a_chain(6, partner_id=2, link={"due_at": START - 5}))
    assert (await store.read(measure_depths, START + 1))[:2] == (4, START - 5)
    assert (await store.read(measure_depths, START + MINUTE))[:2] == (6, START - 5)
