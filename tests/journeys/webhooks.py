"""Webhooks that Meta would send, written and signed by hand."""

import hashlib
import hmac
import json
from typing import Any

import aiohttp


def a_status(message: dict[str, Any], status: str, at: int, code: int | None = None) -> bytes:
    """Return a webhook about a message that the sandbox has accepted.

    `message` is as the sandbox shows it; `at` is in milliseconds UTC; `code` says why it failed.
    """
    one: dict[str, Any] = {
        "id": message["id"],
        "status": status,
        "timestamp": str(at // 1_000),
        "recipient_id": message["to"],
        "biz_opaque_callback_data": message["biz_opaque_callback_data"],
    }
    if code is not None:
        one["errors"] = [{"code": code, "title": "Failed", "error_data": {"details": "By hand"}}]
    value = {
        "messaging_product": "whatsapp",
        "metadata": {
            "display_phone_number": "79990000000",
            "phone_number_id": message["phone_number_id"],
        },
        "statuses": [one],
    }
    entry = {"id": "1", "changes": [{"field": "messages", "value": value}]}
    return json.dumps({"object": "whatsapp_business_account", "entry": [entry]}).encode()


async def post_webhook(client: aiohttp.ClientSession, url: str, account: str, body: bytes) -> None:
    """POST a webhook to the callback of an account of `Installation`; it must be taken."""
    secret = f"app-secret-of-{account}"
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    headers = {"X-Hub-Signature-256": f"sha256={signature}", "Content-Type": "application/json"}
    callback = f"{url}/hooks/whatsapp/{account}"
    async with client.post(callback, data=body, headers=headers) as answer:
        assert answer.status == 200, await answer.text()
