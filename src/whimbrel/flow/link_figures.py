"""How short URLs are followed, counted beside the gateway's work: a stretch of visits at a time.

Reads the visits that are asked about by an index, the latest first, and no more than a bounded
number of them: beyond it the figures say that they are of a part.
"""

import asyncio
from bisect import bisect_right
from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import date, datetime, time, timedelta, tzinfo
from enum import StrEnum
from typing import NamedTuple

from whimbrel.clock import SECOND
from whimbrel.store.engine import Store
from whimbrel.store.visits import (
    STRETCH,
    PartnerVisits,
    Place,
    ShortUrlVisits,
    Visit,
    VisitedUrl,
    find_short_urls,
    short_urls_of_chains,
    visits_of_partners,
    visits_of_short_urls,
)

MOST_VISITS = 100_000
"""No more are counted at once."""
_LOOKED_UP_AT_ONCE = 500


class By(StrEnum):
    """What a row of the figures is about."""

    DAY = "day"
    SHORT_URL = "short-url"
    MESSAGE = "message"
    PARTNER = "partner"


class LinkWish(NamedTuple):
    """Which visits to count: of a short URL, of a message's, of some Partners'; of a time."""

    partner_ids: tuple[int, ...]
    since: int
    before: int
    uid: str = ""
    """Empty: any."""
    chain_id: int = 0
    """0: any."""


class Figures:
    """What was counted under one heading."""

    __slots__ = ("clicks", "desktop", "first_click_at", "last_click_at", "mobile", "visits")

    def __init__(self) -> None:
        self.visits = 0
        self.clicks = 0
        self.mobile = 0
        self.desktop = 0
        self.first_click_at: int | None = None
        self.last_click_at: int | None = None

    def add(self, visit: Visit) -> None:
        """Count a visit; they come with the latest first."""
        self.visits += 1
        if visit.counted:
            self.clicks += 1
            self.mobile += visit.agent == "mobile"
            self.desktop += visit.agent == "desktop"
            self._note_click(visit.at, visit.at)

    def join(self, other: "Figures") -> None:
        """Count what another one has counted."""
        self.visits += other.visits
        self.clicks += other.clicks
        self.mobile += other.mobile
        self.desktop += other.desktop
        if other.first_click_at is not None and other.last_click_at is not None:
            self._note_click(other.first_click_at, other.last_click_at)

    def _note_click(self, first: int, last: int) -> None:
        if self.first_click_at is None or first < self.first_click_at:
            self.first_click_at = first
        if self.last_click_at is None or last > self.last_click_at:
            self.last_click_at = last


class LinkFigures(NamedTuple):
    """Everything that was counted, by every heading."""

    total: Figures
    by_day: Mapping[date, Figures]
    """Every day of the time range, in its order, those without visits too."""
    by_uid: Mapping[str, Figures]
    by_partner: Mapping[int, Figures]
    is_whole: bool
    """Whether all visits were counted."""


async def count_links(store: Store, wish: LinkWish, tz: tzinfo) -> LinkFigures:
    """Count visits; days are those of the zone."""
    count = 0
    days = _days(wish, tz)
    by_day = {day: Figures() for day, _ in days}
    by_uid: dict[str, Figures] = {}
    owners: dict[str, int] = {}
    async for partner_id, visits in _stretches(store, wish):
        _add(visits[: MOST_VISITS - count], days, by_day, by_uid)
        owners |= {visit.uid: partner_id for visit in visits}
        count += len(visits)
        if count > MOST_VISITS:
            break
        await asyncio.sleep(0)  # others first
    total, by_partner = Figures(), dict[int, Figures]()
    for uid, figures in by_uid.items():
        total.join(figures)
        by_partner.setdefault(owners[uid], Figures()).join(figures)
    return LinkFigures(total, by_day, by_uid, by_partner, is_whole=count <= MOST_VISITS)


_Days = list[tuple[date, int]]
"""Days in their order, each with the moment at which it ends."""


def _days(wish: LinkWish, tz: tzinfo) -> _Days:
    first = datetime.fromtimestamp(wish.since / SECOND, tz).date()
    last = datetime.fromtimestamp((wish.before - 1) / SECOND, tz).date()
    days = [first + timedelta(days) for days in range((last - first).days + 1)]
    return [(day, _midnight(day + timedelta(1), tz)) for day in days]


def _midnight(day: date, tz: tzinfo) -> int:
    return int(datetime.combine(day, time(), tz).timestamp() * SECOND)


def _add(
    visits: list[Visit], days: _Days, by_day: dict[date, Figures], by_uid: dict[str, Figures]
) -> None:
    ends = [ends_at for _, ends_at in days]
    for visit in visits:
        by_day[days[bisect_right(ends, visit.at)][0]].add(visit)
        figures = by_uid.get(visit.uid)
        if figures is None:
            figures = by_uid[visit.uid] = Figures()
        figures.add(visit)


async def _stretches(store: Store, wish: LinkWish) -> AsyncIterator[tuple[int, list[Visit]]]:
    """Yield visits with their Partner."""
    if wish.uid or wish.chain_id:
        for url in await _wanted_urls(store, wish):
            place: Place | None = Place(wish.before)
            while place is not None:
                of_url = ShortUrlVisits(url.uid, wish.since, place)
                visits = await store.read(visits_of_short_urls, of_url)
                yield url.partner_id, visits
                place = visits[-1].place if len(visits) == STRETCH else None
        return
    for partner_id in wish.partner_ids:
        place = Place(wish.before)
        while place is not None:
            of_partner = PartnerVisits(partner_id, wish.since, place)
            visits = await store.read(visits_of_partners, of_partner)
            yield partner_id, visits
            place = visits[-1].place if len(visits) == STRETCH else None


async def _wanted_urls(store: Store, wish: LinkWish) -> list[VisitedUrl]:
    if wish.uid:
        found = await store.read(find_short_urls, [wish.uid])
    else:
        found = await store.read(short_urls_of_chains, wish.chain_id)
    of_chain = (url for url in found if wish.chain_id in {0, url.chain_id})
    return [url for url in of_chain if url.partner_id in wish.partner_ids]


async def look_up(store: Store, uids: Iterable[str]) -> dict[str, VisitedUrl]:
    """Return what short URLs are about, by UID; those that were removed are left out."""
    wanted = list(uids)
    found: dict[str, VisitedUrl] = {}
    for begin in range(0, len(wanted), _LOOKED_UP_AT_ONCE):
        batch = wanted[begin : begin + _LOOKED_UP_AT_ONCE]
        found |= {url.uid: url for url in await store.read(find_short_urls, batch)}
        await asyncio.sleep(0)
    return found


def by_message(
    figures: Mapping[str, Figures], urls: Mapping[str, VisitedUrl]
) -> dict[int, Figures]:
    """Return the figures of messages, whose short URLs are their own; shared ones are of none."""
    messages: dict[int, Figures] = {}
    for uid, one in figures.items():
        url = urls.get(uid)
        if url is not None and url.chain_id is not None:
            messages.setdefault(url.chain_id, Figures()).join(one)
    return messages
