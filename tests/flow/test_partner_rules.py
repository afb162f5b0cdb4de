"""The rules that a Partner must keep to: each fault names its member, and all are told at once."""

import math
from typing import Any

import pytest
from standardwebhooks import Webhook

from whimbrel.domain.content import Channel
from whimbrel.domain.partner import Profile, new_profile
from whimbrel.domain.password import new_password, password_is_right
from whimbrel.domain.short_url import ShortUrlMode
from whimbrel.flow.partner_rules import (
    BOUNDS,
    BadPartner,
    checked,
    checked_login,
    grown_length,
    hashed,
    new_signing_secret,
    taken,
)

BASE = "https://gw.example/l"


def faults(**members: Any) -> list[tuple[str, str]]:
    with pytest.raises(BadPartner) as refused:
        checked(Profile(**members), BASE)
    return [(fault.member, str(fault)) for fault in refused.value.faults]


def test_a_new_partners_profile_keeps_all_rules() -> None:
    assert checked(new_profile(), BASE) == new_profile()


@pytest.mark.parametrize(
    ("members", "member", "told"),
    [
        ({"subnets": ["192.0.2.0/33"]}, "subnets", "'192.0.2.0/33' does not appear to be"),
        ({"subnets": ["192.0.2.1/24"]}, "subnets", "host bits set; the network is 192.0.2.0/24"),
        ({"report_url": "shop.example"}, "report_url", "absolute http or https URL"),
        ({"click_url": "ftp://shop.example"}, "click_url", "absolute http or https URL"),
        ({"zone": "Moscow"}, "zone", "'Moscow' is not the name of a time zone"),
        ({"history_days": 6}, "history_days", "at least 7, or 0 for ever"),
        ({"rate": -1.0}, "rate", "at least 0"),
        ({"rate": math.inf}, "rate", "at least 0"),
        ({"rate": math.nan}, "rate", "at least 0"),
        ({"burst": 0}, "burst", "at least 1"),
        ({"short_uid_length": 9}, "short_uid_length", "from 3 to 8"),
        ({"ttl_minutes": {Channel.SMS: 2881}}, "sms_ttl", "from 1 to 2880"),
        ({"ttl_minutes": {Channel.WHATSAPP: 0}}, "whatsapp_ttl", "from 1 to 10080"),
        ({"short_domain": "go.example"}, "short_domain", "'go.example' is not an absolute"),
        ({"short_domain": "https://go.example/{x}"}, "short_domain", "'https://go.example/{x}'"),
    ],
)
def test_what_is_wrong_is_named(members: dict[str, Any], member: str, told: str) -> None:
    [(named, rule)] = faults(**members)
    assert named == member
    assert told in rule


def test_all_faults_are_told_at_once() -> None:
    told = faults(zone="Moscow", burst=0, subnets=["x", "192.0.2.0/24", "y"])
    assert [member for member, _ in told] == ["burst", "subnets", "subnets", "zone"]


def test_every_number_of_a_profile_has_its_bounds() -> None:
    numbers = {name for name, value in Profile().__rich_repr__() if type(value) in {int, float}}
    assert set(BOUNDS) == numbers


def test_short_urls_need_a_domain() -> None:
    wanted = Profile(short_urls=ShortUrlMode.SHARED)
    with pytest.raises(BadPartner, match="short_urls: there is no short domain"):
        checked(wanted, "")
    checked(wanted, BASE)
    own = Profile(short_urls=ShortUrlMode.SHARED, short_domain="https://go.example/l/")
    assert checked(own, "").short_domain == "https://go.example/l"


def test_a_profile_is_tidied() -> None:
    written = Profile(senders=["", "A"], default_sender="B", subnets=["", "192.0.2.0/24"])
    tidy = checked(written, "")
    assert (tidy.senders, tidy.subnets) == (["A", "B"], ["192.0.2.0/24"])
    assert written.senders == ["", "A"], "what was typed is still there, to be shown again"


@pytest.mark.parametrize(
    ("members", "length"),
    [
        ({}, 0),
        ({"short_urls": ShortUrlMode.SHARED}, 29),
        ({"short_urls": ShortUrlMode.SHARED, "short_threshold": 29}, 0),
        ({"short_urls": ShortUrlMode.SHARED, "short_domain": "https://g.ex"}, 0),
    ],
)
def test_growth_is_seen(members: dict[str, Any], length: int) -> None:
    assert grown_length(Profile(**members), BASE) == length


@pytest.mark.parametrize("login", ["", "a b", "a/b", "a\tb", "x" * 65])
def test_a_login_must_fit_into_a_path(login: str) -> None:
    with pytest.raises(BadPartner, match="login: 1 to 64"):
        checked_login(login)


def test_a_login_in_any_script_is_good() -> None:
    assert checked_login("магазин") == "магазин"


def test_a_taken_login_is_quoted_as_it_is() -> None:
    [fault] = taken("{shop}").faults
    assert str(fault) == "'{shop}' is taken"


def test_what_is_made_can_be_used() -> None:
    password, secret = new_password(), new_signing_secret()
    assert password_is_right(hashed(password), password)
    Webhook(secret)
    assert (new_password(), new_signing_secret()) != (password, secret)


def test_a_short_password_is_refused_without_being_told() -> None:
    with pytest.raises(BadPartner, match="at least 8 characters") as refused:
        hashed("hunter2")
    assert "hunter2" not in str(refused.value)
