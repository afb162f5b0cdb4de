"""The phones of subscribers: how each is set, and what was written on it.

A phone that nobody has touched is on, reads by itself what it gets, and has WhatsApp; only others
are kept. How a phone is set is forgotten at a stop. Knows nothing of messages to phones.
"""

import re
from collections import deque
from collections.abc import Callable, Iterator

from msgspec import Struct
from msgspec.structs import replace

from whimbrel.sandbox.handset.news import News

NUMBER = re.compile(r"[0-9]{7,15}")  # as E.164 has it; a short code has no phone
KEPT_ANSWERS = 10_000


class Phone(Struct, frozen=True, kw_only=True):
    """One phone; `number` is its digits with country code and without `+`.

    `reads_itself`: what is delivered by WhatsApp is read a moment later. `is_blocking`: the
    business is blocked on WhatsApp, with all of its numbers.
    """

    number: str
    is_on: bool = True
    reads_itself: bool = True
    is_on_whatsapp: bool = True
    is_blocking: bool = False


class Answer(Struct, frozen=True, kw_only=True):
    """A text that a subscriber wrote at `at`, in milliseconds UTC.

    `business` is the phone number id or the SMS sender that he wrote to.
    """

    id: str
    number: str
    channel: str
    business: str
    text: str
    at: int


Watcher = Callable[[Phone], None]


class Phones:
    """All phones. Those who `watch` are told of a change, with the phone as it is after it."""

    def __init__(self) -> None:
        self.news = News()
        self._changed: dict[str, Phone] = {}
        self._answers: deque[Answer] = deque(maxlen=KEPT_ANSWERS)
        self._watchers: list[Watcher] = []

    def of(self, number: str) -> Phone:
        """Return the phone with this number; there is one for each number."""
        return self._changed.get(number) or Phone(number=number)

    def touched(self) -> list[Phone]:
        """Return the phones that are not as they were at the start."""
        return list(self._changed.values())

    def watch(self, watcher: Watcher) -> None:
        """Call `watcher` at each change from now on."""
        self._watchers.append(watcher)

    def change(self, number: str, **switches: bool) -> Phone:
        """Set members of `Phone`, and return the phone as it is then."""
        phone = replace(self.of(number), **switches)
        if phone == Phone(number=number):
            self._changed.pop(number, None)
        else:
            self._changed[number] = phone
        for watcher in self._watchers:
            watcher(phone)
        self.news.tell(number)
        return phone

    def note(self, answer: Answer) -> None:
        """Keep what was written on a phone."""
        self._answers.append(answer)
        self.news.tell(answer.number)

    def answers(self, number: str | None = None) -> Iterator[Answer]:
        """Yield what was written on a phone, or on all, newest first."""
        return (one for one in reversed(self._answers) if number in {None, one.number})

    def forget_answers(self) -> None:
        """Forget what was written."""
        self._answers.clear()
        self.news.tell_all()
