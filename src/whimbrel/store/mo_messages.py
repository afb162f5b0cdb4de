"""What subscribers wrote (MO), kept until it is delivered to a Partner."""

from whimbrel.domain.receipt import MoMessage
from whimbrel.store.engine import Ask, Do, Row, Statement, Steps

_INSERT = Statement("""
INSERT INTO mo_messages (channel, account, sender, subscriber, text, part, parts, reference, raw,
    data_coding, received_at)
VALUES (:channel, :account, :sender, :subscriber, :text, :part, :parts, :reference, :raw,
    :data_coding, :received_at)
""")
_LAST = Statement("""
SELECT received_at, channel, account, sender, subscriber, part, parts, reference, text
FROM mo_messages ORDER BY received_at DESC LIMIT :most
""")


def keep_mo_messages(messages: list[MoMessage]) -> Steps[list[None]]:
    """Keep what subscribers wrote, each part of a long message for itself."""
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
            )
            for one in messages
        ],
    )
    return [None] * len(messages)


def last_mo_messages(wishes: list[int]) -> Steps[list[list[Row]]]:
    """Return the last messages, as many as each wish says, the newest first."""
    return (yield Ask(_LAST, [(most,) for most in wishes]))
