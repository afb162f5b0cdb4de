"""`POST /send` and `POST /<login>`: a Partner's request comes in, `mtNum` or an error goes out."""

import os
from itertools import count

import structlog
from starlette.types import Receive, Scope, Send

from whimbrel.clock import Clock
from whimbrel.domain.refusal import Refusal, RefusalCode
from whimbrel.flow.accept import Acceptor
from whimbrel.metrics import Metrics
from whimbrel.web.answers import SendAnswer, encode, send_json, send_refusal
from whimbrel.web.bodies import (
    BodyTooLong,
    ClientGone,
    UnknownCharset,
    header,
    read_whole,
    to_utf8,
)
from whimbrel.web.caller import CallerAddress
from whimbrel.web.send_request import read_body

_log = structlog.get_logger(__name__)
BODY_LIMIT = 64 * 1024


class SendEndpoint:
    """The Partners' endpoint, as an ASGI application."""

    def __init__(
        self, acceptor: Acceptor, caller: CallerAddress, metrics: Metrics, clock: Clock
    ) -> None:
        self._acceptor = acceptor
        self._caller = caller
        self._clock = clock
        self._seconds = metrics.accept_seconds
        self._counts = {code: metrics.accepts.labels(str(int(code))) for code in (0, *RefusalCode)}
        self._process = os.urandom(6).hex()
        self._requests = count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, whatever happens, in the protocol's form."""
        began = self._clock.elapsed()
        request_id = f"{self._process}-{next(self._requests):x}"
        tag = (b"x-request-id", request_id.encode())
        try:
            answer = await self._accept(scope, receive, request_id)
        except ClientGone:
            return
        except Refusal as refusal:
            self._note(refusal, scope, request_id)
            await send_refusal(send, refusal, tag)
        else:
            self._counts[0].inc()
            await send_json(send, 200, encode(answer), tag)
        self._seconds.observe(self._clock.elapsed() - began)

    async def _accept(self, scope: Scope, receive: Receive, request_id: str) -> SendAnswer:
        if scope["method"] != "POST":
            raise Refusal(RefusalCode.INVALID_REQUEST, "The method is POST.")
        try:
            body = await read_whole(receive, BODY_LIMIT)
            request = read_body(to_utf8(body, header(scope, b"content-type")))
            accepted = await self._acceptor.accept(request, self._caller.of(scope), request_id)
        except BodyTooLong:
            raise Refusal(
                RefusalCode.INVALID_REQUEST, f"The body is longer than {BODY_LIMIT} bytes."
            ) from None
        except UnknownCharset as error:
            raise Refusal(RefusalCode.INVALID_REQUEST, str(error)) from None
        except (Refusal, ClientGone):
            raise
        except Exception as error:
            _log.exception("request_failed", request_id=request_id)
            raise Refusal(
                RefusalCode.UNFORESEEN, f"Something unforeseen happened; request {request_id}."
            ) from error
        answer = SendAnswer(str(accepted.mt_num))
        if accepted.partner_ref is not None:
            answer.id = accepted.partner_ref
        return answer

    def _note(self, refusal: Refusal, scope: Scope, request_id: str) -> None:
        """Log a refusal by its code; its text may quote what the Partner sent."""
        self._counts[refusal.code].inc()
        _log.info(
            "request_refused",
            request_id=request_id,
            code=int(refusal.code),
            address=self._caller.of(scope),
        )
