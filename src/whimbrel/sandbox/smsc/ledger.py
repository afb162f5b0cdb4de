"""The submits that were taken, and the receipts of each.

Owns the record that the control API shows. The record is bounded, its counts are exact. Knows
nothing about connections.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from whimbrel.sandbox.smsc.postman import Delivery
from whimbrel.sandbox.smsc.scripts import SmsScript, SmsStep
from whimbrel.sandbox.smsc.texts import Part, decoded, split_header

LEDGER_SIZE = 100_000  # submits


class Address(NamedTuple):
    """An address with its type of number and numbering plan (SMPP 3.4, sections 5.2.5, 5.2.6)."""

    address: str
    ton: int
    npi: int


@dataclass(slots=True, eq=False)
class SubmittedSms:
    """A submit_sm that was taken. `content` is its short_message, or else its message_payload.

    `part` comes from the header of the content or from the SAR parameters. `accepted_at` is in
    milliseconds UTC, like `started_at`: when the first of its script's steps began to fall due, and
    None while it waits for a phone that is off.
    """

    account: str
    session_id: str
    source: Address
    destination: Address
    esm_class: int
    data_coding: int
    registered_delivery: int
    content: bytes
    sar_part: Part | None
    script: SmsScript
    message_id: str
    accepted_at: int
    started_at: int | None = None
    receipts: list[Delivery] = field(default_factory=list)

    @property
    def to(self) -> str:
        """The subscriber, digits alone."""
        return self.destination.address.removeprefix("+")

    @property
    def part(self) -> Part | None:
        """Which part of a long message it is; None: it is not long."""
        return split_header(self.esm_class, self.content)[0] or self.sar_part

    @property
    def body(self) -> bytes:
        """The content without its header."""
        return split_header(self.esm_class, self.content)[1]

    @property
    def steps(self) -> tuple[SmsStep, ...]:
        """What its script says becomes of it."""
        part = self.part
        return self.script.steps_of(part.part if part and part.total > 1 else 0)

    @property
    def text(self) -> str | None:
        """What a handset would show of it."""
        return decoded(self.data_coding, self.body)


class SmsLedger:
    """The last submits that were taken, and exact counts of all of them.

    A submit_sm carries no number of its own, so two with the same content for the same subscriber
    count as one message that came twice.
    """

    def __init__(self, size: int = LEDGER_SIZE) -> None:
        self._submits: deque[SubmittedSms] = deque(maxlen=size)
        self._seen: set[int] = set()
        self.total = 0
        self.refused = 0

    def add(self, sms: SubmittedSms) -> None:
        """Record a submit that was taken."""
        self._submits.append(sms)
        self.total += 1
        self._seen.add(hash((sms.to, sms.content)))

    @property
    def distinct(self) -> int:
        """How many different messages have been taken."""
        return len(self._seen)

    def select(self, *, limit: int, to: str | None = None, since: int = 0) -> list[SubmittedSms]:
        """Return the last `limit` submits, newest last.

        Only those to `to`, if given, and taken at `since` (milliseconds UTC) or later.
        """
        found: list[SubmittedSms] = []
        for sms in self._newest_first(since):
            if len(found) >= limit:
                break
            if to is None or sms.to == to:
                found.append(sms)
        return found[::-1]

    def clear(self) -> None:
        """Forget all submits and counts. Their receipts still come."""
        self._submits.clear()
        self._seen.clear()
        self.total = self.refused = 0

    def _newest_first(self, since: int) -> Iterator[SubmittedSms]:
        for sms in reversed(self._submits):
            if sms.accepted_at < since:
                return
            yield sms
