"""What `until_written` writes may be written twice: a commit's answer can be lost."""

from typing import Any

import pytest

from tests.support.builders import (
    A_CODE,
    Database,
    a_cascade,
    a_chain,
    a_receipt,
    accept,
    an_echo,
    claim,
    submit,
)
from tests.support.clock import START
from tests.support.nodes import GRACE, join
from whimbrel.clock import HOUR, MINUTE, SECOND
from whimbrel.domain.chain import Again, NoAnswer, PartsTaken, PutBack, Refused, Taken
from whimbrel.domain.chain_id import link_id
from whimbrel.domain.status import ErrorCode, LinkState
from whimbrel.store.chains import Claim, claim_links
from whimbrel.store.nodes import Departure, bury_nodes
from whimbrel.store.receipts import ReceivedReceipt, record_receipts
from whimbrel.store.reports import (
    ReportAttempt,
    ReportClaim,
    ReportPutBack,
    ReportState,
    claim_reports,
    put_reports_back,
    record_report_attempts,
)
from whimbrel.store.sqlite import SqliteStore
from whimbrel.store.submits import SubmitRecord, record_submits

S = LinkState
LANE = "1/"
LATER = START + SECOND
TABLES = ("links", "submits", "parts", "receipts", "parked_receipts", "reports", "report_attempts",
          "nodes", "holdings")  # fmt: skip


def everything(database: Database) -> dict[str, list[Any]]:
    return {table: sorted(database.rows(f"SELECT * FROM {table}"), key=str) for table in TABLES}


async def written_twice(store: SqliteStore, database: Database, operation: Any, item: Any) -> None:
    before = everything(database)
    await store.write(operation, item)
    once = everything(database)
    assert once != before
    await store.write(operation, item)
    assert everything(database) == once


@pytest.mark.parametrize(
    "event",
    [
        Taken(1, LATER, "wamid.1"),
        Refused(1, LATER, ErrorCode.CALL_BARRED),
        Again(1, LATER, START + MINUTE),
        PutBack(1, LATER, START + MINUTE),
        NoAnswer(1, LATER, LATER + GRACE),
    ],
    ids=lambda event: type(event).__name__,
)
@pytest.mark.parametrize("cascade", [False, True], ids=["alone", "cascade"])
async def test_what_a_submit_came_to(
    store: SqliteStore, database: Database, event: Any, cascade: bool
) -> None:
    await accept(store, a_cascade() if cascade else a_chain(link=A_CODE))
    await claim(store)
    parts = PartsTaken({1: "wamid.1"}) if isinstance(event, Taken) else PartsTaken({})
    record = SubmitRecord(link_id(1, 0), event, START, parts=parts)
    await written_twice(store, database, record_submits, record)


async def test_a_receipt_that_came_before_the_submit_was_recorded(
    store: SqliteStore, database: Database
) -> None:
    await accept(store, a_chain())
    await claim(store)
    early = ReceivedReceipt(a_receipt(), LATER)
    await store.write(record_receipts, early)
    taken = SubmitRecord(
        link_id(1, 0), Taken(1, LATER, "wamid.1"), START, parts=PartsTaken({1: "wamid.1"})
    )
    await written_twice(store, database, record_submits, taken)
    assert (database.state(), database.told()) == (S.DELIVERED, [0, 2])


@pytest.mark.parametrize("event", [Again, PutBack])
async def test_once_the_link_was_claimed_again_it_is_another_submits(
    store: SqliteStore, database: Database, event: type[Again] | type[PutBack]
) -> None:
    """The first writing went through unheard; the second comes when it is under way anew."""
    await join(store, "a")
    await accept(store, a_chain())
    [link] = await claim(store)
    undone: Any = (
        PutBack(1, LATER, LATER, None, link.claimed_at)
        if event is PutBack
        else Again(1, LATER, LATER)
    )
    record = SubmitRecord(link_id(1, 0), undone, START)
    await store.write(record_submits, record)
    [again] = await store.write(
        claim_links, Claim(link_lane(database), 1, LATER, LATER + MINUTE, 0)
    )
    under_way = database.link()
    await store.write(record_submits, record)
    assert database.link() == under_way
    assert (database.state(), again.attempt) == (S.SUBMITTING, 1 if event is PutBack else 2)


def link_lane(database: Database) -> str:
    return str(database.link()["lane"])


@pytest.mark.parametrize("state", [S.SENT, S.DELIVERED, S.READ, S.FAILED])
async def test_a_receipt(store: SqliteStore, database: Database, state: LinkState) -> None:
    await submit(store)
    received = ReceivedReceipt(an_echo(state), LATER)
    await written_twice(store, database, record_receipts, received)


async def test_a_receipt_for_nobody(store: SqliteStore, database: Database) -> None:
    received = ReceivedReceipt(a_receipt(), LATER)
    await written_twice(store, database, record_receipts, received)


def an_attempt(state: ReportState, report_id: int, attempt: int = 1) -> ReportAttempt:
    acknowledged = state is ReportState.ACKNOWLEDGED
    return ReportAttempt(
        report_id=report_id,
        chain_id=1,
        attempt=attempt,
        failures=0 if acknowledged else attempt,
        ended_at=LATER,
        latency=5,
        http_status=200 if acknowledged else 500,
        answer="",
        state=state,
        next_at=LATER + MINUTE,
    )


async def a_claimed_report(store: SqliteStore, *, node_id: int = 0, now: int = START) -> int:
    claim_of = ReportClaim(LANE, 1, now, now + HOUR, node_id)
    [report] = await store.write(claim_reports, claim_of)
    return report.report_id


@pytest.mark.parametrize("state", [ReportState.ACKNOWLEDGED, ReportState.DUE, ReportState.DEAD])
async def test_an_attempt_of_a_report(
    store: SqliteStore, database: Database, state: ReportState
) -> None:
    await submit(store)
    await store.write(record_receipts, ReceivedReceipt(an_echo(S.READ), LATER))
    report_id = await a_claimed_report(store)
    attempt = an_attempt(state, report_id)
    await written_twice(store, database, record_report_attempts, attempt)


async def test_a_report_that_is_given_back(store: SqliteStore, database: Database) -> None:
    await submit(store)
    report_id = await a_claimed_report(store, node_id=3)
    await written_twice(store, database, put_reports_back, ReportPutBack(LATER, report_id, 3))
    assert database.rows("SELECT next_at, node_id FROM reports") == [(LATER, None)]


async def test_a_report_that_is_another_nodes_by_now_is_not_given_back(
    store: SqliteStore, database: Database
) -> None:
    await submit(store)
    report_id = await a_claimed_report(store, node_id=3)
    await store.write(put_reports_back, ReportPutBack(LATER, report_id, 3))
    await a_claimed_report(store, node_id=4, now=LATER)
    await store.write(put_reports_back, ReportPutBack(LATER, report_id, 3))
    assert database.rows("SELECT next_at, node_id FROM reports") == [(LATER + HOUR, 4)]


async def test_a_burial(store: SqliteStore, database: Database) -> None:
    await join(store, "a")
    await accept(store, a_chain(1, link=A_CODE))
    await claim(store)
    await submit(store, 2, "wamid.2")
    await a_claimed_report(store)
    departure = Departure(0, "a", LATER, LATER + GRACE)
    await written_twice(store, database, bury_nodes, departure)
    assert (database.state(1), database.state(2)) == (S.UNSURE, S.SUBMITTED)
