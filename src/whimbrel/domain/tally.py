"""What is counted for the overview, and how times are counted so that percentiles can be told.

Pure. A time falls into one of some hundred buckets, each wider than the one before by the same
part: sums of buckets from any number of minutes and nodes tell every percentile to within a tenth.
"""

import math
from collections.abc import Mapping
from enum import StrEnum


class What(StrEnum):
    """What is counted; the value is what the store keeps."""

    __hash__ = str.__hash__  # an enumeration's own takes longer than all of the counting

    ACCEPTED = "accepted"
    """A link was accepted: its turn has come already, or another one stands before it."""
    RELEASED = "released"
    """A link behind another one got its turn."""
    SUBMITTED = "submitted"
    """The channel has it."""
    DELIVERED = "delivered"
    READ = "read"
    FAILED = "failed"
    """It is undelivered; the detail is the errorCode."""
    CANCELLED = "cancelled"
    """An operator called it off, which its Partner is told as undelivered."""
    LATE = "late"
    """It was delivered after all, after it had been told undelivered."""
    SPARED = "spared"
    """It was not needed, since one before it has reached its goal."""
    HANDOVER = "handover"
    """A time: from acceptance to the channel, of the first link of a chain."""
    DELIVERY = "delivery"
    """A time: from the channel to the subscriber."""
    REPORT_AGE = "report age"
    """A time: from a state to the acknowledgement of its report."""
    REPORT_ANSWER = "report answer"
    """A time: from the start of a report's attempt to the receiver's answer, or to none."""
    REPORT_FAILED = "report failed"
    """An attempt to deliver a report was in vain, and there will be another."""
    REPORT_DEAD = "report dead"
    """A report was given up."""


TIMES = frozenset({What.HANDOVER, What.DELIVERY, What.REPORT_AGE, What.REPORT_ANSWER})
"""Those whose detail is the bucket of a time."""

_STEPS = 4  # buckets for each doubling: a bucket's middle is within 9.1 % of all that is in it
NEARNESS = 2 ** (1 / (2 * _STEPS)) - 1
"""By how much of itself a percentile may be off, of times of whole milliseconds from 1 on."""


def bucket_of(milliseconds: int) -> int:
    """Return the bucket that a time falls into; 0 for none at all, and for less."""
    if milliseconds < 1:
        return 0
    return 1 + math.floor(_STEPS * math.log2(milliseconds))


def middle_of(bucket: int) -> float:
    """Return the time that a bucket stands for, in milliseconds."""
    return 2 ** ((bucket - 0.5) / _STEPS) if bucket else 0.0


def percentile(buckets: Mapping[int, int], percent: float) -> float | None:
    """Return the time that so many percent do not exceed, in milliseconds; None of no times.

    `buckets` holds how many times fell into each; the rank is the nearest one.
    """
    total = sum(buckets.values())
    if not total:
        return None
    rank = max(1, math.ceil(total * percent / 100))
    for bucket in sorted(buckets):
        rank -= buckets[bucket]
        if rank <= 0:
            return middle_of(bucket)
    raise AssertionError("a rank is one of those that were counted")
