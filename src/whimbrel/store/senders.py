"""Senders that rest because their token or number is broken, so that every process can see it."""

from collections.abc import Sequence
from typing import NamedTuple

from whimbrel.store.engine import Do, Statement, Steps, ask_one

_PAUSE = Statement("""
INSERT INTO senders (channel, sender, paused_since, paused_until, holds, reason, changed_at)
VALUES (:channel, :sender, :paused_since, :paused_until, :holds, :reason, :now)
ON CONFLICT (sender, channel) DO UPDATE SET paused_until = excluded.paused_until,
    holds = excluded.holds, reason = excluded.reason, changed_at = excluded.changed_at
""")
_RESUME = Statement("DELETE FROM senders WHERE channel = :channel AND sender = :sender")
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
