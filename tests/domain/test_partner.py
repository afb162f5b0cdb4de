"""The Partner's settings."""

from datetime import datetime, timedelta

import msgspec
import pytest
from msgspec.structs import replace

from tests.support.builders import a_partner
from whimbrel.clock import DAY, MINUTE
from whimbrel.domain.content import Channel
from whimbrel.domain.partner import DuplicateControl, Profile, TrafficType, new_profile
from whimbrel.domain.unanswered import Unanswered
from whimbrel.domain.zones import zone_of


@pytest.mark.parametrize(
    ("subnets", "address", "admitted"),
    [
        ([], "203.0.113.9", True),
        ([], "2001:db8::1", True),
        (["203.0.113.0/24"], "203.0.113.9", True),
        (["203.0.113.0/24"], "203.0.114.9", False),
        (["10.0.0.0/8", "203.0.113.9/32"], "203.0.113.9", True),
        (["203.0.113.9"], "203.0.113.9", True),
        (["203.0.113.0/24"], "::ffff:203.0.113.9", True),
        (["203.0.113.0/24"], "2001:db8::1", False),
        (["2001:db8::/32"], "2001:db8::1", True),
        (["203.0.113.0/24"], "", False),
        (["0.0.0.0/0"], "not an address", False),
    ],
)
def test_requests_come_from_the_partners_subnets(
    subnets: list[str], address: str, admitted: bool
) -> None:
    assert a_partner(subnets=subnets).admits(address) is admitted


@pytest.mark.parametrize(
    ("name", "hours"), [("", 3), ("Europe/Moscow", 3), ("Asia/Vladivostok", 10), ("UTC", 0)]
)
def test_a_zone_is_named_as_iana_names_it(name: str, hours: int) -> None:
    offset = datetime(2026, 1, 1, tzinfo=zone_of(name)).utcoffset()
    assert offset == timedelta(hours=hours)


@pytest.mark.parametrize("name", ["Moscow", "Europe", "../../etc/passwd", "/etc/passwd", "UTC+3\0"])
def test_another_name_is_no_zone(name: str) -> None:
    with pytest.raises(ValueError, match="is not the name of a time zone"):
        zone_of(name)


@pytest.mark.parametrize(
    ("ttl_minutes", "channel", "lifetime"),
    [
        ({}, Channel.WHATSAPP, DAY),
        ({}, Channel.SMS, DAY),
        ({Channel.WHATSAPP: 2_880}, Channel.WHATSAPP, 2 * DAY),
        ({Channel.WHATSAPP: 2_880}, Channel.SMS, DAY),
        ({Channel.SMS: 5}, Channel.SMS, 5 * MINUTE),
    ],
)
def test_a_link_without_a_lifetime_has_the_partners(
    ttl_minutes: dict[Channel, int], channel: Channel, lifetime: int
) -> None:
    assert a_partner(ttl_minutes=ttl_minutes).default_lifetime(channel) == lifetime


def test_a_new_partner_may_send_whatsapp_from_anywhere_and_no_more() -> None:
    assert Profile() == Profile(
        subnets=[],
        senders=[],
        default_sender="",
        message_types=[Channel.WHATSAPP],
        duplicate_control=DuplicateControl.OFF,
        content_window_seconds=0,
        unanswered=Unanswered.AUTO,
        report_url="",
        signing_secret="",
        traffic_type=TrafficType.TRANSACTIONAL,
        zone="",
        rate=0.0,
        burst=1,
        concurrency=0,
    )


@pytest.mark.parametrize(
    "document",
    [
        '{"ttl_minutes": {"WHATSAPP": 0}}',
        '{"ttl_minutes": {"WHATSAPP": 10081}}',
        '{"ttl_minutes": {"PIGEON": 60}}',
        '{"content_window_seconds": -1}',
        '{"rate": -1}',
        '{"burst": 0}',
        '{"content_days": -1}',
        '{"history_days": 0.5}',
        '{"visit_days": null}',
        '{"traffic_type": "3"}',
        '{"duplicate_control": "maybe"}',
        '{"unanswered": "maybe"}',
        '{"subnet": []}',
    ],
)
def test_a_profile_that_makes_no_sense_is_not_read(document: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(document, type=Profile)


def test_what_a_new_partner_sends_goes_with_time() -> None:
    new = new_profile()
    assert (new.content_days, new.history_days, new.visit_days) == (30, 365, 365)
    assert replace(new, content_days=0, history_days=0, visit_days=0) == Profile()


def test_a_profile_of_before_loses_nothing() -> None:
    old = msgspec.json.decode('{"senders": ["WHIMBREL"]}', type=Profile)
    assert (old.content_days, old.history_days, old.visit_days) == (0, 0, 0)


def test_profiles_share_no_lists() -> None:
    one, other = Profile(), Profile()
    one.senders.append("WHIMBREL")
    one.message_types.append(Channel.SMS)
    assert other == Profile()
