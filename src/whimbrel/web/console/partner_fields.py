"""What of a Partner a form can set, in groups, with what each member means."""

from types import MappingProxyType
from typing import Literal, NamedTuple

from whimbrel.domain.content import Channel
from whimbrel.domain.partner import DuplicateControl, TrafficType
from whimbrel.domain.short_url import ShortUrlMode
from whimbrel.domain.unanswered import Unanswered
from whimbrel.web.pages.words import phrase

Kind = Literal["text", "url", "number", "lines", "check", "choice", "channels"]


class Field(NamedTuple):
    """One member of a profile, or one channel's part of it."""

    member: str
    kind: Kind
    label: str
    hint: str = ""
    options: tuple[tuple[str, str], ...] = ()
    """Of a choice: values and their names."""
    step: str = "1"
    """Of a number: `any` where it may have a fraction."""


class Group(NamedTuple):
    """Fields that belong together."""

    name: str
    title: str
    about: str
    fields: tuple[Field, ...]


CHANNELS = tuple((one.value, name) for one, name in zip(Channel, ("WhatsApp", "SMS"), strict=True))
TRAFFIC_NAMES = MappingProxyType(
    {
        TrafficType.ADVERTISING: phrase("advertising"),
        TrafficType.TRANSACTIONAL: phrase("transactional"),
        TrafficType.SERVICE: phrase("service"),
        TrafficType.INFORMATION: phrase("information"),
        TrafficType.AUTHORISATION: phrase("authorisation"),
        TrafficType.TEMPLATED_ADVERTISING: phrase("templated advertising"),
    }
)
DUPLICATE_NAMES = MappingProxyType(
    {
        DuplicateControl.OFF: phrase("taken like any other"),
        DuplicateControl.RETURN: phrase("the first mtNum is returned"),
        DuplicateControl.REJECT: phrase("refused"),
    }
)
UNANSWERED_NAMES = MappingProxyType(
    {
        Unanswered.AUTO: phrase("by its lifetime: short ones go again"),
        Unanswered.RESEND: phrase("it goes again"),
        Unanswered.FAIL: phrase("it fails"),
    }
)
SHORT_URL_NAMES = MappingProxyType(
    {
        ShortUrlMode.OFF: phrase("not shortened"),
        ShortUrlMode.SHARED: phrase("shortened, one for all subscribers"),
        ShortUrlMode.PER_SUBSCRIBER: phrase("shortened, one for each subscriber"),
    }
)

GROUPS = (
    Group(
        "access",
        phrase("Access"),
        phrase("Who may call, and how often."),
        (
            Field(
                "subnets",
                "lines",
                phrase("Subnets"),
                phrase(
                    "Where requests may come from, one a line, such as 192.0.2.0/24. "
                    "None: anywhere."
                ),
            ),
            Field(
                "rate",
                "number",
                phrase("Requests a second"),
                phrase("0: no limit."),
                step="any",
            ),
            Field(
                "burst",
                "number",
                phrase("Requests at once"),
                phrase("How many may come together within that rate."),
            ),
            Field(
                "concurrency",
                "number",
                phrase("Requests under way"),
                phrase("At the same time. 0: no limit."),
            ),
        ),
    ),
    Group(
        "sending",
        phrase("Sending"),
        phrase("What it may send, from whom, and for how long a message is tried."),
        (
            Field(
                "senders",
                "lines",
                phrase("Senders"),
                phrase("The names that it may send from, one a line."),
            ),
            Field(
                "default_sender",
                "text",
                phrase("Default sender"),
                phrase("Where a request names none. It is added to the senders."),
            ),
            Field("message_types", "channels", phrase("Message types"), options=CHANNELS),
            Field(
                "cascades",
                "check",
                phrase("May send cascades"),
                phrase("A message that waits behind another one, such as an SMS behind WhatsApp."),
            ),
            Field(
                "whatsapp_ttl",
                "number",
                phrase("Lifetime on WhatsApp, minutes"),
                phrase("Where a request names none. Empty: 1440."),
            ),
            Field(
                "sms_ttl",
                "number",
                phrase("Lifetime of SMS, minutes"),
                phrase("Where a request names none. Empty: 1440."),
            ),
            Field(
                "unanswered",
                "choice",
                phrase("A message of which nothing is heard"),
                phrase("It may have gone, or not: whoever sends it again may send it twice."),
                tuple((one.value, name) for one, name in UNANSWERED_NAMES.items()),
            ),
            Field(
                "zone",
                "text",
                phrase("Time zone"),
                phrase(
                    "For sending hours and for dates in reports, such as Asia/Omsk. Empty: UTC+3."
                ),
            ),
        ),
    ),
    Group(
        "duplicates",
        phrase("Duplicates"),
        phrase("What becomes of a request that comes twice."),
        (
            Field(
                "duplicate_control",
                "choice",
                phrase("A repeated id"),
                options=tuple((one.value, name) for one, name in DUPLICATE_NAMES.items()),
            ),
            Field(
                "content_window_seconds",
                "number",
                phrase("Equal content, seconds"),
                phrase("For so long the same content to the same number is a duplicate. 0: never."),
            ),
        ),
    ),
    Group(
        "reports",
        phrase("Reports"),
        phrase("Where it is told what became of its messages."),
        (
            Field(
                "report_url",
                "url",
                phrase("Report URL"),
                phrase(
                    "Where a request names none. A user and password in it are sent as Basic "
                    "authentication."
                ),
            ),
            Field(
                "click_url",
                "url",
                phrase("Click URL"),
                phrase("Where each subscriber's first click is told. Empty: nowhere."),
            ),
            Field(
                "traffic_type",
                "choice",
                phrase("Traffic"),
                phrase("The trafficType of its reports."),
                tuple((one.value, name) for one, name in TRAFFIC_NAMES.items()),
            ),
        ),
    ),
    Group(
        "short-urls",
        phrase("Short URLs"),
        phrase("Long URLs in its texts, and how long their short ones lead anywhere."),
        (
            Field(
                "short_urls",
                "choice",
                phrase("Long URLs"),
                options=tuple((one.value, name) for one, name in SHORT_URL_NAMES.items()),
            ),
            Field(
                "short_domain",
                "text",
                phrase("Its own short domain"),
                phrase("Such as https://go.shop.example. Empty: the gateway's."),
            ),
            Field(
                "short_threshold",
                "number",
                phrase("Longest URL that is kept"),
                phrase("URLs of more characters are shortened."),
            ),
            Field(
                "short_uid_length",
                "number",
                phrase("Characters behind the domain"),
                phrase("Fewer are shorter and easier to guess."),
            ),
            Field(
                "short_idle_days",
                "number",
                phrase("Days without a visit"),
                phrase("After which one is removed. 0: never."),
            ),
            Field(
                "short_lifetime_days",
                "number",
                phrase("Days in all"),
                phrase("After which one is removed even if it is followed. 0: never."),
            ),
        ),
    ),
    Group(
        "retention",
        phrase("Retention"),
        phrase("How long is kept what it has sent. Nothing that is still on its way is removed."),
        (
            Field(
                "content_days",
                "number",
                phrase("Texts, days"),
                phrase("Then texts, image URLs and extraParam are removed. 0: with the message."),
            ),
            Field(
                "history_days",
                "number",
                phrase("Messages, days"),
                phrase("Then a message is removed with all that is known of it. 0: never."),
            ),
            Field(
                "visit_days",
                "number",
                phrase("Visits, days"),
                phrase("Then a visit of a short URL is removed. 0: with the short URL."),
            ),
        ),
    ),
)
FIELDS = MappingProxyType({field.member: field for group in GROUPS for field in group.fields})

EMPTY_NAMES = MappingProxyType(
    {
        "subnets": phrase("anywhere"),
        "rate": phrase("no limit"),
        "concurrency": phrase("no limit"),
        "senders": phrase("none"),
        "default_sender": phrase("none"),
        "whatsapp_ttl": phrase("1440, as for everybody"),
        "sms_ttl": phrase("1440, as for everybody"),
        "zone": phrase("UTC+3, as for everybody"),
        "content_window_seconds": phrase("never a duplicate"),
        "report_url": phrase("nowhere, unless a request says so"),
        "click_url": phrase("nowhere"),
        "short_domain": phrase("the gateway's"),
        "short_idle_days": phrase("never removed"),
        "short_lifetime_days": phrase("never removed"),
        "content_days": phrase("as long as the message"),
        "history_days": phrase("for ever"),
        "visit_days": phrase("as long as the short URL"),
    }
)
"""What nothing, or 0, means where a member is only shown."""
