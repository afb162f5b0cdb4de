"""Meta's two limits on sending: messages a second of a number, and messages to one subscriber.

Owns the counting alone; what an excess is answered with is the Graph API's affair.
"""

from collections.abc import Hashable

from whimbrel.clock import Clock

PAIR_INTERVAL = 6.0  # seconds: one message to one subscriber
ROUNDING = 1e-6  # seconds: sums of intervals are not exact
PAIR_BURST = 45  # so many may be borrowed from the future


class Limit:
    """A token bucket for each key.

    Kept as one number a key, the moment when the bucket will be full again (GCRA); a key whose
    moment has passed is as good as unknown and is dropped now and then.
    """

    def __init__(self, clock: Clock, *, interval: float, burst: float) -> None:
        """`interval` is the seconds between two messages in the long run, `burst` the bucket."""
        self._clock = clock
        self._interval = interval
        self._tolerance = interval * (burst - 1) + ROUNDING
        self._full_at: dict[Hashable, float] = {}
        self._sweep_at_size = 10_000

    def admits(self, key: Hashable) -> bool:
        """Take one token of the key's bucket, if there is one. A refusal costs nothing."""
        now = self._clock.elapsed()
        full_at = max(self._full_at.get(key, now), now)
        if full_at - now > self._tolerance:
            return False
        self._full_at[key] = full_at + self._interval
        if len(self._full_at) > self._sweep_at_size:
            self._sweep(now)
        return True

    def _sweep(self, now: float) -> None:
        self._full_at = {key: at for key, at in self._full_at.items() if at > now}
        self._sweep_at_size = max(10_000, 2 * len(self._full_at))


def throughput_limit(clock: Clock, per_second: float) -> Limit:
    """Return the limit of a number; up to one second's worth may come at once."""
    return Limit(clock, interval=1 / per_second, burst=max(1.0, per_second))


def pairs_limit(clock: Clock, speed: float) -> Limit:
    """Return the limit of a number and one subscriber, `speed` times faster than Meta's."""
    return Limit(clock, interval=PAIR_INTERVAL / speed, burst=PAIR_BURST)
