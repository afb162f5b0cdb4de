"""Failed reports of many messages, sent once more in batches.

A *redelivery* is what an operator has asked for: all dead reports since a moment, of one Partner or
of all. It goes lane by lane, and what has been done of a lane is written with the batch that did
it: so it goes on after a restart where it was, on any node. A batch puts no more than `MOST_DUE`
reports of a lane before the new ones, which are as due as they are.
"""

from typing import NamedTuple

from whimbrel.clock import DAY
from whimbrel.store.engine import Ask, Do, Row, Statement, Steps, ask_one
from whimbrel.store.lanes import by_lanes
from whimbrel.store.reports import made_due

BATCH = 100
"""Reports that are made due in one transaction: some milliseconds of SQLite's only writer."""
MOST_DUE = 500
"""Reports of a lane that may be due before more of it are made so."""
MOST_COUNTED = 50_000
"""Where the count of a lane's dead reports ends: there are so many, or more."""
_KEPT = 90 * DAY
_SCANNED = 2_000

# Literal limits tell a planner that does not know the others how few rows there are.
_DEAD_LANES = Statement(
    by_lanes(
        "reports",
        3,
        """
SELECT lane FROM busy WHERE lane IS NOT NULL
""",
    )
)
_COUNT = Statement("""
SELECT count(*) FROM (
    SELECT 1 FROM reports
    WHERE state = 3 AND lane = :lane AND created_at >= :since AND created_at < :before
    LIMIT 50000) AS dead
""")
_DUE = Statement("""
SELECT count(*) FROM (SELECT 1 FROM reports WHERE state = 1 AND lane = :lane LIMIT 500) AS due
""")
_DEAD = Statement("""
SELECT report_id, chain_id, created_at FROM reports
WHERE state = 3 AND lane = :lane AND created_at >= :created_at AND created_at < :before
    AND (created_at > :created_at OR report_id > :report_id)
ORDER BY created_at, report_id LIMIT :room
""")


class Place(NamedTuple):
    """Behind which report of a lane to go on."""

    created_at: int
    report_id: int = 0


class Batch(NamedTuple):
    """Some dead reports of a lane, behind a place and before a moment."""

    lane: str
    after: Place
    before: int
    room: int
    now: int


class Redelivered(NamedTuple):
    """How many reports were made due, and where to go on; None: those were all."""

    reports: int
    after: Place | None


ANYBODY = 0
"""In the place of a Partner's number."""


def dead_lanes(partner_ids: list[int]) -> Steps[list[list[str]]]:
    """Return the lanes in which reports are dead, of each Partner or of `ANYBODY`."""
    rows = yield from ask_one(_DEAD_LANES)
    lanes = [lane for (lane,) in rows]
    return [
        [lane for lane in lanes if one == ANYBODY or lane.startswith(f"{one}/")]
        for one in partner_ids
    ]


def redeliver_batches(batches: list[Batch]) -> Steps[list[Redelivered]]:
    """Make dead reports due again, the oldest first."""
    done: list[Redelivered] = []
    for batch in batches:
        lane, after, before, room, now = batch
        rows = yield from ask_one(_DEAD, lane, after.created_at, before, after.report_id, room)
        yield from made_due([row[:2] for row in rows], now)
        last = Place(rows[-1][2], rows[-1][0]) if len(rows) == room else None
        done.append(Redelivered(len(rows), last))
    return done


_LAST = Statement("SELECT coalesce(max(report_id), 0) FROM reports")
_SETTLED = Statement("""
SELECT report_id, chain_id FROM reports
WHERE report_id > :after AND report_id <= :until AND state IN (2, 3)
    AND created_at >= :since AND created_at < :before
    AND substr(lane, 1, length(CAST(:whose AS text))) = :whose
ORDER BY report_id
""")


class Range(NamedTuple):
    """A Partner's settled reports of a time, the acknowledged ones too, behind a number."""

    partner_id: int
    since: int
    before: int
    now: int
    after: int = 0


def redeliver_ranges(ranges: list[Range]) -> Steps[list[Redelivered]]:
    """Look at some reports behind each number, and make due again what is asked for.

    No index leads to acknowledged reports: it is run at an operator's command.
    """
    done: list[Redelivered] = []
    last = (yield from ask_one(_LAST))[0][0]
    for partner_id, since, before, now, after in ranges:
        until = after + _SCANNED
        rows = yield from ask_one(_SETTLED, after, until, since, before, f"{partner_id}/")
        yield from made_due(rows, now)
        done.append(Redelivered(len(rows), Place(since, until) if until < last else None))
    return done


_START = Statement("""
INSERT INTO redeliveries (partner_id, since, operator, started_at)
VALUES (:partner_id, :since, :operator, :now) RETURNING redelivery_id
""")
_ADD_LANE = Statement("""
INSERT INTO redelivery_lanes (redelivery_id, lane, total, done, after_created_at, after_report_id)
VALUES (:redelivery_id, :lane, :total, 0, :since, 0)
""")
_OLD = Statement("DELETE FROM redeliveries WHERE started_at < :before RETURNING redelivery_id")
_OLD_LANES = Statement("DELETE FROM redelivery_lanes WHERE redelivery_id = :redelivery_id")


class NewRedelivery(NamedTuple):
    """What an operator asks for: all dead reports since a moment, of one Partner or of all."""

    now: int
    operator: str
    partner_id: int
    """Or `ANYBODY`."""
    since: int


def start_redeliveries(wishes: list[NewRedelivery]) -> Steps[list[int | None]]:
    """Note what is to be done; return its number, None where no report is dead."""
    numbers: list[int | None] = []
    for now, operator, partner_id, since in wishes:
        [lanes] = yield from dead_lanes([partner_id])
        counts = yield Ask(_COUNT, [(lane, since, now) for lane in lanes])
        totals = [(lane, rows[0][0]) for lane, rows in zip(lanes, counts, strict=True)]
        if not any(total for _, total in totals):
            numbers.append(None)
            continue
        [(number,)] = yield from ask_one(_START, partner_id, since, operator, now)
        yield Do(_ADD_LANE, [(number, lane, total, since) for lane, total in totals if total])
        numbers.append(number)
        old = yield from ask_one(_OLD, now - _KEPT)
        yield Do(_OLD_LANES, old)
    return numbers


_OPEN = Statement("""
SELECT redelivery_id, lane FROM redelivery_lanes WHERE ended_at IS NULL
ORDER BY redelivery_id, lane
""")
_TAKE = Statement("""
SELECT l.after_created_at, l.after_report_id, r.started_at
FROM redelivery_lanes l JOIN redeliveries r ON r.redelivery_id = l.redelivery_id
WHERE l.redelivery_id = :redelivery_id AND l.lane = :lane AND l.ended_at IS NULL
/*postgres FOR UPDATE OF l SKIP LOCKED*/
""")
_ADVANCE = Statement("""
UPDATE redelivery_lanes SET done = done + :count, after_created_at = :created_at,
    after_report_id = :report_id
WHERE redelivery_id = :redelivery_id AND lane = :lane
""")
_END = Statement("""
UPDATE redelivery_lanes SET done = done + :count, ended_at = :now
WHERE redelivery_id = :redelivery_id AND lane = :lane
""")


class LaneStep(NamedTuple):
    """A lane of a redelivery that is to go on."""

    redelivery_id: int
    lane: str
    now: int


def open_redelivery_lanes(items: list[None]) -> Steps[list[list[tuple[int, str]]]]:
    """Return the lanes of redeliveries that have not ended."""
    rows = yield from ask_one(_OPEN)
    return [[(number, lane) for number, lane in rows]] * len(items)


def step_redeliveries(steps: list[LaneStep]) -> Steps[list[int]]:
    """Do a batch of each lane, as far as there is room; return how many reports it had.

    None where another node is at it, where it has ended, and where enough are due already.
    """
    counts: list[int] = []
    for number, lane, now in steps:
        taken = yield from ask_one(_TAKE, number, lane)
        due = (yield from ask_one(_DUE, lane))[0][0]
        room = min(BATCH, MOST_DUE - due)
        if not taken or room <= 0:
            counts.append(0)
            continue
        created_at, report_id, before = taken[0]
        batch = Batch(lane, Place(created_at, report_id), before, room, now)
        [(count, after)] = yield from redeliver_batches([batch])
        if after is None:
            yield Do(_END, [(count, now, number, lane)])
        else:
            yield Do(_ADVANCE, [(count, *after, number, lane)])
        counts.append(count)
    return counts


_STOP = Statement("UPDATE redeliveries SET stopped_at = :now WHERE redelivery_id = :redelivery_id")
_STOP_LANES = Statement("""
UPDATE redelivery_lanes SET ended_at = :now
WHERE redelivery_id = :redelivery_id AND ended_at IS NULL RETURNING lane
""")


class Stop(NamedTuple):
    """A redelivery that is to end now, whatever is left."""

    redelivery_id: int
    now: int


def stop_redeliveries(stops: list[Stop]) -> Steps[list[bool]]:
    """End redeliveries; tell of each whether there was anything left. What is due stays due."""
    stopped: list[bool] = []
    for number, now in stops:
        lanes = yield from ask_one(_STOP_LANES, now, number)
        if lanes:
            yield Do(_STOP, [(now, number)])
        stopped.append(bool(lanes))
    return stopped


_PROGRESS = """
SELECT r.redelivery_id, r.partner_id, r.since, r.operator, r.started_at, r.stopped_at,
    CAST(coalesce(sum(l.total), 0) AS bigint), CAST(coalesce(sum(l.done), 0) AS bigint),
    coalesce(max(l.total), 0), count(*) - count(l.ended_at), max(l.ended_at)
FROM redeliveries r JOIN redelivery_lanes l ON l.redelivery_id = r.redelivery_id
"""
_GROUPED = """
GROUP BY r.redelivery_id, r.partner_id, r.since, r.operator, r.started_at, r.stopped_at
ORDER BY r.redelivery_id DESC LIMIT 20
"""
_LIST = Statement(f"{_PROGRESS}{_GROUPED}")
_ONE = Statement(f"{_PROGRESS} WHERE r.redelivery_id = :redelivery_id {_GROUPED}")


class Progress(NamedTuple):
    """How far a redelivery has come."""

    redelivery_id: int
    partner_id: int
    """Or `ANYBODY`."""
    since: int
    operator: str
    started_at: int
    stopped_at: int | None
    total: int
    done: int
    most_of_a_lane: int
    open_lanes: int
    last_ended_at: int | None

    @property
    def is_open(self) -> bool:
        """Whether there is something left to do."""
        return self.open_lanes > 0

    @property
    def is_at_least(self) -> bool:
        """Whether there were more reports than were counted."""
        return self.most_of_a_lane >= MOST_COUNTED


def latest_redeliveries(items: list[None]) -> Steps[list[list[Progress]]]:
    """Return the last twenty redeliveries, the newest first."""
    rows = yield from ask_one(_LIST)
    return [[_progress(row) for row in rows]] * len(items)


def redelivery_progress(numbers: list[int]) -> Steps[list[Progress | None]]:
    """Return how far each redelivery has come; None where there is none."""
    answers = yield Ask(_ONE, [(number,) for number in numbers])
    return [_progress(rows[0]) if rows else None for rows in answers]


def _progress(row: Row) -> Progress:
    return Progress(*row)
