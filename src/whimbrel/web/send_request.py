"""Reads the body of a request to send, with all the habits of deployed clients.

Whatever the headers say, the body is JSON (`protocol.md`, section 1): unknown members are passed
over, null is absent, numbers and booleans may be quoted, `id` may be a number, `imageUrl` is
`imageURL`. What remains is checked for its shape alone; the rules are the flow's.
"""

import re
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from whimbrel.domain.refusal import Refusal, RefusalCode
from whimbrel.domain.request import (
    CascadeRequest,
    MessageRequest,
    ScheduleRequest,
    SendRequest,
)


class ContentData(Struct, rename={"image_url": "imageURL", "image_url_too": "imageUrl"}):
    """A text or an image, never both."""

    text: Annotated[
        str | None,
        Meta(description="The text: up to 1000 characters for WHATSAPP, 2000 for SMS."),
    ] = None
    image_url: Annotated[
        str | None, Meta(description="Absolute http or https URL of a JPG or PNG image.")
    ] = None
    image_url_too: Annotated[
        str | None,
        Meta(description="Another spelling of imageURL.", extra_json_schema={"deprecated": True}),
    ] = None


class InstantContent(Struct):
    """What the message carries."""

    type: Annotated[
        str, Meta(description="TEXT or IMAGE_URL, in any letter case.", examples=["TEXT"])
    ]
    data: ContentData


class MessageData(Struct, rename="camel"):
    """Content, sender and lifetime."""

    instant_content: Annotated[
        InstantContent | None,
        Meta(description="What a WHATSAPP message carries; an SMS may have it too."),
    ] = None
    text: Annotated[str | None, Meta(description="The text of an SMS: 1 to 2000 characters.")] = (
        None
    )
    service_number: Annotated[
        str | None, Meta(description="The sender's name; absent: the default sender.")
    ] = None
    ttl: Annotated[
        int | None,
        Meta(description="Lifetime; 0 or absent: the login's default.", examples=[1440]),
    ] = None
    ttl_unit: Annotated[
        str | None, Meta(description="SECONDS, MINUTES (default) or HOURS, in any letter case.")
    ] = None


class Message(Struct, rename="camel"):
    """A message on one channel."""

    type: Annotated[
        str, Meta(description="WHATSAPP or SMS, in any letter case.", examples=["WHATSAPP"])
    ]
    data: MessageData
    shorten_links: Annotated[
        bool | None, Meta(description="Wins over the request's own for this message.")
    ] = None


class CascadeLink(Struct, rename="camel"):
    """What follows when the message before it has not reached `state`."""

    state: Annotated[
        str,
        Meta(
            description="DELIVERED or READ: what the message before must reach.", examples=["READ"]
        ),
    ]
    message: Message
    next_link: "CascadeLink | None" = None


class ScheduleInfo(Struct, rename="camel"):
    """Sending hours and deadline; useTimeDiff says in which time zone the hours are."""

    time_begin: Annotated[str | None, Meta(description="HH:MM or HH:MM:SS.")] = None
    time_end: Annotated[str | None, Meta(description="HH:MM or HH:MM:SS.")] = None
    weekdays_schedule: Annotated[
        str | int | None, Meta(description="Digits from 1 (Monday) to 7.", examples=["12345"])
    ] = None
    deadline: Annotated[
        str | None,
        Meta(
            description="ISO 8601 with an offset; none: UTC+3.",
            examples=["2019-05-10T16:29:30+0300"],
        ),
    ] = None


class SendBody(Struct, rename="camel"):
    """A request to send a message."""

    login: Annotated[str, Meta(description="The Partner's name.")]
    password: Annotated[str, Meta(description="The Partner's password.")]
    dest_addr: Annotated[
        str | int,
        Meta(description="The subscriber's phone number.", examples=["72101234567"]),
    ]
    message: Message
    use_time_diff: Annotated[
        bool | None,
        Meta(description="Read the hours in the subscriber's time zone; else in the login's."),
    ] = None
    shorten_links: Annotated[bool | None, Meta(description="Shorten long links in the text.")] = (
        None
    )
    id: Annotated[
        str | int | None, Meta(description="The Partner's own id, for duplicate control.")
    ] = None
    schedule_info: ScheduleInfo | None = None
    extra_param: Annotated[
        str | None,
        Meta(description="name=value,name=value; a comma in a value is doubled."),
    ] = None
    registered_delivery: Annotated[
        int | None, Meta(description="Reports: 0 none, 1 all (default), 2 only undelivered.")
    ] = None
    notify_url: Annotated[str | None, Meta(description="Where this request's reports go.")] = None
    cascade_chain_link: CascadeLink | None = None


class DraftBody(SendBody, kw_only=True):
    """A request while somebody writes it: it may have no login yet."""

    login: str = ""
    password: str = ""


_decoder = msgspec.json.Decoder(SendBody, strict=False)
_draft_decoder = msgspec.json.Decoder(DraftBody, strict=False)
_TYPES = {
    "str": "a string",
    "int": "an integer",
    "bool": "a boolean",
    "object": "an object",
    "array": "an array",
    "float": "a number",
    "null": "null",
}
_EXPECTED = re.compile(r"^Expected `([^`]+)`(?:, got `([^`]+)`)?")
_MISSING = re.compile(r"^Object missing required field `([^`]+)`")
_PATH = re.compile(r" - at `\$\.?([^`]*)`$")


def read_body(body: bytes) -> SendRequest:
    """Read a request from JSON in UTF-8. Raises `Refusal` 4, naming the member and the rule."""
    return _read(body, _decoder)


def read_draft(body: bytes) -> SendRequest:
    """Read a request in which login and password may be absent; they are empty then."""
    return _read(body, _draft_decoder)


def _read(body: bytes, decoder: msgspec.json.Decoder[Any]) -> SendRequest:
    try:
        wire = decoder.decode(body)
    except msgspec.ValidationError as error:
        raise _refusal(_explain(str(error))) from None
    except RecursionError:
        raise _refusal("The body is nested too deeply.") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _refusal(f"The body is not JSON in UTF-8: {error}.") from None
    if b"\\u0000" in body and _has_nul(msgspec.to_builtins(wire)):
        raise _refusal("The body holds the character U+0000 in a member that may not have it.")
    return _understood(wire)


def _refusal(text: str) -> Refusal:
    return Refusal(RefusalCode.INVALID_REQUEST, text)


def _explain(error: str) -> str:
    """Say in a Partner's words what the decoder found."""
    at = _PATH.search(error)
    path = at[1] if at else ""
    if missing := _MISSING.match(error):
        member = f"{path}.{missing[1]}" if path else missing[1]
        return f"{member}: this mandatory member is missing."
    if expected := _EXPECTED.match(error):
        kinds = [kind.strip() for kind in expected[1].split("|") if kind.strip() != "null"]
        wanted = " or ".join(_TYPES.get(kind, kind) for kind in kinds)
        got = f", not {_TYPES.get(expected[2], expected[2])}" if expected[2] else ""
        return f"{path or 'The body'}: it must be {wanted}{got}."
    return f"{path or 'The body'}: {_PATH.sub('', error)}."


def _has_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\0" in value
    return isinstance(value, dict) and any(map(_has_nul, value.values()))


def _understood(wire: SendBody) -> SendRequest:
    return SendRequest(
        login=wire.login,
        password=wire.password,
        partner_ref=str(wire.id) if wire.id not in {None, ""} else None,
        use_time_diff=bool(wire.use_time_diff),
        shorten_links=wire.shorten_links is not False,
        schedule=_schedule(wire.schedule_info),
        dest_addr=str(wire.dest_addr),
        message=_message(wire.message),
        extra_param=wire.extra_param,
        registered_delivery=1 if wire.registered_delivery is None else wire.registered_delivery,
        notify_url=wire.notify_url,
        cascade=_cascade(wire.cascade_chain_link),
    )


def _schedule(wire: ScheduleInfo | None) -> ScheduleRequest | None:
    if wire is None:
        return None
    return ScheduleRequest(
        time_begin=wire.time_begin,
        time_end=wire.time_end,
        weekdays=None if wire.weekdays_schedule is None else str(wire.weekdays_schedule),
        deadline=wire.deadline,
    )


def _message(wire: Message) -> MessageRequest:
    content = wire.data.instant_content
    return MessageRequest(
        type=wire.type,
        content_type=content.type if content else None,
        text=content.data.text if content else None,
        image_url=content.data.image_url or content.data.image_url_too if content else None,
        plain_text=wire.data.text,
        service_number=wire.data.service_number,
        ttl=wire.data.ttl,
        ttl_unit=wire.data.ttl_unit,
        shorten_links=wire.shorten_links,
    )


def _cascade(wire: CascadeLink | None) -> CascadeRequest | None:
    """Read a cascade from its end, without recursion."""
    links = []
    while wire is not None:
        links.append(wire)
        wire = wire.next_link
    cascade: CascadeRequest | None = None
    for link in reversed(links):
        cascade = CascadeRequest(
            state=link.state, message=_message(link.message), next_link=cascade
        )
    return cascade
