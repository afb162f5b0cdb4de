"""`whimbrel numbering`: importing the registry, and asking it."""

import pytest

from tests.cli.conftest import Cli
from tests.support.registry import LANDLINES, ROWS, real_file, write_registry

pytestmark = pytest.mark.usefixtures("made")

BAD = "916;0000000;0000099;99;X;Омская обл.;Омская область;1"
OF_ATLANTIS = "917;0000000;0000099;100;X;Атлантида [1];-;1"


@pytest.fixture
def mobile(cli: Cli) -> str:
    return str(write_registry(cli.folder / "DEF-9xx.csv"))


def test_nothing_is_known_before_the_first_import(cli: Cli) -> None:
    assert "Nothing was imported" in cli.good("numbering", "status").output
    assert "no range of the registry holds 79161234567" in cli.refused(
        "numbering", "lookup", "+79161234567"
    )


def test_an_import_tells_what_it_did(cli: Cli, mobile: str) -> None:
    told = "DEF-9xx.csv: 9xx replaced, 4 rows, 4 ranges.\n"
    assert cli.good("numbering", "import", mobile).output == told
    assert cli.good("numbering", "import", mobile).output == told
    row = cli.good("numbering", "status").row("9xx")
    assert [cell.strip() for cell in row.strip("│").split("│")][:5] == [
        *("9xx", "DEF-9xx.csv", "4", "4", "0"),
    ]


def test_files_of_several_digits_live_side_by_side(cli: Cli, mobile: str) -> None:
    landlines = write_registry(cli.folder / "ABC-4xx.csv", *LANDLINES)
    cli.good("numbering", "import", mobile, landlines)
    fewer = write_registry(cli.folder / "fewer.csv", ROWS[0])
    cli.good("numbering", "import", fewer)
    assert "Приморский край" in cli.good("numbering", "lookup", "74232345678").output
    assert "Город Москва" in cli.good("numbering", "lookup", "79161234567").output
    assert "no range" in cli.refused("numbering", "lookup", "79146512345")


@pytest.mark.parametrize("number", ["+7 (914) 651-23-45", "89146512345", "79146512345"])
def test_a_number_is_looked_up_as_a_partner_would_write_it(
    cli: Cli, mobile: str, number: str
) -> None:
    cli.good("numbering", "import", mobile)
    assert cli.good("numbering", "lookup", number).output.splitlines() == [
        "79146512345 is in 9146500000 to 9146999999",
        '  operator: ПАО "МТС", INN 7740000076',
        "  mccMnc: 25001",
        "  region: Приморский край",
        "  zones: Asia/Vladivostok",
    ]


@pytest.mark.parametrize(
    ("number", "told"),
    [
        ("4915112345678", "is not a number of +7"),
        ("7916", "number: The phone number is too short"),
        ("Moscow", "number: A phone number is digits"),
    ],
)
def test_other_numbers_are_refused(cli: Cli, number: str, told: str) -> None:
    assert told in cli.refused("numbering", "lookup", number)


def test_bad_rows_are_told_and_nothing_is_imported(cli: Cli, mobile: str) -> None:
    cli.good("numbering", "import", mobile)
    bad = write_registry(cli.folder / "bad.csv", BAD, *LANDLINES)
    landlines = write_registry(cli.folder / "ABC-8xx.csv", LANDLINES[0].replace("423", "812", 1))
    outcome = cli("numbering", "import", landlines, bad)
    assert (outcome.code, outcome.output) == (1, "")
    assert outcome.errors.splitlines() == [
        f"{bad}:2: Емкость: it is not the number of numbers in the range",
        "whimbrel: nothing was imported; --skip-bad leaves bad rows out",
    ]
    assert "Город Москва" in cli.good("numbering", "lookup", "79161234567").output
    assert "no range" in cli.refused("numbering", "lookup", "78122345678")


def test_bad_rows_can_be_skipped(cli: Cli) -> None:
    bad = write_registry(cli.folder / "bad.csv", BAD, ROWS[1])
    outcome = cli("numbering", "import", "--skip-bad", bad)
    assert outcome.code == 3
    assert outcome.output == "bad.csv: 9xx replaced, 1 rows, 1 bad ones skipped, 1 ranges.\n"
    assert f"{bad}:2: " in outcome.errors
    assert "Приморский край" in cli.good("numbering", "lookup", "79146512345").output


def test_no_more_bad_rows_are_told_than_help(cli: Cli) -> None:
    bad = write_registry(cli.folder / "bad.csv", *[BAD] * 25)
    errors = cli("numbering", "import", bad).errors.splitlines()
    assert len(errors) == 22
    assert errors[20] == f"{bad}: and 5 more bad rows"


def test_an_unknown_region_is_named_and_the_code_says_so(cli: Cli) -> None:
    file = write_registry(cli.folder / "new.csv", OF_ATLANTIS, ROWS[0])
    outcome = cli("numbering", "import", file)
    assert (outcome.code, outcome.errors) == (3, "")
    assert "region 'Атлантида [1]' is not known: 1 rows have no zone" in outcome.output
    shown = cli.good("numbering", "lookup", "79170000001").output
    assert "region: Атлантида [1]" in shown
    assert "zones: not known" in shown
    assert "mccMnc: not known" in shown
    assert cli.good("numbering", "status").row("new.csv").split("│")[5].strip() == "1"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "the first line is not АВС/ DEF;От;До"),
        ("login;password\n", "the first line is not АВС/ DEF;От;До"),
        ("АВС/ DEF;От;До;Емкость;Оператор;Регион;Территория ГАР;ИНН\n", "it has no rows"),
    ],
)
def test_another_file_is_refused(cli: Cli, content: str, told: str) -> None:
    file = cli.folder / "other.csv"
    file.write_text(content)
    assert told in cli.refused("numbering", "import", file)


def test_another_encoding_is_refused(cli: Cli, mobile: str) -> None:
    file = cli.folder / "old.csv"
    file.write_bytes((cli.folder / "DEF-9xx.csv").read_text("utf-8-sig").encode("cp1251"))
    assert "old.csv: it is not UTF-8" in cli.refused("numbering", "import", file)


def test_two_files_of_the_same_numbers_are_refused(cli: Cli, mobile: str) -> None:
    other = write_registry(cli.folder / "other.csv", ROWS[0])
    assert "has 9xx too" in cli.refused("numbering", "import", mobile, other)
    assert "Nothing was imported" in cli.good("numbering", "status").output


def test_a_file_that_is_not_there_is_a_misuse(cli: Cli) -> None:
    assert "nowhere.csv" in cli.misused("numbering", "import", "nowhere.csv")


def test_the_real_file(cli: Cli) -> None:
    told = cli.good("numbering", "import", real_file()).output
    assert told.startswith("DEF-9xx.csv: 9xx replaced, 16")
    assert "Asia/Krasnoyarsk" in cli.good("numbering", "lookup", "79133412345").output
