"""Finding a number's range in memory."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.registry import LANDLINES, MTS, NOBODY, ROWS, a_look_up, real_ranges
from whimbrel.domain.numbering import NumberRange, NumberRanges, Origin, merged, national_number
from whimbrel.domain.operators import mcc_mnc_of

MOSCOW = ("Europe/Moscow",)


@pytest.mark.parametrize(
    ("dest_addr", "national"),
    [
        ("79161234567", 9161234567),
        ("70000000000", 0),
        ("7916123456", None),
        ("791612345678", None),
        ("49161234567", None),
        ("", None),
    ],
)
def test_the_national_number(dest_addr: str, national: int | None) -> None:
    assert national_number(dest_addr) == national


@pytest.mark.parametrize(
    ("dest_addr", "zones", "mcc_mnc"),
    [
        ("79160000000", MOSCOW, "25001"),
        ("79169999999", MOSCOW, "25001"),
        ("79146500000", ("Asia/Vladivostok",), "25001"),
        ("79146999999", ("Asia/Vladivostok",), "25001"),
        ("74232345678", ("Asia/Vladivostok",), ""),
    ],
)
def test_a_number_is_found(dest_addr: str, zones: tuple[str, ...], mcc_mnc: str) -> None:
    assert a_look_up(*LANDLINES, *ROWS).look_up(dest_addr) == Origin(zones, mcc_mnc)


@pytest.mark.parametrize(
    "dest_addr",
    ["79159999999", "79170000000", "79146499999", "79147000000", "70000000000", "79999999999",
     "4916123456", "12025550123", "79580000100"],
)  # fmt: skip
def test_a_number_of_no_range_is_not(dest_addr: str) -> None:
    assert a_look_up().look_up(dest_addr) is None


def test_nothing_is_known_before_the_first_import() -> None:
    assert NumberRanges().look_up("79161234567") is None


def test_ranges_may_come_in_portions() -> None:
    ranges = NumberRanges()
    ranges.extend([NumberRange(9130000000, 9130000099, *MTS, "", MOSCOW)])
    ranges.extend([NumberRange(9130000200, 9130000299, *MTS, "", MOSCOW)])
    found = {last: ranges.look_up(f"79130000{last}") for last in ("050", "150", "250", "350")}
    here = Origin(MOSCOW, "25001")
    assert found == {"050": here, "150": None, "250": here, "350": None}


@pytest.mark.parametrize(
    ("inn", "mcc_mnc"),
    [("7740000076", "25001"), ("7812014560", "25002"), ("7713076301", "25099"),
     ("7743895280", "25020"), ("7736264044", ""), (NOBODY[1], ""), ("", "")],
)  # fmt: skip
def test_an_operator_s_network(inn: str, mcc_mnc: str) -> None:
    assert mcc_mnc_of(inn) == mcc_mnc


# Against a judge that looks at every range

PIECES = st.lists(
    st.tuples(
        st.integers(0, 3),  # numbers between this range and the one before it
        st.integers(1, 4),  # numbers in it
        st.sampled_from([MTS, NOBODY]),
        st.sampled_from([MOSCOW, ("Asia/Omsk",), ()]),
    ),
    max_size=12,
)


def ranges_of(pieces: list[tuple[int, int, tuple[str, str], tuple[str, ...]]]) -> list[NumberRange]:
    ranges, end = [], 9000000000
    for gap, length, operator, zones in pieces:
        ranges.append(NumberRange(end + gap, end + gap + length - 1, *operator, "", zones))
        end += gap + length
    return ranges


@given(PIECES)
def test_any_number_is_found_as_by_looking_at_every_range(pieces: list) -> None:
    ranges = ranges_of(pieces)
    look_up, look_up_merged = NumberRanges(), NumberRanges()
    look_up.extend(ranges)
    look_up_merged.extend(merged(ranges))
    for number in range(9000000000 - 2, 9000000000 + 90):
        holding = [one for one in ranges if one.first <= number <= one.last]
        expected = Origin(holding[0].zones, mcc_mnc_of(holding[0].inn)) if holding else None
        assert look_up.look_up(f"7{number}") == expected
        assert look_up_merged.look_up(f"7{number}") == expected


@given(PIECES)
def test_merging_loses_nothing_and_leaves_nothing_to_merge(pieces: list) -> None:
    ranges = ranges_of(pieces)
    joined = list(merged(ranges))
    assert sum(one.last - one.first + 1 for one in joined) == sum(
        length for _, length, *_ in pieces
    )
    assert list(merged(joined)) == joined
    for one in ranges:
        assert any(
            other.first <= one.first and one.last <= other.last and other[2:] == one[2:]
            for other in joined
        )


# Well-known numbers in the real file


@pytest.mark.parametrize(
    ("dest_addr", "zones", "mcc_mnc"),
    [
        ("79161234567", ("Europe/Moscow",), "25001"),  # MTS, Moscow
        ("79211234567", ("Europe/Moscow",), "25002"),  # MegaFon, Saint Petersburg
        ("79114512345", ("Europe/Kaliningrad",), "25001"),  # MTS, Kaliningrad
        ("79222012345", ("Asia/Yekaterinburg",), "25002"),  # MegaFon, Yekaterinburg
        ("79147912345", ("Asia/Vladivostok",), "25001"),  # MTS, Vladivostok
        ("79133412345", ("Asia/Krasnoyarsk",), "25001"),  # MTS, Tyva
        ("79024812345", ("Asia/Vladivostok",), "25020"),  # T2, Vladivostok
        ("79000312345", ("Asia/Yekaterinburg",), "25035"),  # Motiv, Yekaterinburg
        ("79140312345", ("Asia/Magadan",), "25001"),  # MTS, Magadan
    ],
)
def test_well_known_numbers(dest_addr: str, zones: tuple[str, ...], mcc_mnc: str) -> None:
    assert real_ranges().look_up(dest_addr) == Origin(zones, mcc_mnc)


def test_the_look_up_of_the_real_file_is_small() -> None:
    assert real_ranges().size < 1 << 20
