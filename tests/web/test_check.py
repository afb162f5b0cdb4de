"""The dry run: refused as `/send` refuses, foretelling what `/send` does, and storing nothing."""

import json
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from prometheus_client.parser import text_string_to_metric_families

from tests.support.clock import FakeClock
from tests.support.gateway import (
    LOGIN,
    SENDER,
    RunningGateway,
    a_profile,
    a_request,
    an_account,
)
from tests.support.registry import some_ranges
from tests.web import test_bad_cascades as bad_cascades
from tests.web import test_bad_input as bad_input
from tests.web.test_bad_cascades import PLAIN, SMS_ONLY, WHATSAPP_ONLY, WITHOUT_SMS, an_sms
from tests.web.test_bad_cascades import a_cascade as a_cascade_of
from tests.web.test_bad_cascades import a_link as behind_it
from tests.web.wire import Answer, a_text, altered, assert_refused, count_chains, post, stored
from whimbrel.clock import DAY, MINUTE
from whimbrel.domain.content import Channel
from whimbrel.domain.partner import DuplicateControl, Profile
from whimbrel.domain.short_url import ShortUrlMode
from whimbrel.settings import Settings, ShortUrlSettings, SmppAccount
from whimbrel.store.numbering import NumberingImport, import_ranges

LONG = "https://shop.example/orders/2026/11/8770100?from=whatsapp"
HOURS = {"timeBegin": "10:00", "timeEnd": "20:00"}  # it is 05:13 in Moscow
BOTH = [Channel.WHATSAPP, Channel.SMS]
FENCED, SLOW, NARROW = "fenced", "slow", "narrow"
RETURN, REJECT, WINDOW, OMSK, SHORT = "return", "reject", "window", "omsk", "short"


@pytest.fixture(scope="module")
def settings() -> Settings:
    smsc = SmppAccount(
        senders=[SENDER, SMS_ONLY], host="127.0.0.1", port=9, system_id="x", password="y"
    )
    return Settings(
        whatsapp={"main": an_account(), "other": an_account(sender=WHATSAPP_ONLY)},
        smpp={"main": smsc},
        short_urls=ShortUrlSettings(base_url="https://go.example"),
    )


@pytest.fixture(scope="module")
def partners() -> dict[str, Profile]:
    both: dict[str, Any] = {
        "message_types": BOTH,
        "senders": [SENDER, SMS_ONLY, WHATSAPP_ONLY],
    }
    return {
        LOGIN: a_profile(cascades=True, **both),
        PLAIN: a_profile(**both),
        WITHOUT_SMS: a_profile(cascades=True),
        FENCED: a_profile(subnets=["192.0.2.0/24"]),
        SLOW: a_profile(rate=0.5, burst=2),
        RETURN: a_profile(duplicate_control=DuplicateControl.RETURN),
        REJECT: a_profile(duplicate_control=DuplicateControl.REJECT),
        WINDOW: a_profile(content_window_seconds=60),
        OMSK: a_profile(zone="Asia/Omsk"),
        SHORT: a_profile(
            cascades=True,
            short_urls=ShortUrlMode.PER_SUBSCRIBER,
            short_uid_length=6,
            message_types=BOTH,
        ),
    }


@pytest_asyncio.fixture(loop_scope="module")
async def forgiven(clock: FakeClock) -> AsyncIterator[None]:
    """Forgive failed logins, those of the tests before and those of this one."""
    clock.advance(5 * MINUTE)
    yield
    clock.advance(5 * MINUTE)


async def check(shop: RunningGateway, request: bytes | Mapping[str, Any]) -> Answer:
    """Ask for a dry run; whatever the answer, nothing may be stored."""
    before = await count_chains(shop)
    answer = await post(shop, request, path="/check")
    assert await count_chains(shop) == before
    return answer


async def preview(shop: RunningGateway, **changes: Any) -> Any:
    answer = await check(shop, a_request(**changes))
    assert answer.status == 200, answer.body
    return answer.json


# -- Refused as `/send` refuses


def wrong_requests() -> dict[str, list[bytes]]:
    """All bad input that the tests of `/send` know, by its table."""
    whole = a_request(login=WITHOUT_SMS)
    return {
        "one member": [
            json.dumps(altered(whole, {case[0]: case[1]})).encode() for case in bad_input.ONE_MEMBER
        ],
        "several members": [
            json.dumps(altered(whole, case[0])).encode() for case in bad_input.SEVERAL_MEMBERS
        ],
        "bodies": [case[1] for case in bad_input.BODIES],
        "messages of a cascade": [
            json.dumps(bad_cascades.at(place, case[0])).encode()
            for place in ("first", "tenth")
            for case in bad_cascades.MESSAGES
        ],
        "links of a cascade": [
            json.dumps(a_request(cascadeChainLink=case[0])).encode() for case in bad_cascades.LINKS
        ],
        "logins": [
            json.dumps(a_request(login=FENCED)).encode(),
            json.dumps(a_request(login=FENCED, password="wrong")).encode(),
            json.dumps(a_cascade_of(behind_it(), login=PLAIN)).encode(),
        ],
    }


@pytest.mark.usefixtures("forgiven")
@pytest.mark.parametrize("table", wrong_requests())
async def test_what_send_refuses_is_refused_in_the_same_words(
    shop: RunningGateway, clock: FakeClock, table: str
) -> None:
    for body in wrong_requests()[table]:
        sent, checked = await post(shop, body), await check(shop, body)
        assert sent.status != 200, body[:200]
        assert (checked.status, checked.json) == (sent.status, sent.json), body[:200]
        assert checked.headers["X-Request-Id"] != sent.headers["X-Request-Id"]


@pytest.mark.usefixtures("forgiven")
async def test_of_two_faults_the_same_one_answers(shop: RunningGateway) -> None:
    """Mend one fault after the other: each answer of the one is the answer of the other."""
    faults: list[dict[str, Any]] = [
        {"useTimeDiff": "perhaps"},
        {"login": "nobody"},
        {"password": "guess"},
        {"message.type": "FAX"},
        {"message.data.instantContent.data.text": ""},
        {"message.data.serviceNumber": "NOBODY"},
        {"destAddr": "12"},
        {"message.data.ttl": -5},
        {"scheduleInfo.timeEnd": "8 pm"},
        {"notifyUrl": ""},
        {"registeredDelivery": 3},
        {"extraParam": "a"},
        {"cascadeChainLink": {"state": "", "message": a_text()}},
    ]
    seen = []
    while faults:
        whole = altered(a_request(), {k: v for one in reversed(faults) for k, v in one.items()})
        sent, checked = await post(shop, whole), await check(shop, whole)
        assert checked.json == sent.json
        seen.append(checked.text)
        faults.pop(0)
    assert len(set(seen)) == len(seen)


@pytest.mark.usefixtures("forgiven")
async def test_failed_logins_are_counted_together(shop: RunningGateway) -> None:
    """Or a dry run would be a way to guess twice as often."""
    for path in ("/send", "/check") * 5:
        assert_refused(await post(shop, a_request(password="guess"), path=path), 6)
    assert_refused(await check(shop, a_request(password="guess")), 3, "too many failed logins")
    assert_refused(await post(shop, a_request()), 3, "too many failed logins")


async def test_a_dry_run_takes_its_part_of_the_pace(shop: RunningGateway) -> None:
    request = a_request(login=SLOW)
    assert [(await check(shop, request)).code for _ in range(3)] == [0, 0, 3]
    refused = await post(shop, request)
    assert_refused(refused, 3, "more than 0.5 requests a second")
    assert (await check(shop, request)).headers["Retry-After"] == refused.headers["Retry-After"]


# -- Foretelling what `/send` does

CASCADE = a_cascade_of(
    behind_it(an_sms("Hello again", ttl=10), state="READ"),
    behind_it(a_text("At last"), state="READ"),
    first=a_text(ttl=120, ttlUnit="SECONDS"),
)
GOOD_REQUESTS = [
    a_request(),
    a_request(destAddr="8 (916) 123-45-67", message=a_text(serviceNumber=WHATSAPP_ONLY, ttl=2880)),
    a_request(destAddr="+1 212 555-01-23", scheduleInfo=HOURS, useTimeDiff=True),
    a_request(login=OMSK, scheduleInfo={**HOURS, "weekdaysSchedule": "67"}),
    a_request(destAddr="+800 1234 5678", scheduleInfo=HOURS, useTimeDiff=True),
    a_request(scheduleInfo={"timeBegin": "05:00", "timeEnd": "09:00"}),
    a_request(message=an_sms("Ваш заказ", serviceNumber=SMS_ONLY, ttl=2, ttlUnit="HOURS")),
    CASCADE,
    {**CASCADE, "scheduleInfo": HOURS},
]


def moment(told: Mapping[str, str]) -> int:
    """Return milliseconds UTC; the other clocks must tell the same moment."""
    at = datetime.fromisoformat(told["utc"])
    assert {datetime.fromisoformat(text) for text in told.values() if text} == {at}
    return int(at.timestamp()) * 1_000


@pytest.mark.parametrize("request_", GOOD_REQUESTS, ids=range(len(GOOD_REQUESTS)))
async def test_what_is_foretold_comes_true(shop: RunningGateway, request_: dict[str, Any]) -> None:
    answer = (await check(shop, request_)).json
    story = await stored(shop, await post(shop, request_))
    links = sorted(story.links, key=lambda link: link["link_id"])
    assert answer["destAddr"] == story.chain["dest_addr"]
    assert len(answer["links"]) == len(links)
    goals = {None: None, "DELIVERED": 70, "READ": 80}
    for told, link in zip(answer["links"], links, strict=True):
        assert told["type"] == link["channel"]
        assert told["serviceNumber"] == link["sender"]
        assert told["text"] == link["text"]
        assert told["characters"] == len(link["text"])
        assert told["ttlSeconds"] * 1_000 == link["ttl"]
        assert goals[told["state"]] == link["satisfied_by"]
    assert moment(answer["links"][0]["endsAt"]) == links[0]["expires_at"] // 1_000 * 1_000
    first_due_at = links[0]["first_due_at"] // 1_000 * 1_000
    assert moment(answer["timing"]["goesAt"]) == first_due_at
    if len(links) > 1:
        assert moment(answer["links"][1]["goesAt"]) >= links[1]["due_at"] // 1_000 * 1_000


async def test_the_smallest_request(shop: RunningGateway, clock: FakeClock) -> None:
    now = datetime.fromtimestamp(clock.now() // 1_000, UTC)
    there = now + timedelta(hours=3)
    answer = await preview(shop)
    assert answer["checkedFor"] == "login"
    assert answer["loginZone"] == "UTC+3"
    timing = answer["timing"]
    assert datetime.fromisoformat(timing["goesAt"]["utc"]) == now
    assert timing["goesAt"]["loginTime"] == f"{there:%Y-%m-%dT%H:%M:%S}+03:00"
    assert (timing["why"], timing["hoursZones"], timing["hoursZonesReason"]) == (
        "at-once",
        [],
        None,
    )
    assert timing["explanation"] == "At once: there are no sending hours."
    assert (timing["closesAt"], timing["deadline"]) == (None, None)
    assert moment(timing["endsAt"]) - moment(timing["goesAt"]) == DAY
    assert answer["duplicates"] == {"control": "off", "contentWindowSeconds": 0, "repeats": None}
    [link] = answer["links"]
    assert (link["isDefaultSender"], link["isDefaultTtl"]) == (True, True)
    assert (link["state"], link["sms"], link["imageUrl"], link["shortUrls"]) == (
        None,
        None,
        None,
        [],
    )


@pytest.mark.parametrize(
    ("changes", "zones", "reason", "goes_at"),
    [
        ({}, ["UTC+3"], "default", "07:00"),
        ({"login": OMSK}, ["Asia/Omsk"], "partner", "04:00"),
        ({"useTimeDiff": True}, ["Europe/Moscow"], "capital", "07:00"),
        (
            {"useTimeDiff": True, "destAddr": "+1 212 555-01-23"},
            ["America/New_York"],
            "prefix",
            "15:00",
        ),
        ({"useTimeDiff": True, "destAddr": "+800 1234 5678"}, ["UTC+3"], "no-country", "07:00"),
    ],
)
async def test_when_and_by_whose_clock(
    shop: RunningGateway, changes: dict[str, Any], zones: list[str], reason: str, goes_at: str
) -> None:
    timing = (await preview(shop, scheduleInfo=HOURS, **changes))["timing"]
    assert timing["why"] == "hours-closed"
    assert (timing["hoursZones"], timing["hoursZonesReason"]) == (zones, reason)
    assert timing["goesAt"]["utc"][11:16] == goes_at
    assert moment(timing["closesAt"]) - moment(timing["goesAt"]) == 10 * 3_600_000
    assert zones[0] in timing["explanation"]


async def test_hours_that_are_open(shop: RunningGateway) -> None:
    hours = {"timeBegin": "05:00", "timeEnd": "09:00"}
    timing = (await preview(shop, scheduleInfo=hours))["timing"]
    assert timing["why"] == "hours-open"
    assert timing["closesAt"]["loginTime"][11:16] == "09:00"


async def test_a_deadline_ends_it_all(shop: RunningGateway, clock: FakeClock) -> None:
    deadline = datetime.fromtimestamp(clock.now() // 1_000 + 300, UTC).isoformat()
    answer = await preview(shop, **{**CASCADE, "scheduleInfo": {"deadline": deadline}})
    timing = answer["timing"]
    assert (timing["why"], timing["hoursZones"]) == ("at-once", [])
    assert timing["deadline"] == timing["endsAt"]
    first, second, third = answer["links"]
    assert moment(second["goesAt"]) - moment(first["goesAt"]) == 120_000
    assert second["endsAt"] == timing["deadline"]
    assert (third["goesAt"], third["endsAt"]) == (None, None)


async def test_what_is_known_of_the_number(shop: RunningGateway, clock: FakeClock) -> None:
    american = (await preview(shop, destAddr="+1 212 555-01-23"))["subscriber"]
    assert american == {
        "country": "US",
        "operator": None,
        "region": None,
        "mccMnc": None,
        "zones": ["America/New_York"],
        "zonesKnownBy": "prefix",
        "clock": "America/New_York",
    }
    nobodys = await preview(shop, destAddr="+800 1234 5678")
    assert (nobodys["subscriber"]["country"], nobodys["subscriber"]["zones"]) == (None, [])
    assert nobodys["timing"]["goesAt"]["subscriberTime"] is None
    what = NumberingImport((9,), "DEF-9xx.csv", 4, some_ranges(), clock.now())
    await shop.store.write(import_ranges, what)
    await shop.gateway._numbering.refresh()  # as it does every second
    known = (await preview(shop, destAddr="79146512345"))["subscriber"]
    assert known["zonesKnownBy"] == "registry"
    assert known["clock"] == "Asia/Vladivostok"
    assert known["operator"]
    assert known["region"]


@pytest.mark.parametrize(
    ("text", "alphabet", "parts"),
    [
        ("Hello", "GSM-7", 1),
        ("x" * 160, "GSM-7", 1),
        ("x" * 161, "GSM-7", 2),
        ("€" * 80, "GSM-7", 1),
        ("€" * 81, "GSM-7", 2),
        ("я" * 70, "UCS-2", 1),
        ("я" * 71, "UCS-2", 2),
        ("😀" * 36, "UCS-2", 2),
    ],
)
async def test_parts_of_an_sms(shop: RunningGateway, text: str, alphabet: str, parts: int) -> None:
    [link] = (await preview(shop, message=an_sms(text)))["links"]
    assert link["sms"] == {"alphabet": alphabet, "parts": parts}
    assert link["characters"] == len(text)


async def test_urls_are_as_long_as_they_will_be(shop: RunningGateway) -> None:
    changes = {"login": SHORT, "message": an_sms(f"See {LONG}, and {LONG} again")}
    [link] = (await preview(shop, **changes))["links"]
    short = "https://go.example/XXXXXX"
    assert link["text"] == f"See {short}, and {short} again"
    assert link["shortUrls"] == [{"url": LONG, "shortUrl": short}]
    [sent] = (await stored(shop, await post(shop, a_request(**changes)))).links
    assert len(sent["text"]) == link["characters"]
    [link] = (await preview(shop, shortenLinks=False, **changes))["links"]
    assert (link["text"].count(LONG), link["shortUrls"]) == (2, [])


async def test_an_image(shop: RunningGateway) -> None:
    content = {"type": "IMAGE_URL", "data": {"imageURL": "https://shop.example/i.png"}}
    message = {"type": "WHATSAPP", "data": {"instantContent": content}}
    [link] = (await preview(shop, message=message))["links"]
    assert link["imageUrl"] == "https://shop.example/i.png"
    assert (link["text"], link["characters"], link["sms"]) == (None, None, None)


# -- Duplicates


async def test_a_dry_run_uses_no_id_up(shop: RunningGateway) -> None:
    for _ in "12":
        assert (await preview(shop, login=REJECT, id="fresh"))["duplicates"]["repeats"] is None
    assert (await post(shop, a_request(login=REJECT, id="fresh"))).status == 200


async def test_a_repeated_id_is_refused_where_it_would_be(shop: RunningGateway) -> None:
    request = a_request(login=REJECT, id="once")
    assert (await post(shop, request)).status == 200
    sent, checked = await post(shop, request), await check(shop, request)
    assert_refused(checked, 10, "id: a request with this id was accepted")
    assert checked.json == sent.json


async def test_a_repeated_id_names_the_message_that_it_repeats(shop: RunningGateway) -> None:
    request = {"login": RETURN, "id": "again"}
    first = await post(shop, a_request(**request))
    told = (await preview(shop, **request, message=a_text("Else")))["duplicates"]
    assert told == {"control": "return", "contentWindowSeconds": 0, "repeats": first.mt_num}


async def test_repeated_content(shop: RunningGateway, clock: FakeClock) -> None:
    request = a_request(login=WINDOW)
    for _ in "12":
        assert (await check(shop, request)).status == 200
    assert (await post(shop, request)).status == 200
    sent, checked = await post(shop, request), await check(shop, request)
    assert_refused(checked, 10, "less than 60 seconds ago")
    assert checked.json == sent.json
    clock.advance(60_000)
    assert (await check(shop, request)).status == 200


# -- Counted apart


async def counted(shop: RunningGateway, name: str) -> dict[str, float]:
    async with shop.client.get(f"{shop.url}/metrics") as answer:
        families = text_string_to_metric_families(await answer.text())
    [family] = [one for one in families if one.name == f"whimbrel_{name}"]
    return {
        sample.labels["code"]: sample.value
        for sample in family.samples
        if sample.name == f"whimbrel_{name}_total"
    }


async def test_dry_runs_are_no_accepts(shop: RunningGateway) -> None:
    accepts, checks = await counted(shop, "accepts"), await counted(shop, "checks")
    await check(shop, a_request())
    await check(shop, a_request(destAddr="12"))
    assert await counted(shop, "accepts") == accepts
    later = await counted(shop, "checks")
    assert {code: later[code] - checks[code] for code in ("0", "8")} == {"0": 1, "8": 1}
