"""Phone numbers, `protocol.md`, section 2."""

import phonenumbers
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, ValidationResult

from whimbrel.domain.phone import BadPhone, normalise

COUNTRY_CODES = sorted(COUNTRY_CODE_TO_REGION_CODE)


def verdict(text: str) -> str | None:
    try:
        return normalise(text)
    except BadPhone:
        return None


def verdict_of_the_library(digits: str) -> str | None:
    """What phonenumbers itself makes of international digits: slow, and always right."""
    try:
        number = phonenumbers.parse("+" + digits)
    except phonenumbers.NumberParseException:
        return None
    if phonenumbers.is_possible_number_with_reason(number) != ValidationResult.IS_POSSIBLE:
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164).lstrip("+")


@pytest.mark.parametrize(
    ("text", "digits"),
    [
        # The forms that the provider's document gives for one subscriber.
        ("72101234567", "72101234567"),
        ("+72101234567", "72101234567"),
        ("8-210-123-45-67", "72101234567"),
        ("82101234567", "72101234567"),
        # What may stand between the digits.
        ("+7 (916) 123-45-67", "79161234567"),
        ("  +7.916.123.45.67 ", "79161234567"),
        ("7\u00a0[916]\u00a01234567", "79161234567"),
        ("(+7) 9161234567", "79161234567"),
        # Elsewhere.
        ("447911123456", "447911123456"),
        ("+44 (0)20 7946 0958", "442079460958"),
        ("+1 202 555 0123", "12025550123"),
        ("+54 9 11 1234-5678", "5491112345678"),
        ("+39 06 698 12345", "390669812345"),
        ("+77011234567", "77011234567"),
        ("+800 1234 5678", "80012345678"),
        # Eleven digits that begin with 8 are Russian only without the plus.
        ("+81312345678", "81312345678"),
        ("81312345678", "71312345678"),
        ("+78005553535", "78005553535"),
        ("8 800 555-35-35", "78005553535"),
        # Behind the country code the library drops what is dialled only inside the country.
        ("+7 8 916 123 45 67", "79161234567"),
    ],
)
def test_a_number_becomes_digits(text: str, digits: str) -> None:
    assert normalise(text) == digits


@pytest.mark.parametrize(
    "text",
    [
        "",
        "+",
        " ",
        "abc",
        "7916123456a",
        "7916+1234567",
        "79161234567+",
        "++79161234567",
        "7916/1234567",
        "7916\t1234567",
        "79161234567\n",
        "7916–1234567",
        "+79161234567;ext=1",
        "٧٩١٦١٢٣٤٥٦٧",
        "７９１６１２３４５６７",
        "7²101234567",
        "\ud8007916123456",
    ],
)
def test_other_characters_are_refused(text: str) -> None:
    with pytest.raises(BadPhone, match="digits with an optional"):
        normalise(text)


@pytest.mark.parametrize(
    "text", ["0079161234567", "+089161234567", "+89161234567", "210", "0", "999"]
)
def test_the_country_code_must_exist(text: str) -> None:
    with pytest.raises(BadPhone, match="country code"):
        normalise(text)


@pytest.mark.parametrize(
    "text",
    [
        "7",
        "+7",
        "7916123456",
        "791612345678",
        "+1 555 0123",  # possible only inside one town
        "+7" + "9" * 300,
        "+78" + "9" * 300,
    ],
)
def test_the_length_must_be_possible(text: str) -> None:
    with pytest.raises(BadPhone, match="too short or too long"):
        normalise(text)


def test_every_country_code_and_length_is_judged_as_by_the_library() -> None:
    for country_code in COUNTRY_CODES:
        for length in range(19):
            for national in ("9" * length, "0123456789012345678"[:length]):
                digits = f"{country_code}{national}"
                assert verdict("+" + digits) == verdict_of_the_library(digits), digits


@given(st.text("0123456789", min_size=1, max_size=20))
@example("0")
@example("70000000000")
def test_any_digits_are_judged_as_by_the_library(digits: str) -> None:
    assert verdict("+" + digits) == verdict_of_the_library(digits)


@given(
    st.sampled_from(COUNTRY_CODES),
    st.sampled_from(["", "0", "00", "1", "8", "80", "01", "044", "9", "90", "15", "011"]),
    st.text("0123456789", min_size=4, max_size=14),
)
@example(54, "0", "11151234567")
@example(54, "", "1115123456789")
@example(55, "0", "311112345678")
@example(52, "1", "5512345678")
def test_national_prefixes_are_judged_as_by_the_library(
    country_code: int, prefix: str, rest: str
) -> None:
    digits = f"{country_code}{prefix}{rest}"
    assert verdict("+" + digits) == verdict_of_the_library(digits)


@given(st.text("0123456789", min_size=1, max_size=16))
def test_without_a_plus_only_the_russian_eight_differs(digits: str) -> None:
    if len(digits) == 11 and digits.startswith("8"):
        assert verdict(digits) == verdict("+7" + digits[1:])
    else:
        assert verdict(digits) == verdict("+" + digits)


@given(st.text("0123456789", min_size=1, max_size=15), st.data())
def test_separators_change_nothing(digits: str, data: st.DataObject) -> None:
    separators = st.text(" \u00a0-.()[]", max_size=3)
    written = "".join(digit + data.draw(separators) for digit in digits)
    assert verdict(data.draw(separators) + written) == verdict(digits)


@given(st.text(max_size=30))
def test_any_text_is_judged(text: str) -> None:
    digits = verdict(text)
    assert digits is None or (digits.isascii() and digits.isdigit())
