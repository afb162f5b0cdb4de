"""What subscribers wrote (MO), each message once.

WhatsApp delivers at least once: a message that bears its channel's number is known by it. An SMSC's
have none, and what it delivers again after an acknowledgement that it did not see is kept twice.
"""

from typing import NamedTuple

from whimbrel.domain.receipt import MoMessage
from whimbrel.store.engine import Ask, Do, Row, Statement, Steps, ask_one

_INSERT = Statement("""
INSERT INTO mo_messages (channel, account, sender, subscriber, text, part, parts, reference, raw,
    data_coding, received_at, kind, provider_id)
VALUES (:channel, :account, :sender, :subscriber, :text, :part, :parts, :reference, :raw,
    :data_coding, :received_at, :kind, :provider_id)
ON CONFLICT DO NOTHING
""")
_LAST = Statement("""
SELECT received_at, channel, account, sender, subscriber, part, parts, reference, kind, text
FROM mo_messages ORDER BY received_at DESC, mo_id DESC LIMIT :most
""")

_FOUND = """
SELECT mo_id, received_at, channel, account, sender, subscriber, text, part, parts, reference,
    kind
FROM mo_messages
"""
_OF_ALL = Statement(
    _FOUND
    + """
WHERE (received_at, mo_id) < (:before, :before_id) AND received_at >= :since
ORDER BY received_at DESC, mo_id DESC LIMIT :most
"""
)
_OF_ONE = Statement(
    _FOUND
    + """
WHERE (subscriber, received_at, mo_id) < (:subscriber, :before, :before_id)
    AND (subscriber, received_at) >= (:subscriber, :since)
ORDER BY subscriber DESC, received_at DESC, mo_id DESC LIMIT :most
"""
)


class MoWish(NamedTuple):
    """Which messages: of a subscriber or (None) of all, from a moment on, and behind another."""

    subscriber: str | None
    since: int
    before: int
    before_id: int
    """Of those that came at `before`, the ones with lesser numbers."""
    most: int


class StoredMo(NamedTuple):
    """A message from a subscriber, or one part of it."""

    mo_id: int
    received_at: int
    channel: str
    account: str
    sender: str
    subscriber: str
    text: str | None
    part: int
    parts: int
    reference: int | None
    kind: str | None


def find_mo_messages(wishes: list[MoWish]) -> Steps[list[list[StoredMo]]]:
    """Return messages, the newest first."""
    found = []
    for wish in wishes:
        subscriber, since, before, before_id, most = wish
        if subscriber is None:
            rows = yield from ask_one(_OF_ALL, before, before_id, since, most)
        else:
            rows = yield from ask_one(_OF_ONE, subscriber, before, before_id, since, most)
        found.append([StoredMo(*row) for row in rows])
    return found


def keep_mo_messages(messages: list[MoMessage]) -> Steps[list[None]]:
    """Keep what subscribers wrote, each part of a long message for itself, and a repeated one once.

    They are written in the order in which they came, for it is all that tells which of one moment
    was first. Two processes that are given the same in another order may wait for each other: the
    engine undoes one of them and runs it again.
    """
    yield Do(
        _INSERT,
        [
            (
                one.channel,
                one.account,
                one.sender,
                one.subscriber,
                one.text,
                one.part,
                one.parts,
                one.reference,
                one.raw,
                one.data_coding,
                one.received_at,
                one.kind,
                one.provider_id,
            )
            for one in messages
        ],
    )
    return [None] * len(messages)


def last_mo_messages(wishes: list[int]) -> Steps[list[list[Row]]]:
    """Return the last messages, as many as each wish says, the newest first."""
    return (yield Ask(_LAST, [(most,) for most in wishes]))
