"""Hands SMS to an SMSC and takes what comes back: one account, one connection, several senders.

Puts together what the other modules of this folder know: the text becomes parts, each part a
submit of its own; an answer becomes a verdict; what the SMSC delivers becomes a receipt or a
subscriber's message, and is acknowledged once it is on disk. Knows nothing of links' states.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import structlog

from whimbrel.channels.connector import LateAnswer, Submission, SubmitError, SubmitFault
from whimbrel.channels.sms.errors import answer_verdict, own_codes
from whimbrel.channels.sms.late_answers import Attempt, LateAnswers
from whimbrel.channels.sms.message_ids import spellings
from whimbrel.channels.sms.pdu import DeliverSm, PduError, SubmitSm, status_name
from whimbrel.channels.sms.receipts import Reader, Unreadable
from whimbrel.channels.sms.session import Session
from whimbrel.channels.sms.submits import NotSubmitted, SubmitRefused, Unanswered
from whimbrel.clock import DAY, HOUR, MINUTE, SECOND, Clock
from whimbrel.domain.chain import PartsTaken
from whimbrel.domain.content import Content, Image
from whimbrel.domain.receipt import MoMessage, Receipt
from whimbrel.domain.segments import part_count, reference_of, segments
from whimbrel.domain.status import ErrorCode
from whimbrel.settings import SmppAccount

_log = structlog.get_logger(__name__)

_HAS_HEADER = 0x40  # esm_class: the message begins with a user data header
_WANTS_RECEIPT = 1  # registered_delivery: of success and of failure
_ALPHANUMERIC, _NETWORK_SPECIFIC, _INTERNATIONAL = 5, 3, 1  # types of number
_UNKNOWN_PLAN, _ISDN = 0, 1  # numbering plans
_LONGEST_SHORT_CODE = 8  # digits
_NO_NUMBER = ""  # the SMSC took it and gave none: no receipt can name it
# Of several parts' fates the first of these tells what is to be done about the message.
_WORST_FIRST = (
    SubmitFault.REFUSED,
    SubmitFault.NO_ANSWER,
    SubmitFault.NUMBER_THROTTLED,
    SubmitFault.RETRY,
)


class SmsConnector:
    """One account at an SMSC. `run` it, and `stop` it in the end."""

    def __init__(
        self,
        name: str,
        account: SmppAccount,
        clock: Clock,
        *,
        timeout: float,
        file: Callable[[list[Receipt]], Awaitable[None]],
        keep: Callable[[list[MoMessage]], Awaitable[None]],
        late: Callable[[LateAnswer], None],
        changed: Callable[[], None],
    ) -> None:
        """`timeout` is in seconds, for an answer to a submit.

        `file` and `keep` put receipts and subscribers' messages on disk. `late` is told what was
        taken of a submit that had been given up. `changed` is called whenever the connection is
        there or gone.
        """
        self.name = name
        self._account = account
        self._clock = clock
        self._own_codes = own_codes(account.error_codes)
        self._reader = Reader(name, account)
        self._file = file
        self._keep = keep
        self._late = LateAnswers(late)
        self._changed = changed
        self._session = Session(
            name,
            account,
            clock,
            deliver=self._take,
            changed=self._connection_changed,
            response_timeout=timeout,
            late=self._answered_late,
        )

    @property
    def blocked_since(self) -> int | None:
        """Since when there is no connection."""
        return self._session.down_since

    @property
    def why_blocked(self) -> str:
        """Why there is none."""
        return self._session.why

    async def run(self) -> None:
        """Keep the connection until `stop`."""
        await self._session.run()

    async def stop(self) -> None:
        """Take leave of the SMSC."""
        await self._session.stop()

    def cost(self, content: Content) -> int:
        """Tell how many parts a message takes: an SMSC counts parts."""
        return 1 if isinstance(content, Image) else part_count(content.text)

    async def submit(self, submission: Submission) -> PartsTaken:
        """Submit the parts that earlier attempts have not brought across.

        Raises `SubmitError` with what has been taken. Its fault is NO_ANSWER where a part may have
        gone, REFUSED where one was refused, since the message cannot become whole any more.
        """
        if isinstance(submission.content, Image):
            raise SubmitError(SubmitFault.REFUSED, "an SMS carries no image")
        pdus = self._pdus(submission, submission.content.text)
        attempt = Attempt(submission, len(pdus), self._clock.now())
        submits = [
            self._submit_part(attempt, part, pdus[part])
            for part in pdus
            if part not in submission.taken
        ]
        # Most messages are one part, and need no tasks of their own.
        fates = [await submits[0]] if len(submits) == 1 else await asyncio.gather(*submits)
        attempt.closed = True
        if attempt.whole:  # what was given up may have been answered while others were waited for
            return attempt.taken
        raise _of_whole([fault for fault in fates if fault], attempt.taken)

    def _pdus(self, submission: Submission, text: str) -> Mapping[int, SubmitSm]:
        """Return the submit of each part, by its place from 1."""
        account, cut = self._account, segments(text, reference_of(submission.link_id))
        ton, npi = _kind_of(submission.sender)
        return {
            part: SubmitSm(
                source_ton=ton if account.source_ton is None else account.source_ton,
                source_npi=npi if account.source_npi is None else account.source_npi,
                source_addr=submission.sender,
                dest_ton=account.dest_ton,
                dest_npi=account.dest_npi,
                dest_addr=submission.dest_addr,
                esm_class=_HAS_HEADER if cut.has_headers else 0,
                data_coding=cut.data_coding,
                short_message=octets,
                validity_period=validity_period(submission.lifetime),
                registered_delivery=_WANTS_RECEIPT,
            )
            for part, octets in enumerate(cut.parts, 1)
        }

    async def _submit_part(self, attempt: Attempt, part: int, pdu: SubmitSm) -> SubmitError | None:
        """Note the number that the part got, or return why it got none."""
        try:
            number = await self._session.submit(pdu)
        except SubmitRefused as error:
            verdict = answer_verdict(error.status, self._own_codes)
            return SubmitError(
                verdict.fault,
                status_name(error.status),
                code=str(error.status),
                error_code=verdict.error_code,
                tries=verdict.tries,
            )
        except NotSubmitted as error:
            return SubmitError(SubmitFault.RETRY, str(error), error_code=ErrorCode.TIMEOUT)
        except Unanswered as error:
            self._late.expect(pdu, attempt, part)
            return SubmitError(SubmitFault.NO_ANSWER, str(error))
        except PduError as error:
            code = ErrorCode.OPER_INVSRCADDR
            return SubmitError(SubmitFault.REFUSED, str(error), error_code=code)
        attempt.take(part, self._spellings(number))
        return None

    def _spellings(self, number: str) -> tuple[str, ...]:
        return spellings(number, self._account.receipt_ids, answered=True) or (_NO_NUMBER,)

    def _answered_late(self, pdu: SubmitSm, number: str) -> None:
        self._late.answered(pdu, self._spellings(number))

    def _connection_changed(self) -> None:
        self._late.forget()  # answers come over the connection of their submits, or never
        self._changed()

    async def _take(self, pdus: list[DeliverSm]) -> list[bool]:
        """Put what the SMSC delivers on disk; if that fails, it will deliver all of it again.

        What cannot be read is acknowledged all the same: it would come for ever.
        """
        receipts: list[Receipt] = []
        messages: list[MoMessage] = []
        now = self._clock.now()
        for pdu in pdus:
            match self._reader.read(pdu, now):
                case Receipt() as receipt:
                    receipts.append(receipt)
                case MoMessage() as message:
                    messages.append(message)
                case Unreadable(why):
                    _log.warning("unreadable_deliver_sm", account=self.name, why=why)
        await self._file(receipts)
        await self._keep(messages)
        return [True] * len(pdus)


def _of_whole(faults: list[SubmitError], taken: PartsTaken) -> SubmitError:
    """Say what the parts' fates come to."""
    worst = min(faults, key=lambda fault: _WORST_FIRST.index(fault.fault))
    return SubmitError(
        worst.fault,
        worst.detail,
        code=worst.code,
        error_code=worst.error_code,
        tries=worst.tries,
        pause=worst.pause,
        taken=taken,
    )


def _kind_of(sender: str) -> tuple[int, int]:
    """Return type of number and numbering plan of a sender by its form (SMPP 3.4, 5.2.5, 5.2.6)."""
    digits = sender.removeprefix("+")
    if not (digits.isascii() and digits.isdigit()):
        return _ALPHANUMERIC, _UNKNOWN_PLAN
    if len(digits) <= _LONGEST_SHORT_CODE:
        return _NETWORK_SPECIFIC, _UNKNOWN_PLAN
    return _INTERNATIONAL, _ISDN


def validity_period(lifetime: int) -> str:
    """Write a lifetime (milliseconds) as a relative time, YYMMDDhhmmss000R (SMPP 3.4, 7.1.1)."""
    days, rest = divmod(lifetime, DAY)
    hours, rest = divmod(rest, HOUR)
    minutes, rest = divmod(rest, MINUTE)
    return f"0000{days:02}{hours:02}{minutes:02}{rest // SECOND:02}000R"
