"""States, their moves and the Partner's codes: `protocol.md`, sections 6 and 7."""

import pytest

from whimbrel.domain.status import (
    FIRST_SETTLED,
    MOVES,
    NOTHING_TOLD,
    LinkState,
    statuses_to_tell,
)

QUEUED = LinkState.QUEUED
MOVE_PAIRS = [(state, target) for state, targets in MOVES.items() for target in targets]


def test_every_state_says_where_it_may_go() -> None:
    assert set(MOVES) == set(LinkState)


@pytest.mark.parametrize(("state", "target"), MOVE_PAIRS)
def test_a_move_rises_or_is_another_attempt_of_an_unsettled_link(
    state: LinkState, target: LinkState
) -> None:
    assert target > state or (target is QUEUED and state < FIRST_SETTLED)


@pytest.mark.parametrize("state", [state for state in LinkState if state >= FIRST_SETTLED])
def test_only_the_subscribers_own_device_moves_a_settled_link(state: LinkState) -> None:
    assert MOVES[state] <= {LinkState.DELIVERED, LinkState.READ}


def test_read_is_the_end() -> None:
    assert not MOVES[LinkState.READ]


_N = NOTHING_TOLD
TELLS = {
    LinkState.HELD: {_N: (), 0: (), 5: (), 2: (), 9: ()},
    LinkState.QUEUED: {_N: (), 0: (), 5: (), 2: (), 9: ()},
    LinkState.SUBMITTING: {_N: (), 0: (), 5: (), 2: (), 9: ()},
    LinkState.UNSURE: {_N: (), 0: (), 5: (), 2: (), 9: ()},
    LinkState.SUBMITTED: {_N: (0,), 0: (), 5: (), 2: (), 9: ()},
    LinkState.SENT: {_N: (0,), 0: (), 5: (), 2: (), 9: ()},
    LinkState.FAILED: {_N: (5,), 0: (5,), 5: (), 2: (), 9: ()},
    LinkState.SPARED: {_N: (), 0: (), 5: (), 2: (), 9: ()},
    LinkState.CANCELLED: {_N: (5,), 0: (5,), 5: (), 2: (), 9: ()},
    LinkState.EXPIRED: {_N: (5,), 0: (5,), 5: (), 2: (), 9: ()},
    LinkState.DELIVERED: {_N: (0, 2), 0: (2,), 5: (2,), 2: (), 9: ()},
    LinkState.READ: {_N: (0, 2, 9), 0: (2, 9), 5: (2, 9), 2: (9,), 9: ()},
}


def test_the_table_below_is_whole() -> None:
    assert set(TELLS) == set(LinkState)


@pytest.mark.parametrize(
    ("state", "told", "owed"),
    [(state, told, owed) for state, row in TELLS.items() for told, owed in row.items()],
)
def test_what_was_skipped_is_told_and_nothing_falls(
    state: LinkState, told: int, owed: tuple[int, ...]
) -> None:
    assert statuses_to_tell(state, told) == owed
