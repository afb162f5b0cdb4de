"""Messages of WhatsApp as a phone shows them."""

from collections.abc import Iterator

from msgspec import UNSET

from whimbrel.sandbox.errors import DETAILS, KNOWN
from whimbrel.sandbox.handset.bubbles import Bubble, Failure, Fate, Kind, Parameter, TemplateCard
from whimbrel.sandbox.ledger import Message
from whimbrel.sandbox.shapes import Component, Image, Template
from whimbrel.sandbox.shapes import Parameter as SentParameter

_RANKS: tuple[Fate, ...] = ("pending", "sent", "failed", "delivered", "read")


def whatsapp_bubble(message: Message) -> Bubble:
    """Return the bubble of a message."""
    content = message.content
    kind: Kind = "text"
    text, image, card = "", "", None
    if isinstance(content, Template):
        kind, card = "template", _card(content)
        image = _header_image(content)
    elif isinstance(content, Image):
        kind = "image"
        text = content.caption or ""
        image = content.link or ""
    elif content is not None:
        text = content.body
    fate = fate_of(message)
    return Bubble(
        id=message.wamid,
        channel="WHATSAPP",
        business=message.number.verified_name,
        address=message.number.phone_number_id,
        at=message.accepted_at,
        kind=kind,
        text=text,
        image=image,
        template=card,
        fate=fate,
        failure=_failure(message) if fate == "failed" else None,
    )


def fate_of(message: Message) -> Fate:
    """Return the furthest that its sender has been told; `delivered` may come after `failed`."""
    told: list[Fate] = [status.status for status in message.statuses]  # type: ignore[misc]
    return max(told, key=_RANKS.index, default="pending")


def _failure(message: Message) -> Failure | None:
    codes = [status.code for status in message.statuses if status.code is not None]
    if not codes:
        return None
    code = codes[-1]
    return Failure(code=str(code), reason=DETAILS.get(code) or KNOWN[code].title)


def _card(template: Template) -> TemplateCard:
    parts: dict[str, list[Parameter]] = {"header": [], "body": [], "button": []}
    for component in template.components or ():
        kind = component.type.lower()
        parts[kind] += _button(component) if kind == "button" else _parameters(component)
    return TemplateCard(
        name=template.name,
        language=template.language.code,
        header=parts["header"],
        body=parts["body"],
        buttons=parts["button"],
    )


def _parameters(component: Component) -> Iterator[Parameter]:
    for number, sent in enumerate(component.parameters or (), start=1):
        if sent.image is UNSET:
            yield Parameter(place=sent.parameter_name or str(number), value=_value(sent))


def _button(component: Component) -> Iterator[Parameter]:
    place = component.sub_type or "button"
    values = [_value(sent) for sent in component.parameters or ()]
    yield Parameter(place=place.lower().replace("_", " "), value=" ".join(values))


def _value(sent: SentParameter) -> str:
    """Return what a person would read: the text, or else what stands in for it."""
    for value in (sent.text, sent.payload, sent.coupon_code):
        if value:
            return value
    for filled in (sent.currency, sent.date_time):
        if filled:
            return str(filled.get("fallback_value", ""))
    if sent.location:
        return str(sent.location.get("name") or sent.location.get("address") or sent.type)
    for media in (sent.video, sent.document):
        if media:
            return media.filename or media.link or sent.type
    return sent.type


def _header_image(template: Template) -> str:
    for component in template.components or ():
        for sent in component.parameters or ():
            if sent.image and sent.image.link:
                return sent.image.link
    return ""
