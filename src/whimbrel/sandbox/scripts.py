"""What happens to a message, told by the number that it is sent to.

`+7000000` and four digits chooses a line of the table; every other number is as good as 0001. How
the recipient's phone is set (`handset.phones`) changes what is as good as 0001, and nothing else.
The numbers that choose the fate of an SMS are not on WhatsApp, so that a cascade gets to them.
Seconds are those of real life; the world divides them by its speed.
"""

from dataclasses import dataclass
from enum import Enum

MAGIC_PREFIX = "7000000"
SMS_BLOCK = range(101, 116)  # what these say of an SMS is told by `smsc.scripts`


class Answer(Enum):
    """When the sender hears that its message was accepted."""

    AT_ONCE = "at once"
    AFTER_RECEIPTS = "after the receipts"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Step:
    """A status that is due `after` seconds from acceptance; `code` says why one failed."""

    after: float
    status: str
    code: int | None = None


@dataclass(frozen=True, slots=True)
class Script:
    """The fate of a message: so many refusals with a code, then acceptance, then its statuses."""

    name: str
    steps: tuple[Step, ...]
    refusals: int = 0
    refusal_code: int = 0
    answer: Answer = Answer.AT_ONCE

    def is_priced(self, status: str) -> bool:
        """Tell whether the status carries `pricing`: `sent` does, and one of delivered and read."""
        if status == "read":
            return all(step.status != "delivered" for step in self.steps)
        return status in {"sent", "delivered"}


SENT = Step(0.2, "sent")
DELIVERED = Step(0.5, "delivered")
READ = Step(1.0, "read")
ALL_WELL = (SENT, DELIVERED, READ)

BACKWARDS_TWICE = (
    Step(0.2, "read"),
    Step(0.3, "read"),
    Step(0.5, "delivered"),
    Step(0.6, "delivered"),
    Step(1.0, "sent"),
    Step(1.1, "sent"),
)
# Quick, because the sender waits for its answer all the while.
AT_THE_DOUBLE = (Step(0.0, "sent"), Step(0.05, "delivered"), Step(0.1, "read"))

SCRIPTS = {
    "0001": Script("read", ALL_WELL),
    "0002": Script("delivered, never read", (SENT, DELIVERED)),
    "0003": Script("sent, then silence", (SENT,)),
    "0004": Script("failed: not on WhatsApp", (Step(0.5, "failed", 131026),)),
    "0005": Script("failed: window closed", (Step(0.5, "failed", 131047),)),
    "0006": Script("throughput limit three times", ALL_WELL, refusals=3, refusal_code=130429),
    "0007": Script("pair limit once", ALL_WELL, refusals=1, refusal_code=131056),
    "0008": Script("HTTP 500 three times", ALL_WELL, refusals=3, refusal_code=131000),
    "0009": Script("accepted, never answered", ALL_WELL, answer=Answer.NEVER),
    "0010": Script("receipts doubled and reversed", BACKWARDS_TWICE),
    "0011": Script("read without delivered", (SENT, READ)),
    "0012": Script("receipts before answer", AT_THE_DOUBLE, answer=Answer.AFTER_RECEIPTS),
    "0013": Script("delivered after 90 s", (SENT, Step(90.0, "delivered"))),
}
USUAL = SCRIPTS["0001"]
NOT_ON_WHATSAPP = SCRIPTS["0004"]
# Meta tells nobody that he is blocked: such a message is sent, and that is all.
BLOCKED = Script("sent, then silence: the business is blocked", (SENT,))


def script_for(recipient: str) -> Script:
    """Return the script of a recipient, given as digits with country code and without `+`."""
    if len(recipient) == len(MAGIC_PREFIX) + 4 and recipient.startswith(MAGIC_PREFIX):
        end = recipient[-4:]
        return NOT_ON_WHATSAPP if int(end) in SMS_BLOCK else SCRIPTS.get(end, USUAL)
    return USUAL
