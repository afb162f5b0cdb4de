"""How short URLs are followed, counted beside the gateway's work: a stretch of visits at a time.

Reads the visits that are asked about by an index, the latest first, and no more than a bounded
number of them: beyond it the figures say that they are of a part.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import date, datetime, timedelta, tzinfo
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

MOST_VISITS = 200_000
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

    __slots__ = ("clicks", "desktop", "first_click_at", "last_click_at", "mobile", "uids", "visits")

    def __init__(self) -> None:
        self.visits = 0
        self.clicks = 0
        self.mobile = 0
        self.desktop = 0
        self.first_click_at: int | None = None
        self.last_click_at: int | None = None
        self.uids: set[str] = set()
        """Of the short URLs that were visited."""

    def add(self, visit: Visit) -> None:
        """Count a visit; they come with the latest first."""
        self.visits += 1
        self.uids.add(visit.uid)
        if visit.counted:
            self.clicks += 1
            self.mobile += visit.agent == "mobile"
            self.desktop += visit.agent == "desktop"
            self.first_click_at = min(visit.at, self.first_click_at or visit.at)
            self.last_click_at = max(visit.at, self.last_click_at or visit.at)

    def join(self, other: "Figures") -> None:
        """Count what another one has counted."""
        for name in ("visits", "clicks", "mobile", "desktop"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.uids |= other.uids
        if other.clicks:
            firsts, lasts = (self.first_click_at, other.first_click_at), (
                self.last_click_at, other.last_click_at)  # fmt: skip
            self.first_click_at = min(at for at in firsts if at is not None)
            self.last_click_at = max(at for at in lasts if at is not None)


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
    total, count = Figures(), 0
    by_day = {day: Figures() for day in _days(wish, tz)}
    by_uid: dict[str, Figures] = {}
    by_partner: dict[int, Figures] = {}
    async for partner_id, visits in _stretches(store, wish):
        room = MOST_VISITS - count
        for visit in visits[:room]:
            day = datetime.fromtimestamp(visit.at / SECOND, tz).date()
            for figures in (
                total,
                by_day.setdefault(day, Figures()),
                by_uid.setdefault(visit.uid, Figures()),
                by_partner.setdefault(partner_id, Figures()),
            ):
                figures.add(visit)
        count += len(visits)
        if count > MOST_VISITS:
            return LinkFigures(total, by_day, by_uid, by_partner, is_whole=False)
        await asyncio.sleep(0)  # others first
    return LinkFigures(total, by_day, by_uid, by_partner, is_whole=True)


def _days(wish: LinkWish, tz: tzinfo) -> Iterable[date]:
    first = datetime.fromtimestamp(wish.since / SECOND, tz).date()
    last = datetime.fromtimestamp((wish.before - 1) / SECOND, tz).date()
    return (first + timedelta(days) for days in range((last - first).days + 1))


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
