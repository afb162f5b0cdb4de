"""Visits of short URLs, read a stretch at a time, so that figures of any range block nobody."""

from typing import NamedTuple

from whimbrel.store.engine import Ask, Row, Statement, Steps

STRETCH = 1_000
"""Visits that are read at once: some milliseconds of the event loop."""
_OF_PARTNER = Statement("""
SELECT click_id, uid, at, agent, counted FROM clicks
WHERE partner_id = :partner_id AND at >= :since AND at <= :at
    AND (at < :at OR click_id < :click_id)
ORDER BY at DESC, click_id DESC LIMIT 1000
""")
_OF_SHORT_URL = Statement("""
SELECT click_id, uid, at, agent, counted FROM clicks
WHERE uid = :uid AND at >= :since AND at <= :at AND (at < :at OR click_id < :click_id)
ORDER BY at DESC, click_id DESC LIMIT 1000
""")
_SHORT_URL = Statement("""
SELECT uid, partner_id, target, chain_id, subscriber FROM short_urls WHERE uid = :uid
""")
_OF_CHAIN = Statement("""
SELECT uid, partner_id, target, chain_id, subscriber FROM short_urls
WHERE chain_id = :chain_id ORDER BY uid LIMIT 100
""")


class Place(NamedTuple):
    """Before which visit to go on."""

    at: int
    click_id: int = 0


class PartnerVisits(NamedTuple):
    """A Partner's visits from a moment on, before a place, the latest first."""

    partner_id: int
    since: int
    before: Place


class ShortUrlVisits(NamedTuple):
    """The visits of one short URL from a moment on, before a place, the latest first."""

    uid: str
    since: int
    before: Place


class Visit(NamedTuple):
    """One visit."""

    click_id: int
    uid: str
    at: int
    agent: str
    counted: int
    """1: a click; 0: a crawler, a preview or a repetition."""

    @property
    def place(self) -> Place:
        """Where it is."""
        return Place(self.at, self.click_id)


class VisitedUrl(NamedTuple):
    """A short URL, and whose it is."""

    uid: str
    partner_id: int
    target: str
    chain_id: int | None
    subscriber: str | None


def visits_of_partners(wishes: list[PartnerVisits]) -> Steps[list[list[Visit]]]:
    """Return a stretch of each Partner's visits."""
    answers = yield Ask(_OF_PARTNER, [(one[0], one[1], *one[2]) for one in wishes])
    return [_visits(rows) for rows in answers]


def visits_of_short_urls(wishes: list[ShortUrlVisits]) -> Steps[list[list[Visit]]]:
    """Return a stretch of each short URL's visits."""
    answers = yield Ask(_OF_SHORT_URL, [(one[0], one[1], *one[2]) for one in wishes])
    return [_visits(rows) for rows in answers]


def find_short_urls(batches: list[list[str]]) -> Steps[list[list[VisitedUrl]]]:
    """Return the short URLs with each batch's UIDs; those that were removed are left out."""
    found: list[list[VisitedUrl]] = []
    for uids in batches:
        answers = yield Ask(_SHORT_URL, [(uid,) for uid in uids])
        found.append([VisitedUrl(*row) for rows in answers for row in rows])
    return found


def short_urls_of_chains(chain_ids: list[int]) -> Steps[list[list[VisitedUrl]]]:
    """Return the short URLs that each chain has for itself."""
    answers = yield Ask(_OF_CHAIN, [(chain_id,) for chain_id in chain_ids])
    return [[VisitedUrl(*row) for row in rows] for rows in answers]


def _visits(rows: list[Row]) -> list[Visit]:
    return [Visit(*row) for row in rows]
