"""How much waits in the store: for an operator who asks, for metrics and for the overview."""

from typing import NamedTuple

from whimbrel.store.engine import Ask, Row, Statement, Steps, ask_one
from whimbrel.store.lanes import by_lanes

_QUEUES = Statement("""
SELECT lane, state, count(*), min(due_at), min(expires_at) FROM links
WHERE state < 50 GROUP BY lane, state ORDER BY lane, state
""")
_REPORT_QUEUES = Statement("""
SELECT lane, count(*), min(created_at), min(next_at) FROM reports
WHERE state IN (0, 1) GROUP BY lane ORDER BY lane
""")
_DEAD_REPORTS = Statement("SELECT count(*) FROM reports WHERE state = 3")
_PARKED = Statement("SELECT count(*), min(received_at) FROM parked_receipts")
# Lane by lane: among the links that wait for their hours, however many, none is read. PostgreSQL
# would join all that are unsettled; behind `--` it reads no more of the line.
_DEPTHS = Statement(
    by_lanes(
        "links",
        0,
        """
SELECT
    (SELECT count(*) FROM
        (SELECT 1 FROM busy CROSS JOIN
            /*postgres LATERAL (SELECT 1 FROM links
                WHERE state = 0 AND lane = busy.lane AND due_at <= :now LIMIT 50000) AS due
            -- */ links WHERE links.state = 0 AND links.lane = busy.lane AND links.due_at <= :now
         LIMIT 50000) AS due_links),
    (SELECT min((SELECT min(due_at) FROM links
                 WHERE state = 0 AND lane = busy.lane AND due_at <= :now)) FROM busy),
    (SELECT count(*) FROM (SELECT 1 FROM reports WHERE state IN (0, 1) LIMIT 50000) AS open_ones),
    (SELECT created_at FROM reports WHERE state IN (0, 1) ORDER BY chain_id LIMIT 1),
    (SELECT count(*) FROM (SELECT 1 FROM parked_receipts LIMIT 50000) AS parked)
""",
    )
)


class Queues(NamedTuple):
    """What waits: links per lane and state, reports per lane, dead reports, parked receipts."""

    links: list[Row]
    reports: list[Row]
    dead_reports: int
    parked: int
    parked_since: int | None


def count_queues(items: list[None]) -> Steps[list[Queues]]:
    """Count what waits, for `whimbrel status`. Reads every unsettled row."""
    links = yield from ask_one(_QUEUES)
    reports = yield from ask_one(_REPORT_QUEUES)
    dead = yield from ask_one(_DEAD_REPORTS)
    parked = yield from ask_one(_PARKED)
    return [Queues(links, reports, dead[0][0], *parked[0])] * len(items)


class Depths(NamedTuple):
    """How much is due and since when, for metrics; a moment is None where nothing waits.

    Counts stop at 50,000, so that measuring a long queue does not lengthen it; of open reports the
    oldest is that of the oldest chain.
    """

    links_due: int
    oldest_due_at: int | None
    reports_open: int
    oldest_report_at: int | None
    parked: int


def measure_depths(moments: list[int]) -> Steps[list[Depths]]:
    """Measure the queues at each moment."""
    answers = yield Ask(_DEPTHS, [(now,) for now in moments])
    return [Depths(*rows[0]) for rows in answers]


MOST_DEAD = 10_000
"""Beyond so many dead reports nobody counts."""
_DEAD = Statement("""
SELECT lane, count(*), min(created_at) FROM
    (SELECT lane, created_at FROM reports WHERE state = 3 LIMIT 10000) AS dead
GROUP BY lane ORDER BY lane
""")


class DeadLane(NamedTuple):
    """How many reports of a lane were given up, and since when the oldest is owed."""

    lane: str
    number: int
    oldest_at: int


def count_dead_reports(items: list[None]) -> Steps[list[list[DeadLane]]]:
    """Count the dead reports of each lane, `MOST_DEAD` in all at the most."""
    rows = yield from ask_one(_DEAD)
    return [[DeadLane(*row) for row in rows]] * len(items)
