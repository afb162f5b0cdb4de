"""How fast a sender, a pair or a Partner may go.

Each limit is kept as one moment, the theoretical arrival time of the generic cell rate algorithm
(ITU-T I.371, Annex A): nothing ticks, and an idle limit costs no memory beyond that number. Time is
a parameter, in seconds from any start.
"""

_EMISSION_PAIR = 6.0
_BURST_PAIR = 45
_RECOVERY_STEP = 0.05
_RECOVERY_PAUSE = 5.0
_FLOOR = 1.0


class Rate:
    """At most `rate` a second on the average, with bursts of `burst`; rate 0: no limit."""

    __slots__ = ("_full_at", "burst", "rate")

    def __init__(self, rate: float, burst: float) -> None:
        self.rate = rate
        self.burst = max(burst, 1.0)
        self._full_at = float("-inf")

    def room(self, now: float, most: int) -> int:
        """Tell how many may go now, up to `most`."""
        if not self.rate:
            return most
        owed = max(self._full_at - now, 0.0) * self.rate
        return max(0, min(most, int(self.burst - owed + 1e-9)))

    def take(self, now: float, count: int = 1) -> None:
        """Count `count` that go now."""
        if self.rate:
            self._full_at = max(self._full_at, now) + count / self.rate

    def wait(self, now: float) -> float:
        """Tell in how many seconds there is room for one."""
        if not self.rate:
            return 0.0
        return max(0.0, self._full_at - now - (self.burst - 1) / self.rate)


class NumberPacing:
    """The throughput of one sending number: halved on 130429, then recovering step by step.

    Source: Meta's page "Throughput"; halving and recovery are ours.
    """

    def __init__(self, granted: float) -> None:
        self._granted = granted
        self._rate = Rate(granted, burst=max(granted / 10, 1.0))  # a tenth of a second's worth
        self._changed_at = 0.0

    def grant(self, granted: float) -> None:
        """Go on with another throughput: other nodes send from this number too, or no more."""
        if granted != self._granted:
            slowed = self._rate.rate / self._granted if self._granted else 1.0
            self._granted = granted
            self._rate.rate = max(granted * slowed, _FLOOR) if granted else 0.0
            self._rate.burst = max(granted / 10, 1.0)

    @property
    def rate(self) -> float:
        """Messages a second at present; 0: no limit."""
        return self._rate.rate

    def room(self, now: float, most: int) -> int:
        """Tell how many may go now, up to `most`."""
        self._recover(now)
        return self._rate.room(now, most)

    def take(self, now: float, count: int) -> None:
        """Count `count` that go now."""
        self._rate.take(now, count)

    def wait(self, now: float) -> float:
        """Tell in how many seconds there is room for one."""
        return self._rate.wait(now)

    def halve(self, now: float) -> None:
        """Slow down, since Meta said so; once a second at most, as many answers tell one fact."""
        if self._rate.rate and now - self._changed_at >= 1.0:
            self._rate.rate = max(self._rate.rate / 2, _FLOOR)
            self._changed_at = now

    def _recover(self, now: float) -> None:
        if self._rate.rate < self._granted and now - self._changed_at >= _RECOVERY_PAUSE:
            step = max(self._granted * _RECOVERY_STEP, _FLOOR)
            self._rate.rate = min(self._rate.rate + step, self._granted)
            self._changed_at = now


class PairPacing:
    """Meta's limit for one number and one subscriber: one in 6 s, bursts of 45 (page "Throughput").

    A pair is forgotten once it owes nothing: memory follows the last minutes' traffic.
    """

    def __init__(self) -> None:
        self._full_at: dict[str, float] = {}
        self._swept_at = 0.0

    def take(self, subscriber: str, now: float) -> float:
        """Let one go to `subscriber` and return 0, or return the seconds that it must wait."""
        full_at = max(self._full_at.get(subscriber, now), now)
        wait = full_at - now - (_BURST_PAIR - 1) * _EMISSION_PAIR
        if wait > 0:
            return wait
        self._full_at[subscriber] = full_at + _EMISSION_PAIR
        self._sweep(now)
        return 0.0

    def hold(self, subscriber: str, now: float, seconds: float) -> None:
        """Let nothing go to `subscriber` for `seconds`, since Meta refused one (131056)."""
        self._full_at[subscriber] = now + seconds + (_BURST_PAIR - 1) * _EMISSION_PAIR

    def __len__(self) -> int:
        return len(self._full_at)

    def _sweep(self, now: float) -> None:
        if now - self._swept_at >= _EMISSION_PAIR:
            self._full_at = {pair: at for pair, at in self._full_at.items() if at > now}
            self._swept_at = now
