"""The request generator: who sees it, its dry runs with and without a login, and its sending."""

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from tests.support.clock import FakeClock
from tests.support.console import a_browser, signed_in
from tests.support.gateway import LOGIN, SENDER, RunningGateway, a_profile, a_request, an_account
from tests.support.gateway import running_gateway as running
from tests.web.wire import Answer, a_text, assert_refused, count_chains, post, stored
from whimbrel.clock import DAY, SECOND
from whimbrel.domain.login import RESERVED_LOGINS
from whimbrel.domain.operator import Role
from whimbrel.domain.partner import Profile
from whimbrel.settings import ConsoleSettings, ServerSettings, Settings, ShortUrlSettings
from whimbrel.web.openapi import openapi_document
from whimbrel.web.pages.site import PAGE_PATHS

AT_ONCE = 60  # gateway.py
LONG = "https://shop.example/orders/2026/11/8770100?from=whatsapp"
NOBODY: dict[str, Any] = {"login": None, "password": None}
PUBLIC = ConsoleSettings(generator="public")


@pytest.fixture(scope="module")
def settings() -> Settings:
    """Anybody may generate; the test calls from a trusted proxy, and so from wherever it says."""
    return Settings(
        server=ServerSettings(trusted_proxies=["127.0.0.1/32"]),
        console=PUBLIC,
        whatsapp={"main": an_account()},
        short_urls=ShortUrlSettings(base_url="https://go.example"),
    )


@pytest.fixture(scope="module")
def partners() -> dict[str, Profile]:
    return {LOGIN: a_profile(), "fenced": a_profile(subnets=["192.0.2.0/24"])}


@pytest_asyncio.fixture(loop_scope="module", autouse=True)
async def rested(clock: FakeClock) -> AsyncIterator[None]:
    """Forgive whoever has asked too often."""
    clock.advance(DAY)
    yield


async def check(shop: RunningGateway, *, address: str = "192.0.2.1", **changes: Any) -> Answer:
    """Ask for a dry run; nothing may be stored."""
    before = await count_chains(shop)
    headers = {"X-Forwarded-For": address}
    answer = await post(shop, a_request(**changes), path="/generator/check", headers=headers)
    assert await count_chains(shop) == before
    return answer


# -- Without a login


async def test_the_rules_for_everybody(shop: RunningGateway) -> None:
    answer = (await check(shop, **NOBODY)).json
    assert answer["checkedFor"] == "anybody"
    assert (answer["loginZone"], answer["duplicates"]) == ("UTC+3", None)
    [link] = answer["links"]
    assert (link["serviceNumber"], link["isDefaultSender"]) == (None, True)


async def test_whatever_some_login_may_is_fine(shop: RunningGateway) -> None:
    sms = {"type": "SMS", "data": {"text": f"See {LONG}", "serviceNumber": "ANYBODY"}}
    cascade = {"state": "READ", "message": sms}
    answer = (await check(shop, **NOBODY, cascadeChainLink=cascade)).json
    assert [link["serviceNumber"] for link in answer["links"]] == [None, "ANYBODY"]
    assert answer["links"][1]["text"] == "See https://go.example/XXXXXXXX"


@pytest.mark.parametrize(
    ("changes", "code", "phrase"),
    [
        ({"destAddr": None}, 4, "destAddr: this mandatory member is missing"),
        ({"destAddr": "12"}, 8, "destAddr: The phone number"),
        ({"message": a_text("")}, 4, "Message is empty"),
        ({"message": a_text(ttl=5)}, 11, "message.data.ttl"),
        ({"message": a_text() | {"type": "FAX"}}, 9, "message.type"),
        ({"notifyUrl": ""}, 4, "notifyUrl"),
    ],
)
async def test_what_no_login_may_is_refused(
    shop: RunningGateway, changes: dict[str, Any], code: int, phrase: str
) -> None:
    assert_refused(await check(shop, **NOBODY, **changes), code, phrase)


async def test_an_address_may_not_ask_for_ever(shop: RunningGateway, clock: FakeClock) -> None:
    asked = 0
    while (refused := await check(shop, **NOBODY)).status == 200:
        asked += 1
    assert asked in {AT_ONCE - 1, AT_ONCE}  # the test's clock has gone on for decades: it rounds
    assert_refused(refused, 3, "Too many dry runs from this address")
    assert refused.headers["Retry-After"] == "1"
    assert_refused(await check(shop), 3, "Too many dry runs")  # with a login no more than without
    assert (await check(shop, **NOBODY, address="192.0.2.2")).status == 200
    clock.advance(SECOND)
    assert (await check(shop, **NOBODY)).status == 200


async def test_a_body_has_the_same_limit(shop: RunningGateway) -> None:
    body = json.dumps(a_request(**NOBODY)).encode().ljust(64 * 1024 + 1)
    assert_refused(await post(shop, body, path="/generator/check"), 4, "longer than 65536 bytes")


# -- With a login


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"destAddr": "12"},
        {"message": a_text(serviceNumber="NOBODY")},
        {"login": "nobody"},
        {"password": "guess"},
        {"login": "fenced"},
        {"login": "fenced", "password": "guess"},
        {"password": None},
        {"login": None},
    ],
    ids=str,
)
async def test_with_a_login_it_is_the_same_as_check(
    shop: RunningGateway, changes: dict[str, Any]
) -> None:
    whole = a_request(**{"login": LOGIN, **changes})
    headers = {"X-Forwarded-For": "203.0.113.5"}
    draft = await post(shop, whole, path="/generator/check", headers=headers)
    checked = await post(
        shop, {"login": "", "password": "", **whole}, path="/check", headers=headers
    )
    assert (draft.status, draft.json) == (checked.status, checked.json)
    if draft.status == 200:
        assert draft.json["checkedFor"] == "login"


async def test_failed_logins_are_throttled_here_too(shop: RunningGateway) -> None:
    for _ in range(10):
        assert_refused(await check(shop, password="guess"), 6)
    assert_refused(await check(shop), 3, "too many failed logins")


async def test_it_sends_as_send_does(shop: RunningGateway) -> None:
    story = await stored(shop, await post(shop, a_request(id="g"), path="/generator/send"))
    assert (story.chain["partner_ref"], len(story.links)) == ("g", 1)
    for changes, code in (({"password": "guess"}, 6), (NOBODY, 4), ({"destAddr": "1"}, 8)):
        before = await count_chains(shop)
        assert_refused(await post(shop, a_request(**changes), path="/generator/send"), code)
        assert await count_chains(shop) == before


# -- Who sees it


async def test_everybody_sees_a_public_one(shop: RunningGateway) -> None:
    async with a_browser(shop.url) as browser:
        shown = await browser.get("/generator")
        assert shown.status == 200
        assert "script-src 'self'" in shown.headers["Content-Security-Policy"]
        assert 'data-console=""' in shown.text
        for asset in re.findall(r'(?:src|href)="(/assets/[^"#]+)', shown.text):
            assert (await browser.get(asset)).status == 200
        assert (await browser.get("/generator/check")).status == 405
    async with a_browser(shop.url) as browser:
        russian = await browser.get("/generator", **{"accept-language": "ru"})
        assert "Генератор запросов" in russian.words


async def test_an_operator_is_led_to_the_messages(shop: RunningGateway) -> None:
    async with signed_in(shop, Role.ADMIN) as operator:
        assert 'data-console="/console/messages/"' in (await operator.get("/generator")).text


async def test_operators_alone_see_theirs(tmp_path: Path) -> None:
    async with running(tmp_path) as gateway:
        async with a_browser(gateway.url) as stranger:
            for path in ("/generator/check", "/generator/send"):
                async with stranger.session.post(
                    gateway.url + path, json=a_request(), allow_redirects=False
                ) as answer:
                    assert answer.headers["Location"].startswith("/console/sign-in")
            assert (await stranger.get("/generator")).headers["Location"].startswith("/console/")
        assert await count_chains(gateway) == 0
        async with signed_in(gateway, Role.READER) as operator:
            shown = await operator.get("/generator")
            token = re.search(r'data-csrf="([0-9a-f]+)"', shown.text)
            assert token
            headers = {"x-csrf-token": token[1]}
            asked = await _posted(operator.session, f"{gateway.url}/generator/check", headers)
            assert asked["checkedFor"] == "login"
            sent = await _posted(operator.session, f"{gateway.url}/generator/send", headers)
            assert sent["mtNum"]
            assert await count_chains(gateway) == 1


async def _posted(session: aiohttp.ClientSession, url: str, headers: dict[str, str]) -> Any:
    async with session.post(url, json=a_request(), headers=headers) as answer:
        return await answer.json()


@pytest.mark.parametrize("path", ["/generator", "/generator/check", "/generator/send"])
async def test_nobody_sees_one_that_is_off(tmp_path: Path, path: str) -> None:
    settings = Settings(
        console=ConsoleSettings(generator="off"), whatsapp={"main": an_account(sender=SENDER)}
    )
    async with running(tmp_path, settings=settings) as gateway:
        for method in ("GET", "POST"):
            async with gateway.client.request(method, gateway.url + path) as answer:
                assert answer.status == 404


# -- Paths and logins


def test_no_login_is_a_path_of_ours() -> None:
    paths = {*json.loads(openapi_document())["paths"], *PAGE_PATHS}
    firsts = {path.split("/")[1] for path in paths} - {"{login}"}
    assert {"send", "check", "hooks", "generator"} <= firsts
    assert firsts <= RESERVED_LOGINS
