"""Reports in the store: written with the move, one of a chain at a time, kept until settled."""

import pytest

from tests.support.builders import (
    SENDER,
    SUBSCRIBER,
    Database,
    a_chain,
    a_link,
    a_receipt,
    accept,
    answer,
    claim,
    receive,
    submit,
)
from tests.support.clock import START
from whimbrel.clock import DAY, MINUTE, SECOND
from whimbrel.domain.chain import Refused, Taken
from whimbrel.domain.chain_id import link_id
from whimbrel.domain.receipt import Report
from whimbrel.domain.status import ErrorCode, LinkState
from whimbrel.store.chains import accept_chains
from whimbrel.store.nodes import Departure, NewNode, bury_nodes, join_nodes
from whimbrel.store.reports import (
    Redelivery,
    ReportAttempt,
    ReportClaim,
    ReportState,
    claim_reports,
    due_report_lanes,
    record_report_attempts,
    redeliver_reports,
    report_lane,
)
from whimbrel.store.sqlite import SqliteStore

S, R = LinkState, ReportState
OWN = "1/"  # the lane of Partner 1's configured URL
LEASE = MINUTE


async def take(
    store: SqliteStore, *, lane: str = OWN, room: int = 100, now: int = START
) -> list[Report]:
    return await store.write(claim_reports, ReportClaim(lane, room, now, now + LEASE))


async def settle(
    store: SqliteStore, report: Report, state: ReportState, *, next_at: int = START
) -> None:
    attempt = ReportAttempt(
        report_id=report.report_id,
        chain_id=report.chain_id,
        attempt=report.attempt + 1,
        failures=0 if state is R.ACKNOWLEDGED else report.failures + 1,
        ended_at=START,
        latency=3,
        http_status=200 if state is R.ACKNOWLEDGED else 503,
        answer="",
        state=state,
        next_at=next_at,
    )
    await store.write(record_report_attempts, attempt)


async def read_by_its_subscriber(store: SqliteStore, chain_id: int = 1) -> None:
    await submit(store, chain_id, f"wamid.{chain_id}")
    await receive(store, a_receipt(S.READ, provider_id=f"wamid.{chain_id}"))


def states(database: Database, chain_id: int = 1) -> dict[int, ReportState]:
    rows = database.rows("SELECT status, state FROM reports WHERE chain_id = ?", chain_id)
    return {status: R(state) for status, state in rows}


async def all_told(store: SqliteStore, *, now: int = START) -> list[int]:
    """Acknowledge whatever can be claimed until nothing can; return the statuses in that order."""
    told = []
    while reports := await take(store, now=now):
        told += [report.status for report in reports]
        for report in reports:
            await settle(store, report, R.ACKNOWLEDGED)
    return told


# What is written


async def test_a_report_holds_what_the_partner_reads(store: SqliteStore) -> None:
    chain = a_chain(7, partner_ref="order-1", notify_url="https://partner.example/r")
    await accept(store, chain)
    await claim(store)
    await answer(store, Taken(1, START + 5, "wamid.7"), 7)
    [report] = await take(store, lane="1/https://partner.example", now=START + 5)
    assert report == Report(
        report_id=1,
        attempt=0,
        failures=0,
        partner_id=1,
        chain_id=7,
        link_id=link_id(7, 0),
        status=0,
        done_at=None,
        submitted_at=START + 5,
        error_code=0,
        notify_url="https://partner.example/r",
        partner_ref="order-1",
        dest_addr=SUBSCRIBER,
        channel="WHATSAPP",
        sender=SENDER,
        text="Hello",
        created_at=START + 5,
    )


async def test_a_report_is_of_its_moment_whatever_comes_after(
    store: SqliteStore, database: Database
) -> None:
    await submit(store)
    await receive(store, a_receipt(S.FAILED, error_code=ErrorCode.FILTERED, at=START + 1))
    await receive(store, a_receipt(S.DELIVERED, at=START + 2))
    await receive(store, a_receipt(S.READ, at=START + 3))
    assert database.rows(
        "SELECT status, done_at, submitted_at, error_code FROM reports ORDER BY report_id"
    ) == [
        (0, None, START, 0),
        (5, None, START, ErrorCode.FILTERED),
        (2, START + 2, START, 0),
        (9, START + 3, START, 0),
    ]


async def test_a_link_that_was_refused_at_once_was_handed_over_when_it_was_tried(
    store: SqliteStore, database: Database
) -> None:
    await accept(store, a_chain())
    await claim(store, now=START + 5)
    await answer(store, Refused(1, START + 9, ErrorCode.FILTERED))
    assert database.rows("SELECT status, submitted_at FROM reports") == [(5, START + 5)]


@pytest.mark.parametrize(("registered_delivery", "told"), [(0, []), (1, [0, 5, 2]), (2, [5])])
async def test_a_partner_is_told_what_it_asked_for(
    store: SqliteStore, database: Database, registered_delivery: int, told: list[int]
) -> None:
    await accept(store, a_chain(registered_delivery=registered_delivery))
    await claim(store)
    await answer(store, Taken(1, START, "wamid.1"))
    await receive(store, a_receipt(S.FAILED, error_code=ErrorCode.FILTERED))
    await receive(store, a_receipt(S.DELIVERED))
    assert database.told() == told


@pytest.mark.parametrize(
    ("notify_url", "lane"),
    [
        (None, "1/"),
        ("https://Partner.Example/a?b=c", "1/https://partner.example"),
        ("https://partner.example:8443/a", "1/https://partner.example:8443"),
        ("http://login:password@partner.example/a", "1/http://partner.example"),
    ],
)
def test_a_lane_is_a_partner_before_a_receiver(notify_url: str | None, lane: str) -> None:
    assert report_lane(1, notify_url) == lane


# One of a chain at a time


async def test_only_the_first_of_a_chain_is_due(store: SqliteStore, database: Database) -> None:
    await read_by_its_subscriber(store)
    assert states(database) == {0: R.DUE, 2: R.HELD, 9: R.HELD}
    assert [report.status for report in await take(store)] == [0]
    assert await take(store) == []


async def test_chains_do_not_wait_for_each_other(store: SqliteStore) -> None:
    await read_by_its_subscriber(store, 1)
    await read_by_its_subscriber(store, 2)
    assert [(report.chain_id, report.status) for report in await take(store)] == [(1, 0), (2, 0)]


@pytest.mark.parametrize("state", [R.ACKNOWLEDGED, R.DEAD])
async def test_a_settled_report_lets_the_next_go(
    store: SqliteStore, database: Database, state: ReportState
) -> None:
    await read_by_its_subscriber(store)
    [first] = await take(store)
    await settle(store, first, state)
    assert states(database) == {0: state, 2: R.DUE, 9: R.HELD}


async def test_a_failed_report_keeps_the_others_behind_it(
    store: SqliteStore, database: Database
) -> None:
    await read_by_its_subscriber(store)
    [first] = await take(store)
    await settle(store, first, R.DUE, next_at=START + 5 * SECOND)
    assert states(database) == {0: R.DUE, 2: R.HELD, 9: R.HELD}
    assert await take(store, now=START + 5 * SECOND - 1) == []
    [again] = await take(store, now=START + 5 * SECOND)
    assert (again.status, again.attempt, again.failures) == (0, 1, 1)


async def test_all_are_told_in_their_order(store: SqliteStore) -> None:
    await read_by_its_subscriber(store)
    assert await all_told(store) == [0, 2, 9]


async def test_a_later_report_waits_for_one_that_is_under_way(
    store: SqliteStore, database: Database
) -> None:
    await submit(store)
    [first] = await take(store)
    await receive(store, a_receipt(S.DELIVERED))
    assert states(database) == {0: R.DUE, 2: R.HELD}
    await settle(store, first, R.ACKNOWLEDGED)
    assert states(database) == {0: R.ACKNOWLEDGED, 2: R.DUE}


# Claims


async def test_a_lost_claim_is_free_when_its_lease_ends(store: SqliteStore) -> None:
    await submit(store)
    await take(store)
    assert await take(store, now=START + LEASE - 1) == []
    assert len(await take(store, now=START + LEASE)) == 1


async def test_a_claim_takes_the_longest_due_of_its_lane_and_no_more_than_its_room(
    store: SqliteStore,
) -> None:
    for chain_id, moment in [(1, START + 3), (2, START + 1), (3, START + 2)]:
        await submit(store, chain_id, f"wamid.{chain_id}", now=moment)
    await accept(store, a_chain(4, partner_id=2))
    taken = await take(store, room=2, now=START + 3)
    assert sorted(report.chain_id for report in taken) == [2, 3]


async def test_lanes_tell_when_their_first_report_is_due(store: SqliteStore) -> None:
    assert await store.read(due_report_lanes, None) == []
    await read_by_its_subscriber(store)
    assert await store.read(due_report_lanes, None) == [(OWN, START)]
    await take(store)
    assert await store.read(due_report_lanes, None) == [(OWN, START + LEASE)]
    await all_told(store, now=START + LEASE)
    assert await store.read(due_report_lanes, None) == []


async def test_a_restart_frees_first_attempts_and_leaves_pauses_alone(
    store: SqliteStore,
) -> None:
    await submit(store, 1, "wamid.1")
    await submit(store, 2, "wamid.2")
    first, second = await take(store)
    await settle(store, second, R.DUE, next_at=START + DAY)
    await store.write(join_nodes, NewNode("token", "node", "reports", "1", START, START))
    await store.write(bury_nodes, Departure(0, "token", START + 1, START + 1))
    freed = await take(store, now=START + 1)
    assert [report.report_id for report in freed] == [first.report_id]


# Once more, by hand


async def test_a_dead_report_is_sent_again_before_the_ones_behind_it(
    store: SqliteStore, database: Database
) -> None:
    await read_by_its_subscriber(store)
    [first] = await take(store)
    await settle(store, first, R.DEAD)
    assert await store.write(redeliver_reports, Redelivery(START, chain_id=1)) == 1
    assert states(database) == {0: R.DUE, 2: R.HELD, 9: R.HELD}
    assert await all_told(store) == [0, 2, 9]


async def test_it_begins_its_pauses_anew_and_goes_on_with_its_history(
    store: SqliteStore, database: Database
) -> None:
    await submit(store)
    [report] = await take(store)
    await settle(store, report, R.DEAD)
    await store.write(redeliver_reports, Redelivery(START, chain_id=1))
    [again] = await take(store)
    assert (again.attempt, again.failures) == (1, 0)
    await settle(store, again, R.ACKNOWLEDGED)
    assert database.rows("SELECT attempt, http_status FROM report_attempts ORDER BY attempt") == [
        (1, 503),
        (2, 200),
    ]


@pytest.mark.parametrize(("acknowledged", "again"), [(False, []), (True, [0, 2, 9])])
async def test_acknowledged_ones_go_again_only_on_demand(
    store: SqliteStore, acknowledged: bool, again: list[int]
) -> None:
    await read_by_its_subscriber(store)
    await all_told(store)
    wish = Redelivery(START, chain_id=1, acknowledged=acknowledged)
    assert await store.write(redeliver_reports, wish) == len(again)
    assert await all_told(store) == again


async def test_one_that_was_under_way_meanwhile_waits_behind(
    store: SqliteStore, database: Database
) -> None:
    await read_by_its_subscriber(store)
    [first] = await take(store)
    await settle(store, first, R.DEAD)
    [second] = await take(store)
    await store.write(redeliver_reports, Redelivery(START, chain_id=1))
    await settle(store, second, R.DUE, next_at=START + SECOND)
    assert states(database) == {0: R.DUE, 2: R.HELD, 9: R.HELD}
    assert await all_told(store, now=START + DAY) == [0, 2, 9]


async def test_an_acknowledgement_from_meanwhile_counts(
    store: SqliteStore, database: Database
) -> None:
    await read_by_its_subscriber(store)
    [first] = await take(store)
    await settle(store, first, R.DEAD)
    [second] = await take(store)
    await store.write(redeliver_reports, Redelivery(START, chain_id=1))
    await settle(store, second, R.ACKNOWLEDGED)
    assert states(database) == {0: R.DUE, 2: R.ACKNOWLEDGED, 9: R.HELD}
    assert await all_told(store) == [0, 9]


async def test_links_of_one_chain_share_its_order(store: SqliteStore, database: Database) -> None:
    """Reports are ordered by chain, so a cascade's links will not overtake each other."""
    two = a_link(link_id=link_id(1, 1), position=1)
    await store.write(accept_chains, a_chain(links=(a_link(), two)))
    await claim(store)
    await answer(store, Refused(1, START, ErrorCode.FILTERED))
    await receive(store, a_receipt(S.READ, link_id=link_id(1, 1), attempt=1))
    rows = database.rows("SELECT link_id & 15, status, state FROM reports ORDER BY report_id")
    assert rows == [(0, 5, R.DUE), (1, 0, R.HELD), (1, 2, R.HELD), (1, 9, R.HELD)]
    assert await all_told(store) == [5, 0, 2, 9]
