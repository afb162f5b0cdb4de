"""What the client wants to have sent, and what it was told of it."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from tests.journeys.partner import by_sms, on_whatsapp

PASSWORD = "chaos-password"
PARTNERS = {"auto": "return", "again": "return", "plain": "off"}
"""Duplicate control by login. `again` wants unanswered messages to go again, the others have the
rule `auto`; `plain` never repeats a request, for it could not know whether it doubles one."""
NUMBERS = {f"number{index}": f"WHATS{index}" for index in range(1, 5)}
BROKEN = "WHATSOFF"
"""The sender all of whose messages Meta refuses at once, so that they fall through to SMS."""
ACCOUNTS = {"centre1": ["SMS1"], "centre2": ["SMS2"]}

_W, _S = "WHATSAPP", "SMS"
LIFE = {
    "whatsapp": [(_W, 0), (_W, 2), (_W, 9)],
    "scheduled": [(_W, 0), (_W, 2), (_W, 9)],
    "sms": [(_S, 0), (_S, 2)],
    "long sms": [(_S, 0), (_S, 2)],
    "cascade, read": [(_W, 0), (_W, 2), (_W, 9)],
    "cascade, refused": [(_W, 5), (_S, 0), (_S, 2)],
    "cascade, failed": [(_W, 0), (_W, 5), (_S, 0), (_S, 2)],
}
"""The reports of each kind where nothing is in doubt."""
_OVERTAKEN = {"cascade, failed": (_W, 0)}
"""What is not told where the receipt that ends the link came before the submit's own answer."""
_SHARES = {
    "whatsapp": 42, "scheduled": 5, "sms": 24, "long sms": 4,
    "cascade, read": 10, "cascade, refused": 12, "cascade, failed": 3,
}  # fmt: skip
_FIRST_NUMBER = 79_200_000_000
_MAGIC = "70000000004"  # WhatsApp takes it, and says after a while that he is not there
_SHORT, _LONG = 10, 1_440  # minutes: a short lifetime goes again by itself, a long one does not
_MOSCOW = timedelta(hours=3)


class Try(NamedTuple):
    """One request and what came of it; moments are of the loop's clock."""

    node: str
    began: float
    ended: float
    outcome: str
    """`200`, `1`, `1 unknown` (it may be stored), another code, `no answer` or `lost`."""
    retry_after: bool = False


class Order:
    """A message that the client wants to have sent."""

    __slots__ = ("kind", "mt_nums", "partner", "ref", "request", "tries")

    def __init__(self, ref: str, partner: str, kind: str, request: dict[str, Any]) -> None:
        self.ref = ref
        self.partner = partner
        self.kind = kind
        self.request = request
        self.tries: list[Try] = []
        self.mt_nums: set[str] = set()

    @property
    def repeats(self) -> bool:
        """Whether the client may send it again without harm."""
        return PARTNERS[self.partner] != "off"

    @property
    def mt_num(self) -> str | None:
        return min(self.mt_nums, default=None)


def order(number: int, chance: random.Random) -> Order:
    """Return the order of a number: what it is, is chance's."""
    ref = f"order-{number}"
    kind = chance.choices(list(_SHARES), list(_SHARES.values()))[0]
    partner = chance.choices(list(PARTNERS), [5, 3, 2])[0]
    to = _MAGIC if kind == "cascade, failed" else str(_FIRST_NUMBER + number)
    request = {
        "login": partner, "password": PASSWORD, "id": ref, "destAddr": to,
        "registeredDelivery": 1, **_messages(kind, ref, chance),
    }  # fmt: skip
    return Order(ref, partner, kind, request)


def is_life_of(kind: str, told: list[tuple[str, int]]) -> bool:
    """Tell whether these are the reports of a message of which nothing was in doubt."""
    whole = LIFE[kind]
    return told in (whole, [one for one in whole if one != _OVERTAKEN.get(kind)])


def _messages(kind: str, ref: str, chance: random.Random) -> dict[str, Any]:
    number = chance.choice(list(NUMBERS.values()))
    [account] = chance.choice(list(ACCOUNTS.values()))
    text = f"Message {ref} of the chaos"
    sms = by_sms(text, serviceNumber=account, ttl=chance.choice((_SHORT, _LONG)))
    if kind == "sms":
        return {"message": sms}
    if kind == "long sms":
        return {"message": by_sms(f"{text}. " + "0123456789" * 20, serviceNumber=account)}
    if kind == "whatsapp":
        return {"message": on_whatsapp(text, serviceNumber=number)}
    if kind == "scheduled":
        return {
            "message": on_whatsapp(text, serviceNumber=number),
            "scheduleInfo": _soon(chance.randint(2, 9)),
        }
    sender = BROKEN if kind == "cascade, refused" else number
    return {
        "message": on_whatsapp(text, serviceNumber=sender, ttl=_SHORT, ttlUnit="MINUTES"),
        "cascadeChainLink": {"state": "DELIVERED", "message": sms},
    }


def _soon(seconds: int) -> dict[str, str]:
    """Return sending hours that open in so many seconds, and last for some."""
    opens = datetime.now(UTC) + _MOSCOW + timedelta(seconds=seconds)
    closes = opens + timedelta(hours=6)
    return {"timeBegin": opens.strftime("%H:%M:%S"), "timeEnd": closes.strftime("%H:%M:%S")}
