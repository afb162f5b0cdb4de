"""The ways in which a request can be refused (`protocol.md`, section 8)."""

from enum import IntEnum
from typing import NoReturn


class RefusalCode(IntEnum):
    """The error codes that a Partner knows."""

    SERVICE_UNAVAILABLE = 1
    INVALID_IP_ADDRESS = 2
    TOO_MANY_CONNECTIONS = 3
    INVALID_REQUEST = 4
    INVALID_LOGIN = 5
    INVALID_PASSWORD = 6
    SERVICE_NUMBER_NOT_DEFINED = 7
    DEST_ADDR_NOT_CORRECT = 8
    MESSAGE_TYPE_NOT_CORRECT = 9
    PROHIBITED_DUPLICATE = 10
    INVALID_TTL = 11
    UNFORESEEN = 100


class Refusal(Exception):
    """A request that is not accepted; nothing of it was stored.

    `text` is for the Partner's programmer: it names the member and the rule. `retry_after` is in
    seconds, for codes 1 and 3.
    """

    def __init__(self, code: RefusalCode, text: str, retry_after: int | None = None) -> None:
        super().__init__(text)
        self.code = code
        self.text = text
        self.retry_after = retry_after


def refuse(code: RefusalCode, member: str, rule: str) -> NoReturn:
    """Refuse a request because `member`, named by its path, breaks `rule`."""
    raise Refusal(code, f"{member}: {rule}")


def refuse_shape(member: str, rule: str) -> NoReturn:
    """Refuse it with code 4, "Invalid request"."""
    refuse(RefusalCode.INVALID_REQUEST, member, rule)
