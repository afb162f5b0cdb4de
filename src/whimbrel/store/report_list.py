"""Reports as operators list them: those of the newest messages first, a page at a time.

Whatever is asked for, a page looks at a bounded number of reports, found by an index in the order
in which they are shown; where it did not get through, it says where to go on. So a list costs the
same on any table.
"""

from typing import NamedTuple

from whimbrel.domain.chain_id import chain_of, link_id
from whimbrel.store.engine import Ask, Row, Statement, Steps, ask_one
from whimbrel.store.redelivery import ANYBODY
from whimbrel.store.reports import ReportState

_STRETCH = 1_000
_MOST_STRETCHES = 3
BEYOND = 1 << 58
"""Greater than the numbers of all links."""

_ANY = Statement("""
SELECT report_id, link_id, status, state, lane FROM reports
WHERE (link_id, status) < (:link_id, :status) AND link_id >= :first
ORDER BY link_id DESC, status DESC LIMIT 1000
""")
_DEAD = Statement("""
SELECT report_id, link_id, status, state, lane FROM reports
WHERE state = 3 AND (link_id, status) < (:link_id, :status) AND link_id >= :first
ORDER BY link_id DESC, status DESC LIMIT 1000
""")
# No more of one chain are open than a few dozen, so that a stretch has several chains.
_OPEN = Statement("""
SELECT report_id, link_id, status, state, lane FROM reports
WHERE state IN (0, 1) AND chain_id <= :chain_id AND chain_id >= :first
ORDER BY chain_id DESC LIMIT 1000
""")
_SHOWN = Statement("""
SELECT r.report_id, r.chain_id, r.link_id, p.login, c.dest_addr, r.status, r.state, r.lane,
    r.attempts, r.next_at, r.created_at, a.ended_at, a.http_status, a.latency, a.answer
FROM reports r JOIN chains c ON c.chain_id = r.chain_id
    JOIN partners p ON p.partner_id = c.partner_id
    LEFT JOIN report_attempts a ON a.report_id = r.report_id AND a.attempt = r.attempts
WHERE r.report_id = :report_id
""")


class Place(NamedTuple):
    """Below which report to go on."""

    link_id: int = BEYOND
    status: int = 0


class ReportWish(NamedTuple):
    """Which reports: None and `ANYBODY` mean any."""

    state: ReportState | None
    partner_id: int
    first_chain: int
    """The least number of a chain: time is that of its acceptance (`chain_id.accepted_since`)."""
    below: Place
    room: int


class ListedReport(NamedTuple):
    """A report, its message and the last answer to it."""

    report_id: int
    chain_id: int
    link_id: int
    login: str
    dest_addr: str
    status: int
    state: ReportState
    lane: str
    attempts: int
    next_at: int
    created_at: int
    tried_at: int | None
    http_status: int | None
    latency: int | None
    answer: str | None


class ReportPage(NamedTuple):
    """What was found, and where to go on; None: there is no more."""

    reports: list[ListedReport]
    rest: Place | None


class _Seen(NamedTuple):
    report_id: int
    link_id: int
    status: int
    state: int
    lane: str

    @property
    def place(self) -> Place:
        return Place(self.link_id, self.status)


def page_reports(wishes: list[ReportWish]) -> Steps[list[ReportPage]]:
    """Return a page of what each wish asks for."""
    pages: list[ReportPage] = []
    for wish in wishes:
        found: list[_Seen] = []
        below: Place | None = wish.below
        for _ in range(_MOST_STRETCHES):
            if below is None or len(found) >= wish.room:
                break
            stretch, below = yield from _stretch(wish, below)
            found += [one for one in stretch if _is_wanted(wish, one)]
        if len(found) > wish.room:
            found = found[: wish.room]
            below = found[-1].place
        rows = yield Ask(_SHOWN, [(one.report_id,) for one in found])
        pages.append(ReportPage([_listed(one[0]) for one in rows if one], below))
    return pages


def _stretch(wish: ReportWish, below: Place) -> Steps[tuple[list[_Seen], Place | None]]:
    """Look at some reports below a place; tell where to go on."""
    if wish.state in {ReportState.HELD, ReportState.DUE}:
        return (yield from _open_stretch(wish, below))
    statement = _DEAD if wish.state is ReportState.DEAD else _ANY
    rows = yield from ask_one(statement, *below, link_id(wish.first_chain, 0))
    seen = [_Seen(*row) for row in rows]
    return seen, seen[-1].place if len(seen) == _STRETCH else None


def _open_stretch(wish: ReportWish, below: Place) -> Steps[tuple[list[_Seen], Place | None]]:
    """The same of open reports, whose index knows their chains alone."""
    rows = yield from ask_one(_OPEN, chain_of(below.link_id), wish.first_chain)
    seen = sorted((_Seen(*row) for row in rows), key=lambda one: one.place, reverse=True)
    rest = None
    if len(seen) == _STRETCH:  # of the last chain some may be missing
        last = chain_of(seen[-1].link_id)
        seen = [one for one in seen if chain_of(one.link_id) != last]
        rest = Place(link_id(last + 1, 0), 0)
    return [one for one in seen if one.place < below], rest


def _is_wanted(wish: ReportWish, one: _Seen) -> bool:
    of_partner = wish.partner_id == ANYBODY or one.lane.startswith(f"{wish.partner_id}/")
    return of_partner and wish.state in {None, one.state}


def _listed(row: Row) -> ListedReport:
    one = ListedReport(*row)
    return one._replace(state=ReportState(one.state))
