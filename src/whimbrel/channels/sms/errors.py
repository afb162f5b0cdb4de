"""An SMSC's codes: what each means for the message and the Partner.

Two kinds. The `command_status` of the answer to a submit (SMPP 3.4, section 5.1.3, table 5-2) says
whether the SMSC took it. The error in a receipt says why it could not be delivered: the errors of
the network, which for GSM are those of MAP (3GPP TS 29.002, section 17.6). What goes beyond these
is the SMSC's own, and the account's `error_codes` explains it. The codes in capitals are the
protocol's errorCodes (`protocol.md`, section 7).
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from whimbrel.channels.connector import SubmitFault
from whimbrel.domain.status import ErrorCode

_F = SubmitFault
_E = ErrorCode


class Verdict(NamedTuple):
    """What the status of an answer means."""

    fault: SubmitFault
    error_code: ErrorCode
    tries: int | None = None
    """How many attempts are worth while; None: until the lifetime ends."""


_HEX = re.compile("0x[0-9a-f]{1,8}")
_OURS = Verdict(_F.REFUSED, _E.UNKNOWN)  # a request that we should not have made like this
_LATER = Verdict(_F.RETRY, _E.TIMEOUT)
_FEW = 3
_TOO_FAST = Verdict(_F.NUMBER_THROTTLED, _E.TIMEOUT)
# Final for the link and not for the sender: a name may be unknown to one operator alone.
_BAD_SENDER = Verdict(_F.REFUSED, _E.OPER_INVSRCADDR)

VERDICTS: Mapping[int, Verdict] = MappingProxyType(
    {
        # The request: lengths, commands, flags, lists, service type, TLVs
        **dict.fromkeys((0x01, 0x02, 0x03, 0x06, 0x07, 0x0C, 0x11, 0x13, 0x15), _OURS),
        **dict.fromkeys((0x33, 0x34, 0x40, 0x42, 0x43, 0x44, 0x53, 0x54, 0x55), _OURS),
        **dict.fromkeys((0x61, 0x62, 0x63, 0x67, 0xC0, 0xC1, 0xC2, 0xC3, 0xC4), _OURS),
        # The session: not bound, bound already, bind failed, password, system id
        **dict.fromkeys((0x04, 0x05, 0x0D, 0x0E, 0x0F), _LATER),
        # The SMSC: system error, temporary error; a submit that failed without a reason
        **dict.fromkeys((0x08, 0x64), _LATER),
        0x45: Verdict(_F.RETRY, _E.FAILURE, tries=_FEW),
        0xFF: Verdict(_F.RETRY, _E.UNKNOWN, tries=_FEW),
        # Limits: queue full, throttled
        **dict.fromkeys((0x14, 0x58), _TOO_FAST),
        # The sender: address, type of number, numbering plan
        **dict.fromkeys((0x0A, 0x48, 0x49), _BAD_SENDER),
        # The subscriber; its type of number and numbering plan are settings, so they say nothing
        # about the number
        0x0B: Verdict(_F.REFUSED, _E.UNKNOWN_SUBSCRIBER),
        **dict.fromkeys((0x50, 0x51), _OURS),
        # The delivery: permanent error, rejected, failed
        **dict.fromkeys((0x65, 0xFE), Verdict(_F.REFUSED, _E.FAILURE)),
        0x66: Verdict(_F.REFUSED, _E.FILTERED),
    }
)

_NETWORK_ERRORS: Mapping[int, ErrorCode] = MappingProxyType(
    {
        # Nobody has this number: unknown subscriber (in the register, or to the switch), changed
        **dict.fromkeys((1, 5, 44), _E.UNKNOWN_SUBSCRIBER),
        # Not there: absent for SMS, absent, no reply
        **dict.fromkeys((6, 27, 46), _E.ABSENT_SUBSCRIBER),
        # May not have it: roaming, illegal subscriber and equipment, barred, closed user group
        **dict.fromkeys((7, 8, 9, 12, 13, 15, 29, 30), _E.CALL_BARRED),
        # Has no SMS: bearer or teleservice, facility, terminal
        **dict.fromkeys((10, 11, 21, 28), _E.TELESERVICE_NOT_PROVISIONED),
        # Talks: busy for SMS, busy
        **dict.fromkeys((31, 45), _E.BUSY),
        33: _E.MEMORY_CAPACITY_EXCEEDED,  # message waiting list full
        3: _E.UNROUTED,  # unknown switch
        # 32 is "delivery failure", whose cause (memory is one of seven) does not reach a receipt;
        # then the network's own faults: system failure, data missing, unexpected value
        **dict.fromkeys((32, 34, 35, 36), _E.FAILURE),
    }
)


def own_codes(error_codes: Mapping[str, int]) -> Mapping[str, ErrorCode]:
    """Return an account's `error_codes` by code, in the spelling of `spelled`.

    Raises `ValueError` naming a code whose meaning is no errorCode.
    """
    meanings: dict[str, ErrorCode] = {}
    for code, meaning in error_codes.items():
        try:
            meanings[spelled(code)] = ErrorCode(meaning)
        except ValueError:
            raise ValueError(f'"{code}" = {meaning}: no errorCode of the reports') from None
    return meanings


def spelled(code: str) -> str:
    """Return a code as codes are compared: small letters, no zeros in front, `0x1b` as 27."""
    small = code.strip().lower()
    if _HEX.fullmatch(small):
        return str(int(small, 16))
    return small.lstrip("0") or "0"


def answer_verdict(status: int, own: Mapping[str, ErrorCode]) -> Verdict:
    """Judge a `command_status` other than 0.

    One beyond table 5-2, the SMSC's own among them (from 0x400), is final, with the errorCode that
    `own` gives to it, written in decimal or as `0x4d2`. `own` does not explain the others: 11 there
    is the network's error.
    """
    verdict = VERDICTS.get(status)
    if verdict is not None:
        return verdict
    meaning = own.get(str(status))
    return Verdict(_F.REFUSED, meaning) if meaning else _OURS


def network_error(code: str) -> ErrorCode | None:
    """Return what an error of a GSM network means, None if it is not known.

    `code` is as the receipt writes it, in decimal.
    """
    number = spelled(code)
    if len(number) > 3 or not (number.isascii() and number.isdigit()):
        return None
    return _NETWORK_ERRORS.get(int(number))
