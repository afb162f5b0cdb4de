"""The OpenAPI document holds for whatever is sent, and no document breaks the gateway."""

import asyncio
import json
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.gateway import (
    LOGIN,
    PASSWORD,
    a_profile,
    a_request,
    an_account,
    running_gateway,
)
from tests.web.test_hooks import HOOK, signature
from tests.web.wire import ERROR_TABLE, altered
from whimbrel.settings import Settings
from whimbrel.web.openapi import openapi_document

# The gateway draws its pauses at random in a thread beside the strategies, not inside them.
pytestmark = pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies")
SENDER = "SHOP"  # the one of the document's own examples
SCHEMA = schemathesis.openapi.from_dict(
    json.loads(openapi_document()),
    config=schemathesis.Config.from_dict(
        {"generation": {"deterministic": True, "database": "none", "max-examples": 30}}
    ),
)
CHECKS = [
    schemathesis.checks.not_a_server_error,
    schemathesis.checks.status_code_conformance,
    schemathesis.checks.content_type_conformance,
    schemathesis.checks.response_headers_conformance,
    schemathesis.checks.response_schema_conformance,
]
a_few = settings(
    max_examples=60,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)


class Served:
    """A gateway in a thread of its own, for clients that block."""

    def __init__(self, folder: Path) -> None:
        self.url = ""
        self.answers: Counter[tuple[str, int]] = Counter()
        self._folder = folder
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(timeout=20)
        self.session = requests.Session()
        return self

    def __exit__(self, *_: object) -> None:
        self.session.close()
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def post(self, body: bytes, **headers: str) -> requests.Response:
        return self.session.post(f"{self.url}/send", data=body, headers=headers)

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        partners = {LOGIN: a_profile(senders=[SENDER], default_sender=SENDER)}
        of_the_example = Settings(whatsapp={"main": an_account(sender=SENDER)})
        async with running_gateway(
            self._folder, partners=partners, settings=of_the_example
        ) as gateway:
            self.url = gateway.url
            self._ready.set()
            await self._stop.wait()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with Served(tmp_path_factory.mktemp("served")) as served:
        yield served


# -- The document


@SCHEMA.parametrize()
def test_the_document_holds(case: schemathesis.Case, served: Served) -> None:
    """Examples, edge cases and random ones, right and wrong, of each operation."""
    if case.method == "POST" and case.path != "/hooks/whatsapp/{account}":
        let_in(case)
    response = case.call(base_url=served.url, session=served.session)
    served.answers[case.operation.label, response.status_code] += 1
    case.validate_response(response, checks=CHECKS)


def let_in(case: schemathesis.Case) -> None:
    """Give a request the right login: the wrong ones would hide what comes after."""
    if isinstance(case.body, dict) and {"login", "password"} <= case.body.keys():
        case.body = {**case.body, "login": LOGIN, "password": PASSWORD}


def test_the_run_came_as_far_as_acceptance(served: Served) -> None:
    if not served.answers:
        pytest.skip("the test before was not run")
    for operation in ("POST /send", "POST /check", "POST /{login}"):
        seen = {status for label, status in served.answers if label == operation}
        assert seen >= {200, 400, 406}, seen


# -- Any document at all

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(min_value=-3, max_value=3),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(),
    st.text(alphabet="0123456789+-=,:.T \0%"),
    st.sampled_from([1440, "1440", "WHATSAPP", "SMS", "TEXT", "10:00", "12345", "null", "true"]),
)
DOCUMENTS = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
MEMBERS = [
    *("useTimeDiff", "shortenLinks", "id", "scheduleInfo", "scheduleInfo.timeBegin"),
    *("scheduleInfo.timeEnd", "scheduleInfo.weekdaysSchedule", "scheduleInfo.deadline"),
    *("destAddr", "message", "message.type", "message.data", "message.data.instantContent"),
    *("message.shortenLinks", "message.data.instantContent.type", "message.data.serviceNumber"),
    *("message.data.instantContent.data", "message.data.instantContent.data.text"),
    *("message.data.instantContent.data.imageURL", "message.data.instantContent.data.imageUrl"),
    *("message.data.ttl", "message.data.ttlUnit", "extraParam", "registeredDelivery"),
    *("notifyUrl", "cascadeChainLink", "cascadeChainLink.state", "cascadeChainLink.message"),
    *("cascadeChainLink.nextLink", "unknown"),
]


def assert_documented(answer: requests.Response) -> None:
    """Assert that it is an acceptance or an error, in its full form, and no fault of ours."""
    assert answer.headers["Content-Type"] == "application/json"
    document = answer.json()
    if answer.status_code == 200:
        assert document.keys() in ({"mtNum"}, {"mtNum", "id"})
        assert document["mtNum"].isdecimal()
        return
    code = document["error"]["code"]
    assert code not in {1, 100}, document
    description, http_status = ERROR_TABLE[code]
    assert answer.status_code == http_status
    assert document.keys() == {"error", "extendedDescription"}
    assert document["error"] == {"code": code, "description": description}
    assert document["extendedDescription"]


@a_few
@given(document=DOCUMENTS)
def test_any_document(served: Served, document: Any) -> None:
    answer = served.post(json.dumps(document).encode())
    assert_documented(answer)
    assert answer.status_code == 400


@a_few
@given(body=st.binary() | st.text().map(str.encode))
def test_any_bytes(served: Served, body: bytes) -> None:
    assert_documented(served.post(body))


@a_few
@given(charset=st.text(st.characters(codec="latin-1", exclude_categories=["C"]), min_size=1))
def test_any_charset(served: Served, charset: str) -> None:
    content_type = f"application/json; charset={charset}".rstrip()
    headers: dict[str, Any] = {"Content-Type": content_type.encode("latin-1")}
    assert_documented(served.post(json.dumps(a_request()).encode(), **headers))


@a_few
@given(changes=st.dictionaries(st.sampled_from(MEMBERS), DOCUMENTS, min_size=1, max_size=3))
def test_any_value_of_any_member(served: Served, changes: dict[str, Any]) -> None:
    request = a_request()
    for member in sorted(changes, reverse=True):  # parts before the whole that may replace them
        request = altered(request, {member: changes[member]})
    assert_documented(served.post(json.dumps(request).encode()))


@a_few
@given(document=DOCUMENTS)
def test_any_webhook(served: Served, document: Any) -> None:
    """Whatever Meta sends with the right signature, it is told not to send it again."""
    change = {"field": "messages", "value": document}
    bodies = [document, {"entry": document}, {"entry": [{"changes": [change]}]}]
    for body in (json.dumps(body).encode() for body in bodies):
        url = f"{served.url}{HOOK}"
        assert served.session.post(url, data=body, headers=signature(body)).status_code == 200
