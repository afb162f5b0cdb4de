"""Meta's error codes: what each means for the message, its sender and the Partner.

One row a code, from Meta's page "Error codes". The branch is on the code alone: the HTTP statuses
that Meta publishes for one code disagree with each other. "Code 11 for a broken token" and the like
are the protocol's errorCodes (`protocol.md`, section 7).
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from whimbrel.channels.connector import SubmitFault
from whimbrel.clock import HOUR, MINUTE, SECOND
from whimbrel.domain.status import ErrorCode

_F = SubmitFault
_E = ErrorCode


class Verdict(NamedTuple):
    """What a code means."""

    fault: SubmitFault
    error_code: ErrorCode
    pause: int | None = None
    """How long to wait, in milliseconds, where Meta says."""
    tries: int | None = None
    """How many attempts are worth while; None: until the lifetime ends."""


_TOKEN = Verdict(_F.SENDER_BROKEN, _E.UNROUTED)
_ACCOUNT = Verdict(_F.SENDER_BROKEN, _E.UNROUTED)
_NUMBER = Verdict(_F.SENDER_BROKEN, _E.OPER_INVSRCADDR)
_RESTRICTED = Verdict(_F.SENDER_BROKEN, _E.FILTERED, pause=HOUR)
_FILTERED = Verdict(_F.REFUSED, _E.FILTERED)
_UNROUTED = Verdict(_F.REFUSED, _E.UNROUTED)
_OURS = Verdict(_F.REFUSED, _E.UNKNOWN)
_THEIRS = Verdict(_F.RETRY, _E.TIMEOUT)
_CALLS = Verdict(_F.SENDER_BROKEN, _E.TIMEOUT, pause=MINUTE)

VERDICTS: Mapping[int, Verdict] = MappingProxyType(
    {
        # Access and account
        **dict.fromkeys((0, 3, 10, 104, 190, 131005), _TOKEN),
        **dict.fromkeys(range(200, 300), _TOKEN),
        **dict.fromkeys((368, 131031, 131042, 134011, 139200), _ACCOUNT),
        **dict.fromkeys((33, 131037, 131045, 133010), _NUMBER),
        **dict.fromkeys((133000, 133005, 133006, 133008, 133009, 133015), _NUMBER),
        131057: Verdict(_F.SENDER_BROKEN, _E.TIMEOUT, pause=MINUTE),
        130497: _FILTERED,
        131063: _UNROUTED,
        # Limits
        **dict.fromkeys((4, 17, 613, 80007, 80008), _CALLS),
        130429: Verdict(_F.NUMBER_THROTTLED, _E.TIMEOUT),
        131056: Verdict(_F.PAIR_THROTTLED, _E.TIMEOUT),
        **dict.fromkeys((131048, 131064), _RESTRICTED),
        133016: Verdict(_F.SENDER_BROKEN, _E.TIMEOUT, pause=HOUR),
        # The recipient
        131026: Verdict(_F.REFUSED, _E.TELESERVICE_NOT_PROVISIONED),
        131021: Verdict(_F.REFUSED, _E.TELESERVICE_NOT_PROVISIONED),
        131050: Verdict(_F.REFUSED, _E.CALL_BARRED),
        **dict.fromkeys((131047, 131049, 130472, 130403, 132007, 132015, 132016), _FILTERED),
        **dict.fromkeys((131030, 131062, 137000), _UNROUTED),
        # The content
        **dict.fromkeys((132000, 132001, 132005, 132008, 132012, 132018), _UNROUTED),
        **dict.fromkeys((132068, 132069, 134100, 134102), _UNROUTED),
        134101: Verdict(_F.RETRY, _E.TIMEOUT, pause=10 * MINUTE),
        131053: Verdict(_F.RETRY, _E.UNKNOWN, pause=30 * SECOND, tries=2),
        **dict.fromkeys((100, 131008, 131009, 131051, 135000), _OURS),
        # Meta's own faults
        1: Verdict(_F.RETRY, _E.UNKNOWN, tries=3),
        **dict.fromkeys((2, 131000, 131016, 133004), _THEIRS),
    }
)

_NO_SUCH_OBJECT = 33  # the subcode of 100 that means: this token sees no such number


def answer_verdict(code: int, subcode: int, *, http_status: int, transient: bool) -> Verdict:
    """Judge an error in the answer to a submit; an unknown one is final unless Meta is at fault."""
    if code == 100 and subcode == _NO_SUCH_OBJECT:
        return _NUMBER
    verdict = VERDICTS.get(code)
    if verdict is not None:
        return verdict
    return _THEIRS if transient or http_status >= 500 else _OURS


def receipt_verdict(code: int) -> Verdict:
    """Judge an error in a receipt; an unknown code is final."""
    return VERDICTS.get(code, _OURS)
