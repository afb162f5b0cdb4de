"""The whole of a long message, by its parts."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whimbrel.domain.parts import whole_state
from whimbrel.domain.status import LinkState

SUBMITTED, SENT, FAILED, DELIVERED = (
    LinkState.SUBMITTED,
    LinkState.SENT,
    LinkState.FAILED,
    LinkState.DELIVERED,
)


@pytest.mark.parametrize(
    ("states", "parts", "whole"),
    [
        ([], 1, None),
        ([SUBMITTED], 1, None),
        ([SENT], 1, SENT),
        ([DELIVERED], 1, DELIVERED),
        ([FAILED], 1, FAILED),
        ([SUBMITTED, SENT], 3, SENT),
        ([DELIVERED], 2, SENT),
        ([DELIVERED, SENT], 2, SENT),
        ([DELIVERED, DELIVERED], 2, DELIVERED),
        ([DELIVERED, DELIVERED], 3, SENT),
        ([FAILED], 3, FAILED),
        ([DELIVERED, DELIVERED, FAILED], 3, FAILED),
    ],
)
def test_whole_state(states: list[LinkState], parts: int, whole: LinkState | None) -> None:
    for order in itertools.permutations(states):
        assert whole_state(order, parts) is whole


@given(
    st.lists(st.sampled_from([SUBMITTED, SENT, FAILED, DELIVERED]), max_size=5), st.integers(1, 5)
)
def test_another_part_never_takes_a_link_back(states: list[LinkState], parts: int) -> None:
    states = states[:parts]
    seen = [whole_state(states[:count], parts) for count in range(len(states) + 1)]
    ranks = [-1 if whole is None else whole for whole in seen]
    assert ranks == sorted(ranks)
