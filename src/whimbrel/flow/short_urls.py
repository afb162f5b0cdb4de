"""Short URLs as they are followed: found in memory or in the store, and removed when they end.

What is asked for again and again is remembered, and so is for a moment what is not there. A memory
can be wrong in one way only, by being old: each entry has the moment up to which it may be believed
without asking, which is no later than the short URL's own end. What this process removes is
forgotten at once; what another removes, within `_BELIEVED`.
"""

import math
from collections import OrderedDict
from collections.abc import Iterable
from typing import NamedTuple, TypeVar

import structlog

from whimbrel.clock import MINUTE, SECOND, Clock
from whimbrel.domain.location import location_of
from whimbrel.metrics import Metrics
from whimbrel.store.clicks import remove_ended
from whimbrel.store.engine import Store, StoreUnavailable
from whimbrel.store.short_urls import ShortUrl, find_short_urls

_log = structlog.get_logger(__name__)
T = TypeVar("T")
_MOST_REMEMBERED = 50_000  # about 30 MB
_BELIEVED = 30 * SECOND
_MOST_MISSING = 10_000
_MISSING_FOR = 3 * SECOND  # a new one may get this very UID, and is followed seconds later
_KEPT_BEYOND_END = MINUTE  # clicks of its last moment may wait to be kept, and would prolong it


class KnownUrl(NamedTuple):
    """A short URL that leads somewhere now."""

    uid: str
    partner_id: int
    target: str
    location: bytes
    """The target, as HTTP carries it."""
    link_id: int | None
    """Of the only message that has it; None: it is shared."""
    ends_at: float
    """When it ends unless it is prolonged; infinite: never."""
    fresh_until: float
    """Up to when nobody needs to look whether it has changed."""


class ShortUrls:
    """What is known of short URLs, for a site that is asked about them."""

    def __init__(self, store: Store, clock: Clock, metrics: Metrics) -> None:
        self._store = store
        self._clock = clock
        self._metrics = metrics
        self._known: OrderedDict[str, KnownUrl] = OrderedDict()
        self._missing: OrderedDict[str, int] = OrderedDict()

    def recall(self, uid: str) -> KnownUrl | None:
        """Return a short URL if it can be told from memory that it leads somewhere now."""
        known = self._known.get(uid)
        if known is None or self._clock.now() >= known.fresh_until:
            return None
        self._known.move_to_end(uid)
        return known

    async def find(self, uid: str) -> KnownUrl | None:
        """Return a short URL; None if it leads nowhere (any more).

        While the store cannot be read, what was known of it is believed up to its end. Raises
        `StoreUnavailable` if nothing was.
        """
        now = self._clock.now()
        if self._missing.get(uid, now) > now:
            return None
        try:
            kept = await self._store.read(find_short_urls, uid)
        except StoreUnavailable:
            known = self._known.get(uid)
            if known is None or now >= known.ends_at:
                raise
            return known
        known = _known(kept, now) if kept else None
        if known is None:
            self._known.pop(uid, None)
            _remember(self._missing, uid, now + _MISSING_FOR, _MOST_MISSING)
        else:
            self._missing.pop(uid, None)
            _remember(self._known, uid, known, _MOST_REMEMBERED)
        return known

    def forget(self, uids: Iterable[str]) -> None:
        """Forget short URLs that were removed."""
        for uid in uids:
            self._known.pop(uid, None)

    async def clean_up(self) -> None:
        """Remove what has ended, in small transactions, with others' writes in between."""
        more = True
        while more:
            moment = self._clock.now() - _KEPT_BEYOND_END
            removed = await self._store.write(remove_ended, moment)
            self.forget(removed.uids)
            self._metrics.short_urls_removed.inc(len(removed.uids))
            more = removed.more


def _known(kept: ShortUrl, now: int) -> KnownUrl | None:
    ends = [moment for moment in (kept.expires_at, kept.idle_until) if moment is not None]
    ends_at = min(ends, default=math.inf)
    location = location_of(kept.target)
    if location is None:
        _log.warning("short_url_without_usable_target", uid=kept.uid, partner_id=kept.partner_id)
    if location is None or now >= ends_at:
        return None
    return KnownUrl(
        kept.uid,
        kept.partner_id,
        kept.target,
        location.encode("ascii"),
        kept.link_id,
        ends_at,
        min(ends_at, now + _BELIEVED),
    )


def _remember(memory: OrderedDict[str, T], uid: str, what: T, most: int) -> None:
    memory[uid] = what
    memory.move_to_end(uid)
    if len(memory) > most:
        memory.popitem(last=False)
