"""Submits messages to the Cloud API (Meta's page "Messages").

Knows nothing of links' states, pacing or retries: it says what an answer means, and the flow acts.
"""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from whimbrel.channels.connector import Submission, SubmitError, SubmitFault
from whimbrel.channels.whatsapp.errors import answer_verdict
from whimbrel.channels.whatsapp.payload import message_body
from whimbrel.clock import MINUTE
from whimbrel.domain.chain import PartsTaken
from whimbrel.domain.content import Content
from whimbrel.domain.status import ErrorCode
from whimbrel.http_out import Answer, Http, NotSent, Unanswered
from whimbrel.settings import WhatsappAccount

_DETAIL_LIMIT = 500
_USAGE_HEADER = "x-business-use-case-usage"
_NOT_OF_THE_FORM = (msgspec.DecodeError, UnicodeDecodeError)


class _Message(Struct):
    id: Annotated[str, Meta(min_length=1)]


class _Taken(Struct):
    messages: Annotated[list[_Message], Meta(min_length=1)]


class _Error(Struct):
    code: int
    message: str | None = None
    error_subcode: int | None = None
    error_data: Any = None
    is_transient: bool | None = None
    fbtrace_id: str | None = None


class _Envelope(Struct):
    error: _Error


class WhatsappConnector:
    """One sending number."""

    def __init__(self, account: WhatsappAccount, http: Http, *, timeout: float) -> None:
        """`timeout` is in seconds, for one whole submit."""
        self.name = account.sender
        self._http = http
        self._timeout = timeout
        self._url = (
            f"{account.base_url.rstrip('/')}/{account.api_version}/"
            f"{account.phone_number_id}/messages"
        )
        self._headers = {
            "Authorization": f"Bearer {account.token}",
            "Content-Type": "application/json",
        }
        self._taken = msgspec.json.Decoder(_Taken)
        self._envelope = msgspec.json.Decoder(_Envelope)

    @property
    def blocked_since(self) -> None:
        """The Cloud API has no connection that could be gone: each answer tells what is wrong."""

    @property
    def why_blocked(self) -> str:
        """It never is."""
        return ""

    def cost(self, content: Content) -> int:  # noqa: ARG002 - Meta counts messages
        """A message is one message, whatever it carries."""
        return 1

    async def submit(self, submission: Submission) -> PartsTaken:
        """Send a message and return its wamid.

        Raises `SubmitError`; its fault is NO_ANSWER wherever the message may have gone.
        """
        try:
            answer = await self._http.post(
                self._url, message_body(submission), self._headers, timeout=self._timeout
            )
        except NotSent as error:
            raise SubmitError(
                SubmitFault.RETRY, str(error), error_code=ErrorCode.TIMEOUT
            ) from error
        except Unanswered as error:
            raise SubmitError(SubmitFault.NO_ANSWER, str(error)) from error
        wamid = self._read(answer)
        return PartsTaken({1: wamid}, known_as=(wamid,))

    def _read(self, answer: Answer) -> str:
        error = self._error_in(answer)
        if error is not None:
            raise self._fault(error, answer)
        if not 200 <= answer.status < 300:
            raise _unreadable(answer)
        try:
            return self._taken.decode(answer.body).messages[0].id
        except _NOT_OF_THE_FORM as fault:
            # Taken, by its status, but without a number: only a receipt can tell.
            detail = f"HTTP {answer.status} without a message id"
            raise SubmitError(SubmitFault.NO_ANSWER, detail) from fault

    def _error_in(self, answer: Answer) -> _Error | None:
        """Return Meta's error object; None where there is none, or no JSON."""
        try:
            return self._envelope.decode(answer.body).error
        except _NOT_OF_THE_FORM:
            return None

    def _fault(self, error: _Error, answer: Answer) -> SubmitError:
        verdict = answer_verdict(
            error.code,
            error.error_subcode or 0,
            http_status=answer.status,
            transient=bool(error.is_transient),
        )
        asked = _regain_access(answer.headers) if verdict.pause == MINUTE else None
        return SubmitError(
            verdict.fault,
            _detail(error),
            code=str(error.code),
            error_code=verdict.error_code,
            tries=verdict.tries,
            pause=asked or verdict.pause,
        )


def _unreadable(answer: Answer) -> SubmitError:
    """Judge an answer that is not the API's: a proxy's page, most likely.

    A 5xx from in between does not say whether the request went through (502, 504), and so is not
    sent again before the receipts have had their time. Anything else did not go through, and says
    nothing about the message: a firewall's 403 or a wrong base URL's 404 may be mended.
    """
    fault = SubmitFault.NO_ANSWER if answer.status >= 500 else SubmitFault.RETRY
    detail = f"HTTP {answer.status} without Meta's error object"
    return SubmitError(fault, detail, error_code=ErrorCode.TIMEOUT)


def _detail(error: _Error) -> str:
    data = error.error_data
    details = data.get("details") if isinstance(data, dict) else data
    words = " ".join(str(part) for part in (error.message, details) if part)
    trace = f" (trace {error.fbtrace_id})" if error.fbtrace_id else ""
    return words[:_DETAIL_LIMIT] + trace


def _regain_access(headers: Mapping[str, str]) -> int | None:
    """Return how long Meta says the calls stay blocked, in milliseconds, if it says."""
    try:
        usage = msgspec.json.decode(headers.get(_USAGE_HEADER, "null"))
        minutes = [
            int(entry["estimated_time_to_regain_access"])
            for entries in usage.values()
            for entry in entries
        ]
    except (msgspec.DecodeError, AttributeError, KeyError, TypeError, ValueError):
        return None
    return max([0, *minutes]) * MINUTE or None
