"""Senders that rest because their token or number is broken, so that every process can see it."""

from collections.abc import Sequence
from typing import NamedTuple

from whimbrel.store.engine import Ask, Do, Statement, Steps, ask_one

_PAUSE = Statement("""
INSERT INTO senders (channel, sender, paused_since, paused_until, holds, reason, changed_at)
VALUES (:channel, :sender, :paused_since, :paused_until, :holds, :reason, :now)
ON CONFLICT (sender, channel) DO UPDATE SET paused_until = excluded.paused_until,
    holds = excluded.holds, reason = excluded.reason, changed_at = excluded.changed_at
""")
_RESUME = Statement("DELETE FROM senders WHERE channel = :channel AND sender = :sender")
_RETRY = Statement("""
UPDATE senders SET paused_until = :now,
    changed_at = CASE WHEN :now > changed_at THEN :now ELSE changed_at + 1 END
WHERE channel = :channel AND sender = :sender AND holds > 0 RETURNING sender
""")
_ALL = Statement("""
SELECT channel, sender, paused_since, paused_until, holds, reason, changed_at FROM senders
""")


class SenderPause(NamedTuple):
    """A sender that rests; `holds` counts how often in a row it was tried in vain."""

    channel: str
    sender: str
    """The line's name: a WhatsApp sender, or an account at an SMSC."""
    paused_since: int
    paused_until: int
    holds: int
    reason: str
    changed_at: int


def pause_senders(pauses: list[SenderPause]) -> Steps[list[None]]:
    """Write why senders rest and until when."""
    yield Do(_PAUSE, pauses)
    return [None] * len(pauses)


def resume_senders(senders: Sequence[tuple[str, str]]) -> Steps[list[None]]:
    """Forget the pauses of senders (channel, name) that work again."""
    yield Do(_RESUME, senders)
    return [None] * len(senders)


def paused_senders(items: list[None]) -> Steps[list[list[SenderPause]]]:
    """Return the senders that rest."""
    rows = yield from ask_one(_ALL)
    return [[SenderPause(*row) for row in rows]] * len(items)


class Retry(NamedTuple):
    """A sender that is to be tried now, without waiting for the end of its pause."""

    now: int
    channel: str
    sender: str


def retry_senders(retries: list[Retry]) -> Steps[list[bool]]:
    """End pauses: whoever holds the sender tries it with one link. Tell of each if it rested."""
    return [bool(rows) for rows in (yield Ask(_RETRY, retries))]
