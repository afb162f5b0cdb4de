"""The forms of the Partners' API's answers (`protocol.md`, sections 1 and 8)."""

from types import MappingProxyType
from typing import NamedTuple

import msgspec
from msgspec import UNSET, Struct, UnsetType
from starlette.types import Send

from whimbrel.domain.refusal import Refusal, RefusalCode


class ErrorForm(NamedTuple):
    """How a code is answered."""

    http_status: int
    description: str


C = RefusalCode
ERROR_FORMS = MappingProxyType(
    {
        C.SERVICE_UNAVAILABLE: ErrorForm(503, "Service is unavailable"),
        C.INVALID_IP_ADDRESS: ErrorForm(403, "Invalid IP-address"),
        C.TOO_MANY_CONNECTIONS: ErrorForm(429, "Too many connections"),
        C.INVALID_REQUEST: ErrorForm(400, "Invalid request"),
        C.INVALID_LOGIN: ErrorForm(401, "Invalid login"),
        C.INVALID_PASSWORD: ErrorForm(401, "Invalid password"),
        C.SERVICE_NUMBER_NOT_DEFINED: ErrorForm(400, "serviceNumber is not defined"),
        C.DEST_ADDR_NOT_CORRECT: ErrorForm(406, "destAddr is not correct"),
        C.MESSAGE_TYPE_NOT_CORRECT: ErrorForm(406, "Message type is not correct"),
        C.PROHIBITED_DUPLICATE: ErrorForm(409, "Prohibited sending duplicates"),
        C.INVALID_TTL: ErrorForm(406, "Invalid TTL"),
        C.UNFORESEEN: ErrorForm(500, "100"),
    }
)
del C


class SendAnswer(Struct, rename="camel"):
    """The message is on disk."""

    mt_num: str
    id: str | UnsetType = UNSET


class ErrorDetail(Struct):
    """What is wrong, by its code."""

    code: int
    description: str


class ErrorAnswer(Struct, rename="camel"):
    """Nothing was accepted."""

    error: ErrorDetail
    extended_description: str


encode = msgspec.json.Encoder().encode


def error_body(refusal: Refusal) -> bytes:
    """Return the JSON of a refusal."""
    form = ERROR_FORMS[refusal.code]
    return encode(ErrorAnswer(ErrorDetail(refusal.code, form.description), refusal.text))


async def send_json(send: Send, status: int, body: bytes, *headers: tuple[bytes, bytes]) -> None:
    """Answer with JSON, as one header and one body event."""
    length = (b"content-length", str(len(body)).encode())
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [(b"content-type", b"application/json"), length, *headers],
        }
    )
    await send({"type": "http.response.body", "body": body})


async def send_refusal(send: Send, refusal: Refusal, *headers: tuple[bytes, bytes]) -> None:
    """Answer with a refusal."""
    if refusal.retry_after is not None:
        headers += ((b"retry-after", str(max(refusal.retry_after, 1)).encode()),)
    await send_json(send, ERROR_FORMS[refusal.code].http_status, error_body(refusal), *headers)
