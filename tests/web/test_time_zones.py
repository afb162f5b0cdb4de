"""Sending hours by the subscriber's clock, over HTTP, with an import beside the running gateway."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.support.clock import START
from tests.support.gateway import LOGIN, RunningGateway, a_profile, a_request
from tests.support.registry import some_ranges
from tests.web.wire import post, stored
from whimbrel.domain.partner import Profile
from whimbrel.store.numbering import NumberingImport, import_ranges

HOURS = {"timeBegin": "10:00", "timeEnd": "20:00"}
IN_OMSK = "omsk"


@pytest.fixture(scope="module")
def partners() -> dict[str, Profile]:
    return {LOGIN: a_profile(), IN_OMSK: a_profile(zone="Asia/Omsk")}


async def hours_of(shop: RunningGateway, **changes: Any) -> tuple[str, str, str]:
    """Send a request with hours; return the zones, why, and when the link is due."""
    story = await stored(shop, await post(shop, a_request(scheduleInfo=HOURS, **changes)))
    schedule = json.loads(story.chain["schedule"])
    due = datetime.fromtimestamp(story.links[0]["first_due_at"] / 1_000, UTC)
    zones = ",".join(schedule.get("zones", []))
    return zones, schedule.get("zone_reason", ""), f"{due:%a %H:%M}"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ("", "", "Mon 07:00")),
        ({"useTimeDiff": False}, ("", "", "Mon 07:00")),
        ({"useTimeDiff": None}, ("", "", "Mon 07:00")),
        ({"login": IN_OMSK}, ("Asia/Omsk", "partner", "Mon 04:00")),
        ({"login": IN_OMSK, "useTimeDiff": "0"}, ("Asia/Omsk", "partner", "Mon 04:00")),
        ({"useTimeDiff": True}, ("Europe/Moscow", "capital", "Mon 07:00")),
        ({"useTimeDiff": "true"}, ("Europe/Moscow", "capital", "Mon 07:00")),
        ({"useTimeDiff": 1, "destAddr": "4915112345678"},
         ("Europe/Berlin", "prefix", "Mon 09:00")),
        ({"useTimeDiff": True, "destAddr": "+1 212 555-01-23", "login": IN_OMSK},
         ("America/New_York", "prefix", "Mon 15:00")),
        ({"useTimeDiff": True, "destAddr": "+800 1234 5678"}, ("", "no-country", "Mon 07:00")),
    ],
)  # fmt: skip
async def test_whose_clock_the_hours_are_read_by(
    shop: RunningGateway, changes: dict[str, Any], expected: tuple[str, str, str]
) -> None:
    assert await hours_of(shop, **changes) == expected


async def test_a_running_gateway_uses_what_is_imported(shop: RunningGateway) -> None:
    request = {"useTimeDiff": True, "destAddr": "79146512345"}
    assert await hours_of(shop, **request) == ("Europe/Moscow", "capital", "Mon 07:00")
    what = NumberingImport((9,), "DEF-9xx.csv", 4, some_ranges(), START)
    await shop.store.write(import_ranges, what)
    await shop.gateway._numbering.refresh()  # as it does every second
    assert await hours_of(shop, **request) == ("Asia/Vladivostok", "registry", "Mon 02:13")
