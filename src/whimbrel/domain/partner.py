"""The Partner: who may send what, how fast, and where its reports go."""

import ipaddress
from datetime import tzinfo
from enum import StrEnum
from functools import lru_cache
from typing import Annotated

from msgspec import Meta, Struct, field

from whimbrel.clock import MINUTE
from whimbrel.domain.content import Channel
from whimbrel.domain.short_url import LONGEST_UID, SHORTEST_UID, ShortUrlMode
from whimbrel.domain.unanswered import Unanswered
from whimbrel.domain.zones import zone_of


class DuplicateControl(StrEnum):
    """What a repeated `id` gets (`protocol.md`, section 4)."""

    OFF = "off"
    RETURN = "return"
    REJECT = "reject"


class TrafficType(StrEnum):
    """The kind of a Partner's traffic, by its number in reports (`protocol.md`, section 7)."""

    ADVERTISING = "0"
    TRANSACTIONAL = "1"
    SERVICE = "2"
    INFORMATION = "5"
    AUTHORISATION = "6"
    TEMPLATED_ADVERTISING = "7"


class Profile(Struct, kw_only=True, forbid_unknown_fields=True):
    """Everything about a Partner that an operator may change; kept as one JSON document."""

    subnets: list[str] = []
    """Where its requests may come from; empty: anywhere."""
    senders: list[str] = []
    default_sender: str = ""
    message_types: list[Channel] = field(default_factory=lambda: [Channel.WHATSAPP])
    cascades: bool = False
    """Whether it may send cascades."""
    ttl_minutes: dict[Channel, Annotated[int, Meta(ge=1, le=10_080)]] = {}
    """Default lifetime per channel."""
    duplicate_control: DuplicateControl = DuplicateControl.OFF
    content_window_seconds: Annotated[int, Meta(ge=0)] = 0
    """How long the same content to the same number is a duplicate; 0: never."""
    unanswered: Unanswered = Unanswered.AUTO
    """What becomes of a message that may have gone, and of which nothing is heard."""
    report_url: str = ""
    click_url: str = ""
    """Where the first click of each subscriber is told; empty: nowhere."""
    signing_secret: str = ""
    """Standard Webhooks secret, `whsec_` and base64; empty: reports are not signed."""
    traffic_type: TrafficType = TrafficType.TRANSACTIONAL
    zone: str = ""
    """IANA name for the dates in reports and for sending hours; empty: UTC+3."""
    rate: Annotated[float, Meta(ge=0)] = 0.0
    """Requests a second; 0: no limit."""
    burst: Annotated[int, Meta(ge=1)] = 1
    concurrency: Annotated[int, Meta(ge=0)] = 0
    """Requests under way at once; 0: no limit."""
    short_urls: ShortUrlMode = ShortUrlMode.OFF
    """Whether long URLs in its texts are shortened, and whether for each subscriber alone."""
    short_threshold: Annotated[int, Meta(ge=0)] = 26
    """URLs of more characters than this are shortened."""
    short_uid_length: Annotated[int, Meta(ge=SHORTEST_UID, le=LONGEST_UID)] = LONGEST_UID
    short_idle_days: Annotated[int, Meta(ge=0)] = 90
    """After so many days without a visit a short URL is removed; 0: never."""
    short_lifetime_days: Annotated[int, Meta(ge=0)] = 0
    """After so many days it is removed even if it is followed; 0: never."""
    short_domain: str = ""
    """Its own short domain, as `base_of` writes it; empty: the gateway's."""
    content_days: Annotated[int, Meta(ge=0)] = 0
    """So many days after acceptance texts, image URLs and `extraParam` are removed; 0: with the
    chain."""
    history_days: Annotated[int, Meta(ge=0)] = 0
    """So many days after acceptance a chain is removed with all that is known of it; 0: never."""
    visit_days: Annotated[int, Meta(ge=0)] = 0
    """After so many days a visit of a short URL is removed; 0: with the short URL."""


SHORTEST_HISTORY_DAYS = 7
"""As long as Meta repeats a webhook, and longer than any report is tried: what comes late still
finds its chain, and a client's retries still meet the `id` that they repeat."""


def new_profile() -> Profile:
    """Return what a new Partner begins with.

    Its data goes with time unless somebody decides otherwise. A profile that was written before
    there was such a thing says nothing of it, and loses nothing.
    """
    return Profile(content_days=30, history_days=365, visit_days=365)


DEFAULT_TTL_MINUTES = {Channel.WHATSAPP: 1_440, Channel.SMS: 1_440}


class Partner(Struct, frozen=True):
    """A client company with a login."""

    partner_id: int
    login: str
    password_hash: str
    disabled: bool
    profile: Profile

    def default_lifetime(self, channel: Channel) -> int:
        """Return the lifetime, in milliseconds, of a link that names none."""
        minutes = self.profile.ttl_minutes.get(channel, DEFAULT_TTL_MINUTES[channel])
        return minutes * MINUTE

    def admits(self, address: str) -> bool:
        """Tell whether a request may come from `address`; an address that is none never may."""
        subnets = self.profile.subnets
        return not subnets or _inside(address, tuple(subnets))

    @property
    def zone(self) -> tzinfo:
        """The zone in which this Partner reads dates and means its sending hours."""
        return zone_of(self.profile.zone)


@lru_cache(maxsize=4_096)
def _inside(address: str, subnets: tuple[str, ...]) -> bool:
    """Cached, since the same few hosts call again and again."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = getattr(ip, "ipv4_mapped", None)
    return any((mapped or ip) in ipaddress.ip_network(subnet) for subnet in subnets)
