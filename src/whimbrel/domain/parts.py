"""A long message is as far as its parts are."""

from collections.abc import Sequence

from whimbrel.domain.status import LinkState


def whole_state(states: Sequence[LinkState], parts: int) -> LinkState | None:
    """Return what the states of the parts that were taken make of a message of `parts` parts.

    It is delivered when every part is, and failed as soon as one is: a handset shows an incomplete
    message garbled, late or not at all, and the next link of a cascade must not wait for it. None:
    nothing is known yet that would move the whole.
    """
    if LinkState.FAILED in states:
        return LinkState.FAILED
    if len(states) == parts and all(state is LinkState.DELIVERED for state in states):
        return LinkState.DELIVERED
    return LinkState.SENT if max(states) >= LinkState.SENT else None
