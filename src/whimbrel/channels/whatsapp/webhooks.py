"""Opens Meta's webhooks (page "Webhooks overview"): whose they are, and what is in them for us.

A POST may carry a thousand updates of any kind in any order. What means nothing here is passed
over, and an entry that cannot be read spoils none of the others.
"""

import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from whimbrel.channels.whatsapp.answers import SYSTEM, OurNumber, read_answer
from whimbrel.channels.whatsapp.members import list_of, text_of
from whimbrel.channels.whatsapp.receipts import STATES, read_receipt
from whimbrel.domain.receipt import MoMessage, Receipt

SIGNATURE_HEADER = "x-hub-signature-256"
_PREFIX = "sha256="


class Webhook(NamedTuple):
    """What a webhook's body holds for us."""

    receipts: list[Receipt]
    messages: list[MoMessage]
    """What subscribers wrote, in the order in which it came."""
    ignored: int
    """Updates of kinds that mean nothing here."""
    unreadable: int
    """Updates that should have meant something, but break Meta's form."""


def signature_is_right(body: bytes, signature: str, app_secret: str) -> bool:
    """Check `X-Hub-Signature-256`: HMAC-SHA256 with the app secret over the raw bytes."""
    expected = hmac.new(app_secret.encode(), body, hashlib.sha256).hexdigest()
    return hmac.compare_digest((_PREFIX + expected).encode(), signature.encode())


def read_webhook(body: bytes, numbers: Mapping[str, OurNumber], received_at: int) -> Webhook:
    """Read a webhook whose signature was right.

    `numbers` are those that this account may speak for, by phone number id. What is about others is
    ignored. `received_at` is when the webhook came, in milliseconds UTC. A body that is not JSON
    counts as one unreadable update.
    """
    receipts: list[Receipt] = []
    messages: list[MoMessage] = []
    ignored = unreadable = 0
    try:
        document = _decoded(body)
    except (ValueError, RecursionError):
        return Webhook([], [], 0, 1)
    for value in _values(document):
        number = numbers.get(text_of(value.get("metadata"), "phone_number_id"))
        for status in list_of(value, "statuses"):
            if number is None or not isinstance(status, dict):
                ignored += number is None
                unreadable += number is not None
            elif text_of(status, "status") not in STATES:
                ignored += 1
            else:
                receipt = read_receipt(status, number.sender)
                if receipt:
                    receipts.append(receipt)
                else:
                    unreadable += 1
        for message in list_of(value, "messages"):
            if number is None or text_of(message, "type") == SYSTEM:
                ignored += 1
            elif answer := read_answer(message, number, received_at):
                messages.append(answer)
            else:
                unreadable += 1
        ignored += len(list_of(value, "errors"))
    return Webhook(receipts, messages, ignored, unreadable)


def _decoded(body: bytes) -> Any:
    """Decode JSON. What msgspec refuses may be one member of one update, so the lenient reader has
    the last word: a name cut in the middle of an emoji leaves half of a surrogate pair.
    """
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return json.loads(body.decode("utf-8", "replace"))


def _values(document: Any) -> Iterator[dict[str, Any]]:
    for entry in list_of(document, "entry"):
        for change in list_of(entry, "changes"):
            value = change.get("value") if isinstance(change, dict) else None
            if isinstance(value, dict) and change.get("field") == "messages":
                yield value
