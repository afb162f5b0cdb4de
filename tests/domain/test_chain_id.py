"""Numbers of chains and links."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.clock import START
from whimbrel.clock import DAY, SECOND
from whimbrel.domain.chain_id import (
    ChainIds,
    NumbersUsedUp,
    accepted_about,
    accepted_since,
    chain_of,
    link_id,
    moment_after,
)

LAST_MOMENT = 2_840_000_000_000  # 2059-12-30
A_SECOND_OF_NUMBERS = 131_072
moments = st.lists(st.integers(START - 30 * DAY, START + 30 * DAY), min_size=2, max_size=50)


@given(moments, st.integers(0, 63))
def test_numbers_rise_whatever_the_clock_does(clock: list[int], node: int) -> None:
    ids = ChainIds(node)
    numbers = [ids.next(now) for now in clock]
    assert numbers == sorted(set(numbers))


@given(moments)
def test_two_nodes_never_give_the_same_number(clock: list[int]) -> None:
    one, other = ChainIds(1), ChainIds(2)
    assert {one.next(now) for now in clock}.isdisjoint({other.next(now) for now in clock})


@pytest.mark.parametrize("node", [0, 63])
def test_a_number_fits_a_javascript_number_until_2060(node: int) -> None:
    assert 0 < ChainIds(node).next(LAST_MOMENT) < 2**53


def test_a_number_is_ordered_by_time_across_nodes() -> None:
    assert ChainIds(63).next(START) < ChainIds(0).next(START + SECOND)


@given(st.integers(0, 63), st.integers(0, DAY))
def test_whoever_has_the_place_next_goes_on_behind(node: int, clock: int) -> None:
    """Though the clock of the one before was ahead."""
    until = START + clock
    before = ChainIds(node, until=until)
    numbers = [before.next(now) for now in range(until - 5 * SECOND, until, 100)]
    with pytest.raises(NumbersUsedUp):
        before.next(until + SECOND)
    after = ChainIds(node, begin=until).next(START)
    assert all(number < after for number in numbers)
    assert after <= ChainIds(node).next(until + 1_000)


def test_a_number_tells_from_when_on_all_are_greater() -> None:
    last = ChainIds(63).next(START)
    assert ChainIds(0).next(moment_after(last)) > last > ChainIds(0).next(moment_after(last) - 1)


@pytest.mark.parametrize("node", [0, 5, 63])
def test_a_second_that_is_used_up_borrows_from_the_next(node: int) -> None:
    ids, neighbour = ChainIds(node), ChainIds((node + 1) % 64)
    numbers = [ids.next(START) for _ in range(A_SECOND_OF_NUMBERS + 2)]
    following = ChainIds(node).next(START + SECOND)
    assert numbers[A_SECOND_OF_NUMBERS:] == [following, following + 1]
    assert numbers[A_SECOND_OF_NUMBERS - 1] == numbers[0] + A_SECOND_OF_NUMBERS - 1
    assert neighbour.next(START) not in numbers


@pytest.mark.parametrize("node", [-1, 64])
def test_there_are_64_nodes(node: int) -> None:
    with pytest.raises(ValueError, match="0 to 63"):
        ChainIds(node)


@given(st.integers(1, 2**53 - 1), st.integers(0, 9))
def test_a_link_knows_its_chain(chain_id: int, position: int) -> None:
    link = link_id(chain_id, position)
    assert chain_of(link) == chain_id
    assert link < 2**63


@given(st.integers(START, LAST_MOMENT), st.integers(0, 63))
def test_a_number_tells_when_its_chain_was_accepted(moment: int, node: int) -> None:
    number = ChainIds(node).next(moment)
    second = moment // SECOND * SECOND
    assert accepted_about(number) == second
    assert accepted_since(moment) <= number < accepted_since(second + SECOND)


def test_before_the_first_number_there_is_none() -> None:
    assert accepted_since(0) == accepted_since(-DAY) == 0
