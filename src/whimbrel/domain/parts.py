"""What the states of a long message's parts make of the whole.

Each part has a number of its own at the SMSC, and receipts of its own.
"""

from collections.abc import Sequence

from whimbrel.domain.status import LinkState


def whole_state(states: Sequence[LinkState], parts: int) -> LinkState | None:
    """Return what a link of so many `parts` has come to, None if nothing is known that moves it.

    `states` is the furthest state of each part that the SMSC has taken. The link is DELIVERED once
    every part is, since a handset shows a long message when it has all of them, and FAILED as soon
    as one part is: then it never will, and the next link of a cascade must not wait for it. SENT
    once anything is on its way; but while parts have yet to be taken, nothing except a failure
    moves the whole, for a link that is under way would not be submitted again, and the rest of it
    would never go. An SMS is never READ.
    """
    if LinkState.FAILED in states:
        return LinkState.FAILED
    if len(states) < parts:
        return None
    if all(state is LinkState.DELIVERED for state in states):
        return LinkState.DELIVERED
    return LinkState.SENT if max(states) >= LinkState.SENT else None
