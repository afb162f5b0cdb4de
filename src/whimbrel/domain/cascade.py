"""Cascades: what a link's move means to the links behind it (`protocol.md`, section 6).

Pure. The store shows all links of a chain after each move of one, and writes what is answered in
the same transaction: no fall-back can be lost between two moments, and none can fire twice, since a
held link is let go only once. What has been sent is never called back.
"""

from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from whimbrel.domain.chain import Link
from whimbrel.domain.schedule import opening, within_deadline
from whimbrel.domain.status import LinkState

NEVER = (1 << 53) - 1
"""A moment that does not come: the lifetime of a link that has not begun."""

_MISSED = {LinkState.FAILED, LinkState.EXPIRED}
_UNSENT = {LinkState.HELD, LinkState.QUEUED}
_MAY_HAVE_GONE = {LinkState.SUBMITTING, LinkState.UNSURE}


def follow(links: Sequence[Link], schedule: str | None, now: int) -> Iterator[Link]:
    """Yield the links that change, given all links of a chain in their order.

    A held link goes when the one before it has failed or expired, or has not reached READ by the
    end of its lifetime where READ was asked; until then its `due_at` is the moment at which it
    would. Once any link has reached its goal, those behind it that have not been sent are spared: a
    late success stops what it still can. A link that was queued again counts as not sent, though an
    attempt without an answer may have gone.
    """
    before, satisfied = links[0], False
    for link in links[1:]:
        satisfied = satisfied or before.satisfied
        changed = _spared(link) if satisfied else _held(link, before, schedule, now)
        if changed != link:
            yield changed
        before = changed


def sent_behind(links: Sequence[Link], link_id: int) -> int:
    """Count the links behind one that the channel took, or that are on their way to it."""
    return sum(
        link.submitted_at is not None or link.state in _MAY_HAVE_GONE
        for link in links
        if link.link_id > link_id
    )


def _spared(link: Link) -> Link:
    return replace(link, state=LinkState.SPARED) if link.state in _UNSENT else link


def _held(link: Link, before: Link, schedule: str | None, now: int) -> Link:
    """Let a held link go if its time has come; else note when it will."""
    if link.state is not LinkState.HELD:
        return link
    unread = before.state is LinkState.DELIVERED and now >= before.expires_at
    if before.state in _MISSED or unread:
        return _released(link, schedule, now)
    return replace(link, due_at=before.expires_at)


def _released(link: Link, schedule: str | None, now: int) -> Link:
    """Queue a link. Past the last opening of its hours it ends at once, unsent."""
    due_at, closes_at = opening(schedule, now)
    if due_at is None:
        return replace(link, state=LinkState.QUEUED, due_at=now, expires_at=now)
    return replace(
        link,
        state=LinkState.QUEUED,
        due_at=due_at,
        closes_at=closes_at,
        expires_at=within_deadline(schedule, due_at + link.ttl),
    )
