"""Extra parameters, `protocol.md`, section 1."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whimbrel.domain.extra_param import BadExtraParam, parse, render

NAMES = st.text(min_size=1).filter(lambda name: not {",", "="} & set(name))
VALUES = st.text() | st.text(",=a ")
PROVIDERS_EXAMPLE = (
    "place=абзаково,name=гостевой дом-2,coordinates=53.8085896,, 58.6362112,"
    "from=23.02.09,to=05.03.09"
)


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("", ()),
        ("a=1", (("a", "1"),)),
        ("a=", (("a", ""),)),
        ("a=,b=", (("a", ""), ("b", ""))),
        ("place=a,geo=53.8,, 58.6", (("place", "a"), ("geo", "53.8, 58.6"))),
        (
            PROVIDERS_EXAMPLE,
            (
                ("place", "абзаково"),
                ("name", "гостевой дом-2"),
                ("coordinates", "53.8085896, 58.6362112"),
                ("from", "23.02.09"),
                ("to", "05.03.09"),
            ),
        ),
        # Runs of commas pair up from the left.
        ("a=,,", (("a", ","),)),
        ("a=1,,,b=2", (("a", "1,"), ("b", "2"))),
        ("a=1,,,,b=2", (("a", "1,,b=2"),)),
        ("a=1,,,,,b=2", (("a", "1,,"), ("b", "2"))),
        ("a=,,,b=2", (("a", ","), ("b", "2"))),
        # The first equals sign ends the name.
        ("url=https://a.example/?b=1", (("url", "https://a.example/?b=1"),)),
        ("a==", (("a", "="),)),
        # In order, repeated, untrimmed.
        ("b=1,a=2,b=1", (("b", "1"), ("a", "2"), ("b", "1"))),
        ("a = 1 , b=2\n", (("a ", " 1 "), (" b", "2\n"))),
    ],
)
def test_a_text_becomes_pairs(text: str, pairs: tuple[tuple[str, str], ...]) -> None:
    assert parse(text) == pairs
    assert render(pairs) == text


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("a", "name=value"),
        (" ", "name=value"),
        (",", "name=value"),
        (",,", "name=value"),
        ("a=1,", "name=value"),
        (",a=1", "name=value"),
        ("a=1,b", "name=value"),
        ("a=53.8, 58.6", "written twice"),
        ("=", "not be empty"),
        ("=1", "not be empty"),
        ("a=1,=2", "not be empty"),
        ("a,,b=1", "no comma"),
        ("a=1,,,,,,,b,,c=1", "no comma"),
    ],
)
def test_what_the_grammar_does_not_know_is_refused(text: str, rule: str) -> None:
    with pytest.raises(BadExtraParam, match=rule):
        parse(text)


@pytest.mark.parametrize("name", ["", "a,b", "a=b", ",", "="])
def test_a_name_that_could_not_be_read_back_is_not_written(name: str) -> None:
    with pytest.raises(BadExtraParam):
        render([(name, "1")])


@given(st.lists(st.tuples(NAMES, VALUES)))
def test_what_is_written_is_read_back(pairs: list[tuple[str, str]]) -> None:
    assert parse(render(pairs)) == tuple(pairs)


@given(st.text(",=a b"))
def test_what_is_read_is_written_back(text: str) -> None:
    try:
        pairs = parse(text)
    except BadExtraParam:
        return
    assert render(pairs) == text
