"""Reports as operators list them: newest messages first, bounded, and none left out or doubled."""

import pytest

from tests.store.test_redelivery import dead
from tests.store.test_reports import read_by_its_subscriber, settle, take
from tests.support.builders import Database, submit
from tests.support.clock import START
from whimbrel.domain.chain_id import chain_of
from whimbrel.store.redelivery import ANYBODY
from whimbrel.store.report_list import ListedReport, Place, ReportPage, ReportWish, page_reports
from whimbrel.store.reports import ReportState as R
from whimbrel.store.sqlite import SqliteStore

COPIES = 1_400


def wish(
    state: R | None = None,
    *,
    partner_id: int = ANYBODY,
    first: int = 0,
    below: Place = Place(),  # noqa: B008 - immutable
    room: int = 50,
) -> ReportWish:
    return ReportWish(state, partner_id, first, below, room)


async def pages(store: SqliteStore, one: ReportWish) -> list[list[ListedReport]]:
    """Return page after page to the end."""
    shown: list[list[ListedReport]] = []
    place: Place | None = one.below
    while place is not None:
        page: ReportPage = await store.read(page_reports, one._replace(below=place))
        shown.append(page.reports)
        place = page.rest
    return shown


def numbers(reports: list[ListedReport]) -> list[tuple[int, int]]:
    return [(one.chain_id, one.status) for one in reports]


async def test_a_report_is_listed_with_its_message_and_its_last_answer(store: SqliteStore) -> None:
    await dead(store, 1)
    [[one]] = await pages(store, wish())
    assert one == ListedReport(
        report_id=1,
        chain_id=1,
        link_id=16,
        login="partner1",
        dest_addr="79161234567",
        status=0,
        state=R.DEAD,
        lane="1/",
        attempts=1,
        next_at=START,
        created_at=START,
        tried_at=START,
        http_status=503,
        latency=3,
        answer="",
    )


async def test_one_that_was_never_tried_has_no_answer(store: SqliteStore) -> None:
    await submit(store)
    [[one]] = await pages(store, wish())
    assert (one.state, one.tried_at, one.http_status, one.answer) == (R.DUE, None, None, None)


async def test_newest_messages_come_first_and_filters_hold(store: SqliteStore) -> None:
    await dead(store, 1, 3)
    await dead(store, 4, partner_id=2)
    await read_by_its_subscriber(store, 2)
    [report] = await take(store)
    await settle(store, report, R.ACKNOWLEDGED)

    every = [(4, 0), (3, 0), (2, 9), (2, 2), (2, 0), (1, 0)]
    assert [numbers(page) for page in await pages(store, wish())] == [every]
    for state, expected in [
        (R.DEAD, [(4, 0), (3, 0), (1, 0)]),
        (R.DUE, [(2, 2)]),
        (R.HELD, [(2, 9)]),
        (R.ACKNOWLEDGED, [(2, 0)]),
    ]:
        assert [numbers(page) for page in await pages(store, wish(state))] == [expected]
    assert numbers((await pages(store, wish(R.DEAD, partner_id=2)))[0]) == [(4, 0)]
    assert numbers((await pages(store, wish(partner_id=1, first=3)))[0]) == [(3, 0)]
    assert [numbers(page) for page in await pages(store, wish(room=4))] == [every[:4], every[4:]]


@pytest.mark.parametrize("state", [None, R.DEAD, R.DUE])
async def test_page_after_page_has_every_report_once(
    store: SqliteStore, database: Database, state: R | None
) -> None:
    """Three reports a chain, so that stretches end within chains."""
    await submit(store, 1)
    kept = 1 if state is R.DUE else 3
    database.script(
        "INSERT INTO chains (chain_id, partner_id, dest_addr, registered_delivery, accepted_at,"
        " request_id) WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n"
        f" WHERE i < {COPIES}) SELECT i, 1, '7916', 1, {START}, 'r' || i FROM n;"
        "INSERT INTO reports (chain_id, link_id, status, lane, state, next_at, attempts, failures,"
        " created_at, error_code)"
        f" SELECT c.chain_id, c.chain_id * 16, s.status, '1/', {kept}, 0, 1, 0, 0, 0"
        " FROM chains c, (SELECT 0 AS status UNION SELECT 2 UNION SELECT 9) s"
        " WHERE c.chain_id > 1"
    )
    shown = [one for page in await pages(store, wish(state, room=777)) for one in page]
    expected = [(i, status) for i in range(COPIES, 1, -1) for status in (9, 2, 0)]
    assert numbers(shown) == expected + ([] if state is R.DEAD else [(1, 0)])


async def test_a_page_ends_after_many_looks_in_vain_and_goes_on(
    store: SqliteStore, database: Database
) -> None:
    await dead(store, 1, partner_id=2)
    database.script(
        "INSERT INTO reports (chain_id, link_id, status, lane, state, next_at, attempts, failures,"
        " created_at, error_code) WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n"
        " WHERE i < 15000) SELECT i, i * 16, 0, '1/', 3, 0, 1, 0, 0, 0 FROM n"
    )
    first = await store.read(page_reports, wish(R.DEAD, partner_id=2))
    assert first.reports == []
    assert first.rest is not None
    assert chain_of(first.rest.link_id) == 12_001
    rest = await pages(store, wish(R.DEAD, partner_id=2, below=first.rest))
    assert [numbers(page) for page in rest if page] == [[(1, 0)]]
