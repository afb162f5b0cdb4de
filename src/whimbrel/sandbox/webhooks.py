"""The bodies of webhooks and their signatures.

Owns the form of what Meta posts. Knows nothing about when or how it is posted.
"""

import hashlib
import hmac
import json
from collections.abc import Iterable
from typing import Any

from whimbrel.sandbox.errors import webhook_error
from whimbrel.sandbox.ledger import Message, Status
from whimbrel.sandbox.numbers import SandboxNumber

Update = tuple[Message, Status]


def signed_headers(app_secret: str, body: bytes) -> dict[str, str]:
    """Return the headers of a webhook: both signatures are HMACs over the raw body."""
    key = app_secret.encode()
    return {
        "Content-Type": "application/json",
        "User-Agent": "facebookexternalua",
        "X-Hub-Signature": "sha1=" + hmac.digest(key, body, hashlib.sha1).hex(),
        "X-Hub-Signature-256": "sha256=" + hmac.digest(key, body, hashlib.sha256).hex(),
    }


def statuses_body(
    number: SandboxNumber, updates: Iterable[Update], *, contacts_on_failed: bool
) -> bytes:
    """Return one webhook that carries the updates, all of one number, in the order given.

    Meta says that a `failed` status has no contact beside it; some of its clients want one all the
    same, hence the switch.
    """
    contacts: dict[str, dict[str, Any]] = {}
    statuses: list[dict[str, Any]] = []
    for message, status in updates:
        if status.status != "failed" or contacts_on_failed:
            contacts[message.to] = contact_of(message.to)
        statuses.append(_status(message, status))
    value: dict[str, Any] = {"contacts": list(contacts.values())} if contacts else {}
    return _envelope(number, value | {"statuses": statuses})


def inbound_body(
    number: SandboxNumber, *, wamid: str, sender: str, name: str | None, text: str, at: int
) -> bytes:
    """Return the webhook of a text that a subscriber wrote at `at`, in milliseconds UTC."""
    contact = contact_of(sender, name)
    message = {
        "from": sender,
        "from_user_id": contact["user_id"],
        "id": wamid,
        "timestamp": str(at // 1000),
        "type": "text",
        "text": {"body": text},
    }
    return _envelope(number, {"contacts": [contact], "messages": [message]})


def contact_of(subscriber: str, name: str | None = None) -> dict[str, Any]:
    """Return a subscriber as webhooks show him.

    The invented name is never plain ASCII: every body then holds an escape, and a receiver that
    checks the signature over its own re-serialisation is found out by its first webhook.
    """
    return {
        "profile": {"name": name or f"Zoë {subscriber[-4:]}"},
        "wa_id": subscriber,
        "user_id": f"RU.1{subscriber:0>19}",
    }


def _status(message: Message, status: Status) -> dict[str, Any]:
    form: dict[str, Any] = {
        "id": message.wamid,
        "status": status.status,
        "timestamp": str(status.at // 1000),
        "recipient_id": message.to,
    }
    if message.callback_data is not None:
        form["biz_opaque_callback_data"] = message.callback_data
    if message.script.is_priced(status.status):
        form["pricing"] = _TEMPLATE_PRICE if message.type == "template" else _SERVICE_PRICE
    if status.code is not None:
        form["errors"] = [webhook_error(status.code)]
    return form


_TEMPLATE_PRICE = {
    "billable": True,
    "pricing_model": "PMP",
    "type": "regular",
    "category": "utility",
}
_SERVICE_PRICE = {
    "billable": False,
    "pricing_model": "PMP",
    "type": "free_customer_service",
    "category": "service",
}


def _envelope(number: SandboxNumber, value: dict[str, Any]) -> bytes:
    """Wrap a value. The standard encoder writes non-ASCII as \\uXXXX, as Meta does."""
    metadata = {
        "display_phone_number": number.display_phone_number,
        "phone_number_id": number.phone_number_id,
    }
    change = {
        "field": "messages",
        "value": {"messaging_product": "whatsapp", "metadata": metadata, **value},
    }
    document = {
        "object": "whatsapp_business_account",
        "entry": [{"id": number.waba_id, "changes": [change]}],
    }
    return json.dumps(document, separators=(",", ":")).encode("ascii")
