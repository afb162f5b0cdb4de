"""One message of a request: its type, what it carries, who sends it, how long it lives.

Pure, and in the order of `protocol.md`, section 8. Every refusal names the member, by the path on
which the message stands in the request, and the rule.
"""

from collections.abc import Mapping
from typing import NamedTuple

from whimbrel.domain import ttl
from whimbrel.domain.chain import Named
from whimbrel.domain.content import BadContent, Channel, Content, Image, Text, check_text
from whimbrel.domain.partner import Partner
from whimbrel.domain.refusal import Refusal, RefusalCode, refuse, refuse_shape
from whimbrel.domain.request import MessageRequest
from whimbrel.domain.short_url import Draft, ShortUrlRules, drafted
from whimbrel.domain.status import LinkState
from whimbrel.http_urls import usable_url

FIRST = "message"
"""The path of a request's first message."""
LONGEST_URL = 2_048
_QUOTED = 40  # characters of a wrong value; the rest would tell nobody anything
_CHANNELS = {str(channel): channel for channel in Channel}
_SCHEME_END = "://"  # a text without it, which is most, has nothing to be shortened

Senders = Mapping[Channel, frozenset[str]]
"""The senders that are configured, per channel."""


class Terms(NamedTuple):
    """What the messages of one request are checked against."""

    partner: Partner
    senders: Senders
    short: ShortUrlRules | None
    """How this Partner's URLs are shortened; None: it has not the service."""
    shorten: bool
    """Whether they are in a message that does not say."""

    def short_in(self, message: MessageRequest) -> ShortUrlRules | None:
        """Return how URLs are shortened in `message`; None: they are not."""
        asked = message.shorten_links
        return self.short if (self.shorten if asked is None else asked) else None


class CheckedMessage(NamedTuple):
    """A message that breaks no rule."""

    channel: Channel
    content: Content | Draft
    sender: str
    lifetime: int = 0
    """In milliseconds; 0 until `check_ttl` has told it."""
    satisfied_by: LinkState | None = None
    named: Named = Named.NOTHING
    """What of it is not its Partner's default."""


def check_message(message: MessageRequest, path: str, terms: Terms) -> CheckedMessage:
    """Check type, content and sender. Raises `Refusal` 9, 4 or 7."""
    channel = _check_type(message, path, terms)
    content = _check_content(message, path, channel, terms.short_in(message))
    sender = _check_sender(message, path, channel, terms)
    named = Named.SENDER if message.service_number else Named.NOTHING
    return CheckedMessage(channel, content, sender, named=named)


def _check_type(message: MessageRequest, path: str, terms: Terms) -> Channel:
    channel = _CHANNELS.get(message.type.upper())
    if channel is None:
        known = ", ".join(_CHANNELS)
        refuse(
            RefusalCode.MESSAGE_TYPE_NOT_CORRECT,
            f"{path}.type",
            f"{message.type[:_QUOTED]!r} is not a message type. Types are {known}.",
        )
    if channel not in terms.partner.profile.message_types:
        refuse(
            RefusalCode.MESSAGE_TYPE_NOT_CORRECT,
            f"{path}.type",
            f"{channel} is not among the message types of this login.",
        )
    if not terms.senders.get(channel):
        refuse(
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
        refuse_shape(f"{path}.type", "it is TEXT or IMAGE_URL.")
    if message.text and message.image_url:
        refuse_shape(f"{path}.data", "text and imageURL may not be sent at the same time.")
    if kind == "TEXT":
        if message.text is None:
            refuse_shape(f"{path}.data.text", "it is mandatory with type TEXT.")
        return _text(message.text, f"{path}.data.text", channel, short)
    if channel is Channel.SMS:
        refuse_shape(f"{path}.type", "SMS carries TEXT only.")
    if message.image_url is None:
        refuse_shape(f"{path}.data.imageURL", "it is mandatory with type IMAGE_URL.")
    if len(message.image_url) > LONGEST_URL or not usable_url(message.image_url):
        refuse_shape(
            f"{path}.data.imageURL",
            f"it must be an absolute http or https URL of up to {LONGEST_URL} characters.",
        )
    return Image(message.image_url)


def _plain_text(
    message: MessageRequest, path: str, channel: Channel, short: ShortUrlRules | None
) -> Text | Draft:
    """An SMS has its text in `data.text`, as the provider's clients write it."""
    if channel is not Channel.SMS:
        refuse_shape(f"{path}.data.instantContent", "this mandatory member is missing.")
    if message.plain_text is None:
        refuse_shape(f"{path}.data.text", "this mandatory member is missing.")
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
    return text if path.startswith(f"{FIRST}.") else f"{path}: {text}"


def _check_sender(message: MessageRequest, path: str, channel: Channel, terms: Terms) -> str:
    path, profile = f"{path}.data.serviceNumber", terms.partner.profile
    sender = message.service_number or profile.default_sender
    if not sender:
        refuse(
            RefusalCode.SERVICE_NUMBER_NOT_DEFINED,
            path,
            "none was given, and this login has no default sender.",
        )
    if sender not in profile.senders and sender != profile.default_sender:
        refuse(
            RefusalCode.SERVICE_NUMBER_NOT_DEFINED,
            path,
            f"{sender[:_QUOTED]!r} is not a sender of this login.",
        )
    if sender not in terms.senders[channel]:
        refuse(
            RefusalCode.SERVICE_NUMBER_NOT_DEFINED,
            path,
            f"the sender {sender!r} is not configured for {channel}.",
        )
    return sender


def check_ttl(
    checked: CheckedMessage, message: MessageRequest, path: str, terms: Terms, *, has_next: bool
) -> CheckedMessage:
    """Return the message with its lifetime, by default the Partner's. Raises `Refusal` 11."""
    channel = checked.channel
    try:
        lifetime = ttl.lifetime(channel, message.ttl, message.ttl_unit, has_next=has_next)
    except ttl.BadTtl as error:
        refuse(RefusalCode.INVALID_TTL, f"{path}.data.{error.member}", str(error))
    if lifetime is None:
        return checked._replace(lifetime=terms.partner.default_lifetime(channel))
    return checked._replace(lifetime=lifetime, named=checked.named | Named.LIFETIME)
