"""The reports of subscribers' first clicks: rows among the others, and what they tell beside.

They are claimed, tried, kept and redelivered as all reports are, by `reports.py`.
"""

from collections.abc import Iterable
from typing import NamedTuple

from msgspec.structs import replace

from whimbrel.domain.chain_id import chain_of, links_of
from whimbrel.domain.receipt import ClickedUrl, Report
from whimbrel.store.engine import Ask, Do, Hold, Statement, Steps, ask_one

# One of a chain, whichever of its short URLs was followed first. It waits for the delivery reports
# before it.
_INSERT = Statement("""
INSERT INTO reports (chain_id, link_id, status, lane, state, next_at, attempts, failures,
    created_at, done_at, error_code)
SELECT chain_id, link_id, 100, :lane,
    CASE WHEN EXISTS (SELECT 1 FROM reports r WHERE r.chain_id = links.chain_id
                      AND r.state IN (0, 1) AND r.status < 100)
    THEN 0 ELSE 1 END,
    :clicked_at, 0, 0, :clicked_at, :clicked_at, 0
FROM links WHERE link_id = :link_id
AND NOT EXISTS (SELECT 1 FROM reports WHERE link_id >= :first AND link_id <= :last
                AND status = 100)
ON CONFLICT DO NOTHING RETURNING report_id
""")
_KEEP = Statement("""
INSERT INTO click_reports (report_id, short_url, target) VALUES (:report_id, :short_url, :target)
""")
_CLICKED = Statement("SELECT short_url, target FROM click_reports WHERE report_id = :report_id")


class NewClickReport(NamedTuple):
    """A subscriber followed a short URL, for the first time as far as the caller knows."""

    link_id: int
    partner_id: int
    clicked_at: int
    clicked: ClickedUrl


def click_lane(partner_id: int) -> str:
    """Name the queue of one Partner before its click URL."""
    return f"{partner_id}/clicks"


def add_click_reports(reports: Iterable[NewClickReport]) -> Steps[int]:
    """Write the click of each chain that has told of none before; return how many were written."""
    reports, added = list(reports), 0
    yield Hold(chain_of(report.link_id) for report in reports)
    for link_id, partner_id, clicked_at, clicked in reports:
        span = links_of(chain_of(link_id))
        rows = yield from ask_one(_INSERT, click_lane(partner_id), clicked_at, link_id, *span)
        yield Do(_KEEP, [(row[0], clicked.short_url, clicked.target) for row in rows])
        added += len(rows)
    return added


def with_clicks(reports: list[Report]) -> Steps[list[Report]]:
    """Add what was followed to the reports of clicks among these."""
    about = yield Ask(_CLICKED, [(report.report_id,) for report in reports])
    return [
        replace(report, clicked=ClickedUrl(*rows[0])) if rows else report
        for report, rows in zip(reports, about, strict=True)
    ]
