"""The headers of a POST to a Partner, signed with its secret as Standard Webhooks has it."""

from datetime import UTC, datetime
from functools import lru_cache

from standardwebhooks import Webhook

from whimbrel.clock import SECOND


def report_headers(secret: str, message_id: str, now: int, body: bytes) -> dict[str, str]:
    """Return the headers; without a secret the body is not signed. `now` is milliseconds UTC."""
    headers = {"Content-Type": "application/json"}
    if secret:
        moment = now // SECOND
        signature = _signer(secret).sign(
            message_id, datetime.fromtimestamp(moment, UTC), body.decode()
        )
        headers["webhook-id"] = message_id
        headers["webhook-timestamp"] = str(moment)
        headers["webhook-signature"] = signature
    return headers


@lru_cache(maxsize=1_024)
def _signer(secret: str) -> Webhook:
    return Webhook(secret)
