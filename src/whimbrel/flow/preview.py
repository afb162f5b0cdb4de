"""Previews a request: all that acceptance would do, up to the moment of keeping anything.

A Partner's own request is judged with its login, by the same road as the real one. Without a login
there is nobody to be judged by, so that only the rules count that hold for everybody.
"""

from typing import NamedTuple

import phonenumbers
from phonenumbers import PhoneNumber

from whimbrel.clock import DAY
from whimbrel.domain.chain import Chain
from whimbrel.domain.content import Channel
from whimbrel.domain.numbering import NumberRange, national_number
from whimbrel.domain.partner import Partner, Profile
from whimbrel.domain.refusal import Refusal, RefusalCode
from whimbrel.domain.request import SendRequest
from whimbrel.domain.schedule import ZoneReason
from whimbrel.domain.short_url import ShortUrlMode
from whimbrel.domain.subscriber_zones import capital_zone, subscriber_zones
from whimbrel.domain.wall_clock import distinct
from whimbrel.flow.numbering_directory import NumberingDirectory
from whimbrel.flow.outlook import LinkOutlook, Timing, messages_of, outlook, timing
from whimbrel.flow.reception import RETRY_AFTER, Reception
from whimbrel.store.chains import Accepted, find_repeats
from whimbrel.store.engine import Item, Operation, Result, Store, StoreUnavailable
from whimbrel.store.numbering import find_number_ranges

_ANY_SENDER = "*"  # where a request without a login names none


class Subscriber(NamedTuple):
    """What is known of a number."""

    dest_addr: str
    """Normalised digits."""
    country: str | None
    """ISO 3166; None: of no country, or of one among several that share a code."""
    registered: NumberRange | None
    """Its range in the numbering registry."""
    mcc_mnc: str
    zones: tuple[str, ...]
    """All in which the subscriber may be."""
    zones_by: ZoneReason
    clock: str
    """The zone whose time is shown as the subscriber's: the only one, or that of the capital of
    its country; empty: of no country."""


class Preview(NamedTuple):
    """What would become of a request."""

    partner: Partner | None
    """None: it was checked against the rules that hold for everybody."""
    subscriber: Subscriber
    timing: Timing
    links: list[LinkOutlook]
    repeats: int | None
    """The number of the message that this request repeats: it would be answered with it, and
    nothing would be sent."""


class Previewer:
    """Tells what acceptance would do."""

    def __init__(self, store: Store, reception: Reception, numbering: NumberingDirectory) -> None:
        self._store = store
        self._reception = reception
        self._numbering = numbering

    async def preview(self, request: SendRequest, address: str, request_id: str) -> Preview:
        """Judge a request from `address` as the real one. Raises `Refusal`; stores nothing."""
        received = await self._reception.receive(request, address, request_id, self._foresee)
        accepted = received.accepted
        repeats = accepted.chain_id if accepted.repeats_ref else None
        return await self._told(request, received.partner, received.chain, repeats)

    async def preview_for_anybody(self, request: SendRequest, request_id: str) -> Preview:
        """Judge a request by the rules that hold for every login. Raises `Refusal`."""
        named = {m.service_number for m in messages_of(request) if m.service_number}
        senders = dict.fromkeys(Channel, frozenset({*named, _ANY_SENDER}))
        chain = self._reception.checked(request, _anybody(named), senders, request_id)
        return await self._told(request, None, chain, None)

    async def _foresee(self, chain: Chain) -> Accepted:
        if chain.dedupe_ref is None and chain.content_key is None:
            return Accepted(chain.chain_id)
        return await self._read(find_repeats, chain)

    async def _told(
        self, request: SendRequest, partner: Partner | None, chain: Chain, repeats: int | None
    ) -> Preview:
        links = list(outlook(request, chain))
        subscriber = await self._subscriber(chain.dest_addr, chain.accepted_at)
        return Preview(partner, subscriber, timing(chain, links), links, repeats)

    async def _subscriber(self, dest_addr: str, now: int) -> Subscriber:
        number = phonenumbers.parse(f"+{dest_addr}")
        zones, zones_by = subscriber_zones(dest_addr, self._numbering.ranges)
        national = national_number(dest_addr)
        return Subscriber(
            dest_addr,
            _country(number),
            None if national is None else await self._read(find_number_ranges, national),
            self._numbering.mcc_mnc(dest_addr),
            zones,
            zones_by,
            _clock_of(number, zones, now),
        )

    async def _read(self, operation: Operation[Item, Result], item: Item) -> Result:
        try:
            return await self._store.read(operation, item)
        except StoreUnavailable as error:
            raise Refusal(
                RefusalCode.SERVICE_UNAVAILABLE,
                "The store cannot be asked now; nothing was accepted.",
                retry_after=RETRY_AFTER,
            ) from error


def _anybody(senders: set[str]) -> Partner:
    """Return a Partner that may do everything that any may."""
    profile = Profile(
        senders=sorted(senders),
        default_sender=_ANY_SENDER,
        message_types=list(Channel),
        cascades=True,
        short_urls=ShortUrlMode.PER_SUBSCRIBER,
    )
    return Partner(0, "", "", True, profile)


def _country(number: PhoneNumber) -> str | None:
    region = phonenumbers.region_code_for_number(number)
    return None if region == phonenumbers.REGION_CODE_FOR_NON_GEO_ENTITY else region


def _clock_of(number: PhoneNumber, zones: tuple[str, ...], now: int) -> str:
    if not zones:
        return ""
    return zones[0] if len(distinct(zones, now // DAY)) == 1 else capital_zone(number)
