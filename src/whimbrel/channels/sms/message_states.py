"""What a receipt says has become of a message, and what that makes of its link.

The states are those of `message_state` (SMPP 3.4, section 5.2.28) with the two that SMPP 5.0 adds
(section 4.7.15). The words of a receipt's text are their abbreviations (3.4, appendix B, table
B-2), as far as an SMSC keeps to them.
"""

from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType
from typing import NamedTuple

from whimbrel.domain.status import ErrorCode, LinkState


class MessageState(IntEnum):
    """Where a message is, in the words of an SMSC."""

    SCHEDULED = 0
    ENROUTE = 1
    DELIVERED = 2
    EXPIRED = 3
    DELETED = 4
    UNDELIVERABLE = 5
    ACCEPTED = 6
    UNKNOWN = 7
    REJECTED = 8
    SKIPPED = 9


class Outcome(NamedTuple):
    """What a state makes of the link."""

    state: LinkState
    error_code: ErrorCode = ErrorCode.NONE
    """With FAILED."""
    by_network: bool = False
    """The network's error, where it is known, says more than `error_code`."""


_S = MessageState
_ON_ITS_WAY = Outcome(LinkState.SENT)

OUTCOMES: Mapping[MessageState, Outcome] = MappingProxyType(
    {
        _S.SCHEDULED: _ON_ITS_WAY,
        _S.ENROUTE: _ON_ITS_WAY,
        _S.ACCEPTED: _ON_ITS_WAY,
        _S.DELIVERED: Outcome(LinkState.DELIVERED),
        # A lifetime that ran out is a time-out, whatever kept the subscriber away till then.
        _S.EXPIRED: Outcome(LinkState.FAILED, ErrorCode.TIMEOUT),
        _S.REJECTED: Outcome(LinkState.FAILED, ErrorCode.FILTERED),
        # It was tried, and it failed: that much is known even where the reason is not.
        _S.UNDELIVERABLE: Outcome(LinkState.FAILED, ErrorCode.FAILURE, by_network=True),
        _S.DELETED: Outcome(LinkState.FAILED, ErrorCode.FAILURE, by_network=True),
        _S.SKIPPED: Outcome(LinkState.FAILED, ErrorCode.FAILURE, by_network=True),
        # The SMSC has lost track of it, and will say no more. A cascade should not wait for the
        # end of the lifetime, and a delivery that comes to light all the same still counts.
        _S.UNKNOWN: Outcome(LinkState.FAILED, ErrorCode.UNKNOWN, by_network=True),
    }
)

_BY_NUMBER = MappingProxyType({bytes([state]): state for state in MessageState})
_STEMS = MappingProxyType(
    {
        "SCHED": _S.SCHEDULED,
        "ENROUTE": _S.ENROUTE,
        "EN_ROUTE": _S.ENROUTE,
        "BUFF": _S.ENROUTE,
        "SENT": _S.ENROUTE,
        "SUBMIT": _S.ENROUTE,
        "QUEUE": _S.ENROUTE,
        "PENDING": _S.ENROUTE,
        "ACCEP": _S.ACCEPTED,
        "ACK": _S.ACCEPTED,
        "DELIV": _S.DELIVERED,
        "DLVRD": _S.DELIVERED,
        "EXPIR": _S.EXPIRED,
        "DELET": _S.DELETED,
        "UNDEL": _S.UNDELIVERABLE,
        "UNDLV": _S.UNDELIVERABLE,
        "FAIL": _S.UNDELIVERABLE,
        "UNKN": _S.UNKNOWN,
        "REJ": _S.REJECTED,
        "SKIP": _S.SKIPPED,
    }
)
"""How the words begin that SMSCs write for a state; none is how another one begins."""


def state_of_word(stat: str) -> MessageState | None:
    """Read `stat:`, a word by its beginning or the state's number; None: it names no state."""
    if len(stat) == 1 and stat in "0123456789":
        return MessageState(int(stat))
    word = stat.upper()
    return next((state for stem, state in _STEMS.items() if word.startswith(stem)), None)


def state_of_number(value: bytes) -> MessageState | None:
    """Read the TLV `message_state`, one octet; None: it is not sound."""
    return _BY_NUMBER.get(value)
