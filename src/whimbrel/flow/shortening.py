"""How each Partner's URLs are shortened now.

Brings together what the Partner's profile says, the gateway's own short domain, the domains that
are never shortened again, and how full the spaces of UIDs are. That fullness is read every second
or so from a handful of counters: an accept asks nobody, and the store settles a collision anyway.
"""

import structlog

from whimbrel.clock import DAY
from whimbrel.domain.partner import Partner
from whimbrel.domain.short_url import (
    LONGEST_UID,
    ShortUrlMode,
    ShortUrlRules,
    domain_of,
    is_crowded,
    uid_space,
)
from whimbrel.flow.partner_directory import PartnerDirectory
from whimbrel.metrics import Metrics
from whimbrel.store.engine import Store
from whimbrel.store.short_urls import used_uids

_log = structlog.get_logger(__name__)


class Shortening:
    """What acceptance knows of short URLs. Refresh it each second."""

    def __init__(
        self, store: Store, partners: PartnerDirectory, metrics: Metrics, *, base: str
    ) -> None:
        """`base` is the gateway's own, as `gateway_base` of `own_domain.py` tells it."""
        self._store = store
        self._partners = partners
        self._metrics = metrics
        self._base = base
        self._ours: frozenset[str] = frozenset()
        self._crowded: frozenset[int] = frozenset()

    async def refresh(self) -> None:
        """Follow the Partners' domains and the spaces of UIDs; warn of a space that is crowded."""
        own = {domain_of(self._base)} if self._base else set()
        self._ours = self._partners.short_domains | own
        used = await self._store.read(used_uids, None)
        for length, count in used.items():
            self._metrics.uids_in_use.labels(str(length)).set(count / uid_space(length))
        crowded = frozenset(length for length, count in used.items() if is_crowded(length, count))
        for length in crowded - self._crowded:
            _log.warning(
                "short_uids_crowded",
                uid_length=length,
                in_use=used[length],
                hint="longer ones are given out" if length < LONGEST_UID else "remove idle ones",
            )
        self._crowded = crowded

    def rules_of(self, partner: Partner) -> ShortUrlRules | None:
        """Return how this Partner's URLs are shortened; None: not at all."""
        profile = partner.profile
        if profile.short_urls is ShortUrlMode.OFF:
            return None
        base = profile.short_domain or self._base
        if not base:
            return None
        return ShortUrlRules(
            base=base,
            ours=self._ours,
            threshold=profile.short_threshold,
            uid_length=self._free_length(profile.short_uid_length),
            shared=profile.short_urls is ShortUrlMode.SHARED,
            idle=profile.short_idle_days * DAY or None,
            lifetime=profile.short_lifetime_days * DAY or None,
        )

    def _free_length(self, length: int) -> int:
        """Return the wanted length of UIDs, or the next one whose space is not crowded."""
        while length in self._crowded and length < LONGEST_UID:
            length += 1
        return length
