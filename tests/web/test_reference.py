"""The API reference, and its examples of errors: each is what a real request gets."""

import contextlib
import json
import re
import sqlite3
from html import unescape
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.support.clock import FakeClock
from tests.support.console import a_browser, signed_in
from tests.support.gateway import (
    LOGIN,
    RunningGateway,
    a_profile,
    a_request,
    an_account,
    running_gateway,
)
from tests.web.wire import ERROR_TABLE, Answer, a_text, post, write_lock
from whimbrel.clock import DAY
from whimbrel.domain.partner import DuplicateControl, Profile
from whimbrel.domain.refusal import RefusalCode
from whimbrel.settings import ConsoleSettings, ServerSettings, Settings
from whimbrel.web.error_examples import ERROR_EXAMPLES, example_of
from whimbrel.web.openapi import openapi_document

BREAK = "CREATE TRIGGER t BEFORE INSERT ON chains BEGIN SELECT RAISE(ABORT, 'broken'); END"
CALLER = {"X-Forwarded-For": "198.51.100.7"}
_REQUEST_ID = re.compile(r"request [0-9a-f]+-[0-9a-f]+")


@pytest.fixture(scope="module")
def partners() -> dict[str, Profile]:
    return {
        LOGIN: a_profile(duplicate_control=DuplicateControl.REJECT),
        "fenced": a_profile(subnets=["192.0.2.0/24"]),
        "slow": a_profile(rate=10, burst=1),
    }


@pytest.fixture(scope="module")
def settings() -> Settings:
    server = ServerSettings(trusted_proxies=["127.0.0.0/8"])
    return Settings(server=server, whatsapp={"main": an_account()})


@pytest.mark.parametrize(
    ("code", "changes"),
    [
        (2, {"login": "fenced"}),
        (3, {"login": "slow"}),
        (4, {"message": a_text("x" * 2024)}),
        (5, {"login": "shopp"}),
        (6, {"password": "guess"}),
        (7, {"message": a_text(serviceNumber="STORE")}),
        (8, {"destAddr": "7210123456"}),
        (9, {"message": a_text() | {"type": "FAX"}}),
        (10, {"id": "8770100"}),
        (11, {"message": a_text(ttl=5)}),
    ],
)
async def test_a_real_refusal_is_the_example(
    shop: RunningGateway, clock: FakeClock, code: int, changes: dict[str, Any]
) -> None:
    clock.advance(DAY)  # whoever failed or was quick before is forgiven
    if code in {3, 10}:
        assert (await post(shop, a_request(**changes))).status == 200
    assert_is_the_example(await post(shop, a_request(**changes), headers=CALLER), code)


async def test_so_it_is_while_the_store_is_locked(tmp_path: Path) -> None:
    async with running_gateway(tmp_path) as gateway:
        with write_lock(tmp_path):
            assert_is_the_example(await post(gateway), 1)


async def test_and_when_something_unforeseen_happens(tmp_path: Path) -> None:
    async with running_gateway(tmp_path) as gateway:
        with contextlib.closing(sqlite3.connect(tmp_path / "whimbrel.db")) as other:
            other.execute(BREAK)
        assert_is_the_example(await post(gateway), 100)


def assert_is_the_example(answer: Answer, code: int) -> None:
    """Compare whole bodies; the number of a request is another one each time."""
    example = json.dumps(example_of(RefusalCode(code)))
    assert without_number(json.dumps(answer.json)) == without_number(example)
    assert answer.status == ERROR_TABLE[code][1]


def without_number(text: str) -> str:
    return _REQUEST_ID.sub("request NUMBER", text)


def test_the_document_has_each_example_at_its_status() -> None:
    document = json.loads(openapi_document())
    schema = {
        "$ref": "#/components/schemas/ErrorAnswer",
        "components": document["components"],
    }
    for path in ("/send", "/{login}", "/check"):
        found = {}
        for status, response in document["paths"][path]["post"]["responses"].items():
            examples = response["content"]["application/json"].get("examples", {})
            found |= {name: (int(status), one["value"]) for name, one in examples.items()}
        assert found == {
            f"code{code}": (status, example_of(RefusalCode(code)))
            for code, (_, status) in ERROR_TABLE.items()
        }
        for _, value in found.values():
            jsonschema.validate(value, schema)
    assert ERROR_EXAMPLES.keys() == set(RefusalCode)


# -- The page


async def test_the_page_is_for_everybody_and_lists_each_error(shop: RunningGateway) -> None:
    async with a_browser(shop.url) as browser:
        page = await browser.get("/docs")
        assert page.status == 200
        for code, example in ERROR_EXAMPLES.items():
            row = unescape(page.text.split(f'id="error-{code.value}"')[1].split("</tr>")[0])
            assert ERROR_TABLE[code][0] in row
            assert example.when in row
            assert json.loads(row.split("<pre>")[1].split("</pre>")[0]) == example_of(code)
        document = await browser.get("/docs/openapi.json")
        assert document.headers["content-type"] == "application/json"
        assert document.text == (await browser.get("/openapi.json")).text


async def test_the_page_speaks_russian_but_for_the_document(shop: RunningGateway) -> None:
    async with a_browser(shop.url) as browser:
        page = await browser.get("/docs", **{"accept-language": "ru"})
        assert '<html lang="ru"' in page.text
        assert "Справочник API" in page.words


async def test_an_operator_finds_his_way_back(shop: RunningGateway) -> None:
    async with signed_in(shop) as browser:
        assert 'href="/console/messages"' in (await browser.get("/docs")).text


async def test_it_can_be_switched_off_and_the_document_stays(tmp_path: Path) -> None:
    settings = Settings(
        whatsapp={"main": an_account()}, console=ConsoleSettings(api_reference=False)
    )
    async with (
        running_gateway(tmp_path, settings=settings) as gateway,
        a_browser(gateway.url) as it,
    ):
        statuses = [
            (await it.get(path)).status for path in ("/docs", "/docs/openapi.json", "/openapi.json")
        ]
        assert statuses == [404, 404, 200]
