"""Pauses between attempts.

Every pause is in milliseconds. Chance is a parameter (a number from 0 to 1), so that a test or a
simulation owns it.
"""

from whimbrel.clock import HOUR, MINUTE, SECOND

REPORT_PAUSES = (
    5 * SECOND,
    30 * SECOND,
    2 * MINUTE,
    10 * MINUTE,
    30 * MINUTE,
    1 * HOUR,
    2 * HOUR,
    4 * HOUR,
    8 * HOUR,
    12 * HOUR,
)
"""After each failed report; 27 hours in all, more than the 24 that section 7 asks for."""
_REPORT_JITTER = 0.2

_UPSTREAM_FIRST, _UPSTREAM_CAP = 2 * SECOND, 5 * MINUTE
_THROUGHPUT_FIRST, _THROUGHPUT_CAP = 1 * SECOND, 60 * SECOND
_HOLD_FIRST, _HOLD_CAP = 30 * SECOND, 1 * HOUR
_RECONNECT_FIRST, _RECONNECT_CAP = 1 * SECOND, 60 * SECOND
_REFUSED_FIRST, _REFUSED_CAP = 30 * SECOND, 5 * MINUTE
_MOST_DOUBLINGS = 30  # beyond any cap; keeps the powers small


def report_pause(attempt: int, chance: float) -> int | None:
    """Return the pause after the failed report `attempt` (1 for the first); None: give it up.

    The pause grows by up to a fifth, so that a receiver that comes back is not met by everyone's
    reports at one moment.
    """
    if attempt > len(REPORT_PAUSES):
        return None
    return round(REPORT_PAUSES[attempt - 1] * (1 + _REPORT_JITTER * chance))


def report_attempts_left(failures: int, next_at: int) -> tuple[int, int]:
    """Return how many attempts a report has left, and when the last will be at the soonest.

    `failures` were counted so far, and the next attempt is at `next_at` (milliseconds UTC).
    """
    return len(REPORT_PAUSES) + 1 - failures, next_at + sum(REPORT_PAUSES[failures:])


def upstream_pause(attempt: int, chance: float) -> int:
    """Return the pause after a fault of the channel: 2 s, doubled, full jitter, 5 min at most."""
    return round(_doubled(_UPSTREAM_FIRST, _UPSTREAM_CAP, attempt) * chance)


def throughput_pause(attempt: int, chance: float) -> int:
    """Return the pause after "too fast for this number" (130429): 1 s, doubled, 60 s at most."""
    return round(_doubled(_THROUGHPUT_FIRST, _THROUGHPUT_CAP, attempt) * (0.5 + chance / 2))


def pair_pause(attempt: int) -> int:
    """Return the pause after "too much to this subscriber" (131056): 4^x s, x from 0 (Meta)."""
    return min(SECOND << 2 * min(attempt - 1, _MOST_DOUBLINGS), HOUR)


def hold_pause(holds: int) -> int:
    """Return how long a broken sender rests before it is tried again: 30 s, doubled, up to 1 h."""
    return _doubled(_HOLD_FIRST, _HOLD_CAP, holds)


def reconnect_pause(failures: int, chance: float) -> int:
    """Return the pause before the next connection to an SMSC: 1 s, doubled, full jitter, 60 s.

    `failures` counts from 1. The jitter keeps an SMSC that comes back from being met by everyone.
    """
    return round(_doubled(_RECONNECT_FIRST, _RECONNECT_CAP, failures) * chance)


def refused_bind_pause(failures: int, chance: float) -> int:
    """Return the pause after an SMSC refused who we are: 30 s, doubled, 5 min at most.

    Longer, because it takes a person to mend, and some SMSCs lock an account that insists.
    """
    return round(_doubled(_REFUSED_FIRST, _REFUSED_CAP, failures) * (0.5 + chance / 2))


def _doubled(first: int, cap: int, attempt: int) -> int:
    return min(first << min(attempt - 1, _MOST_DOUBLINGS), cap)
