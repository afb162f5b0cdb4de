"""No cell of a CSV file is a formula."""

import pytest

from whimbrel.domain.spreadsheet import harmless


@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        "+7916",
        "-1",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "\n=1",
        "  =1",
        "＝1",
        "-uid",
    ],
)
def test_what_might_be_calculated_is_text(text: str) -> None:
    assert harmless(text) == f"'{text}"


@pytest.mark.parametrize(
    ("cell", "shown"), [(None, ""), (0, "0"), ("79161234567", "79161234567"), ("a=b", "a=b")]
)
def test_anything_else_stays_as_it_is(cell: object, shown: str) -> None:
    assert harmless(cell) == shown
