"""Reads Meta's webhooks (pages "Webhooks overview" and "Status messages webhook").

A POST may carry a thousand updates of any kind in any order. What is not a status of ours is
passed over, and an entry that cannot be read spoils none of the others.
"""

import hashlib
import hmac
import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from whimbrel.channels.connector import SubmitFault
from whimbrel.channels.whatsapp.errors import receipt_verdict
from whimbrel.channels.whatsapp.payload import read_echo
from whimbrel.clock import SECOND
from whimbrel.domain.receipt import Receipt
from whimbrel.domain.retry import throughput_pause
from whimbrel.domain.status import ErrorCode, LinkState

SIGNATURE_HEADER = "x-hub-signature-256"
_PREFIX = "sha256="
_STATES = {
    "sent": LinkState.SENT,
    "delivered": LinkState.DELIVERED,
    "read": LinkState.READ,
    "failed": LinkState.FAILED,
}
_RETRIED = {SubmitFault.RETRY, SubmitFault.NUMBER_THROTTLED, SubmitFault.PAIR_THROTTLED}
_DETAIL_LIMIT = 500
_LATEST = 1 << 42  # milliseconds; the year 2109


class Webhook(NamedTuple):
    """What a webhook's body holds for us."""

    receipts: list[Receipt]
    ignored: int
    """Updates of kinds that mean nothing here."""
    unreadable: int
    """Updates that should have meant something, but break Meta's form."""


def signature_is_right(body: bytes, signature: str, app_secret: str) -> bool:
    """Check `X-Hub-Signature-256`: HMAC-SHA256 with the app secret over the raw bytes."""
    expected = hmac.new(app_secret.encode(), body, hashlib.sha256).hexdigest()
    return hmac.compare_digest((_PREFIX + expected).encode(), signature.encode())


def read_webhook(body: bytes, senders: dict[str, str]) -> Webhook:
    """Read a webhook whose signature was right.

    `senders` maps the phone number ids that this account may speak for to sender names. Statuses of
    other numbers are ignored. A body that is not JSON counts as one unreadable update.
    """
    receipts: list[Receipt] = []
    ignored = unreadable = 0
    try:
        document = _decoded(body)
    except (ValueError, RecursionError):
        return Webhook([], 0, 1)
    for value in _values(document):
        sender = senders.get(_text(value.get("metadata"), "phone_number_id"))
        for status in _list(value, "statuses"):
            if sender is None or not isinstance(status, dict):
                ignored += sender is None
                unreadable += sender is not None
            elif _text(status, "status") not in _STATES:
                ignored += 1
            else:
                receipt = _receipt(status, sender)
                if receipt:
                    receipts.append(receipt)
                else:
                    unreadable += 1
        ignored += len(_list(value, "messages")) + len(_list(value, "errors"))
    return Webhook(receipts, ignored, unreadable)


def _decoded(body: bytes) -> Any:
    """Decode JSON. What msgspec refuses may be one member of one update, so the lenient reader has
    the last word: a name cut in the middle of an emoji leaves half of a surrogate pair.
    """
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return json.loads(body.decode("utf-8", "replace"))


def _values(document: Any) -> Iterator[dict[str, Any]]:
    for entry in _list(document, "entry"):
        for change in _list(entry, "changes"):
            value = change.get("value") if isinstance(change, dict) else None
            if isinstance(value, dict) and change.get("field") == "messages":
                yield value


def _list(holder: Any, member: str) -> list[Any]:
    value = holder.get(member) if isinstance(holder, dict) else None
    return value if isinstance(value, list) else []


def _text(holder: Any, member: str) -> str:
    value = holder.get(member) if isinstance(holder, dict) else None
    return _storable(value) if isinstance(value, str) else ""


def _storable(text: str) -> str:
    """Replace halves of surrogate pairs, which no UTF-8 can hold."""
    return text.encode("utf-8", "replace").decode()


def _receipt(status: dict[str, Any], sender: str) -> Receipt | None:
    wamid, at = _text(status, "id"), _moment(status.get("timestamp"))
    if not wamid or at is None:
        return None
    link_id, attempt = read_echo(_text(status, "biz_opaque_callback_data")) or (None, 0)
    state = _STATES[status["status"]]
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
    errors = _list(status, "errors")
    error = errors[0] if errors and isinstance(errors[0], dict) else {}
    code = error.get("code")
    if not isinstance(code, int):
        return {"error_code": ErrorCode.UNKNOWN, "detail": "failed, without a code"}
    verdict = receipt_verdict(code)
    again = verdict.fault in _RETRIED
    details = _text(error, "error_data") or _text(error.get("error_data"), "details")
    words = " ".join(part for part in (_text(error, "title"), details) if part)
    return {
        "error_code": verdict.error_code,
        "code": str(code),
        "detail": words[:_DETAIL_LIMIT],
        "retry_pause": (verdict.pause or throughput_pause(3, 1.0)) if again else None,
        "tries": verdict.tries,
        "sender_broken": verdict.fault is SubmitFault.SENDER_BROKEN,
    }
