"""Delivery reports: written with the move that owes them, sent in order, kept until acknowledged.

Of each chain only the oldest open report is DUE; the others are HELD behind it, so that reports of
one chain go out in their order and a lane is read without looking at what cannot go yet. The report
of a click waits for those before it too, but none waits for it: it goes to a receiver of its own,
and one that is down must not keep delivery reports back.
"""

from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple
from urllib.parse import urlsplit

from whimbrel.domain.chain import Link
from whimbrel.domain.chain_id import chain_of, links_of
from whimbrel.domain.receipt import Report
from whimbrel.domain.status import CLICKED, ErrorCode, Status
from whimbrel.store.click_reports import with_clicks
from whimbrel.store.engine import Ask, Do, Hold, Row, Statement, Steps, ask_one
from whimbrel.store.lanes import by_lanes
from whimbrel.store.parts import with_part_counts


class ReportState(IntEnum):
    """Where a report is; the value is what the store keeps."""

    HELD = 0
    DUE = 1
    ACKNOWLEDGED = 2
    DEAD = 3


_INSERT = Statement("""
INSERT INTO reports (chain_id, link_id, status, lane, state, next_at, attempts, failures,
    created_at, done_at, submitted_at, error_code)
SELECT :chain_id, :link_id, :status, :lane,
    CASE WHEN EXISTS (SELECT 1 FROM reports WHERE chain_id = :chain_id AND state IN (0, 1)
                      AND status < 100)
    THEN 0 ELSE 1 END,
    :now, 0, 0, :now, :done_at, :submitted_at, :error_code
ON CONFLICT DO NOTHING
""")


class NewReport(NamedTuple):
    """A report that a move owes."""

    chain_id: int
    link_id: int
    status: int
    lane: str
    created_at: int
    done_at: int | None
    submitted_at: int | None
    error_code: int

    @classmethod
    def of(
        cls, link: Link, status: Status, partner_id: int, notify_url: str | None, now: int
    ) -> "NewReport":
        """Describe what a Partner is to be told of `link`.

        `doneDate` belongs to delivered and read alone; a link that was refused at once was handed
        over when its last attempt began, as near as anybody can say.
        """
        undelivered = status is Status.UNDELIVERED
        dated = status in {Status.DELIVERED, Status.READ}
        return cls(
            chain_of(link.link_id),
            link.link_id,
            status,
            report_lane(partner_id, notify_url),
            now,
            link.done_at if dated else None,
            link.submitted_at if link.submitted_at is not None else link.attempted_at,
            link.error_code if undelivered else ErrorCode.NONE,
        )


def report_lane(partner_id: int, notify_url: str | None) -> str:
    """Name the queue of one Partner before one receiver; empty after the slash: its own URL."""
    if notify_url is None:
        return f"{partner_id}/"
    parts = urlsplit(notify_url)
    return f"{partner_id}/{parts.scheme}://{parts.netloc.rpartition('@')[2]}".lower()


def add_reports(reports: list[NewReport]) -> Steps[None]:
    """Write reports in their order; one that was told before is not told again."""
    yield Do(_INSERT, reports)


_LANES = Statement(
    by_lanes(
        "reports",
        1,
        """
SELECT lane, (SELECT min(next_at) FROM reports WHERE state = 1 AND lane = busy.lane)
FROM busy WHERE lane IS NOT NULL
""",
    )
)
# The literal LIMIT tells a planner that does not know the other one how few reports there are.
_CLAIM = Statement("""
WITH due AS MATERIALIZED (
    SELECT report_id FROM reports WHERE state = 1 AND lane = :lane AND next_at <= :now
    ORDER BY next_at LIMIT :room /*postgres FOR NO KEY UPDATE SKIP LOCKED*/
)
UPDATE reports SET next_at = :lease_until, node_id = :node_id
WHERE report_id IN (SELECT report_id FROM due LIMIT 1000)
RETURNING report_id
""")
_CONTENT = Statement("""
SELECT r.report_id, r.attempts, r.failures, c.partner_id, r.chain_id, r.link_id, r.status,
    r.done_at, r.submitted_at, r.error_code, c.notify_url, c.partner_ref, c.dest_addr,
    l.channel, l.sender, l.text, r.created_at
FROM reports r JOIN links l ON l.link_id = r.link_id JOIN chains c ON c.chain_id = r.chain_id
WHERE r.report_id = :report_id
""")


class ReportClaim(NamedTuple):
    """How many reports of a lane may go now, and until when whoever claims them holds them."""

    lane: str
    room: int
    now: int
    lease_until: int
    node_id: int = 0


def due_report_lanes(items: list[None]) -> Steps[list[list[tuple[str, int]]]]:
    """Return the lanes in which reports wait, each with the moment when its first one is due."""
    rows = yield from ask_one(_LANES)
    return [[(lane, next_at) for lane, next_at in rows]] * len(items)


def claim_reports(claims: list[ReportClaim]) -> Steps[list[list[Report]]]:
    """Hand out reports that are due, each to one claimer, until its lease ends."""
    answers = yield Ask(_CLAIM, [(c.lane, c.now, c.room, c.lease_until, c.node_id) for c in claims])
    claimed: list[list[Report]] = []
    for rows in answers:
        contents = yield Ask(_CONTENT, rows)
        claimed.append([Report(*content[0]) for content in contents])
        if any(report.status == CLICKED for report in claimed[-1]):
            claimed[-1] = yield from with_clicks(claimed[-1])
        claimed[-1] = yield from with_part_counts(claimed[-1])
    return claimed


_KEEP_ATTEMPT = Statement("""
INSERT INTO report_attempts (report_id, attempt, ended_at, latency, http_status, answer)
VALUES (:report_id, :attempt, :ended_at, :latency, :http_status, :answer) ON CONFLICT DO NOTHING
""")
# `+ 0` keeps PostgreSQL from the index of open reports: where there were none when it last looked,
# it would read all of them for one, whatever their number is by now.
_SETTLE = Statement("""
UPDATE reports SET state = CASE WHEN :state = 1 THEN state ELSE :state END,
    attempts = :attempt, failures = :failures, next_at = :next_at, node_id = NULL
WHERE report_id = :report_id AND state + 0 IN (0, 1)
""")  # a failed one that a redelivery has put behind another meanwhile stays held
_PROMOTE = Statement("""
UPDATE reports SET state = 1, next_at = :now
WHERE chain_id = :chain_id AND state IN (0, 1) AND state = 0
  AND NOT EXISTS (SELECT 1 FROM reports older
                  WHERE older.chain_id = :chain_id AND older.state IN (0, 1)
                    AND older.report_id < reports.report_id AND older.status < 100)
""")


class ReportAttempt(NamedTuple):
    """What a receiver made of a report."""

    report_id: int
    chain_id: int
    attempt: int
    """1 for the first."""
    failures: int
    """How many failed since it was last made due by hand, this one included."""
    ended_at: int
    latency: int
    http_status: int | None
    answer: str
    """An excerpt of its answer, or why there was none."""
    state: ReportState
    """ACKNOWLEDGED, DUE (again, at `next_at`) or DEAD."""
    next_at: int


def record_report_attempts(attempts: list[ReportAttempt]) -> Steps[list[None]]:
    """Keep each attempt; an acknowledged or a dead report lets the next of its chain go."""
    yield Hold(a.chain_id for a in attempts)
    yield Do(
        _KEEP_ATTEMPT,
        [
            (a.report_id, a.attempt, a.ended_at, a.latency, a.http_status, a.answer)
            for a in attempts
        ],
    )
    yield Do(_SETTLE, [(a.state, a.attempt, a.failures, a.next_at, a.report_id) for a in attempts])
    yield Do(_PROMOTE, [(a.ended_at, a.chain_id) for a in attempts if a.state != ReportState.DUE])
    return [None] * len(attempts)


_PUT_BACK = Statement("""
UPDATE reports SET next_at = :next_at, node_id = NULL
WHERE report_id = :report_id AND state + 0 IN (0, 1) AND node_id = :node_id
""")


class ReportPutBack(NamedTuple):
    """A report that is given back untried by the node that has claimed it."""

    next_at: int
    report_id: int
    node_id: int = 0


def put_reports_back(reports: list[ReportPutBack]) -> Steps[list[None]]:
    """Give claimed reports back, unless they are another node's by now."""
    yield Do(_PUT_BACK, reports)
    return [None] * len(reports)


_REDELIVER = Statement("""
UPDATE reports SET state = 0, next_at = :now, failures = 0
WHERE report_id = :report_id AND state IN (2, 3)
""")
_STEP_BACK = Statement("""
UPDATE reports SET state = 0
WHERE chain_id = :chain_id AND state IN (0, 1) AND report_id > :report_id
""")  # an older one may be on the wire, and goes on being the first
_OF_CHAIN = Statement("""
SELECT report_id, chain_id FROM reports
WHERE link_id >= :first AND link_id <= :last AND state IN (2, 3)
  AND (state = 3 OR :acknowledged = 1)
""")


class Redelivery(NamedTuple):
    """Of which chain to send the reports once more."""

    now: int
    chain_id: int
    acknowledged: bool = False
    """Also those that the receiver has acknowledged; otherwise the dead ones only."""


def redeliver_reports(wishes: list[Redelivery]) -> Steps[list[int]]:
    """Make a chain's settled reports due again, in their order; return how many."""
    counts: list[int] = []
    for wish in wishes:
        rows = yield from ask_one(_OF_CHAIN, *links_of(wish.chain_id), int(wish.acknowledged))
        yield from made_due(rows, wish.now)
        counts.append(len(rows))
    return counts


def made_due(reports: Sequence[Row], now: int) -> Steps[None]:
    """Make settled reports, given with their chains, due again before what waits in these."""
    chains: dict[int, int] = {}
    for report_id, chain_id in reports:
        chains[chain_id] = min(report_id, chains.get(chain_id, report_id))
    yield Hold(chains)
    yield Do(_STEP_BACK, list(chains.items()))
    yield Do(_REDELIVER, [(now, report_id) for report_id, _ in reports])
    yield Do(_PROMOTE, [(now, chain_id) for chain_id in chains])
