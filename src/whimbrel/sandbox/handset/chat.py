"""What a phone's screen shows: what came to it on both channels, and what was written on it.

Gathered anew from the records at each look, so that there is nothing to keep in step with them.
Knows nothing of HTTP or HTML.
"""

import heapq
from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import TypeVar

from msgspec import Struct

from whimbrel.sandbox.handset.bubbles import Bubble
from whimbrel.sandbox.handset.phones import NUMBER, Answer, Phone
from whimbrel.sandbox.handset.sms_bubbles import sms_bubbles
from whimbrel.sandbox.handset.whatsapp_bubbles import fate_of, whatsapp_bubble
from whimbrel.sandbox.ledger import Message
from whimbrel.sandbox.smsc import Smsc
from whimbrel.sandbox.smsc.ledger import SubmittedSms
from whimbrel.sandbox.world import World

T = TypeVar("T")

SHOWN_BUBBLES = 200
PARTS_A_BUBBLE = 4  # on average; SMS beyond that are not shown
SHOWN_PHONES = 100
LOOKED_AT = 5_000  # messages of each channel, for the list of phones


class Shown(Struct, frozen=True, kw_only=True):
    """A phone in the list: its last message, and how many that were delivered are not read."""

    phone: Phone
    last: Bubble | None = None
    unread: int = 0


class Chats:
    """The conversations on all phones. Without an SMSC there are no SMS."""

    def __init__(self, world: World, smsc: Smsc | None) -> None:
        self._world = world
        self._smsc = smsc

    def on(self, number: str) -> list[Bubble]:
        """Return the last messages on a phone, oldest first."""
        answers = [*self._world.phones.answers(number)][SHOWN_BUBBLES - 1 :: -1]
        merged = heapq.merge(
            map(whatsapp_bubble, self._world.ledger.select(limit=SHOWN_BUBBLES, to=number)),
            self._sms(number),
            map(self._answered, answers),
            key=attrgetter("at"),
        )
        return list(merged)[-SHOWN_BUBBLES:]

    def phones(self) -> list[Shown]:
        """Return the phones that something has come to, or that somebody has set, newest first."""
        phones, smsc = self._world.phones, self._smsc
        messages = _by_number(self._world.ledger.select(limit=LOOKED_AT), attrgetter("to"))
        sms = _by_number(smsc.ledger.select(limit=LOOKED_AT) if smsc else (), attrgetter("to"))
        answers = _by_number([*phones.answers()][::-1], attrgetter("number"))
        numbers = {*messages, *sms, *answers, *(phone.number for phone in phones.touched())}
        numbers = {number for number in numbers if NUMBER.fullmatch(number)}

        def last_at(number: str) -> int:
            whens = [messages[number][-1].accepted_at] if number in messages else []
            whens += [sms[number][-1].accepted_at] if number in sms else []
            whens += [answers[number][-1].at] if number in answers else []
            return max(whens, default=0)

        newest = heapq.nlargest(SHOWN_PHONES, numbers, key=lambda one: (last_at(one), one))
        return [
            Shown(
                phone=phones.of(number),
                last=self._last(messages.get(number), sms.get(number), answers.get(number)),
                unread=sum(fate_of(one) == "delivered" for one in messages.get(number, ())),
            )
            for number in newest
        ]

    def _last(
        self,
        messages: list[Message] | None,
        sms: list[SubmittedSms] | None,
        answers: list[Answer] | None,
    ) -> Bubble | None:
        bubbles = [whatsapp_bubble(messages[-1])] if messages else []
        bubbles += self._sms_bubbles(sms)[-1:] if sms else []
        bubbles += [self._answered(answers[-1])] if answers else []
        return max(bubbles, key=attrgetter("at"), default=None)

    def _sms(self, number: str) -> list[Bubble]:
        if self._smsc is None:
            return []
        parts = self._smsc.ledger.select(limit=PARTS_A_BUBBLE * SHOWN_BUBBLES, to=number)
        return self._sms_bubbles(parts)[-SHOWN_BUBBLES:]

    def _sms_bubbles(self, parts: list[SubmittedSms]) -> list[Bubble]:
        return sms_bubbles(parts, now=self._world.clock.now(), speed=self._world.speed)

    def _answered(self, answer: Answer) -> Bubble:
        number = self._world.numbers.get(answer.business)
        return Bubble(
            id=answer.id,
            channel="SMS" if answer.channel == "SMS" else "WHATSAPP",
            business=number.verified_name if number else answer.business,
            address=answer.business,
            at=answer.at,
            text=answer.text,
            is_answer=True,
            fate="sent",
        )


def _by_number(records: Iterable[T], number: Callable[[T], str]) -> dict[str, list[T]]:
    grouped: dict[str, list[T]] = {}
    for record in records:
        grouped.setdefault(number(record), []).append(record)
    return grouped
