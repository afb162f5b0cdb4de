"""Phone numbers: from what a Partner writes to the digits of E.164.

Owns the rules of `protocol.md`, section 2. It knows nothing about who may be written to, nor about
the region or operator behind a number.

`phonenumbers` (a port of libphonenumber) is the judge, but it takes some forty microseconds a
number, and every accepted request has one. So the usual number is judged here, by the same
metadata, and only a number that the judge might rewrite is put before it.
"""

import re
from functools import cache
from typing import NamedTuple

import phonenumbers
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneMetadata, ValidationResult

_DROPPED = str.maketrans("", "", " \u00a0-.()[]")
_LONGEST_COUNTRY_CODE = 3


class BadPhone(ValueError):
    """The text is not a phone number. The message tells the rule that it breaks."""


class _NumberingPlan(NamedTuple):
    """What decides whether a national number is possible under one country code."""

    lengths: frozenset[int]
    national_prefix: re.Pattern[str] | None
    """What is dialled before a number inside the country, such as the 8 in Russia."""


def normalise(text: str) -> str:
    """Return the digits of an international number, without `+`.

    The text is digits with an optional `+` before the first of them; spaces (no-break ones too),
    hyphens, dots and brackets are dropped. Eleven digits that begin with 8, without `+`, are a
    Russian number as it is dialled in Russia: the 8 becomes 7 (`protocol.md`, section 2).

    The result is a *possible* number: its country code exists, and its length is one that numbers
    of that country have, `IS_POSSIBLE` in the words of libphonenumber. It need not be assigned
    to anybody. `IS_POSSIBLE_LOCAL_ONLY`, a length that is dialled only inside one town, is
    refused: such a number cannot be reached from abroad. Where the library corrects a number,
    dropping a national prefix behind the country code (`+44 (0)20...`), so does this function.

    Normalise once, at the edge: many a Japanese or Vietnamese number is eleven digits that begin
    with 8, and a second pass, which sees no `+`, would take it for a Russian one.

    Raises `BadPhone`.
    """
    bare = text.translate(_DROPPED)
    digits = bare.removeprefix("+")
    if not (digits.isdigit() and digits.isascii()):
        raise BadPhone(
            "A phone number is digits with an optional + before them;"
            " only spaces, hyphens, dots and brackets may stand between the digits."
        )
    if len(bare) == 11 and bare[0] == "8":
        digits = "7" + bare[1:]

    for width in range(1, _LONGEST_COUNTRY_CODE + 1):
        plan = _numbering_plan(digits[:width])
        if plan is not None:
            break
    else:
        raise BadPhone("The phone number must begin with an existing country code.")

    national = digits[width:]
    prefix = plan.national_prefix and plan.national_prefix.match(national)
    # A pattern may match nothing at all (Argentina's does), and then nothing is rewritten.
    if prefix and prefix.end() > 0:
        return _judged_by_the_library(digits)
    if len(national) not in plan.lengths:
        raise _wrong_length()
    return digits


@cache
def _numbering_plan(country_code: str) -> _NumberingPlan | None:
    """Return the plan of a country code, None if there is no such code.

    The library reads a country's metadata when it is first asked for, so a process pays only
    for the countries that it writes to. There are no more than 1110 possible arguments.
    """
    if country_code.startswith("0"):
        return None
    code = int(country_code)
    regions = COUNTRY_CODE_TO_REGION_CODE.get(code)
    if regions is None:
        return None
    # Regions that share a code (7: Russia and Kazakhstan) are judged by the first of them,
    # in the library too.
    metadata = PhoneMetadata.metadata_for_region_or_calling_code(code, regions[0])
    if metadata is None or metadata.general_desc is None:
        return None  # the library has both for each of its codes; its types do not know
    prefix = metadata.national_prefix_for_parsing
    return _NumberingPlan(
        lengths=frozenset(metadata.general_desc.possible_length),
        national_prefix=re.compile(prefix) if prefix else None,
    )


def _judged_by_the_library(digits: str) -> str:
    try:
        number = phonenumbers.parse("+" + digits)
    except phonenumbers.NumberParseException:
        raise _wrong_length() from None
    if phonenumbers.is_possible_number_with_reason(number) != ValidationResult.IS_POSSIBLE:
        raise _wrong_length()
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)[1:]


def _wrong_length() -> BadPhone:
    return BadPhone("The phone number is too short or too long for its country code.")
