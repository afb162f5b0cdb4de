"""Dealing out what several nodes hold."""

from hypothesis import given
from hypothesis import strategies as st

from whimbrel.domain.even_parts import even_parts

NAMES = "abcdef"
PLACES = st.dictionaries(st.sampled_from(NAMES), st.integers(1, 5), max_size=6)
NODES = st.sets(st.integers(0, 63), min_size=1, max_size=5)


def test_one_node_has_all() -> None:
    assert even_parts({"a": 1, "b": 3}, {}, [7]) == {7: {"a", "b"}}


def test_what_a_node_has_it_keeps_if_that_is_even() -> None:
    held = {"a": [2], "b": [1]}
    assert even_parts({"a": 1, "b": 1}, held, [1, 2]) == {1: {"b"}, 2: {"a"}}


def test_a_node_that_comes_gets_its_part() -> None:
    assert even_parts({"a": 1, "b": 1, "c": 1}, {name: [0] for name in "abc"}, [0, 1]) == {
        0: {"b", "c"},
        1: {"a"},
    }


def test_a_third_node_gets_something_of_two_that_have_two_each() -> None:
    held = {"a": [0], "b": [0], "c": [1], "d": [1]}
    parts = even_parts(dict.fromkeys("abcd", 1), held, [0, 1, 2])
    assert sorted(map(len, parts.values())) == [1, 1, 2]


def test_the_part_of_a_dead_node_goes_to_the_living() -> None:
    held = {"a": [0], "b": [1]}
    assert even_parts({"a": 1, "b": 1}, held, [1]) == {1: {"a", "b"}}


def test_nobody_alive() -> None:
    assert even_parts({"a": 1}, {"a": [0]}, []) == {}


@given(PLACES, st.dictionaries(st.sampled_from(NAMES), st.sets(st.integers(0, 63))), NODES)
def test_all_have_as_much_and_nothing_lies_idle(
    places: dict[str, int], held: dict[str, set[int]], nodes: set[int]
) -> None:
    parts = even_parts(places, held, nodes)
    assert parts.keys() == nodes
    counts = [len(part) for part in parts.values()]
    assert max(counts) - min(counts) <= 1
    for name, most in places.items():
        assert sum(name in part for part in parts.values()) == min(most, len(nodes))


@given(PLACES, NODES)
def test_what_is_even_stays(places: dict[str, int], nodes: set[int]) -> None:
    parts = even_parts(places, {}, nodes)
    held = {name: {node for node in parts if name in parts[node]} for name in places}
    assert even_parts(places, held, nodes) == parts
