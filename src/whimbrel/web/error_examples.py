"""One example of each error, for the API's document: when it comes, and what is then told.

Each is what a real request gets, word for word: `tests/web/test_reference.py` sends it.
"""

from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec

from whimbrel.domain.refusal import RefusalCode
from whimbrel.web.answers import ERROR_FORMS, ErrorAnswer, ErrorDetail


class ErrorExample(NamedTuple):
    """When a code is answered, and an `extendedDescription` that comes with it."""

    when: str
    text: str


C = RefusalCode
ERROR_EXAMPLES = MappingProxyType(
    {
        C.SERVICE_UNAVAILABLE: ErrorExample(
            "The message cannot be stored now. Send it again after Retry-After seconds.",
            "The message could not be stored; nothing was accepted.",
        ),
        C.INVALID_IP_ADDRESS: ErrorExample(
            "The request comes from outside the login's subnets.",
            "login: requests from 198.51.100.7 are not allowed for this login.",
        ),
        C.TOO_MANY_CONNECTIONS: ErrorExample(
            "The login's rate is used up, or too many logins have failed. Try again after "
            "Retry-After seconds.",
            "login: more than 10 requests a second.",
        ),
        C.INVALID_REQUEST: ErrorExample(
            "The body is not what it has to be; extendedDescription names the member and the rule.",
            "Message is too long (2024 symbols). WHATSAPP message max length is 1000 symbols.",
        ),
        C.INVALID_LOGIN: ErrorExample(
            "Nobody has this login.",
            "login: this login is not known.",
        ),
        C.INVALID_PASSWORD: ErrorExample(
            "The password is another one.",
            "password: it is not this login's password.",
        ),
        C.SERVICE_NUMBER_NOT_DEFINED: ErrorExample(
            "The sender is not one of this login's, or none is given and the login has no default.",
            "message.data.serviceNumber: 'STORE' is not a sender of this login.",
        ),
        C.DEST_ADDR_NOT_CORRECT: ErrorExample(
            "The phone number cannot be one.",
            "destAddr: The phone number is too short or too long for its country code.",
        ),
        C.MESSAGE_TYPE_NOT_CORRECT: ErrorExample(
            "The type is not known, or this login may not use it.",
            "message.type: 'FAX' is not a message type. Types are WHATSAPP, SMS.",
        ),
        C.PROHIBITED_DUPLICATE: ErrorExample(
            "The login's duplicate control knows the id or the content.",
            "id: a request with this id was accepted.",
        ),
        C.INVALID_TTL: ErrorExample(
            "The lifetime is not one that the channel has.",
            "message.data.ttl: The lifetime of a WHATSAPP message is, in minutes, one of 1440, "
            "2880, 4320, 5760, 7200, 8640, 10080.",
        ),
        C.UNFORESEEN: ErrorExample(
            "Anything else. The gateway's log has the details, under the request's number.",
            "Something unforeseen happened; request 8d0c4e1fa2b7-5f.",
        ),
    }
)
del C


def example_of(code: RefusalCode) -> dict[str, Any]:
    """Return the body of an example, as it is on the wire."""
    detail = ErrorDetail(code, ERROR_FORMS[code].description)
    body: dict[str, Any] = msgspec.to_builtins(ErrorAnswer(detail, ERROR_EXAMPLES[code].text))
    return body
