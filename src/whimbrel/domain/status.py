"""A link's states, the legal moves between them, and the codes that a Partner is told.

The number of a state is its rank: whatever comes late, doubled or out of order, a link's rank only
rises (`protocol.md`, sections 6 and 7; Meta's page "Status messages webhook"). Two moves fall, and
both belong to the dispatcher: a submit that surely did not go is queued again, and so is one that
the channel took and then gave back. The picture in `ARCHITECTURE.md` is generated from `MOVES`.

A link behind another one begins as HELD, and leaves that state once: nothing falls through twice.
"""

from enum import IntEnum
from types import MappingProxyType


class LinkState(IntEnum):
    """Where a link is on its way; the value is its rank and is what the store keeps."""

    HELD = -10
    """Waits for the link before it in the cascade to miss its goal."""
    QUEUED = 0
    """Waits for its time, for its sender or for another attempt."""
    SUBMITTING = 10
    """The attempt is on disk; the request may be on the wire."""
    UNSURE = 20
    """The attempt had no answer: it may have gone. A receipt settles it, or its Partner's rule."""
    SUBMITTED = 30
    """The channel took it and gave it a number."""
    SENT = 40
    """It left the channel for the subscriber."""
    FAILED = 50
    """The channel refused it, or gave it up, for good."""
    SPARED = 55
    """Not sent, since a link before it has reached its goal."""
    CANCELLED = 57
    """Not sent, since somebody called it off; nothing behind it goes either."""
    EXPIRED = 60
    """Its lifetime or its deadline passed first."""
    DELIVERED = 70
    """It is on the subscriber's device."""
    READ = 80
    """The subscriber opened it."""


S = LinkState
MOVES: MappingProxyType[LinkState, frozenset[LinkState]] = MappingProxyType(
    {
        S.HELD: frozenset({S.QUEUED, S.SPARED, S.CANCELLED}),
        S.QUEUED: frozenset(
            {
                S.SUBMITTING,
                S.SUBMITTED,
                S.SENT,
                S.FAILED,
                S.SPARED,
                S.CANCELLED,
                S.EXPIRED,
                S.DELIVERED,
                S.READ,
            }
        ),
        S.SUBMITTING: frozenset(
            {S.QUEUED, S.UNSURE, S.SUBMITTED, S.SENT, S.FAILED, S.DELIVERED, S.READ}
        ),
        S.UNSURE: frozenset(
            {S.QUEUED, S.SUBMITTED, S.SENT, S.FAILED, S.SPARED, S.EXPIRED, S.DELIVERED, S.READ}
        ),
        S.SUBMITTED: frozenset({S.QUEUED, S.SENT, S.FAILED, S.EXPIRED, S.DELIVERED, S.READ}),
        S.SENT: frozenset({S.QUEUED, S.FAILED, S.EXPIRED, S.DELIVERED, S.READ}),
        S.FAILED: frozenset({S.DELIVERED, S.READ}),
        S.SPARED: frozenset({S.DELIVERED, S.READ}),
        S.CANCELLED: frozenset({S.DELIVERED, S.READ}),
        S.EXPIRED: frozenset({S.DELIVERED, S.READ}),
        S.DELIVERED: frozenset({S.READ}),
        S.READ: frozenset(),
    }
)
"""From each state, where a link may go. A move to `QUEUED` is another attempt, or the first of a
held link; a spared or cancelled one can turn out to have gone in an attempt without an answer."""
del S

FIRST_SETTLED = LinkState.FAILED
"""From this rank on, nothing more is submitted and no timer runs."""


class Status(IntEnum):
    """What a Partner is told about a link (`protocol.md`, section 7)."""

    HANDED_OVER = 0
    DELIVERED = 2
    UNDELIVERED = 5
    READ = 9


CLICKED = 100
"""Kept in place of a status by the report of a subscriber's first click; no state leads to it, and
a Partner reads another form (`flow/report_body.py`)."""


class ErrorCode(IntEnum):
    """Why a link is undelivered (`protocol.md`, section 7)."""

    NONE = 0
    UNKNOWN = 1
    ABSENT_SUBSCRIBER = 2
    CALL_BARRED = 3
    FAILURE = 4
    MEMORY_CAPACITY_EXCEEDED = 5
    TELESERVICE_NOT_PROVISIONED = 6
    TIMEOUT = 7
    UNKNOWN_SUBSCRIBER = 8
    DUPLICATED = 9
    FILTERED = 10
    UNROUTED = 11
    OPER_BLACKLISTED = 12
    OPER_INVSRCADDR = 13
    OPER_SPAMFILTERED = 14
    BUSY = 16


_TOLD_BY = MappingProxyType(
    {
        LinkState.SUBMITTED: (Status.HANDED_OVER,),
        LinkState.SENT: (Status.HANDED_OVER,),
        LinkState.FAILED: (Status.UNDELIVERED,),
        LinkState.CANCELLED: (Status.UNDELIVERED,),
        LinkState.EXPIRED: (Status.UNDELIVERED,),
        LinkState.DELIVERED: (Status.HANDED_OVER, Status.DELIVERED),
        LinkState.READ: (Status.HANDED_OVER, Status.DELIVERED, Status.READ),
    }
)
_ORDER = (Status.HANDED_OVER, Status.UNDELIVERED, Status.DELIVERED, Status.READ)
NOTHING_TOLD = -1


def statuses_to_tell(state: LinkState, told: int) -> tuple[Status, ...]:
    """Return the statuses that a link in `state` still owes its Partner, in order.

    `told` is the last status that the Partner was due (`NOTHING_TOLD` before the first). What was
    skipped is filled in, since a message that was read has been delivered; what was overtaken is
    left out, so that a Partner never sees a status fall. The truth wins: a delivery that comes to
    light after "undelivered" is told.
    """
    told_so_far = -1 if told == NOTHING_TOLD else _ORDER.index(Status(told))
    return tuple(status for status in _TOLD_BY.get(state, ()) if _ORDER.index(status) > told_so_far)
