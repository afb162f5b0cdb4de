"""What a message carries, and what a channel may carry."""

from collections.abc import Sized
from enum import StrEnum
from types import MappingProxyType

from msgspec import Struct


class Channel(StrEnum):
    """A way to a subscriber, named as `message.type` names it (`protocol.md`, section 1)."""

    WHATSAPP = "WHATSAPP"
    SMS = "SMS"


MAX_TEXT = MappingProxyType({Channel.WHATSAPP: 1_000, Channel.SMS: 2_000})
"""Longest text of a channel, in code points (`protocol.md`, section 1)."""


class Text(Struct, frozen=True):
    """A text message."""

    text: str


class Image(Struct, frozen=True):
    """An image that the channel fetches from a URL."""

    url: str


Content = Text | Image


class BadContent(ValueError):
    """A content that its channel may not carry; the text tells the rule."""


def check_text(channel: Channel, text: Sized) -> None:
    """Refuse a text that is empty or too long for `channel`, in the provider's own words.

    Its length is that of the text as it will be sent. Raises `BadContent` (`protocol.md`,
    sections 1 and 8).
    """
    limit = MAX_TEXT[channel]
    if not text:
        raise BadContent(f"Message is empty. {channel} message needs 1 to {limit} symbols.")
    if len(text) > limit:
        raise BadContent(
            f"Message is too long ({len(text)} symbols). "
            f"{channel} message max length is {limit} symbols."
        )
