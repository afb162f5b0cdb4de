"""Lifetimes, `protocol.md`, section 3."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whimbrel.clock import DAY, HOUR, MINUTE, SECOND
from whimbrel.domain.ttl import BadTtl, lifetime

CHANNELS = ["WHATSAPP", "SMS"]


@pytest.mark.parametrize(
    ("ttl", "unit", "milliseconds"),
    [
        (1440, None, DAY),
        (1440, "MINUTES", DAY),
        (24, "HOURS", DAY),
        (24, "hours", DAY),
        (86400, "Seconds", DAY),
        (2880, None, 2 * DAY),
        (4320, None, 3 * DAY),
        (5760, None, 4 * DAY),
        (7200, None, 5 * DAY),
        (8640, None, 6 * DAY),
        (10080, None, 7 * DAY),
        (168, "HOURS", 7 * DAY),
    ],
)
def test_a_last_whatsapp_link_lives_whole_days(
    ttl: int, unit: str | None, milliseconds: int
) -> None:
    assert lifetime("WHATSAPP", ttl, unit, has_next=False) == milliseconds


@pytest.mark.parametrize(
    ("ttl", "unit"),
    [
        (1, None),
        (60, None),
        (1439, None),
        (1441, None),
        (11520, None),
        (23, "HOURS"),
        (86401, "SECONDS"),
        (120, "SECONDS"),
        (-1440, None),
        (10**30, None),
    ],
)
def test_a_last_whatsapp_link_lives_nothing_else(ttl: int, unit: str | None) -> None:
    with pytest.raises(BadTtl, match=r"one of 1440, 2880, .*, 10080\.$"):
        lifetime("WHATSAPP", ttl, unit, has_next=False)


@pytest.mark.parametrize(
    ("ttl", "unit", "milliseconds"),
    [
        (30, "SECONDS", 30 * SECOND),
        (120, "SECONDS", 120 * SECOND),
        (1, None, MINUTE),
        (1439, None, 1439 * MINUTE),
        (10080, None, 7 * DAY),
        (604800, "SECONDS", 7 * DAY),
    ],
)
def test_a_whatsapp_link_with_another_behind_it_may_be_quick(
    ttl: int, unit: str | None, milliseconds: int
) -> None:
    assert lifetime("WHATSAPP", ttl, unit, has_next=True) == milliseconds


@pytest.mark.parametrize(
    ("ttl", "unit"),
    [(29, "SECONDS"), (604801, "SECONDS"), (10081, None), (169, "HOURS"), (-30, "SECONDS")],
)
def test_and_has_limits_too(ttl: int, unit: str | None) -> None:
    with pytest.raises(BadTtl, match="30 seconds to 10080 minutes"):
        lifetime("WHATSAPP", ttl, unit, has_next=True)


@pytest.mark.parametrize("has_next", [False, True])
@pytest.mark.parametrize(
    ("ttl", "unit", "milliseconds"),
    [
        (60, "SECONDS", MINUTE),
        (90, "SECONDS", 90 * SECOND),
        (1, None, MINUTE),
        (61, "minutes", 61 * MINUTE),
        (48, "HOURS", 48 * HOUR),
        (2880, None, 2 * DAY),
    ],
)
def test_an_sms_lives_up_to_two_days(
    ttl: int, unit: str | None, milliseconds: int, has_next: bool
) -> None:
    assert lifetime("SMS", ttl, unit, has_next=has_next) == milliseconds


@pytest.mark.parametrize("has_next", [False, True])
@pytest.mark.parametrize(
    ("ttl", "unit"), [(59, "SECONDS"), (172801, "SECONDS"), (2881, None), (49, "HOURS"), (-1, None)]
)
def test_an_sms_lives_neither_less_nor_longer(ttl: int, unit: str | None, has_next: bool) -> None:
    with pytest.raises(BadTtl, match="from 1 to 2880 minutes"):
        lifetime("SMS", ttl, unit, has_next=has_next)


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("has_next", [False, True])
@pytest.mark.parametrize("unit", [None, "SECONDS", "Minutes", "hours"])
@pytest.mark.parametrize("ttl", [None, 0])
def test_none_and_zero_mean_the_default(
    channel: str, ttl: int | None, unit: str | None, has_next: bool
) -> None:
    assert lifetime(channel, ttl, unit, has_next=has_next) is None


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("ttl", [None, 0, 1440])
@pytest.mark.parametrize("unit", ["DAYS", "SECOND", "", " MINUTES"])
def test_an_unknown_unit_is_always_an_error(channel: str, ttl: int | None, unit: str) -> None:
    with pytest.raises(BadTtl, match="SECONDS, MINUTES or HOURS"):
        lifetime(channel, ttl, unit, has_next=False)


def test_a_channel_without_a_rule_is_a_fault_of_the_caller() -> None:
    with pytest.raises(KeyError):
        lifetime("PIGEON", None, None, has_next=False)


@given(
    st.sampled_from(CHANNELS),
    st.integers(-100, 200_000),
    st.booleans(),
)
def test_the_unit_changes_only_the_spelling(channel: str, hours: int, has_next: bool) -> None:
    def outcome(ttl: int, unit: str) -> int | str | None:
        try:
            return lifetime(channel, ttl, unit, has_next=has_next)
        except BadTtl as error:
            return str(error)

    in_minutes = outcome(hours * 60, "MINUTES")
    assert outcome(hours, "HOURS") == in_minutes == outcome(hours * 3600, "SECONDS")
    assert in_minutes in (None, hours * HOUR) or isinstance(in_minutes, str)
