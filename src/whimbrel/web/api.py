"""The Partners' endpoints: a request to send comes in, an answer or an error goes out.

`POST /send` and `POST /<login>` accept it, `POST /check` only tells what would become of it. They
read the body, answer errors and log in one way.
"""

import math
import os
from collections.abc import Awaitable, Callable, Mapping
from itertools import count

import structlog
from msgspec import Struct
from prometheus_client import Counter, Histogram
from starlette.types import Receive, Scope, Send

from whimbrel.clock import Clock
from whimbrel.domain.refusal import Refusal, RefusalCode
from whimbrel.domain.request import SendRequest
from whimbrel.flow.accept import Acceptor
from whimbrel.flow.address_pace import AddressPace
from whimbrel.flow.preview import Previewer
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
from whimbrel.web.check_answer import check_answer
from whimbrel.web.send_request import read_body, read_draft

_log = structlog.get_logger(__name__)
BODY_LIMIT = 64 * 1024
Work = Callable[[SendRequest, str, str], Awaitable[Struct]]
"""What an endpoint does with a request from an address, given the request's own number: returns
the answer or raises `Refusal`."""


class RequestNumbers:
    """Numbers for requests, for their answers and the log: unlike any other process's."""

    def __init__(self) -> None:
        self._process = os.urandom(6).hex()
        self._requests = count(1)

    def next(self) -> str:
        """Return a new number."""
        return f"{self._process}-{next(self._requests):x}"


class RequestEndpoint:
    """An endpoint whose body is a request to send, as an ASGI application."""

    def __init__(
        self,
        work: Work,
        caller: CallerAddress,
        clock: Clock,
        numbers: RequestNumbers,
        *,
        name: str,
        answers: Counter,
        seconds: Histogram,
        read: Callable[[bytes], SendRequest] = read_body,
    ) -> None:
        """`name` is for the log; `answers` counts by code."""
        self._refused = f"{name}_refused"
        self._work = work
        self._caller = caller
        self._clock = clock
        self._numbers = numbers
        self._seconds = seconds
        self._counts: Mapping[int, Counter] = {
            code: answers.labels(str(int(code))) for code in (0, *RefusalCode)
        }
        self._read = read

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, whatever happens, in the protocol's form."""
        began = self._clock.elapsed()
        request_id = self._numbers.next()
        tag = (b"x-request-id", request_id.encode())
        try:
            answer = await self._answer(scope, receive, request_id)
        except ClientGone:
            return
        except Refusal as refusal:
            self._note(refusal, scope, request_id)
            await send_refusal(send, refusal, tag)
        else:
            self._counts[0].inc()
            await send_json(send, 200, encode(answer), tag)
        self._seconds.observe(self._clock.elapsed() - began)

    async def _answer(self, scope: Scope, receive: Receive, request_id: str) -> Struct:
        if scope["method"] != "POST":
            raise Refusal(RefusalCode.INVALID_REQUEST, "The method is POST.")
        try:
            body = await read_whole(receive, BODY_LIMIT)
            request = self._read(to_utf8(body, header(scope, b"content-type")))
            return await self._work(request, self._caller.of(scope), request_id)
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

    def _note(self, refusal: Refusal, scope: Scope, request_id: str) -> None:
        """Log a refusal by its code; its text may quote what the Partner sent."""
        self._counts[refusal.code].inc()
        _log.info(
            self._refused,
            request_id=request_id,
            code=int(refusal.code),
            address=self._caller.of(scope),
        )


class Endpoints:
    """The endpoints of a site, made of the stages that they call."""

    def __init__(
        self,
        acceptor: Acceptor,
        previewer: Previewer,
        caller: CallerAddress,
        metrics: Metrics,
        clock: Clock,
        *,
        drafts: AddressPace,
    ) -> None:
        """`drafts` is how often an address may ask for dry runs without a login."""
        self._acceptor = acceptor
        self._previewer = previewer
        self._drafts = drafts
        numbers = RequestNumbers()
        self.send = RequestEndpoint(
            self._accept,
            caller,
            clock,
            numbers,
            name="request",
            answers=metrics.accepts,
            seconds=metrics.accept_seconds,
        )
        """Accepts a request."""
        self.check = RequestEndpoint(
            self._check,
            caller,
            clock,
            numbers,
            name="check",
            answers=metrics.checks,
            seconds=metrics.check_seconds,
        )
        """Tells what would become of it."""
        self.check_draft = RequestEndpoint(
            self._check_draft,
            caller,
            clock,
            numbers,
            name="check",
            answers=metrics.checks,
            seconds=metrics.check_seconds,
            read=read_draft,
        )
        """Tells it also where there is no login yet, by the rules that hold for everybody."""

    async def _accept(self, request: SendRequest, address: str, request_id: str) -> SendAnswer:
        accepted = await self._acceptor.accept(request, address, request_id)
        answer = SendAnswer(str(accepted.mt_num))
        if accepted.partner_ref is not None:
            answer.id = accepted.partner_ref
        return answer

    async def _check(self, request: SendRequest, address: str, request_id: str) -> Struct:
        preview = await self._previewer.preview(request, address, request_id)
        return check_answer(preview)

    async def _check_draft(self, request: SendRequest, address: str, request_id: str) -> Struct:
        """With a login it is `_check`, gatekeeper and all: nobody learns more of a login here."""
        wait = self._drafts.wait(address)
        if wait > 0:
            raise Refusal(
                RefusalCode.TOO_MANY_CONNECTIONS,
                "Too many dry runs from this address.",
                retry_after=math.ceil(wait),
            )
        self._drafts.count(address)
        if request.login or request.password:
            return await self._check(request, address, request_id)
        return check_answer(await self._previewer.preview_for_anybody(request, request_id))
