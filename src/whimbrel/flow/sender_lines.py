"""One line per sender account: how fast it may go, how much is under way, and whether it rests.

A line may serve several senders: those of one account at an SMSC share its connection.

A sender whose token or number is broken rests for growing pauses. After each, a single link goes as
a probe; the rest follows when that is taken. Pauses are kept in the store, so that `whimbrel
status` sees them and a restart does not forget them.
"""

import math
from collections.abc import Mapping

from whimbrel.channels.connector import Connector
from whimbrel.clock import SECOND, Clock
from whimbrel.domain.content import Channel
from whimbrel.domain.pacing import NumberPacing, PairPacing
from whimbrel.domain.retry import hold_pause, throughput_pause
from whimbrel.store.senders import SenderPause

_LOOK_AGAIN = 1 * SECOND


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
        slots: int = 1,
    ) -> None:
        """`throughput` is in messages a second, 0 for no limit; `slots` nodes may send at once."""
        self.channel = channel
        self.connector = connector
        self.pacing = NumberPacing(throughput)
        self.pairs = PairPacing() if pair_pacing else None
        self.under_way = 0
        self.pause: SenderPause | None = None
        self.held = True
        """Whether this node sends through it; else its links are other nodes' to claim."""
        self.silent_elsewhere = False
        """Where another node holds it: no receipt can come there either."""
        self.slots = slots
        self.resumed_at = 0
        self._throughput = throughput
        self._concurrency = concurrency
        self._throttles = 0
        self._quiet_until = 0.0

    @property
    def name(self) -> str:
        """What operators call it: the sender, or the account where that has several."""
        return self.connector.name

    def share_with(self, nodes: int) -> None:
        """Take its part of the throughput, beside so many nodes that send from it too."""
        self.pacing.grant(self._throughput / nodes)

    @property
    def blocked_since(self) -> int | None:
        """Since when it takes nothing, in milliseconds UTC; None: it does, or is another node's."""
        if not self.held:
            return None
        if self.pause is not None:
            return self.pause.paused_since
        return self.connector.blocked_since

    def room(self, clock: Clock) -> int:
        """Tell how many links may be claimed now."""
        if (
            not self.held
            or self.connector.blocked_since is not None
            or clock.elapsed() < self._quiet_until
        ):
            return 0
        free = self._concurrency - self.under_way
        if self.pause is not None:
            resting = clock.now() < self.pause.paused_until
            free = 0 if resting or self.under_way else 1  # one link as a probe
        return self.pacing.room(clock.elapsed(), max(free, 0))

    def next_room_at(self, clock: Clock) -> int:
        """Return the moment from which there may be room again, as far as time decides it."""
        if self.connector.blocked_since is not None:
            return clock.now() + _LOOK_AGAIN  # it wakes the dispatcher itself
        if self.pause is not None:
            return self.pause.paused_until
        now = clock.elapsed()
        wait = max(self.pacing.wait(now), self._quiet_until - now)
        return clock.now() + math.ceil(wait * SECOND)

    def slow_down(self, clock: Clock, chance: float) -> None:
        """Go slower, since the channel said so.

        An SMSC's throttling is about the whole connection: nothing goes there for a pause, longer
        each time until a submit is taken again. Many answers at once tell one fact.
        """
        now = clock.elapsed()
        self.pacing.halve(now)
        if self.channel is Channel.SMS and now >= self._quiet_until:
            self._throttles += 1
            self._quiet_until = now + throughput_pause(self._throttles, chance) / SECOND

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
        since = self.pause.paused_since if self.pause else now
        self.pause = SenderPause(self.channel, self.name, since, until, holds, reason, now)
        return self.pause

    def resume(self, now: int) -> bool:
        """Go on, since a submit was taken; tell whether the sender had rested."""
        self._throttles = 0
        rested, self.pause = self.pause is not None, None
        if rested:
            self.resumed_at = now
        return rested


Lines = Mapping[tuple[Channel, str], SenderLine]
"""The line of each sender, by channel and the sender's name."""


def unheard(lines: Lines) -> frozenset[tuple[str, str]]:
    """Return the senders whose receipts cannot come, for these share the connection of submits.

    WhatsApp's come by webhooks, however its submits fare.
    """
    return frozenset(
        key
        for key, line in lines.items()
        if line.channel is Channel.SMS
        and (line.connector.blocked_since is not None if line.held else line.silent_elsewhere)
    )
