"""All Partners in memory, read anew whenever the store says that one has changed."""

from collections.abc import Mapping

from whimbrel.domain.partner import Partner
from whimbrel.domain.short_url import domain_of
from whimbrel.domain.unanswered import Unanswered
from whimbrel.store.engine import Store
from whimbrel.store.partners import all_partners, partners_revision


class PartnerDirectory:
    """Partners by login and by number. Refresh it every second or so."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._revision: tuple[int, ...] | None = None
        self._by_login: dict[str, Partner] = {}
        self._by_id: dict[int, Partner] = {}
        self._short_domains: frozenset[str] = frozenset()
        self._unanswered: Mapping[int, Unanswered] = {}

    async def refresh(self) -> bool:
        """Read the Partners if any has changed since the last time; tell whether one has."""
        revision = await self._store.read(partners_revision, None)
        if revision == self._revision:
            return False
        stored = await self._store.read(all_partners, None)
        self._by_login = {one.partner.login: one.partner for one in stored if not one.removed}
        self._by_id = {one.partner.partner_id: one.partner for one in stored}
        self._short_domains = frozenset(
            domain_of(one.partner.profile.short_domain)
            for one in stored
            if one.partner.profile.short_domain
        )
        self._unanswered = {
            partner_id: one.profile.unanswered
            for partner_id, one in self._by_id.items()
            if one.profile.unanswered is not Unanswered.AUTO
        }
        self._revision = revision
        return True

    @property
    def short_domains(self) -> frozenset[str]:
        """The Partners' own short domains; what a removed one has sent stays short."""
        return self._short_domains

    @property
    def everybody(self) -> Mapping[int, Partner]:
        """All Partners by their numbers, the removed ones too; another object when one changes."""
        return self._by_id

    @property
    def unanswered(self) -> Mapping[int, Unanswered]:
        """What Partners, the removed ones too, want of unanswered submits, where it is not AUTO."""
        return self._unanswered

    def by_login(self, login: str) -> Partner | None:
        """Return the Partner with this login."""
        return self._by_login.get(login)

    def by_id(self, partner_id: int) -> Partner | None:
        """Return a Partner by its number; one that was removed is found too."""
        return self._by_id.get(partner_id)
