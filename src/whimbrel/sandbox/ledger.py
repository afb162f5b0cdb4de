"""The messages that were accepted, and what has become of each.

Owns the record that the control API shows. The record is bounded, its counts are exact. Knows
nothing about HTTP.
"""

import asyncio
import base64
import secrets
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from whimbrel.sandbox.numbers import SandboxNumber
from whimbrel.sandbox.scripts import Script
from whimbrel.sandbox.shapes import Content

LEDGER_SIZE = 100_000


@dataclass(slots=True)
class Status:
    """A status that has fallen due; moments are milliseconds UTC."""

    status: str
    code: int | None
    at: int
    acknowledged_at: int | None = None


@dataclass(slots=True, eq=False)
class Message:
    """An accepted message.

    `outbox` holds statuses that are due and in no webhook yet. While the message is `travelling`
    (a webhook with one of its statuses is not acknowledged), they wait, so that they keep their
    order. `settled` is set when every status has been acknowledged, where somebody waits for it.
    """

    wamid: str
    number: SandboxNumber
    to: str
    type: str
    content: Content | None
    callback_data: str | None
    accepted_at: int
    script: Script
    statuses: list[Status] = field(default_factory=list)
    outbox: list[Status] = field(default_factory=list)
    travelling: bool = False
    settled: asyncio.Event | None = None

    @property
    def is_read(self) -> bool:
        """Whether its sender has been told, or is being told, that it was read."""
        return any(status.status == "read" for status in self.statuses)

    def settle(self) -> None:
        """Tell who waits for it that the last status has been acknowledged, if it has."""
        if self.settled is None or len(self.statuses) < len(self.script.steps):
            return
        if all(status.acknowledged_at is not None for status in self.statuses):
            self.settled.set()


def label_of(callback_data: str) -> str:
    """Return what tells one message from another: callback data less the number of the attempt.

    A client writes `<message>.<attempt>`; everything from the last full stop on is the attempt.
    """
    return callback_data.rpartition(".")[0] or callback_data


def mint_wamid(subscriber: str, *, inbound: bool = False) -> str:
    """Return a message id in the layout of Meta's own, which clients must not parse."""
    digits = subscriber.encode()
    name = secrets.token_hex(9).upper().encode()
    direction = b"\x12" if inbound else b"\x11"
    raw = b"\x1c\x18%c%b\x15\x02\x00%b\x18%c%b\x00" % (
        len(digits),
        digits,
        direction,
        len(name),
        name,
    )
    return "wamid." + base64.b64encode(raw).decode()


class Ledger:
    """The last accepted messages, and exact counts of all of them.

    The count of distinct labels costs some 70 bytes a label (their hashes are kept), so a run of
    many millions wants a `clear` in between.
    """

    def __init__(self, size: int = LEDGER_SIZE) -> None:
        self._messages: deque[Message] = deque(maxlen=size)
        self._labels: set[int] = set()
        self.total = 0
        self.labelled = 0

    def add(self, message: Message) -> None:
        """Record an accepted message."""
        self._messages.append(message)
        self.total += 1
        if message.callback_data is not None:
            self.labelled += 1
            self._labels.add(hash(label_of(message.callback_data)))

    @property
    def distinct(self) -> int:
        """How many different labels have been seen; `labelled` minus this were sent twice."""
        return len(self._labels)

    def select(self, *, limit: int, to: str | None = None, since: int = 0) -> list[Message]:
        """Return the last `limit` messages, newest last.

        Only those to `to`, if given, and accepted at `since` (milliseconds UTC) or later.
        """
        if limit <= 0:
            return []
        found: list[Message] = []
        for message in self._newest_first(since):
            if to is None or message.to == to:
                found.append(message)
                if len(found) == limit:
                    break
        return found[::-1]

    def clear(self) -> None:
        """Forget all messages and counts. Their statuses still come."""
        self._messages.clear()
        self._labels.clear()
        self.total = self.labelled = 0

    def _newest_first(self, since: int) -> Iterator[Message]:
        for message in reversed(self._messages):
            if message.accepted_at < since:
                return
            yield message
