"""The submits of one connection: whose turn it is, which are unanswered, and how each one ends.

Each ends in exactly one way, and the difference between "did not go" and "may have gone" is never
guessed. Knows nothing of sockets: the connection asks for bytes when it can write.
"""

import asyncio
from collections import deque
from collections.abc import Callable

import structlog

from whimbrel.channels.sms.pdu import (
    SUBMIT_SM,
    CommandStatus,
    SubmitSm,
    pdu_bytes,
    read_message_id,
    status_name,
    submit_body,
)

_log = structlog.get_logger(__name__)
_AT_ONCE = 256
"""Submits of one write: some 64 KiB, after which the socket is asked whether it has room."""
REMEMBERED = 10_000
"""Submits without an answer in time whose late answer would still be recognised."""

Late = Callable[[SubmitSm, str], None]
"""Told of a message_id that came after its caller had given up."""


class SubmitRefused(Exception):
    """The SMSC answered that it does not take the message."""

    def __init__(self, status: int) -> None:
        super().__init__(status_name(status))
        self.status = status


class NotSubmitted(Exception):
    """The message surely did not go: not a byte of it was written."""


class Unanswered(Exception):
    """The message was written, and may have been taken: no answer came, or none in time."""


class _Submit:
    __slots__ = ("body", "deadline", "future", "pdu")

    def __init__(self, pdu: SubmitSm, future: "asyncio.Future[str]") -> None:
        self.pdu = pdu
        self.body = submit_body(pdu)
        self.future = future
        self.deadline = 0.0


class Submits:
    """The submit window of one connection, and the queue before it."""

    def __init__(
        self,
        window: int,
        response_timeout: float,
        *,
        next_sequence: Callable[[], int],
        wake: Callable[[], None],
        late: Late | None,
    ) -> None:
        """`wake` is called when there may be something to `take`."""
        self._window = window
        self._response_timeout = response_timeout
        self._next_sequence = next_sequence
        self._wake = wake
        self._late = late
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[_Submit] = deque()
        # In the order of their deadlines, since all have the same time and dicts keep order.
        self._unanswered: dict[int, _Submit] = {}
        self._given_up: dict[int, SubmitSm] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._shut: str | None = None

    def add(self, pdu: SubmitSm) -> "asyncio.Future[str]":
        """Queue a submit; the future is given its message_id, or one of the three errors.

        Raises `PduError` for a PDU that cannot be bytes, `NotSubmitted` once `shut`.
        """
        if self._shut is not None:
            raise NotSubmitted(self._shut)
        submit = _Submit(pdu, self._loop.create_future())
        self._waiting.append(submit)
        self._wake()
        return submit.future

    def take(self) -> list[bytes]:
        """Return the PDUs to write now, of those for which the window has room."""
        taken: list[bytes] = []
        most = min(self._window - len(self._unanswered), _AT_ONCE)
        deadline = self._loop.time() + self._response_timeout
        while self._waiting and len(taken) < most:
            submit = self._waiting.popleft()
            if submit.future.done():  # cancelled before its turn
                continue
            sequence = self._next_sequence()
            submit.deadline = deadline
            self._unanswered[sequence] = submit
            taken.append(pdu_bytes(SUBMIT_SM, CommandStatus.ESME_ROK, sequence, submit.body))
        if taken and self._timer is None:
            self._timer = self._loop.call_at(deadline, self._expire)
        return taken

    def answer(self, sequence: int, status: int, body: bytes) -> bool:
        """Take a response, or a generic_nack; tell whether it belongs to a submit."""
        submit = self._unanswered.pop(sequence, None)
        if submit is None:
            return self._answer_late(sequence, status, body)
        if self._waiting:
            self._wake()
        if submit.future.done():  # its caller was cancelled
            self._tell_late(submit.pdu, status, body)
        elif status == CommandStatus.ESME_ROK:
            submit.future.set_result(read_message_id(body))
        else:
            submit.future.set_exception(SubmitRefused(status))
        return True

    def shut(self, why: str) -> None:
        """Let no further submit go; those that were written may still be answered."""
        if self._shut is None:
            self._shut = why
        for submit in self._waiting:
            if not submit.future.done():
                submit.future.set_exception(NotSubmitted(why))
        self._waiting.clear()

    def end(self, why: str) -> None:
        """Settle everything: the connection is lost."""
        self.shut(why)
        if self._timer:
            self._timer.cancel()
        for submit in self._unanswered.values():
            if not submit.future.done():
                submit.future.set_exception(Unanswered(why))
        self._unanswered.clear()

    async def settled(self, within: float) -> None:
        """Wait until every written submit has ended, `within` seconds at most."""
        open_ones = [submit.future for submit in self._unanswered.values()]
        if open_ones:
            await asyncio.wait(open_ones, timeout=within)

    def _expire(self) -> None:
        """Give up those whose time is over, and with them their places in the window.

        An SMSC that lost a few answers would otherwise narrow the window until nothing goes.
        """
        self._timer = None
        now = self._loop.time()
        for sequence, submit in list(self._unanswered.items()):
            if submit.deadline > now:
                self._timer = self._loop.call_at(submit.deadline, self._expire)
                break
            del self._unanswered[sequence]
            self._remember(sequence, submit.pdu)
            if not submit.future.done():
                reason = f"no answer in {self._response_timeout:g} s"
                submit.future.set_exception(Unanswered(reason))
        self._wake()

    def _remember(self, sequence: int, pdu: SubmitSm) -> None:
        if len(self._given_up) >= REMEMBERED:
            del self._given_up[next(iter(self._given_up))]
        self._given_up[sequence] = pdu

    def _answer_late(self, sequence: int, status: int, body: bytes) -> bool:
        pdu = self._given_up.pop(sequence, None)
        if pdu is None:
            return False
        self._tell_late(pdu, status, body)
        return True

    def _tell_late(self, pdu: SubmitSm, status: int, body: bytes) -> None:
        _log.info("smpp_answer_was_late", status=status_name(status))
        if self._late is None or status != CommandStatus.ESME_ROK:
            return
        try:
            self._late(pdu, read_message_id(body))
        except Exception:  # noqa: BLE001 - the connection must not end by another's fault
            _log.exception("smpp_late_answer_not_taken")
