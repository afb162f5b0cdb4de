"""`/hooks/whatsapp/<account>`: Meta's handshake and its webhooks (page "Webhooks overview").

The answer 200 is given only after the write, for Meta then forgets. What cannot be read gets 200
too: to refuse it would bring it back for seven days.
"""

import hmac
from collections.abc import Mapping

import structlog
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from whimbrel.channels.whatsapp.answers import OurNumber
from whimbrel.channels.whatsapp.webhooks import (
    SIGNATURE_HEADER,
    read_webhook,
    signature_is_right,
)
from whimbrel.clock import Clock
from whimbrel.flow.ingest import Ingest
from whimbrel.metrics import Metrics
from whimbrel.settings import WhatsappAccount
from whimbrel.store.engine import StoreUnavailable
from whimbrel.web.bodies import BodyTooLong, ClientGone, read_whole

_log = structlog.get_logger(__name__)
_BODY_LIMIT = 4 * 1024 * 1024  # Meta sends up to 3 MB


class WhatsappHook:
    """The endpoint of all WhatsApp accounts."""

    def __init__(
        self,
        accounts: Mapping[str, WhatsappAccount],
        ingest: Ingest,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._accounts = accounts
        self._ingest = ingest
        self._clock = clock
        self._metrics = metrics
        self._numbers = {
            name: {
                other.phone_number_id: OurNumber(other_name, other.sender)
                for other_name, other in accounts.items()
                if other.app_secret == account.app_secret  # numbers of one app share its callback
            }
            for name, account in accounts.items()
        }

    async def shake_hands(self, request: Request) -> Response:
        """Answer Meta's handshake with its challenge, or 403."""
        account = self._accounts.get(request.path_params["account"])
        if account is None:
            return PlainTextResponse("unknown account", 404)
        asked = request.query_params
        token = asked.get("hub.verify_token", "").encode()
        right = hmac.compare_digest(token, account.verify_token.encode())
        if asked.get("hub.mode") != "subscribe" or not right:
            _log.warning("webhook_handshake_refused", account=request.path_params["account"])
            return PlainTextResponse("wrong mode or verify token", 403)
        return PlainTextResponse(asked.get("hub.challenge", ""))

    async def receive(self, request: Request) -> Response:
        """File a webhook's receipts, and keep what subscribers wrote."""
        name = request.path_params["account"]
        account = self._accounts.get(name)
        if account is None:
            return PlainTextResponse("unknown account", 404)
        response = await self._receive(request, name, account)
        self._metrics.webhooks.labels(name, str(response.status_code)).inc()
        return response

    async def _receive(self, request: Request, name: str, account: WhatsappAccount) -> Response:
        try:
            body = await read_whole(request.receive, _BODY_LIMIT)
        except BodyTooLong:
            return PlainTextResponse("too long", 413)
        except ClientGone:
            return PlainTextResponse("gone", 400)
        signature = request.headers.get(SIGNATURE_HEADER, "")
        if not signature_is_right(body, signature, account.app_secret):
            _log.warning("webhook_signature_wrong", account=name)
            return PlainTextResponse("wrong signature", 401)
        webhook = read_webhook(body, self._numbers[name], self._clock.now())
        self._count(name, webhook.ignored, webhook.unreadable)
        try:
            await self._ingest.file(webhook.receipts)
            if webhook.messages:
                await self._ingest.keep(webhook.messages)
        except StoreUnavailable:
            return PlainTextResponse("not stored", 503)
        return PlainTextResponse("")

    def _count(self, name: str, ignored: int, unreadable: int) -> None:
        if ignored:
            self._metrics.webhook_updates.labels(name, "ignored").inc(ignored)
        if unreadable:
            self._metrics.webhook_updates.labels(name, "unreadable").inc(unreadable)
            _log.warning("webhook_unreadable", account=name, updates=unreadable)
