"""What happens to an SMS, told by the number that it is sent to.

`+7000000` and four digits chooses a line of the table; every other number is as good as 0101, also
those that mean something on WhatsApp, so that a cascade from WhatsApp ends well. What is as good as
0101 waits while the recipient's phone is off. Seconds are those of real life; whoever schedules
divides them by the sandbox's speed.
"""

from dataclasses import dataclass
from enum import Enum

from whimbrel.sandbox.scripts import MAGIC_PREFIX

# Values of command_status (SMPP 3.4, section 5.1.3).
RSYSERR = 0x08
RINVDSTADR = 0x0B
RTHROTTLED = 0x58

ALWAYS = 1 << 31  # more attempts than anybody makes


class Hearing(Enum):
    """What the submitter hears of a submit that was taken."""

    AT_ONCE = "answered at once"
    AFTER_RECEIPT = "answered after the receipt"
    NEVER = "never answered"


@dataclass(frozen=True, slots=True)
class SmsStep:
    """A receipt that is due `after` seconds from the submit.

    `stat` and `err` are the words of its text (SMPP 3.4, Appendix B).
    """

    after: float
    stat: str
    err: str = "000"


@dataclass(frozen=True, slots=True)
class SmsScript:
    """The fate of an SMS: refusals, lost connections, then its receipts.

    `drops` times the connection is torn right after the submit was taken; such a submit has its
    receipts too, but nobody was told its id. `failing_part` of a long message is undeliverable,
    whatever the steps say of the others. With `hex_answer` the answer spells the id in hexadecimal
    and the receipt in decimal.
    """

    name: str
    steps: tuple[SmsStep, ...]
    refusals: int = 0
    refusal_status: int = 0
    drops: int = 0
    hearing: Hearing = Hearing.AT_ONCE
    failing_part: int = 0
    hex_answer: bool = False
    bare_receipt: bool = False

    def steps_of(self, part: int) -> tuple[SmsStep, ...]:
        """Return the steps of one part of a long message, counted from 1; 0 if it is not long."""
        return (UNDELIVERABLE,) if part and part == self.failing_part else self.steps


DELIVERED = SmsStep(0.5, "DELIVRD")
UNDELIVERABLE = SmsStep(0.5, "UNDELIV", "001")  # 001: unknown subscriber, as in GSM 09.02
ENROUTE = SmsStep(0.2, "ENROUTE")
ALL_WELL = (DELIVERED,)

SMS_SCRIPTS = {
    "0101": SmsScript("delivered", ALL_WELL),
    "0102": SmsScript("undeliverable: unknown subscriber", (UNDELIVERABLE,)),
    "0103": SmsScript("accepted, then silence", ()),
    "0104": SmsScript("throttled three times", ALL_WELL, refusals=3, refusal_status=RTHROTTLED),
    "0105": SmsScript("connection dropped once after the submit", ALL_WELL, drops=1),
    "0106": SmsScript("receipt before the answer", ALL_WELL, hearing=Hearing.AFTER_RECEIPT),
    "0107": SmsScript("refused", (), refusals=ALWAYS, refusal_status=RINVDSTADR),
    "0108": SmsScript("expired", (SmsStep(0.5, "EXPIRED"),)),
    "0109": SmsScript("id hexadecimal in the answer, decimal after", ALL_WELL, hex_answer=True),
    "0110": SmsScript("receipt doubled", (DELIVERED, SmsStep(0.6, "DELIVRD"))),
    "0111": SmsScript("accepted, never answered", ALL_WELL, hearing=Hearing.NEVER),
    "0112": SmsScript("second part undeliverable", ALL_WELL, failing_part=2),
    "0113": SmsScript("system error twice", ALL_WELL, refusals=2, refusal_status=RSYSERR),
    "0114": SmsScript("en route, then delivered", (ENROUTE, DELIVERED)),
    "0115": SmsScript("receipt by TLVs alone", ALL_WELL, bare_receipt=True),
}
USUAL = SMS_SCRIPTS["0101"]


def sms_script_for(recipient: str) -> SmsScript:
    """Return the script of a recipient, given as digits with country code and without `+`."""
    if len(recipient) == len(MAGIC_PREFIX) + 4 and recipient.startswith(MAGIC_PREFIX):
        return SMS_SCRIPTS.get(recipient[-4:], USUAL)
    return USUAL
