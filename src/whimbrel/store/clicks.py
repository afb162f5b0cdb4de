"""Visits of short URLs as they are kept, and the removal of short URLs whose time is over.

A short URL's counters, its first and last click and the end of its idleness move in the transaction
that keeps the visits. Its visits go with it: its UID may be given out again, and they would be told
of another.
"""

from collections.abc import Iterable
from typing import NamedTuple

from whimbrel.domain.receipt import ClickedUrl
from whimbrel.domain.visitor import AgentClass
from whimbrel.store.click_reports import NewClickReport, add_click_reports
from whimbrel.store.engine import Ask, Do, Params, Statement, Steps, ask_one
from whimbrel.store.short_urls import release_uids

_BATCH = 100  # short URLs that are removed in one transaction, which others wait for
_MOST_VISITS_REMOVED = 1_000  # in one transaction; a short URL with more takes several

# One that was removed meanwhile keeps nothing: its UID may be another's soon.
_KEEP = Statement("""
INSERT INTO clicks (uid, at, agent, counted, partner_id)
SELECT uid, :at, :agent, :counted, partner_id FROM short_urls WHERE uid = :uid
""")
_COUNT = Statement("""
UPDATE short_urls SET visits = visits + :visits, clicks = clicks + :clicks,
    first_click_at = CASE WHEN first_click_at IS NULL OR first_click_at > :first_at
        THEN :first_at ELSE first_click_at END,
    last_click_at = CASE WHEN last_click_at IS NULL OR last_click_at < :last_at
        THEN :last_at ELSE last_click_at END,
    idle_until = CASE WHEN :clicks > 0 AND (idle_until < :idle_until OR :idle_until IS NULL)
        THEN :idle_until ELSE idle_until END
WHERE uid = :uid
RETURNING clicks
""")


class NewClick(NamedTuple):
    """One visit of a short URL."""

    uid: str
    at: int
    agent: AgentClass
    counted: bool
    """Whether it is a click: not a crawler's, and not ahead of time."""
    idle_until: int | None = 0
    """When the short URL ends after this click unless there is another; None: never. An earlier
    moment than before changes nothing."""
    partner_id: int = 0
    link_id: int = 0
    clicked: ClickedUrl | None = None
    """What its Partner is told if it is the first of a subscriber; None: it is not told."""


def record_clicks(batches: list[list[NewClick]]) -> Steps[list[int]]:
    """Keep visits; return for each batch how many first clicks its Partners are to be told of."""
    by_uid: dict[str, list[NewClick]] = {}
    for click in sorted((one for batch in batches for one in batch), key=lambda one: one.uid):
        by_uid.setdefault(click.uid, []).append(click)  # in an order that all writers share
    visits = [click for clicks in by_uid.values() for click in clicks]
    yield Do(_KEEP, [(one.at, one.agent, int(one.counted), one.uid) for one in visits])
    answers = yield Ask(_COUNT, [_counted(uid, clicks) for uid, clicks in by_uid.items()])
    told = yield from add_click_reports(
        report
        for clicks, rows in zip(by_uid.values(), answers, strict=True)
        for report in _first_click(clicks, rows[0][0] if rows else 0)
    )
    return [told] + [0] * (len(batches) - 1)


def _counted(uid: str, visits: list[NewClick]) -> Params:
    clicks = [one for one in visits if one.counted]
    moments = [one.at for one in clicks]
    ends = [one.idle_until for one in clicks]
    return (
        len(visits),
        len(clicks),
        min(moments, default=None),
        max(moments, default=None),
        None if None in ends else max((end for end in ends if end is not None), default=None),
        uid,
    )


def _first_click(visits: list[NewClick], clicks: int) -> Iterable[NewClickReport]:
    """Return what is to be told if a short URL had no click before these visits."""
    counted = [one for one in visits if one.counted]
    if counted and clicks == len(counted):
        first = min(counted, key=lambda one: one.at)
        if first.clicked is not None:
            yield NewClickReport(first.link_id, first.partner_id, first.at, first.clicked)


_ENDED = Statement("""
SELECT uid FROM short_urls WHERE expires_at <= :now LIMIT :room
/*postgres FOR UPDATE SKIP LOCKED*/""")
_IDLE = Statement("""
SELECT uid FROM short_urls WHERE idle_until <= :now LIMIT :room
/*postgres FOR UPDATE SKIP LOCKED*/""")
_FORGET_VISITS = Statement("""
DELETE FROM clicks WHERE click_id IN (SELECT click_id FROM clicks WHERE uid = :uid LIMIT :room)
RETURNING click_id
""")
_REMOVE = Statement("DELETE FROM short_urls WHERE uid = :uid RETURNING uid")


class Removed(NamedTuple):
    """The UIDs that are free again, and whether more may have ended."""

    uids: list[str]
    more: bool


def remove_ended(moments: list[int]) -> Steps[list[Removed]]:
    """Remove short URLs that have ended by each moment, a batch at most."""
    removed: list[Removed] = []
    for now in moments:
        ended = yield from ask_one(_ENDED, now, _BATCH)
        idle = yield from ask_one(_IDLE, now, _BATCH - len(ended))
        wanted = dict.fromkeys(uid for (uid,) in [*ended, *idle])
        uids = yield from _without_visits(wanted)
        gone = yield Ask(_REMOVE, [(uid,) for uid in uids])
        yield from release_uids(uid for rows in gone for (uid,) in rows)
        removed.append(Removed(uids, len(ended) + len(idle) == _BATCH or len(uids) < len(wanted)))
    return removed


def _without_visits(uids: Iterable[str]) -> Steps[list[str]]:
    """Forget the visits of short URLs while they are not too many; return those without any."""
    done, room = [], _MOST_VISITS_REMOVED
    for uid in uids:
        gone = yield from ask_one(_FORGET_VISITS, uid, room)
        room -= len(gone)
        if room <= 0:
            break
        done.append(uid)
    return done
