"""One line per sender account: how fast it may go, how much is under way, and whether it rests.

A sender whose token or number is broken rests for growing pauses. After each, a single link goes as
a probe; the rest follows when that is taken. Pauses are kept in the store, so that `whimbrel
status` sees them and a restart does not forget them.
"""

from whimbrel.channels.connector import Connector
from whimbrel.clock import SECOND, Clock
from whimbrel.domain.content import Channel
from whimbrel.domain.pacing import NumberPacing, PairPacing
from whimbrel.domain.retry import hold_pause
from whimbrel.store.senders import SenderPause


class SenderLine:
    """What the dispatcher must know of one sender."""

    def __init__(
        self,
        channel: Channel,
        connector: Connector,
        *,
        throughput: float,
        pair_pacing: bool,
        concurrency: int,
    ) -> None:
        """`throughput` is in messages a second, 0 for no limit."""
        self.channel = channel
        self.connector = connector
        self.pacing = NumberPacing(throughput)
        self.pairs = PairPacing() if pair_pacing else None
        self.under_way = 0
        self.pause: SenderPause | None = None
        self._concurrency = concurrency

    @property
    def sender(self) -> str:
        """The sender's name."""
        return self.connector.sender

    def room(self, clock: Clock) -> int:
        """Tell how many links may be claimed now."""
        free = self._concurrency - self.under_way
        if self.pause is not None:
            resting = clock.now() < self.pause.paused_until
            free = 0 if resting or self.under_way else 1  # one link as a probe
        return self.pacing.room(clock.elapsed(), max(free, 0))

    def next_room_at(self, clock: Clock) -> int:
        """Return the moment from which there may be room again, as far as time decides it."""
        if self.pause is not None:
            return self.pause.paused_until
        return clock.now() + round(self.pacing.wait(clock.elapsed()) * SECOND)

    def rest(self, clock: Clock, reason: str, pause: int | None) -> SenderPause | None:
        """Rest because the sender is broken, for `pause` milliseconds or longer each time.

        Returns the pause to be kept; None if it rests already, for submits that were under way
        together tell of one fault.
        """
        now = clock.now()
        if self.pause is not None and now < self.pause.paused_until:
            return None
        holds = self.pause.holds + 1 if self.pause else 1
        until = now + max(pause or 0, hold_pause(holds))
        self.pause = SenderPause(self.channel, self.sender, until, holds, reason, now)
        return self.pause

    def resume(self) -> bool:
        """Go on, since a submit was taken; tell whether the sender had rested."""
        rested, self.pause = self.pause is not None, None
        return rested
