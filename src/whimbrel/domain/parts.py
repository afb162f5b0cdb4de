"""What the states of a long message's parts make of the whole.

Each part has a number of its own at the SMSC, and receipts of its own.
"""

from collections.abc import Sequence

from whimbrel.domain.status import LinkState


def whole_state(states: Sequence[LinkState], parts: int) -> LinkState | None:
    """Return what a link of so many `parts` has come to, None if nothing is known yet.

    `states` is the furthest state of each part that a receipt has told of, in any order; a part
    without one is left out. The link is DELIVERED once every part is, since a handset shows a long
    message when it has all of them; FAILED as soon as one part is, because then it never will; SENT
    once anything of it is on its way. An SMS is never READ.
    """
    if any(state is LinkState.FAILED for state in states):
        return LinkState.FAILED
    if sum(state is LinkState.DELIVERED for state in states) >= parts > 0:
        return LinkState.DELIVERED
    if any(state in {LinkState.SENT, LinkState.DELIVERED} for state in states):
        return LinkState.SENT
    return None
