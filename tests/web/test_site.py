"""Paths, methods, health, metrics and the OpenAPI document."""

import asyncio
import contextlib
import json
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from prometheus_client.parser import text_string_to_metric_families

from tests.support.gateway import (
    RunningGateway,
    a_request,
    an_account,
    running_gateway,
)
from tests.web.wire import ERROR_TABLE, Answer, altered, assert_refused, post
from whimbrel import __version__


async def ask(shop: RunningGateway, method: str, path: str, **options: Any) -> Answer:
    async with shop.client.request(method, shop.url + path, **options) as answer:
        return Answer(answer.status, answer.headers, await answer.read())


def assert_error_form(answer: Answer, status: int, phrase: str) -> None:
    assert answer.status == status
    assert answer.json["error"] == {"code": 4, "description": "Invalid request"}
    assert set(answer.json) == {"error", "extendedDescription"}
    assert phrase in answer.text


# -- Paths and methods


@pytest.mark.parametrize(
    "path",
    ["/", "/send/", "/a/b", "/shop/send", "/hooks/", "/hooks/whatsapp/", "/healthz/",
     "/hooks/whatsapp/main/more", "//send", "/%00/x", "/..%2f..%2fetc/passwd"],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
async def test_wrong_paths(shop: RunningGateway, method: str, path: str) -> None:
    answer = await ask(shop, method, path, data=b"{}" if method == "POST" else None)
    assert_error_form(answer, 404, "Requests are POSTed to /send")


async def test_one_segment_is_a_login(shop: RunningGateway) -> None:
    answer = await post(shop, b"{}", path="/anybody")
    assert_refused(answer, 4, "login: this mandatory member is missing")
    assert (await ask(shop, "GET", "/anybody")).headers["Allow"] == "POST"


METHODS = [
    ("/send", {"POST"}),
    ("/check", {"POST"}),
    ("/shop", {"POST"}),
    ("/healthz", {"GET", "HEAD"}),
    ("/readyz", {"GET", "HEAD"}),
    ("/metrics", {"GET", "HEAD"}),
    ("/openapi.json", {"GET", "HEAD"}),
    ("/hooks/whatsapp/main", {"GET", "HEAD", "POST"}),
]
ALL_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"]


@pytest.mark.parametrize("method", ALL_METHODS)
@pytest.mark.parametrize(("path", "allowed"), METHODS, ids=[path for path, _ in METHODS])
async def test_methods(shop: RunningGateway, method: str, path: str, allowed: set[str]) -> None:
    answer = await ask(shop, method, path)
    if method in allowed:
        assert answer.status not in {404, 405}
        return
    assert answer.status == 405
    assert set(answer.headers["Allow"].split(", ")) == allowed
    if method != "HEAD":
        assert_error_form(answer, 405, f"{method} is not a method of this path")


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/openapi.json", "/a/b", "/send"])
async def test_head_is_get_without_a_body(shop: RunningGateway, path: str) -> None:
    head, get = await ask(shop, "HEAD", path), await ask(shop, "GET", path)
    assert (head.status, head.body) == (get.status, b"")
    assert head.headers["Content-Type"] == get.headers["Content-Type"]


# -- The request's id


async def test_each_answer_of_the_api_has_an_id_of_its_own(shop: RunningGateway) -> None:
    bodies: list[Any] = [a_request(), a_request(), a_request(destAddr=""), b"", b"x" * 100_000]
    answers = [await post(shop, body) for body in bodies]
    answers.append(await post(shop, path="/shop"))
    ids = [answer.headers["X-Request-Id"] for answer in answers]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[0-9a-f]{12}-[0-9a-f]+", one) for one in ids)


async def test_it_is_kept_with_the_message(shop: RunningGateway) -> None:
    answer = await post(shop)
    [row] = query(shop, "SELECT request_id FROM chains WHERE chain_id = ?", answer.mt_num)
    assert row == (answer.headers["X-Request-Id"],)


async def test_nobody_else_chooses_it(shop: RunningGateway) -> None:
    answer = await post(shop, headers={"X-Request-Id": "mine"})
    assert answer.headers.getall("X-Request-Id") != ["mine"]


def query(shop: RunningGateway, text: str, *parameters: Any) -> list[Any]:
    return shop.store._reader.execute(text, parameters).fetchall()


# -- Health


@pytest.mark.parametrize(("path", "word"), [("/healthz", b"alive\n"), ("/readyz", b"ready\n")])
async def test_health(shop: RunningGateway, path: str, word: bytes) -> None:
    answer = await ask(shop, "GET", path)
    assert (answer.status, answer.body) == (200, word)
    assert answer.headers["Content-Type"].startswith("text/plain")


async def test_without_its_store_it_lives_but_is_not_ready(tmp_path: Path) -> None:
    async with running_gateway(tmp_path) as gateway:
        with contextlib.closing(sqlite3.connect(tmp_path / "whimbrel.db")) as other:
            other.execute("ALTER TABLE chains RENAME TO lost")
            assert (await ask(gateway, "GET", "/readyz")).status == 503
            assert (await ask(gateway, "GET", "/healthz")).status == 200
            other.execute("ALTER TABLE lost RENAME TO chains")
        assert (await ask(gateway, "GET", "/readyz")).status == 200


# -- Metrics

NAMES = {
    *("accepts", "accept_seconds", "submits", "submit_seconds", "ambiguous_submits"),
    *("ambiguous_resubmits", "ambiguous_failures", "interrupted_submits", "receipts"),
    *("late_deliveries", "expired_links", "webhooks"),
    *("webhook_updates", "reports", "report_seconds", "report_age_seconds", "queue_depth"),
    *("queue_oldest_age_seconds", "sender_paused", "sender_rate"),
}


async def scrape(shop: RunningGateway) -> dict[str, Any]:
    answer = await ask(shop, "GET", "/metrics")
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    return {family.name: family for family in text_string_to_metric_families(answer.body.decode())}


async def test_every_metric_is_there(shop: RunningGateway) -> None:
    families = await scrape(shop)
    assert {f"whimbrel_{name}" for name in NAMES} <= families.keys()
    assert "process_resident_memory_bytes" in families
    assert all(family.documentation for family in families.values())


async def test_answers_are_counted_by_their_code(shop: RunningGateway) -> None:
    async def count() -> dict[str, float]:
        family = (await scrape(shop))["whimbrel_accepts"]
        return {
            sample.labels["code"]: sample.value
            for sample in family.samples
            if sample.name.endswith("_total")
        }

    before = await count()
    assert before.keys() == {"0", *map(str, ERROR_TABLE)}  # known to a dashboard from the start
    await post(shop)
    await post(shop)
    await post(shop, a_request(destAddr="12"))
    after = await count()
    assert {code: after[code] - before[code] for code in after if after[code] != before[code]} == {
        "0": 2,
        "8": 1,
    }


async def test_no_secret_and_no_text_is_in_the_metrics(shop: RunningGateway) -> None:
    await post(shop)
    body = (await ask(shop, "GET", "/metrics")).body
    account = an_account()
    for secret in (b"shop-password", b"Hello", b"79161234567", account.token.encode()):
        assert secret not in body


# -- The OpenAPI document


@pytest.fixture
def document() -> dict[str, Any]:
    from whimbrel.web.openapi import openapi_document  # noqa: PLC0415

    return json.loads(openapi_document())


async def test_it_is_served(shop: RunningGateway, document: dict[str, Any]) -> None:
    answer = await ask(shop, "GET", "/openapi.json")
    assert (answer.status, answer.json) == (200, document)
    assert document["openapi"] == "3.1.0"
    assert document["info"]["version"] == __version__


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for child in node.values():
            yield from references(child)
    elif isinstance(node, list):
        for child in node:
            yield from references(child)


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method in {"get", "post"} & item.keys():
            parameters = item.get("parameters", []) + item[method].get("parameters", [])
            yield path, method, {**item[method], "parameters": parameters}


def test_its_references_and_schemas_are_sound(document: dict[str, Any]) -> None:
    for reference in references(document):
        assert reference.startswith("#/components/schemas/")
        assert reference.rpartition("/")[2] in document["components"]["schemas"]
    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def test_its_operations_are_complete(document: dict[str, Any]) -> None:
    found = list(operations(document))
    names = [operation["operationId"] for *_, operation in found]
    assert len(set(names)) == len(names)
    for path, _, operation in found:
        assert operation["summary"]
        assert operation["responses"]
        assert all(response["description"] for response in operation["responses"].values())
        in_path = {p["name"] for p in operation["parameters"] if p["in"] == "path"}
        assert in_path == set(re.findall(r"{(\w+)}", path))


async def test_it_knows_every_path_and_method(
    shop: RunningGateway, document: dict[str, Any]
) -> None:
    documented = {}
    for path, method, _ in operations(document):
        documented.setdefault(path, set()).add(method.upper())
    for path, methods in documented.items():
        answer = await ask(shop, "PUT", re.sub(r"{\w+}", "main", path))
        assert set(answer.headers["Allow"].split(", ")) - {"HEAD"} == methods


@pytest.mark.parametrize("path", ["/send", "/{login}"])
def test_its_errors_are_the_table(document: dict[str, Any], path: str) -> None:
    responses = document["paths"][path]["post"]["responses"]
    described = {
        (int(code), text, int(status))
        for status, response in responses.items()
        for code, text in re.findall(r"code (\d+): ([^;]+)", response["description"])
    }
    assert described == {(code, *row) for code, row in ERROR_TABLE.items()}


def body_schema(document: dict[str, Any]) -> Draft202012Validator:
    schema = document["paths"]["/send"]["post"]["requestBody"]["content"]["application/json"]
    return Draft202012Validator({**schema["schema"], "components": document["components"]})


async def test_its_examples_are_accepted(shop: RunningGateway, document: dict[str, Any]) -> None:
    """An example differs from a request of the day by who sends it, and to whom, alone."""
    content = document["paths"]["/send"]["post"]["requestBody"]["content"]["application/json"]
    schema, examples = body_schema(document), content["examples"]
    assert {"text", "image", "scheduled"} <= examples.keys()
    for example in examples.values():
        schema.validate(example["value"])
        mine = {"login": "shop", "password": "shop-password"}
        sender = {"message.data.serviceNumber": "WHIMBREL"}
        assert (await post(shop, altered(example["value"], mine | sender))).status == 200


@pytest.mark.parametrize(
    ("member", "good", "bad"),
    [
        ("registeredDelivery", [0, 1, 2, "1", None], ["all", [], {}]),
        ("message.data.ttl", [0, 1440, "1440", None], ["soon", 1.5, []]),
        ("useTimeDiff", [True, "true", "FALSE", 0, "1", None], ["perhaps", 2, []]),
        ("shortenLinks", [False, "False", 1, "0", None], ["no", [], 7]),
        ("message.shortenLinks", ["true", None], ["yes"]),
        ("id", ["x", 5, None], [True, []]),
        ("destAddr", ["+7 916 123-45-67", 79161234567], [None, [], True]),
        ("scheduleInfo.weekdaysSchedule", ["12345", 12345, "", None], [[1]]),
        ("anythingElse", [1, None, {}], []),
    ],
)
async def test_it_is_true_of_what_is_taken(
    shop: RunningGateway, document: dict[str, Any], member: str, good: list[Any], bad: list[Any]
) -> None:
    schema = body_schema(document)
    for value in good + bad:
        request = altered(a_request(), {member: value})
        answer = await post(shop, request)
        right_shape = "must be" not in answer.text if answer.status == 400 else True
        assert (schema.is_valid(request), right_shape) == (value in good, value in good), value


def test_another_spelling_is_deprecated(document: dict[str, Any]) -> None:
    properties = document["components"]["schemas"]["ContentData"]["properties"]
    assert properties["imageUrl"]["deprecated"] is True
    assert "deprecated" not in properties["imageURL"]


async def test_requests_at_once_do_not_mix(shop: RunningGateway) -> None:
    answers = await asyncio.gather(*(post(shop, a_request(id=str(n))) for n in range(100)))
    assert [answer.json["id"] for answer in answers] == [str(n) for n in range(100)]
    assert len({answer.mt_num for answer in answers}) == 100
