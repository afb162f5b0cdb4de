"""Reading the numbering registry's files."""

import pytest

from tests.support.registry import MTS, NOBODY, registry_text
from whimbrel.domain.numbering import NumberRange
from whimbrel.domain.registry_file import (
    HEADER,
    BadRegistryFile,
    RegistryFile,
    RegistryRow,
    RowFault,
    assign,
    read_registry,
)

OMSK = ("Омская обл.", "Омская область")


def a_row(
    code: str = "913",
    start: str = "0000000",
    end: str = "0000099",
    capacity: str = "100",
    *,
    operator: tuple[str, str] = MTS,
    place: tuple[str, str] = OMSK,
) -> str:
    return ";".join([code, start, end, capacity, operator[0], *place, operator[1]])


def read(*rows: str) -> RegistryFile:
    return read_registry(registry_text(*rows).splitlines(keepends=True))


def test_a_row_becomes_national_numbers() -> None:
    row = RegistryRow(2, 9130000000, 9130000099, MTS[0], *OMSK, MTS[1])
    assert read(a_row()) == RegistryFile([row], [])


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_the_ends_of_lines_do_not_matter(end: str) -> None:
    text = registry_text(a_row()).replace("\n", end) + end
    assert len(read_registry(text.splitlines(keepends=True)).rows) == 1


@pytest.mark.parametrize(
    ("row", "rule"),
    [
        (a_row(code="91"), "АВС/ DEF: a code is three digits"),
        (a_row(code="9130"), "АВС/ DEF: a code is three digits"),
        (a_row(code="013"), "the first of them not 0"),
        (a_row(code="９13"), "АВС/ DEF: a code is three digits"),
        (a_row(start="000000"), "От: a number is seven digits"),
        (a_row(end="00000999"), "До: a number is seven digits"),
        (a_row(end="-000099"), "До: a number is seven digits"),
        (a_row(start="0000100", capacity="1"), "От: it is beyond До"),
        (a_row(capacity="99"), "Емкость: it is not the number of numbers in the range"),
        (a_row(capacity="101"), "Емкость: it is not the number"),
        (a_row(capacity=""), "Емкость: it is not the number"),
        (a_row(capacity="1e2"), "Емкость: it is not the number"),
        (a_row() + ";", "a row has 8 columns, not 9"),
        ("913", "a row has 8 columns, not 1"),
    ],
)
def test_a_bad_row_is_told_with_its_line_and_rule(row: str, rule: str) -> None:
    file = read(a_row(code="914"), row, a_row(code="915"))
    assert [good.line for good in file.rows] == [2, 4]
    [fault] = file.faults
    assert fault.line == 3
    assert rule in fault.rule


def test_numbers_that_another_row_has_are_a_fault() -> None:
    later = a_row(start="0000050", end="0000149")
    file = read(later, a_row(), a_row(start="0000150", end="0000249"))
    assert [row.line for row in file.rows] == [3, 4]
    assert file.faults == [RowFault(2, "its numbers are in line 3 too")]


def test_rows_come_in_the_order_of_their_numbers() -> None:
    file = read(a_row(code="923"), a_row(code="913"))
    assert [row.first for row in file.rows] == [9130000000, 9230000000]
    assert file.first_digits == ["9"]


def test_a_file_tells_which_digits_it_is_about() -> None:
    assert read(a_row(code="495"), a_row(code="812"), a_row(code="499")).first_digits == ["4", "8"]


@pytest.mark.parametrize(
    "text", ["", "\n", "<html>", ",".join(HEADER), ";".join(HEADER[:-1]), a_row()]
)
def test_another_file_is_refused(text: str) -> None:
    with pytest.raises(BadRegistryFile, match="the first line is not АВС/ DEF;От"):
        read_registry(text.splitlines())


def test_rows_that_touch_and_are_alike_become_one_range() -> None:
    file = read(
        a_row(),
        a_row(start="0000100", end="0000199", place=("-", "Омская область")),
        a_row(start="0000200", end="0000299", operator=NOBODY),
        a_row(start="0000301", end="0000400", operator=NOBODY),
    )
    zones = ("Asia/Omsk",)
    assert assign(file).ranges == [
        NumberRange(9130000000, 9130000199, *MTS, "Омская область", zones),
        NumberRange(9130000200, 9130000299, *NOBODY, "Омская область", zones),
        NumberRange(9130000301, 9130000400, *NOBODY, "Омская область", zones),
    ]


def test_an_unknown_region_is_named_and_has_no_zone() -> None:
    file = read(
        a_row(place=("Атлантида", "-")),
        a_row(start="0000100", end="0000199", place=("Атлантида", "-")),
        a_row(start="0000200", end="0000299", place=("-", "Лемурия")),
    )
    assignment = assign(file)
    assert assignment.unknown_regions == {"Атлантида": 2, "Лемурия": 1}
    assert [one.zones for one in assignment.ranges] == [(), ()]
