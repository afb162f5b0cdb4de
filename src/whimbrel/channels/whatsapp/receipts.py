"""Reads one status of a webhook (page "Status messages webhook") as a receipt."""

from typing import Any

from whimbrel.channels.connector import SubmitFault
from whimbrel.channels.whatsapp.errors import receipt_verdict
from whimbrel.channels.whatsapp.members import list_of, text_of
from whimbrel.channels.whatsapp.payload import read_echo
from whimbrel.clock import SECOND
from whimbrel.domain.receipt import Receipt
from whimbrel.domain.retry import throughput_pause
from whimbrel.domain.status import ErrorCode, LinkState

STATES = {
    "sent": LinkState.SENT,
    "delivered": LinkState.DELIVERED,
    "read": LinkState.READ,
    "failed": LinkState.FAILED,
}
"""The statuses that mean something here, by Meta's words."""
_RETRIED = {SubmitFault.RETRY, SubmitFault.NUMBER_THROTTLED, SubmitFault.PAIR_THROTTLED}
_DETAIL_LIMIT = 500
_LATEST = 1 << 42  # milliseconds; the year 2109


def read_receipt(status: dict[str, Any], sender: str) -> Receipt | None:
    """Read a status that is one of `STATES`, of this sender; None if it breaks Meta's form."""
    wamid, at = text_of(status, "id"), _moment(status.get("timestamp"))
    if not wamid or at is None:
        return None
    link_id, attempt = read_echo(text_of(status, "biz_opaque_callback_data")) or (None, 0)
    state = STATES[status["status"]]
    failure = _failure(status) if state is LinkState.FAILED else {}
    return Receipt(
        sender=sender,
        provider_id=wamid,
        state=state,
        at=at,
        link_id=link_id,
        attempt=attempt,
        **failure,
    )


def _moment(timestamp: Any) -> int | None:
    """Read Unix seconds, a string by Meta's page and a number in some fixtures."""
    try:
        moment = int(timestamp) * SECOND
    except (TypeError, ValueError, OverflowError):
        return None
    return moment if 0 <= moment < _LATEST else None


def _failure(status: dict[str, Any]) -> dict[str, Any]:
    """Say what a `failed` means; Meta sends an array of errors, of which the first counts."""
    errors = list_of(status, "errors")
    error = errors[0] if errors and isinstance(errors[0], dict) else {}
    code = error.get("code")
    if not isinstance(code, int):
        return {"error_code": ErrorCode.UNKNOWN, "detail": "failed, without a code"}
    verdict = receipt_verdict(code)
    again = verdict.fault in _RETRIED
    details = text_of(error, "error_data") or text_of(error.get("error_data"), "details")
    words = " ".join(part for part in (text_of(error, "title"), details) if part)
    return {
        "error_code": verdict.error_code,
        "code": str(code),
        "detail": words[:_DETAIL_LIMIT],
        "retry_pause": (verdict.pause or throughput_pause(3, 1.0)) if again else None,
        "tries": verdict.tries,
        "sender_broken": verdict.fault is SubmitFault.SENDER_BROKEN,
    }
