"""The form of the answer to a dry run: what would become of a request, on the wire."""

from datetime import UTC, datetime, tzinfo
from typing import Annotated

from msgspec import Meta, Struct

from whimbrel.clock import SECOND
from whimbrel.domain.content import Channel
from whimbrel.domain.schedule import Schedule, ZoneReason
from whimbrel.domain.zones import MOSCOW, zone_of
from whimbrel.flow.outlook import LinkOutlook, Timing, Wait
from whimbrel.flow.preview import Preview, Subscriber

_UTC_PLUS_3 = str(MOSCOW)
_WHOSE_ZONE = {
    ZoneReason.DEFAULT: "no zone was asked for",
    ZoneReason.PARTNER: "the login's zone",
    ZoneReason.REGISTRY: "the subscriber's, by the numbering registry",
    ZoneReason.PREFIX: "the subscriber's, by the number's prefix",
    ZoneReason.CAPITAL: "the subscriber's zones have no such hours in common, so that the capital "
    "of its country decides",
    ZoneReason.NO_COUNTRY: "the number belongs to no country",
}


class Moment(Struct, rename="camel"):
    """A moment, by the clocks that matter."""

    utc: Annotated[str, Meta(examples=["2026-11-23T07:00:00Z"])]
    login_time: Annotated[str, Meta(description="By the clock of the login; without one, UTC+3.")]
    subscriber_time: Annotated[
        str | None, Meta(description="By the clock of the subscriber; null: of no country.")
    ]


class CheckedSubscriber(Struct, rename="camel"):
    """What is known of the number."""

    country: Annotated[str | None, Meta(description="ISO 3166 code.", examples=["RU"])]
    operator: Annotated[
        str | None, Meta(description="To whom the registry says that it was first assigned.")
    ]
    region: Annotated[str | None, Meta(description="Where the registry says that it belongs.")]
    mcc_mnc: Annotated[str | None, Meta(description="The operator's network.", examples=["25001"])]
    zones: Annotated[
        list[str], Meta(description="IANA names of all time zones in which the subscriber may be.")
    ]
    zones_known_by: Annotated[str, Meta(description="registry, prefix or no-country.")]
    clock: Annotated[
        str | None,
        Meta(
            description="The zone of subscriberTime: the only one, or that of the country's capital"
        ),
    ]


class CheckedTiming(Struct, rename="camel"):
    """When the first message would go, and why then."""

    goes_at: Moment
    why: Annotated[str, Meta(description="at-once, hours-open or hours-closed.")]
    explanation: str
    hours_zones: Annotated[
        list[str],
        Meta(description="In all of which the sending hours must be open; empty: no hours."),
    ]
    hours_zones_reason: Annotated[
        str | None,
        Meta(description="default, partner, registry, prefix, capital or no-country."),
    ]
    closes_at: Annotated[Moment | None, Meta(description="When these hours close again.")]
    deadline: Moment | None
    ends_at: Annotated[Moment, Meta(description="When the last message ends, at the latest.")]


class ShortenedUrl(Struct, rename="camel"):
    """A URL of the text that is replaced."""

    url: str
    short_url: Annotated[
        str, Meta(description="Each X stands for a character that is drawn at acceptance.")
    ]


class CheckedSms(Struct, rename="camel"):
    """How a text travels as SMS."""

    alphabet: Annotated[str, Meta(description="GSM-7 or UCS-2.")]
    parts: int


class CheckedLink(Struct, rename="camel"):
    """What would become of one message."""

    type: Channel
    service_number: Annotated[
        str | None, Meta(description="The sender; null: the login's default, without a login.")
    ]
    is_default_sender: Annotated[bool, Meta(description="Whether the request named none.")]
    goes_at: Annotated[
        Moment | None,
        Meta(
            description="When it goes. A message behind another goes at once when that one fails; "
            "this is the latest moment. null: the deadline comes first."
        ),
    ]
    ends_at: Moment | None
    ttl_seconds: int
    is_default_ttl: Annotated[bool, Meta(description="Whether the request named none.")]
    state: Annotated[
        str | None,
        Meta(description="DELIVERED or READ: what spares the next message; null: there is none."),
    ]
    text: Annotated[
        str | None, Meta(description="As it goes, URLs shortened; null: it is an image.")
    ]
    characters: int | None
    short_urls: list[ShortenedUrl]
    image_url: Annotated[str | None, Meta(description="null: it is a text.")]
    sms: Annotated[CheckedSms | None, Meta(description="null: it is no SMS.")]


class CheckedDuplicates(Struct, rename="camel"):
    """How duplicates are controlled, and whether this would be one that is answered all the same.

    One that is refused has code 10.
    """

    control: Annotated[str, Meta(description="off, return or reject, by id.")]
    content_window_seconds: int
    repeats: Annotated[
        str | None,
        Meta(
            description="mtNum of the message with this id: it would be the answer, and nothing "
            "would be sent."
        ),
    ]


class CheckAnswer(Struct, rename="camel"):
    """Nothing speaks against the request; nothing was stored."""

    checked_for: Annotated[
        str, Meta(description="login, or anybody: only the rules that hold for every login.")
    ]
    dest_addr: Annotated[str, Meta(description="As reports have it.", examples=["79161234567"])]
    login_zone: Annotated[str, Meta(description="The zone of loginTime.", examples=["UTC+3"])]
    subscriber: CheckedSubscriber
    timing: CheckedTiming
    links: Annotated[list[CheckedLink], Meta(description="The messages of the cascade, in order.")]
    duplicates: CheckedDuplicates | None


class _Clocks:
    """Tells moments by the clocks of a login and of a subscriber."""

    def __init__(self, login: tzinfo, subscriber: str) -> None:
        self._login = login
        self._subscriber = zone_of(subscriber) if subscriber else None

    def told(self, moment: int) -> Moment:
        utc = datetime.fromtimestamp(moment // SECOND, UTC)
        return Moment(
            utc.isoformat().replace("+00:00", "Z"),
            utc.astimezone(self._login).isoformat(),
            utc.astimezone(self._subscriber).isoformat() if self._subscriber else None,
        )

    def told_if_any(self, moment: int | None) -> Moment | None:
        return None if moment is None else self.told(moment)


def check_answer(preview: Preview) -> CheckAnswer:
    """Write a preview for the wire."""
    partner, subscriber = preview.partner, preview.subscriber
    clocks = _Clocks(partner.zone if partner else MOSCOW, subscriber.clock)
    return CheckAnswer(
        "login" if partner else "anybody",
        subscriber.dest_addr,
        (partner.profile.zone if partner else "") or _UTC_PLUS_3,
        _subscriber(subscriber),
        _timing(preview.timing, clocks),
        [_link(link, clocks, known=partner is not None) for link in preview.links],
        CheckedDuplicates(
            partner.profile.duplicate_control,
            partner.profile.content_window_seconds,
            None if preview.repeats is None else str(preview.repeats),
        )
        if partner
        else None,
    )


def _subscriber(subscriber: Subscriber) -> CheckedSubscriber:
    registered = subscriber.registered
    return CheckedSubscriber(
        subscriber.country,
        (registered and registered.operator) or None,
        (registered and registered.region) or None,
        subscriber.mcc_mnc or None,
        list(subscriber.zones),
        subscriber.zones_by,
        subscriber.clock or None,
    )


def _timing(timing: Timing, clocks: _Clocks) -> CheckedTiming:
    hours = timing.hours
    return CheckedTiming(
        clocks.told(timing.goes_at),
        timing.wait,
        _explained(timing),
        list(hours.zones or (_UTC_PLUS_3,)) if hours else [],
        (hours.zone_reason or "default") if hours else None,
        clocks.told_if_any(timing.closes_at),
        clocks.told_if_any(timing.deadline_at),
        clocks.told(timing.ends_at),
    )


def _explained(timing: Timing) -> str:
    hours = timing.hours
    if hours is None:
        return "At once: there are no sending hours."
    whose = _read_by(hours)
    if timing.wait is Wait.HOURS_OPEN:
        return f"At once: the sending hours are open, {whose}."
    return f"When the sending hours open next, {whose}."


def _read_by(hours: Schedule) -> str:
    zones = ", ".join(hours.zones) or _UTC_PLUS_3
    return f"read by the clock of {zones} ({_WHOSE_ZONE[hours.zone_reason]})"


def _link(link: LinkOutlook, clocks: _Clocks, *, known: bool) -> CheckedLink:
    return CheckedLink(
        type=link.channel,
        service_number=link.sender if known or not link.is_default_sender else None,
        is_default_sender=link.is_default_sender,
        goes_at=clocks.told_if_any(link.goes_at),
        ends_at=clocks.told_if_any(link.ends_at),
        ttl_seconds=link.ttl // SECOND,
        is_default_ttl=link.is_default_ttl,
        state=link.satisfied_by.name if link.satisfied_by is not None else None,
        text=link.text,
        characters=None if link.text is None else len(link.text),
        short_urls=[ShortenedUrl(*pair) for pair in link.short_urls],
        image_url=link.image_url,
        sms=CheckedSms("GSM-7" if link.sms.is_gsm else "UCS-2", link.sms.parts)
        if link.sms
        else None,
    )
