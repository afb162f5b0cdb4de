"""A Partner's request becomes a chain, or is refused with the first rule that it breaks.

Pure, and in the order of `protocol.md`, section 8. Every refusal names the member and the rule.
"""

import hashlib
from collections.abc import Iterator, Mapping
from typing import NamedTuple, NoReturn

from whimbrel.clock import SECOND
from whimbrel.domain import extra_param, phone, schedule, ttl
from whimbrel.domain.cascade import NEVER
from whimbrel.domain.chain import Chain, NewLink
from whimbrel.domain.chain_id import link_id
from whimbrel.domain.content import BadContent, Channel, Content, Image, Text, check_text
from whimbrel.domain.numbering import NumberRanges
from whimbrel.domain.partner import DuplicateControl, Partner
from whimbrel.domain.refusal import Refusal, RefusalCode
from whimbrel.domain.request import CascadeRequest, MessageRequest, SendRequest
from whimbrel.domain.schedule import Schedule, within_deadline
from whimbrel.domain.short_url import Draft, ShortUrlRules, drafted
from whimbrel.domain.status import LinkState
from whimbrel.domain.subscriber_zones import in_partner_zone, in_subscriber_zones
from whimbrel.http_out import usable_url

_LONGEST_URL = 2_048
_LONGEST_REF = 255
_MOST_LINKS = 10
_QUOTED = 40  # characters of a wrong value; the rest would tell nobody anything
_CHANNELS = {str(channel): channel for channel in Channel}
_GOALS = {"DELIVERED": LinkState.DELIVERED, "READ": LinkState.READ}
_MESSAGE = "message"
_SCHEME_END = "://"  # a text without it, which is most, has nothing to be shortened

Senders = Mapping[Channel, frozenset[str]]
"""The senders that are configured, per channel."""


class _CheckedMessage(NamedTuple):
    channel: Channel
    content: Content | Draft
    sender: str
    lifetime: int
    satisfied_by: LinkState | None = None


class _Shortening(NamedTuple):
    """How URLs are shortened in the messages of a request, unless one says otherwise."""

    rules: ShortUrlRules | None
    by_default: bool

    def of(self, message: MessageRequest) -> ShortUrlRules | None:
        asked = message.shorten_links
        return self.rules if (self.by_default if asked is None else asked) else None


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
    shorten = _Shortening(short, request.shorten_links)
    channel, content, sender = _check_message(request.message, _MESSAGE, partner, senders, shorten)
    dest_addr = _check_dest_addr(request.dest_addr)
    has_next = request.cascade is not None
    lifetime = _check_ttl(request.message, _MESSAGE, channel, partner, has_next=has_next)
    hours, due_at, closes_at = _check_schedule(request, partner, dest_addr, ranges, now)
    _check_the_rest(request)
    messages = [_CheckedMessage(channel, content, sender, lifetime)]
    if request.cascade is not None:
        messages = _check_cascade(messages[0], request.cascade, partner, senders, shorten)
    controlled = partner.profile.duplicate_control is not DuplicateControl.OFF
    window = partner.profile.content_window_seconds * SECOND
    stored_hours = hours.to_json() if hours else None
    return Chain(
        chain_id=chain_id,
        partner_id=partner.partner_id,
        partner_ref=request.partner_ref,
        dedupe_ref=request.partner_ref if controlled else None,
        content_key=_content_key(partner, dest_addr, messages[0]) if window else None,
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
    messages: list[_CheckedMessage],
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
        )


def _usable(notify_url: str | None) -> str | None:
    """A URL that cannot be used is the same as none: the Partner's own is taken (section 1)."""
    return notify_url if notify_url and usable_url(notify_url) else None


def _check_message(
    message: MessageRequest, path: str, partner: Partner, senders: Senders, shorten: _Shortening
) -> tuple[Channel, Content | Draft, str]:
    channel = _check_type(message, path, partner, senders)
    content = _check_content(message, path, channel, shorten.of(message))
    return channel, content, _check_sender(message, path, channel, partner, senders)


def _check_type(message: MessageRequest, path: str, partner: Partner, senders: Senders) -> Channel:
    channel = _CHANNELS.get(message.type.upper())
    if channel is None:
        known = ", ".join(_CHANNELS)
        _refuse(
            RefusalCode.MESSAGE_TYPE_NOT_CORRECT,
            f"{path}.type",
            f"{message.type[:_QUOTED]!r} is not a message type. Types are {known}.",
        )
    if channel not in partner.profile.message_types:
        _refuse(
            RefusalCode.MESSAGE_TYPE_NOT_CORRECT,
            f"{path}.type",
            f"{channel} is not among the message types of this login.",
        )
    if not senders.get(channel):
        _refuse(
            RefusalCode.MESSAGE_TYPE_NOT_CORRECT,
            f"{path}.type",
            f"no {channel} channel is configured on this gateway.",
        )
    return channel


def _check_content(
    message: MessageRequest, path: str, channel: Channel, short: ShortUrlRules | None
) -> Content | Draft:
    if message.content_type is None:
        return _plain_text(message, path, channel, short)
    path = f"{path}.data.instantContent"
    kind = message.content_type.upper()
    if kind not in {"TEXT", "IMAGE_URL"}:
        _refuse_shape(f"{path}.type", "it is TEXT or IMAGE_URL.")
    if message.text and message.image_url:
        _refuse_shape(f"{path}.data", "text and imageURL may not be sent at the same time.")
    if kind == "TEXT":
        if message.text is None:
            _refuse_shape(f"{path}.data.text", "it is mandatory with type TEXT.")
        return _text(message.text, f"{path}.data.text", channel, short)
    if channel is Channel.SMS:
        _refuse_shape(f"{path}.type", "SMS carries TEXT only.")
    if message.image_url is None:
        _refuse_shape(f"{path}.data.imageURL", "it is mandatory with type IMAGE_URL.")
    if len(message.image_url) > _LONGEST_URL or not usable_url(message.image_url):
        _refuse_shape(
            f"{path}.data.imageURL",
            f"it must be an absolute http or https URL of up to {_LONGEST_URL} characters.",
        )
    return Image(message.image_url)


def _plain_text(
    message: MessageRequest, path: str, channel: Channel, short: ShortUrlRules | None
) -> Text | Draft:
    """An SMS has its text in `data.text`, as the provider's clients write it."""
    if channel is not Channel.SMS:
        _refuse_shape(f"{path}.data.instantContent", "this mandatory member is missing.")
    if message.plain_text is None:
        _refuse_shape(f"{path}.data.text", "this mandatory member is missing.")
    return _text(message.plain_text, f"{path}.data.text", channel, short)


def _text(text: str, path: str, channel: Channel, short: ShortUrlRules | None) -> Text | Draft:
    draft = drafted(text, short) if short is not None and _SCHEME_END in text else None
    try:
        check_text(channel, text if draft is None else draft)
    except BadContent as error:
        raise Refusal(RefusalCode.INVALID_REQUEST, _located(path, str(error))) from error
    return Text(text) if draft is None else draft


def _located(path: str, text: str) -> str:
    """Name the place, save where there is but one message: there the provider's own words stand."""
    return text if path.startswith(f"{_MESSAGE}.") else f"{path}: {text}"


def _check_sender(
    message: MessageRequest, path: str, channel: Channel, partner: Partner, senders: Senders
) -> str:
    path = f"{path}.data.serviceNumber"
    sender = message.service_number or partner.profile.default_sender
    if not sender:
        _refuse(
            RefusalCode.SERVICE_NUMBER_NOT_DEFINED,
            path,
            "none was given, and this login has no default sender.",
        )
    if sender not in partner.profile.senders and sender != partner.profile.default_sender:
        _refuse(
            RefusalCode.SERVICE_NUMBER_NOT_DEFINED,
            path,
            f"{sender[:_QUOTED]!r} is not a sender of this login.",
        )
    if sender not in senders[channel]:
        _refuse(
            RefusalCode.SERVICE_NUMBER_NOT_DEFINED,
            path,
            f"the sender {sender!r} is not configured for {channel}.",
        )
    return sender


def _check_dest_addr(dest_addr: str) -> str:
    try:
        return phone.normalise(dest_addr)
    except phone.BadPhone as error:
        _refuse(RefusalCode.DEST_ADDR_NOT_CORRECT, "destAddr", str(error))


def _check_ttl(
    message: MessageRequest, path: str, channel: Channel, partner: Partner, *, has_next: bool
) -> int:
    try:
        lifetime = ttl.lifetime(channel, message.ttl, message.ttl_unit, has_next=has_next)
    except ttl.BadTtl as error:
        _refuse(RefusalCode.INVALID_TTL, f"{path}.data.{error.member}", str(error))
    return partner.default_lifetime(channel) if lifetime is None else lifetime


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
        _refuse_shape(f"scheduleInfo.{error.member}", str(error))
    if hours is None:
        return None, now, None
    if hours.deadline_at is not None and hours.deadline_at <= now:
        _refuse_shape("scheduleInfo.deadline", "it is in the past.")
    if hours.always_open:
        pass  # a deadline is one moment everywhere
    elif request.use_time_diff:
        hours = in_subscriber_zones(hours, dest_addr, ranges, now)
    else:
        hours = in_partner_zone(hours, partner.profile.zone)
    due_at, closes_at = schedule.opening(hours.to_json(), now)
    if due_at is None:
        _refuse_shape("scheduleInfo", "these sending hours do not open before the deadline.")
    return hours, due_at, closes_at


def _check_the_rest(request: SendRequest) -> None:
    """Check what has no link of its own, the Partner's `id` included."""
    if request.notify_url == "":
        _refuse_shape("notifyUrl", "it may be left out, but not be empty.")
    if request.notify_url is not None and len(request.notify_url) > _LONGEST_URL:
        _refuse_shape("notifyUrl", f"it is longer than {_LONGEST_URL} characters.")
    if request.registered_delivery not in {0, 1, 2}:
        _refuse_shape("registeredDelivery", "it is 0, 1 or 2.")
    if request.extra_param is not None:
        try:
            extra_param.parse(request.extra_param)
        except extra_param.BadExtraParam as error:
            _refuse_shape("extraParam", str(error))
    if request.partner_ref is not None and len(request.partner_ref) > _LONGEST_REF:
        _refuse_shape("id", f"it is longer than {_LONGEST_REF} characters.")


def _check_cascade(
    first: _CheckedMessage,
    cascade: CascadeRequest,
    partner: Partner,
    senders: Senders,
    shorten: _Shortening,
) -> list[_CheckedMessage]:
    """Return all messages of a cascade, each but the last with the goal that it must reach."""
    messages, path, link = [first], "cascadeChainLink", cascade
    if not partner.profile.cascades:
        _refuse_shape(path, "cascades are not allowed for this login.")
    while True:
        if len(messages) == _MOST_LINKS:
            _refuse_shape(path, f"a chain has at most {_MOST_LINKS} links.")
        messages[-1] = messages[-1]._replace(satisfied_by=_goal(messages[-1], link, path))
        where, has_next = f"{path}.message", link.next_link is not None
        channel, content, sender = _check_message(link.message, where, partner, senders, shorten)
        lifetime = _check_ttl(link.message, where, channel, partner, has_next=has_next)
        messages.append(_CheckedMessage(channel, content, sender, lifetime))
        if link.next_link is None:
            return messages
        path, link = f"{path}.nextLink", link.next_link


def _goal(before: _CheckedMessage, link: CascadeRequest, path: str) -> LinkState:
    """Return what the message before a link must reach.

    Nobody can tell that an SMS was read, so that READ is DELIVERED there: otherwise the next
    message would go to everybody who has got the SMS.
    """
    goal = _GOALS.get(link.state.upper())
    if goal is None:
        _refuse_shape(f"{path}.state", "it is DELIVERED or READ.")
    return LinkState.DELIVERED if before.channel is Channel.SMS else goal


def _content_key(partner: Partner, dest_addr: str, message: _CheckedMessage) -> bytes:
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


def _refuse_shape(member: str, rule: str) -> NoReturn:
    _refuse(RefusalCode.INVALID_REQUEST, member, rule)


def _refuse(code: RefusalCode, member: str, rule: str) -> NoReturn:
    raise Refusal(code, f"{member}: {rule}")
