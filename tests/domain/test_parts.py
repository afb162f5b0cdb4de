"""A long message is as far as its parts are."""

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whimbrel.domain.parts import whole_state
from whimbrel.domain.status import LinkState

S = LinkState
T, E, F, D = S.SUBMITTED, S.SENT, S.FAILED, S.DELIVERED  # taken, enroute, failed, delivered


@pytest.mark.parametrize(
    ("states", "whole"),
    [
        ([T, T, T], None),
        ([T, E, T], S.SENT),
        ([D, T, T], S.SENT),
        ([D, D, E], S.SENT),
        ([D, D, D], S.DELIVERED),
        ([F, T, T], S.FAILED),
        ([D, D, F], S.FAILED),
        ([F, F, F], S.FAILED),
        # Some have yet to be taken: nothing but a failure keeps these from going.
        ([T], None),
        ([E], None),
        ([D], None),
        ([D, D], None),
        ([F], S.FAILED),
        ([D, F], S.FAILED),
    ],
)
def test_what_the_parts_make_of_a_message_of_three(
    states: list[LinkState], whole: LinkState | None
) -> None:
    for order in permutations(states):
        assert whole_state(order, 3) is whole


@given(st.lists(st.sampled_from([T, E, F, D]), min_size=1, max_size=13), st.integers(0, 3))
def test_it_is_never_further_than_its_slowest_part(states: list[LinkState], missing: int) -> None:
    whole = whole_state(states, len(states) + missing)
    if whole is S.DELIVERED:
        assert not missing
        assert set(states) == {D}
    if whole is S.SENT:
        assert not missing
        assert F not in states
    assert (whole is S.FAILED) == (F in states)
