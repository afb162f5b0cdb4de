"""What each of Meta's codes must come to, written by hand from the reference.

Rows are in the order of section 6 of the reference on the Cloud API, verdicts from its section 13:
a scope on HOLD is `SENDER_BROKEN` (the message waits, and no other goes), FAIL is `REFUSED`.
Where section 13 asks for FAIL and HOLD at once (131042, 134011, 139200), an answer to a submit
holds, since it consumes no message, and a receipt fails.
"""

from typing import NamedTuple

from whimbrel.channels.connector import SubmitFault
from whimbrel.clock import HOUR, MINUTE, SECOND
from whimbrel.domain.status import ErrorCode

HELD = SubmitFault.SENDER_BROKEN
FINAL = SubmitFault.REFUSED
AGAIN = SubmitFault.RETRY
CALL_BARRED = ErrorCode.CALL_BARRED
NO_WHATSAPP = ErrorCode.TELESERVICE_NOT_PROVISIONED
TIMEOUT = ErrorCode.TIMEOUT
FILTERED = ErrorCode.FILTERED
UNROUTED = ErrorCode.UNROUTED
BAD_SENDER = ErrorCode.OPER_INVSRCADDR
UNKNOWN = ErrorCode.UNKNOWN


class Row(NamedTuple):
    """A code, an HTTP status that it was seen with, and what is to be made of it."""

    code: int
    http: int
    fault: SubmitFault
    error_code: ErrorCode
    pause: int | None = None
    tries: int | None = None
    subcode: int | None = None


TABLE = [
    # 6.1 Access and account
    Row(0, 401, HELD, UNROUTED),
    Row(3, 500, HELD, UNROUTED),
    Row(10, 403, HELD, UNROUTED),
    Row(104, 401, HELD, UNROUTED),
    Row(190, 401, HELD, UNROUTED),
    Row(190, 401, HELD, UNROUTED, subcode=463),
    Row(200, 403, HELD, UNROUTED),
    Row(201, 403, HELD, UNROUTED),
    Row(299, 403, HELD, UNROUTED),
    Row(131005, 403, HELD, UNROUTED),
    Row(33, 400, HELD, BAD_SENDER),
    Row(100, 400, HELD, BAD_SENDER, subcode=33),
    Row(803, 404, FINAL, UNKNOWN),
    Row(368, 403, HELD, UNROUTED),
    Row(131031, 403, HELD, UNROUTED),
    Row(130497, 403, FINAL, FILTERED),
    Row(131042, 400, HELD, UNROUTED),
    Row(131037, 400, HELD, BAD_SENDER),
    Row(131045, 500, HELD, BAD_SENDER),
    Row(133010, 400, HELD, BAD_SENDER),
    Row(131057, 500, HELD, TIMEOUT, pause=MINUTE),
    Row(134011, 400, HELD, UNROUTED),
    Row(131063, 400, FINAL, UNROUTED),
    Row(139200, 400, HELD, UNROUTED),
    # 6.2 Limits
    Row(4, 400, HELD, TIMEOUT, pause=MINUTE),
    Row(4, 429, HELD, TIMEOUT, pause=MINUTE),
    Row(17, 429, HELD, TIMEOUT, pause=MINUTE),
    Row(613, 400, HELD, TIMEOUT, pause=MINUTE),
    Row(80007, 429, HELD, TIMEOUT, pause=MINUTE),
    Row(80008, 429, HELD, TIMEOUT, pause=MINUTE),
    Row(130429, 400, SubmitFault.NUMBER_THROTTLED, TIMEOUT),
    Row(130429, 403, SubmitFault.NUMBER_THROTTLED, TIMEOUT),
    Row(131056, 400, SubmitFault.PAIR_THROTTLED, TIMEOUT),
    Row(131048, 400, HELD, FILTERED, pause=HOUR),
    Row(131064, 400, HELD, FILTERED, pause=HOUR),
    Row(133016, 400, HELD, TIMEOUT, pause=HOUR),
    # 6.3 The recipient
    Row(131026, 400, FINAL, NO_WHATSAPP),
    Row(131021, 400, FINAL, NO_WHATSAPP),
    Row(131030, 400, FINAL, UNROUTED),
    Row(131047, 400, FINAL, FILTERED),
    Row(131049, 400, FINAL, FILTERED),
    Row(131050, 400, FINAL, CALL_BARRED),
    Row(130472, 400, FINAL, FILTERED),
    Row(130403, 400, FINAL, FILTERED),
    Row(131062, 400, FINAL, UNROUTED),
    Row(137000, 400, FINAL, UNROUTED),
    # 6.4 The content
    Row(100, 400, FINAL, UNKNOWN),
    Row(131008, 400, FINAL, UNKNOWN),
    Row(131009, 400, FINAL, UNKNOWN),
    Row(131051, 400, FINAL, UNKNOWN),
    Row(131052, 400, FINAL, UNKNOWN),
    Row(131053, 400, AGAIN, UNKNOWN, pause=30 * SECOND, tries=2),
    Row(132000, 400, FINAL, UNROUTED),
    Row(132001, 404, FINAL, UNROUTED),
    Row(132005, 400, FINAL, UNROUTED),
    Row(132007, 400, FINAL, FILTERED),
    Row(132008, 400, FINAL, UNROUTED),
    Row(132012, 400, FINAL, UNROUTED),
    Row(132015, 400, FINAL, FILTERED),
    Row(132016, 400, FINAL, FILTERED),
    Row(132018, 400, FINAL, UNROUTED),
    Row(132068, 400, FINAL, UNROUTED),
    Row(132069, 400, FINAL, UNROUTED),
    Row(134100, 400, FINAL, UNROUTED),
    Row(134101, 400, AGAIN, TIMEOUT, pause=10 * MINUTE),
    Row(134102, 500, FINAL, UNROUTED),
    Row(135000, 400, FINAL, UNKNOWN),
    # 6.5 Meta's own faults
    Row(1, 400, AGAIN, UNKNOWN, tries=3),
    Row(2, 503, AGAIN, TIMEOUT),
    Row(131000, 500, AGAIN, TIMEOUT),
    Row(131016, 500, AGAIN, TIMEOUT),
    Row(133004, 503, AGAIN, TIMEOUT),
    # 6.6 Registration
    Row(133000, 500, HELD, BAD_SENDER),
    Row(133005, 400, HELD, BAD_SENDER),
    Row(133006, 400, HELD, BAD_SENDER),
    Row(133008, 400, HELD, BAD_SENDER),
    Row(133009, 400, HELD, BAD_SENDER),
    Row(133015, 400, HELD, BAD_SENDER),
    # Codes that nobody knows yet
    Row(999999, 400, FINAL, UNKNOWN),
    Row(999999, 500, AGAIN, TIMEOUT),
]
