"""What a send request may look like.

Owns the shapes of sections "Sending" of Meta's documentation and their rules of content. Every
shape is closed, since the Cloud API answers a misspelt member with error 100. Knows nothing about
numbers, limits or what becomes of a message.
"""

import re
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from whimbrel.sandbox.errors import whatsapp_error

_NUMBER = re.compile(r"\+?[0-9]{7,15}")
_PUNCTUATION = str.maketrans("", "", " -()")

Link = Annotated[str, Meta(pattern=r"^[hH][tT][tT][pP][sS]?://[^\s/]+")]


class _Closed(Struct, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    pass


class Text(_Closed):
    """`text`: 1 to 4096 characters."""

    body: Annotated[str, Meta(min_length=1, max_length=4096)]
    preview_url: bool = False


class Image(_Closed):
    """`image`: exactly one of link and id."""

    link: Link | UnsetType = UNSET
    id: str | UnsetType = UNSET
    caption: Annotated[str, Meta(max_length=1024)] | UnsetType = UNSET


class Media(Image):
    """A header's image, video or document."""

    filename: str | UnsetType = UNSET


class Language(_Closed):
    """The translation of a template; `policy` is a leftover that is still accepted."""

    code: Annotated[str, Meta(pattern="^[a-z]{2,3}(_[A-Z]{2,3})?$")]
    policy: Literal["deterministic"] | UnsetType = UNSET


class Parameter(_Closed):
    """What fills one variable of a template."""

    type: str
    parameter_name: str | UnsetType = UNSET
    text: str | UnsetType = UNSET
    payload: str | UnsetType = UNSET
    coupon_code: str | UnsetType = UNSET
    currency: dict[str, Any] | UnsetType = UNSET
    date_time: dict[str, Any] | UnsetType = UNSET
    image: Media | UnsetType = UNSET
    video: Media | UnsetType = UNSET
    document: Media | UnsetType = UNSET
    location: dict[str, Any] | UnsetType = UNSET
    action: dict[str, Any] | UnsetType = UNSET


class Component(_Closed):
    """One part of a template; Meta writes the type in lower case, others in upper case."""

    type: Annotated[str, Meta(pattern="(?i)^(header|body|button)$")]
    sub_type: str | UnsetType = UNSET
    index: str | int | UnsetType = UNSET
    parameters: list[Parameter] | UnsetType = UNSET


class Template(_Closed):
    """`template`: accepted in shape; whether it exists and fits is not looked at."""

    name: Annotated[str, Meta(pattern="^[a-z0-9_]{1,512}$")]
    language: Language
    components: list[Component] | UnsetType = UNSET


class Context(_Closed):
    """The message that this one quotes."""

    message_id: str


Content = Text | Image | Template


class Send(_Closed):
    """The body of `POST /{phone-number-id}/messages`."""

    messaging_product: Literal["whatsapp"]
    type: str
    recipient_type: Literal["individual"] = "individual"
    to: str | UnsetType = UNSET
    recipient: str | UnsetType = UNSET
    context: Context | UnsetType = UNSET
    biz_opaque_callback_data: Annotated[str, Meta(max_length=512)] | UnsetType = UNSET
    recipient_identity_key_hash: str | UnsetType = UNSET

    text: Text | UnsetType = UNSET
    image: Image | UnsetType = UNSET
    template: Template | UnsetType = UNSET

    # Kinds that Meta has and the sandbox has not: they are told from a misspelt member (131051).
    audio: Raw | UnsetType = UNSET
    contacts: Raw | UnsetType = UNSET
    document: Raw | UnsetType = UNSET
    interactive: Raw | UnsetType = UNSET
    location: Raw | UnsetType = UNSET
    reaction: Raw | UnsetType = UNSET
    sticker: Raw | UnsetType = UNSET
    video: Raw | UnsetType = UNSET

    @property
    def callback_data(self) -> str | None:
        """What the sender wants to see again in every status, or None."""
        return None if self.biz_opaque_callback_data is UNSET else self.biz_opaque_callback_data


_SENDABLE = frozenset({"text", "image", "template"})
_OTHER_KINDS = frozenset(
    {"audio", "contacts", "document", "interactive", "location", "reaction", "sticker", "video"}
)
_KINDS = sorted(_SENDABLE | _OTHER_KINDS)
_decoder = msgspec.json.Decoder(Send)


def parse_send(body: bytes) -> Send:
    """Decode a request and check its shape. Raises `GraphError` 100."""
    try:
        return _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise whatsapp_error(100, str(error)) from error


def recipient_of(send: Send, country_code: str) -> str:
    """Return the recipient as digits with country code.

    Without `+` Meta takes the number for a national one and puts the sender's country code in
    front, whatever is there already. So does this. Raises `GraphError` 100, or 131062 for a
    recipient named by user id alone, which the sandbox does not play.
    """
    if send.to is UNSET:
        if send.recipient is UNSET:
            raise whatsapp_error(100, "The parameter to is required.")
        raise whatsapp_error(131062)
    number = send.to.translate(_PUNCTUATION)
    if not _NUMBER.fullmatch(number):
        raise whatsapp_error(100, "The parameter to is not a phone number.")
    return number[1:] if number.startswith("+") else country_code + number


def content_of(send: Send) -> Content:
    """Return the content that `type` names. Raises `GraphError` 100, 131008 or 131051."""
    if send.type in _OTHER_KINDS:
        raise whatsapp_error(131051, f"Message type {send.type} is not supported here.")
    if send.type not in _SENDABLE:
        raise whatsapp_error(100, f"Param type must be one of {', '.join(_KINDS)}.")
    for kind in _KINDS:
        if kind != send.type and getattr(send, kind) is not UNSET:
            raise whatsapp_error(100, f"Unexpected key {kind!r} in a message of type {send.type}.")
    content: Content | UnsetType = getattr(send, send.type)
    if content is UNSET:
        raise whatsapp_error(131008, f"The parameter {send.type} is required.")
    if isinstance(content, Image):
        _check_one_source(content)
    return content


def _check_one_source(image: Image) -> None:
    if image.link is UNSET and image.id is UNSET:
        raise whatsapp_error(131008, "One of image.link and image.id is required.")
    if image.link is not UNSET and image.id is not UNSET:
        raise whatsapp_error(100, "Only one of image.link and image.id may be given.")
