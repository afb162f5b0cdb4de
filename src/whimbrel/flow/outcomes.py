"""What the answer to a submit makes of its link. Pure: the dispatcher does what follows from it."""

from whimbrel.channels.connector import SubmitError, SubmitFault
from whimbrel.domain import retry
from whimbrel.domain.chain import Again, NoAnswer, PutBack, Refused
from whimbrel.domain.schedule import opening, within_deadline
from whimbrel.store.chains import ClaimedLink


def failure(
    link: ClaimedLink, error: SubmitError, now: int, *, grace: int, chance: float
) -> NoAnswer | Refused | Again:
    """Return the event of a failed submit; `grace` is in milliseconds, `chance` from 0 to 1."""
    if error.fault is SubmitFault.NO_ANSWER:
        return NoAnswer(link.attempt, now, now + grace)
    used_up = error.tries is not None and link.attempt >= error.tries
    if error.fault is SubmitFault.REFUSED or used_up:
        return Refused(link.attempt, now, error.error_code)
    due_at, closes_at = _opening(link, now + pause(link, error, chance))
    has_next = link.satisfied_by is not None
    if error.fault is SubmitFault.SENDER_BROKEN and has_next and due_at == now:
        due_at = _waits_since(link, now)
    return Again(link.attempt, now, due_at, closes_at)


def put_back(link: ClaimedLink, now: int, wait: int) -> PutBack:
    """Return the event of a link that may not go now, but in `wait` milliseconds at the soonest."""
    return PutBack(link.attempt, now, *_opening(link, now + wait), link.claimed_at)


def pause(link: ClaimedLink, error: SubmitError, chance: float) -> int:
    """Return how long to wait before another attempt, in milliseconds."""
    match error.fault:
        case SubmitFault.SENDER_BROKEN:
            return 0  # the sender's own rest is the pause
        case SubmitFault.NUMBER_THROTTLED:
            return retry.throughput_pause(link.attempt, chance)
        case SubmitFault.PAIR_THROTTLED:
            return retry.pair_pause(link.attempt)
        case _:
            return error.pause or retry.upstream_pause(link.attempt, chance)


def _waits_since(link: ClaimedLink, now: int) -> int:
    """Return since when a link has been due, as far as its lifetime tells.

    A blocked sender may hold a link that has a next one for so long and no longer: that it was the
    probe must not make its waiting begin anew. Where the deadline cut the lifetime, it does.
    """
    since = link.expires_at - link.ttl
    is_cut = within_deadline(link.schedule, link.expires_at + 1) == link.expires_at
    return now if is_cut else min(since, now)


def _opening(link: ClaimedLink, due_at: int) -> tuple[int, int | None]:
    """Return the moment from `due_at` on that is inside the sending hours, and when they close.

    Past the last opening a link just waits for its end.
    """
    opens_at, closes_at = opening(link.schedule, due_at)
    return (link.expires_at, None) if opens_at is None else (opens_at, closes_at)
