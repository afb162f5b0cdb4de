"""A Partner's request becomes a chain, or is refused with the first rule that it breaks.

Pure, and in the order of `protocol.md`, section 8. Every refusal names the member and the rule.
"""

import hashlib
from collections.abc import Iterator

from whimbrel.clock import SECOND
from whimbrel.domain import extra_param, phone, schedule
from whimbrel.domain.cascade import NEVER
from whimbrel.domain.chain import Chain, NewLink
from whimbrel.domain.chain_id import link_id
from whimbrel.domain.content import Channel, Content, Image, Text
from whimbrel.domain.numbering import NumberRanges
from whimbrel.domain.partner import DuplicateControl, Partner
from whimbrel.domain.refusal import RefusalCode, refuse, refuse_shape
from whimbrel.domain.request import CascadeRequest, SendRequest
from whimbrel.domain.schedule import Schedule, within_deadline
from whimbrel.domain.short_url import Draft, ShortUrlRules
from whimbrel.domain.status import LinkState
from whimbrel.domain.subscriber_zones import in_partner_zone, in_subscriber_zones
from whimbrel.flow.message_checks import (
    FIRST,
    LONGEST_URL,
    CheckedMessage,
    Senders,
    Terms,
    check_message,
    check_ttl,
)
from whimbrel.http_urls import usable_url

_LONGEST_REF = 255
_MOST_LINKS = 10
_GOALS = {"DELIVERED": LinkState.DELIVERED, "READ": LinkState.READ}


def check(
    request: SendRequest,
    partner: Partner,
    senders: Senders,
    ranges: NumberRanges,
    *,
    chain_id: int,
    now: int,
    request_id: str,
    short: ShortUrlRules | None = None,
) -> Chain:
    """Return the chain that `request` asks for. Raises `Refusal` 4, 7, 8, 9 or 11.

    `short` is how this Partner's URLs are shortened; None: it has not the service.
    """
    terms = Terms(partner, senders, short, request.shorten_links)
    first = check_message(request.message, FIRST, terms)
    dest_addr = _check_dest_addr(request.dest_addr)
    has_next = request.cascade is not None
    first = check_ttl(first, request.message, FIRST, terms, has_next=has_next)
    hours, due_at, closes_at = _check_schedule(request, partner, dest_addr, ranges, now)
    _check_the_rest(request)
    messages = _check_cascade(first, request.cascade, terms) if request.cascade else [first]
    controlled = partner.profile.duplicate_control is not DuplicateControl.OFF
    window = partner.profile.content_window_seconds * SECOND
    stored_hours = hours.to_json() if hours else None
    return Chain(
        chain_id=chain_id,
        partner_id=partner.partner_id,
        partner_ref=request.partner_ref,
        dedupe_ref=request.partner_ref if controlled else None,
        content_key=_content_key(partner, dest_addr, first) if window else None,
        content_window=window,
        dest_addr=dest_addr,
        registered_delivery=request.registered_delivery,
        notify_url=_usable(request.notify_url),
        extra_param=request.extra_param,
        schedule=stored_hours,
        accepted_at=now,
        request_id=request_id,
        links=tuple(_links(chain_id, messages, due_at, closes_at, stored_hours)),
    )


def _links(
    chain_id: int,
    messages: list[CheckedMessage],
    due_at: int,
    closes_at: int | None,
    schedule: str | None,
) -> Iterator[NewLink]:
    """Yield the first link, which has its turn, and those that are held behind it."""
    ends_at = within_deadline(schedule, due_at + messages[0].lifetime)
    for position, message in enumerate(messages):
        held = position > 0
        yield NewLink(
            link_id=link_id(chain_id, position),
            position=position,
            channel=message.channel,
            sender=message.sender,
            content=message.content,
            ttl=message.lifetime,
            state=LinkState.HELD if held else LinkState.QUEUED,
            due_at=(ends_at if position == 1 else NEVER) if held else due_at,
            closes_at=None if held else closes_at,
            expires_at=NEVER if held else ends_at,
            satisfied_by=message.satisfied_by,
            named=message.named,
        )


def _usable(notify_url: str | None) -> str | None:
    """A URL that cannot be used is the same as none: the Partner's own is taken (section 1)."""
    return notify_url if notify_url and usable_url(notify_url) else None


def _check_dest_addr(dest_addr: str) -> str:
    try:
        return phone.normalise(dest_addr)
    except phone.BadPhone as error:
        refuse(RefusalCode.DEST_ADDR_NOT_CORRECT, "destAddr", str(error))


def _check_schedule(
    request: SendRequest, partner: Partner, dest_addr: str, ranges: NumberRanges, now: int
) -> tuple[Schedule | None, int, int | None]:
    """Return the sending hours, the first moment to send, and when those hours close again."""
    asked = request.schedule
    if asked is None:
        return None, now, None
    try:
        hours = schedule.parse(
            time_begin=asked.time_begin,
            time_end=asked.time_end,
            weekdays=asked.weekdays,
            deadline=asked.deadline,
        )
    except schedule.BadSchedule as error:
        refuse_shape(f"scheduleInfo.{error.member}", str(error))
    if hours is None:
        return None, now, None
    if hours.deadline_at is not None and hours.deadline_at <= now:
        refuse_shape("scheduleInfo.deadline", "it is in the past.")
    if hours.always_open:
        pass  # a deadline is one moment everywhere
    elif request.use_time_diff:
        hours = in_subscriber_zones(hours, dest_addr, ranges, now)
    else:
        hours = in_partner_zone(hours, partner.profile.zone)
    due_at, closes_at = schedule.opening(hours.to_json(), now)
    if due_at is None:
        refuse_shape("scheduleInfo", "these sending hours do not open before the deadline.")
    return hours, due_at, closes_at


def _check_the_rest(request: SendRequest) -> None:
    """Check what has no link of its own, the Partner's `id` included."""
    if request.notify_url == "":
        refuse_shape("notifyUrl", "it may be left out, but not be empty.")
    if request.notify_url is not None and len(request.notify_url) > LONGEST_URL:
        refuse_shape("notifyUrl", f"it is longer than {LONGEST_URL} characters.")
    if request.registered_delivery not in {0, 1, 2}:
        refuse_shape("registeredDelivery", "it is 0, 1 or 2.")
    if request.extra_param is not None:
        try:
            extra_param.parse(request.extra_param)
        except extra_param.BadExtraParam as error:
            refuse_shape("extraParam", str(error))
    if request.partner_ref is not None and len(request.partner_ref) > _LONGEST_REF:
        refuse_shape("id", f"it is longer than {_LONGEST_REF} characters.")


def _check_cascade(
    first: CheckedMessage, cascade: CascadeRequest, terms: Terms
) -> list[CheckedMessage]:
    """Return all messages of a cascade, each but the last with the goal that it must reach."""
    messages, path, link = [first], "cascadeChainLink", cascade
    if not terms.partner.profile.cascades:
        refuse_shape(path, "cascades are not allowed for this login.")
    while True:
        if len(messages) == _MOST_LINKS:
            refuse_shape(path, f"a chain has at most {_MOST_LINKS} links.")
        messages[-1] = messages[-1]._replace(satisfied_by=_goal(messages[-1], link, path))
        where, has_next = f"{path}.message", link.next_link is not None
        checked = check_message(link.message, where, terms)
        messages.append(check_ttl(checked, link.message, where, terms, has_next=has_next))
        if link.next_link is None:
            return messages
        path, link = f"{path}.nextLink", link.next_link


def _goal(before: CheckedMessage, link: CascadeRequest, path: str) -> LinkState:
    """Return what the message before a link must reach.

    Nobody can tell that an SMS was read, so that READ is DELIVERED there: otherwise the next
    message would go to everybody who has got the SMS.
    """
    goal = _GOALS.get(link.state.upper())
    if goal is None:
        refuse_shape(f"{path}.state", "it is DELIVERED or READ.")
    return LinkState.DELIVERED if before.channel is Channel.SMS else goal


def _content_key(partner: Partner, dest_addr: str, message: CheckedMessage) -> bytes:
    """A text counts as it was written: with short URLs of its own, each would be another."""
    whole = "\0".join(
        (str(partner.partner_id), dest_addr, message.channel, *_said(message.content))
    )
    return hashlib.blake2b(whole.encode(), digest_size=16).digest()


def _said(content: Content | Draft) -> tuple[str, str]:
    match content:
        case Image(url):
            return "I", url
        case Text(text):
            return "T", text
        case Draft():
            return "T", content.original
