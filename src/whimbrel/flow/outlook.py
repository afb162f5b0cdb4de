"""What would become of a request that breaks no rule: when each link would go, and as what.

Pure. The chain is the very one that acceptance would keep; the request tells what was named in it
and what was left to the login.
"""

from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple

from whimbrel.domain.alphabet import GSM
from whimbrel.domain.chain import Chain, NewLink
from whimbrel.domain.content import Channel, Image, Text
from whimbrel.domain.request import MessageRequest, SendRequest
from whimbrel.domain.schedule import Schedule, opening, within_deadline
from whimbrel.domain.segments import segments
from whimbrel.domain.short_url import Draft
from whimbrel.domain.status import LinkState

UID_PLACEHOLDER = "X"
"""Stands for each character of a UID, which is drawn when a message is accepted."""


class Wait(StrEnum):
    """Why the first message goes when it goes."""

    NONE = "at-once"
    """There are no sending hours."""
    HOURS_OPEN = "hours-open"
    """It is inside them."""
    HOURS_CLOSED = "hours-closed"
    """It waits for them to open."""


class Timing(NamedTuple):
    """When the first message goes and the last one ends; moments are UTC milliseconds."""

    now: int
    goes_at: int
    wait: Wait
    hours: Schedule | None
    closes_at: int | None
    """When the hours close again that `goes_at` is in."""
    deadline_at: int | None
    ends_at: int
    """When the chain ends at the latest, if every message is handed over as soon as it may be."""


class SmsForm(NamedTuple):
    """How a text travels as SMS."""

    is_gsm: bool
    parts: int


class LinkOutlook(NamedTuple):
    """What would become of one link."""

    channel: Channel
    sender: str
    is_default_sender: bool
    ttl: int
    """Milliseconds."""
    is_default_ttl: bool
    satisfied_by: LinkState | None
    """What spares the links behind it; None: there is none."""
    goes_at: int | None
    """When it would go at the latest: a link behind another goes at once when that one fails.
    None: the deadline, or the end of the sending hours before it, comes first."""
    ends_at: int | None
    text: str | None
    """As it would be sent, with placeholders for UIDs."""
    short_urls: tuple[tuple[str, str], ...]
    """Long and short URL of each that is replaced."""
    image_url: str | None
    sms: SmsForm | None


def timing(chain: Chain, links: list[LinkOutlook]) -> Timing:
    """Tell when a chain would go and end, given the outlook of its links."""
    first = chain.links[0]
    hours = Schedule.from_json(chain.schedule) if chain.schedule else None
    if hours is None or hours.always_open:
        wait = Wait.NONE
    else:
        wait = Wait.HOURS_OPEN if first.due_at <= chain.accepted_at else Wait.HOURS_CLOSED
    return Timing(
        chain.accepted_at,
        first.due_at,
        wait,
        None if wait is Wait.NONE else hours,
        first.closes_at,
        hours.deadline_at if hours else None,
        max(link.ends_at for link in links if link.ends_at is not None),
    )


def outlook(request: SendRequest, chain: Chain) -> Iterator[LinkOutlook]:
    """Yield what would become of each link of `chain`, which was made of `request`."""
    goes_at: int | None = chain.links[0].due_at
    for message, link in zip(messages_of(request), chain.links, strict=True):
        if link.position and goes_at is not None:
            goes_at, _ = opening(chain.schedule, goes_at)
        ends_at = None if goes_at is None else within_deadline(chain.schedule, goes_at + link.ttl)
        yield _link(message, link, goes_at, ends_at)
        goes_at = ends_at


def messages_of(request: SendRequest) -> Iterator[MessageRequest]:
    """Yield the messages of a request in their order."""
    yield request.message
    link = request.cascade
    while link is not None:
        yield link.message
        link = link.next_link


def _link(
    message: MessageRequest, link: NewLink, goes_at: int | None, ends_at: int | None
) -> LinkOutlook:
    text, short_urls, image_url = _content(link)
    return LinkOutlook(
        link.channel,
        link.sender,
        not message.service_number,
        link.ttl,
        not message.ttl,
        link.satisfied_by,
        goes_at,
        ends_at,
        text,
        short_urls,
        image_url,
        _sms_form(text) if link.channel is Channel.SMS and text is not None else None,
    )


def _content(link: NewLink) -> tuple[str | None, tuple[tuple[str, str], ...], str | None]:
    match link.content:
        case Text(text):
            return text, (), None
        case Image(url):
            return None, (), url
        case Draft() as draft:
            uid = UID_PLACEHOLDER * draft.rules.uid_length
            short = f"{draft.rules.base}/{uid}"
            targets = tuple(dict.fromkeys(draft.targets))
            return draft.sent(dict.fromkeys(targets, uid)), tuple((t, short) for t in targets), None


def _sms_form(text: str) -> SmsForm:
    form = segments(text, reference=0)
    return SmsForm(form.data_coding == GSM, len(form.parts))
