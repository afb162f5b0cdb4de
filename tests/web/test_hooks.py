"""Meta's webhooks: the handshake, the signature, and what becomes of good and bad receipts."""

import asyncio
import contextlib
import gc
import hashlib
import hmac
import json
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web

from tests.support.gateway import (
    APP_SECRET,
    PHONE_NUMBER_ID,
    VERIFY_TOKEN,
    RunningGateway,
    a_profile,
    a_request,
    an_account,
    running_gateway,
)
from tests.web.wire import Answer, a_text, post, write_lock
from whimbrel.domain.partner import Profile
from whimbrel.domain.status import LinkState
from whimbrel.settings import Settings
from whimbrel.store.history import Story, tell_stories
from whimbrel.store.mo_messages import MoWish, StoredMo, find_mo_messages

HOOK = "/hooks/whatsapp/main"
OTHER_HOOK, OTHER_SECRET, OTHER_NUMBER = "/hooks/whatsapp/other", "other-secret", "200000000000002"
SISTER_NUMBER = "200000000000003"  # of the same app as `main`
VECTOR_SECRET = "whimbrel-test-secret"
MIB = 1024 * 1024
LATER = 4_000_000_000  # Unix seconds, in the future of every test


# -- A Cloud API that takes everything


class Upstream:
    """Takes each message, and hands out wamids of the test's choice."""

    def __init__(self) -> None:
        self.url = ""

    async def take(self, request: web.Request) -> web.Response:
        echo = (await request.json())["biz_opaque_callback_data"]
        return web.json_response({"messages": [{"id": f"wamid.{echo}"}]})


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def upstream() -> AsyncIterator[Upstream]:
    upstream = Upstream()
    app = web.Application()
    app.router.add_post("/{path:.*}", upstream.take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    upstream.url = f"http://{host}:{port}"
    yield upstream
    await runner.cleanup()


@pytest.fixture(scope="module")
def settings(upstream: Upstream) -> Settings:
    base = {"base_url": upstream.url, "pair_pacing": False}  # all go to one subscriber
    other = {"sender": "OTHER", "phone_number_id": OTHER_NUMBER, "app_secret": OTHER_SECRET}
    vector = {"sender": "VECTOR", "phone_number_id": "9", "app_secret": VECTOR_SECRET}
    return Settings(
        whatsapp={
            "main": an_account(**base),
            "sister": an_account(sender="SISTER", phone_number_id=SISTER_NUMBER, **base),
            "other": an_account(**other, **base),
            "vector": an_account(**vector, verify_token="пароль & co", **base),
        }
    )


@pytest.fixture(scope="module")
def partners() -> dict[str, Profile]:
    return {"shop": a_profile(senders=["WHIMBREL", "SISTER"])}


class Sent:
    """A message that the channel has taken."""

    def __init__(self, shop: RunningGateway, chain_id: int) -> None:
        self._shop = shop
        self._chain_id = chain_id
        self.echo = f"{chain_id << 4}.1"
        self.wamid = f"wamid.{self.echo}"

    async def story(self) -> Story:
        story = await self._shop.store.read(tell_stories, self._chain_id)
        assert story
        return story

    async def state(self) -> LinkState:
        return LinkState((await self.story()).links[0]["state"])

    async def until(self, state: LinkState) -> None:
        async with asyncio.timeout(10):
            while await self.state() != state:
                async with self._shop.client.get(f"{self._shop.url}/healthz"):
                    pass


@pytest_asyncio.fixture(loop_scope="module")
async def sent(shop: RunningGateway) -> Sent:
    return await send(shop)


async def send(shop: RunningGateway, sender: str = "WHIMBREL") -> Sent:
    answer = await post(shop, a_request(message=a_text(serviceNumber=sender)))
    message = Sent(shop, int(answer.mt_num))
    await message.until(LinkState.SUBMITTED)
    return message


# -- Webhooks as Meta makes them


def a_status(
    wamid: str, status: str = "delivered", *, echo: str | None = None, **members: Any
) -> dict[str, Any]:
    entry = {"id": wamid, "status": status, "timestamp": str(LATER), "recipient_id": "79161234567"}
    if echo is not None:
        entry["biz_opaque_callback_data"] = echo
    return {**entry, **members}


def a_change(
    *statuses: Any, number: str = PHONE_NUMBER_ID, field: str = "messages", **more: Any
) -> dict[str, Any]:
    value = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "442079460000", "phone_number_id": number},
        "statuses": list(statuses),
        **more,
    }
    return {"field": field, "value": value}


def a_webhook(*changes: Any) -> bytes:
    """Return a body with one entry a change; `json.dumps` escapes all but ASCII, as Meta does."""
    entries = [{"id": "300000000000001", "changes": [change]} for change in changes]
    return json.dumps({"object": "whatsapp_business_account", "entry": entries}).encode()


def signature(body: bytes, secret: str = APP_SECRET) -> dict[str, str]:
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {"X-Hub-Signature-256": f"sha256={digest}", "Content-Type": "application/json"}


async def deliver(
    shop: RunningGateway, body: bytes, *, path: str = HOOK, secret: str = APP_SECRET
) -> Answer:
    """POST a signed webhook."""
    return await post(shop, body, path=path, headers=signature(body, secret))


# -- The handshake


async def handshake(shop: RunningGateway, path: str = HOOK, **query: str) -> tuple[int, bytes, str]:
    params = {f"hub.{name}": value for name, value in query.items()}
    async with shop.client.get(shop.url + path, params=params) as answer:
        return answer.status, await answer.read(), answer.content_type


@pytest.mark.parametrize("challenge", ["1158201444", "007", "a b+c&d<e>", "щ", "x" * 2_000])
async def test_the_challenge_comes_back_exactly(shop: RunningGateway, challenge: str) -> None:
    answer = await handshake(shop, mode="subscribe", verify_token=VERIFY_TOKEN, challenge=challenge)
    assert answer == (200, challenge.encode(), "text/plain")


async def test_a_verify_token_of_any_characters(shop: RunningGateway) -> None:
    query = {"mode": "subscribe", "verify_token": "пароль & co", "challenge": "1"}
    assert (await handshake(shop, "/hooks/whatsapp/vector", **query))[:2] == (200, b"1")


@pytest.mark.parametrize(
    "query",
    [
        {"mode": "subscribe", "verify_token": "wrong", "challenge": "42"},
        {"mode": "subscribe", "verify_token": VERIFY_TOKEN.upper(), "challenge": "42"},
        {"mode": "subscribe", "verify_token": "", "challenge": "42"},
        {"mode": "subscribe", "verify_token": "шифр", "challenge": "42"},
        {"mode": "unsubscribe", "verify_token": VERIFY_TOKEN, "challenge": "42"},
        {"verify_token": VERIFY_TOKEN, "challenge": "42"},
        {"mode": "subscribe", "challenge": "42"},
        {},
    ],
)
async def test_a_wrong_handshake(shop: RunningGateway, query: dict[str, str]) -> None:
    status, body, _ = await handshake(shop, **query)
    assert status == 403
    assert b"42" not in body


async def test_unknown_accounts(shop: RunningGateway) -> None:
    query = {"mode": "subscribe", "verify_token": VERIFY_TOKEN, "challenge": "42"}
    assert (await handshake(shop, "/hooks/whatsapp/nobody", **query))[0] == 404
    assert (await deliver(shop, a_webhook(), path="/hooks/whatsapp/nobody")).status == 404


# -- The signature


async def test_the_vector_of_the_reference(shop: RunningGateway) -> None:
    body = b'{"object":"whatsapp_business_account","entry":[]}'
    vector = "sha256=6d7665eb284f6f18da91f6c8aae48bdb6cc67ebb226e20c81962fc7c6a883a88"
    request = {"path": "/hooks/whatsapp/vector", "headers": {"X-Hub-Signature-256": vector}}
    assert (await post(shop, body, **request)).status == 200
    assert (await post(shop, body + b" ", **request)).status == 401


async def test_it_is_over_the_raw_bytes(shop: RunningGateway, sent: Sent) -> None:
    """Escapes, blanks and the order of members would not survive a second serialising."""
    contacts = [{"profile": {"name": "Анна 😀 / \\/"}, "wa_id": "79161234567"}]
    body = a_webhook(a_change(a_status(sent.wamid), contacts=contacts))
    body = body.replace(b'"object"', b' \n "object"')
    assert rb"\u0410\u043d\u043d\u0430 \ud83d\ude00" in body
    assert (await deliver(shop, body)).status == 200
    assert await sent.state() == LinkState.DELIVERED


def forged(body: bytes) -> list[dict[str, str]]:
    right = signature(body)["X-Hub-Signature-256"]
    digest = right.removeprefix("sha256=")
    sha1 = hmac.new(APP_SECRET.encode(), body, hashlib.sha1).hexdigest()
    return [
        {"X-Hub-Signature-256": value}
        for value in (
            "",
            "sha256=",
            digest,
            f"sha1={digest}",
            f"sha256={digest[:-1]}",
            f"sha256={digest[:-1]}{'0' if digest[-1] != '0' else '1'}",
            f"sha256={digest}, sha256={digest}",
            f"sha256={'0' * 64}",
            signature(body, OTHER_SECRET)["X-Hub-Signature-256"],
            signature(body + b" ")["X-Hub-Signature-256"],
            f"sha256={digest[:-1]}é",
        )
    ] + [{}, {"X-Hub-Signature": f"sha1={sha1}"}]


async def test_a_wrong_signature_moves_nothing(shop: RunningGateway, sent: Sent) -> None:
    body = a_webhook(a_change(a_status(sent.wamid)))
    for headers in forged(body):
        assert (await post(shop, body, path=HOOK, headers=headers)).status == 401, headers
    assert await sent.state() == LinkState.SUBMITTED


# -- Receipts


@pytest.mark.parametrize("by_echo", [True, False])
@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("sent", LinkState.SENT),
        ("delivered", LinkState.DELIVERED),
        ("read", LinkState.READ),
        ("failed", LinkState.FAILED),
    ],
)
async def test_statuses(
    shop: RunningGateway, sent: Sent, status: str, state: LinkState, by_echo: bool
) -> None:
    entry = (
        a_status("wamid.new", status, echo=sent.echo) if by_echo else a_status(sent.wamid, status)
    )
    assert (await deliver(shop, a_webhook(a_change(entry)))).status == 200
    assert await sent.state() == state


async def test_a_batch_in_any_order_and_doubled(shop: RunningGateway) -> None:
    messages = [await send(shop) for _ in range(4)]
    names = ("read", "sent", "delivered", "sent", "read")
    changes = [a_change(*(a_status(m.wamid, name) for m in messages)) for name in names]
    for _ in "12":
        assert (await deliver(shop, a_webhook(*changes))).status == 200
    for message in messages:
        story = await message.story()
        assert await message.state() == LinkState.READ
        assert [receipt["state"] for receipt in story.receipts] == [40, 70, 80]


async def test_several_changes_in_one_entry(shop: RunningGateway) -> None:
    messages = [await send(shop) for _ in range(3)]
    changes = [a_change(a_status(message.wamid)) for message in messages]
    body = json.dumps({"object": "x", "entry": [{"id": "1", "changes": changes}]}).encode()
    assert (await deliver(shop, body)).status == 200
    assert {await message.state() for message in messages} == {LinkState.DELIVERED}


async def test_what_is_unknown_is_ignored(shop: RunningGateway, sent: Sent) -> None:
    status = a_status(sent.wamid, conversation={"id": "c"}, pricing={"x": [1]}, new={"a": None})
    body = a_webhook(
        a_change(field="account_update"),
        a_change(a_status(sent.wamid, "read"), field="messages_of_tomorrow"),
        a_change(a_status(sent.wamid, "played"), a_status(sent.wamid, "deleted")),
        a_change(a_status("wamid.of-somebody")),
        a_change(messages=[{"from": "79161234567", "type": "text", "text": {"body": "Hi"}}]),
        a_change(errors=[{"code": 130429}]),
        {"field": "messages", "value": {}},
        {"field": "template_category_update", "value": {"message_template_id": 1}},
        a_change(status),
    )
    assert (await deliver(shop, body)).status == 200
    assert await sent.state() == LinkState.DELIVERED


BAD_ENTRIES = [
    None,
    "delivered",
    [],
    {},
    {"status": "delivered"},
    {"id": 5, "status": "delivered", "timestamp": "1"},
    {"id": "wamid.x", "status": "delivered"},
    {"id": "wamid.x", "status": "delivered", "timestamp": "soon"},
    {"id": "wamid.x", "status": "delivered", "timestamp": "-1"},
    {"id": "wamid.x", "status": "delivered", "timestamp": 10**40},
    {"id": "wamid.x", "status": "delivered", "timestamp": 1e300},
    {"id": "wamid.x", "status": "delivered", "timestamp": [1]},
    {"id": "wamid.x", "status": ["delivered"], "timestamp": "1"},
    {"id": "wamid.x", "status": {"a": 1}, "timestamp": "1"},
    {"id": "wamid.x", "status": None, "timestamp": "1"},
    a_status("wamid.x\0"),
    a_status("wamid.x", echo="1.1.1"),
    a_status("wamid.x", echo="9" * 40 + ".1"),
    a_status("wamid.x", echo="²." + "1"),
    a_status("wamid.x", biz_opaque_callback_data={"a": 1}),
    a_status("wamid.x", "failed", errors="none"),
    a_status("wamid.x", "failed", errors=[None]),
    a_status("wamid.x", "failed", errors=[{"code": "131026"}]),
    a_status("wamid.x", "failed", errors=[{"code": 10**40, "title": 5}]),
    a_status("wamid.x", "failed", errors=[{"code": True, "error_data": [1]}]),
    a_status("wamid.x", "failed", errors=[{"code": 131026, "error_data": {"details": {}}}]),
]


@pytest.mark.parametrize("bad", BAD_ENTRIES, ids=[json.dumps(bad)[:60] for bad in BAD_ENTRIES])
async def test_one_bad_entry_spoils_none_of_the_others(
    shop: RunningGateway, sent: Sent, bad: object
) -> None:
    body = a_webhook(
        a_change(bad, a_status(sent.wamid, "sent"), bad), a_change(a_status(sent.wamid))
    )
    assert (await deliver(shop, body)).status == 200
    assert await sent.state() == LinkState.DELIVERED


BAD_BODIES = [
    b"",
    b"not JSON",
    b"{",
    b"null",
    b"[]",
    b"42",
    b'"x"',
    b'{"entry": {}}',
    b'{"entry": [null, 1, "x", [], {"changes": {}}]}',
    b'{"entry": [{"changes": [null, [], "x", {}, {"field": "messages"}]}]}',
    b'{"entry": [{"changes": [{"field": "messages", "value": {"metadata": 5, "statuses": {}}}]}]}',
    b"\xff\xfe",
    rb'{"entry": "\ud83d"}',
    b"[" * 100_000,
    b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
]


@pytest.mark.parametrize("body", BAD_BODIES, ids=[str(body[:40]) for body in BAD_BODIES])
async def test_what_cannot_be_read_is_not_sent_again(shop: RunningGateway, body: bytes) -> None:
    assert (await deliver(shop, body)).status == 200


# -- Whose receipts count


async def test_another_sender_moves_nothing(shop: RunningGateway, sent: Sent) -> None:
    for status in (a_status(sent.wamid), a_status("wamid.new", echo=sent.echo)):
        for number in (OTHER_NUMBER, PHONE_NUMBER_ID, "", "unknown"):
            body = a_webhook(a_change(status, number=number))
            answer = await deliver(shop, body, path=OTHER_HOOK, secret=OTHER_SECRET)
            assert answer.status == 200
        for number in (OTHER_NUMBER, SISTER_NUMBER, "unknown"):
            assert (await deliver(shop, a_webhook(a_change(status, number=number)))).status == 200
    assert await sent.state() == LinkState.SUBMITTED
    assert (await sent.story()).receipts == []


async def test_numbers_of_one_app_share_its_callback(shop: RunningGateway) -> None:
    message = await send(shop, "SISTER")
    body = a_webhook(a_change(a_status(message.wamid), number=SISTER_NUMBER))
    assert (await deliver(shop, body)).status == 200
    assert await message.state() == LinkState.DELIVERED


async def test_an_attempt_that_was_never_made(shop: RunningGateway, sent: Sent) -> None:
    echo = sent.echo.removesuffix("1") + "2"
    body = a_webhook(a_change(a_status("wamid.new", "failed", echo=echo)))
    assert (await deliver(shop, body)).status == 200
    assert await sent.state() == LinkState.SUBMITTED


# -- What subscribers wrote


def an_answer(wamid: str, text: str = "Yes", **members: Any) -> dict[str, Any]:
    entry = {"from": "79161234567", "id": wamid, "timestamp": str(LATER), "type": "text"}
    return {**entry, "text": {"body": text}, **members}


async def answers(shop: RunningGateway, subscriber: str | None = None) -> list[StoredMo]:
    """Return what was kept, the first that came first."""
    found = await shop.store.read(find_mo_messages, MoWish(subscriber, 0, 1 << 62, 0, 1_000))
    return found[::-1]


async def test_an_answer_is_kept_however_often_it_comes(shop: RunningGateway) -> None:
    before = await answers(shop)
    told = [an_answer("wamid.in-1", "First"), an_answer("wamid.in-2", "Second")]
    body = a_webhook(a_change(messages=[told[0]]), a_change(messages=[told[1], told[0]]))
    for _ in "123":
        assert (await deliver(shop, body)).status == 200
    assert await asyncio.gather(*(deliver(shop, body) for _ in range(5)))

    kept = (await answers(shop))[len(before) :]
    assert [(one.text, one.account, one.sender) for one in kept] == [
        ("First", "main", "WHIMBREL"),
        ("Second", "main", "WHIMBREL"),
    ]


async def test_answers_to_numbers_of_one_app_and_to_strangers(shop: RunningGateway) -> None:
    subscriber = "79160000077"
    body = a_webhook(
        *(
            a_change(messages=[an_answer("wamid.in-3", **{"from": subscriber})], number=number)
            for number in ("unknown", OTHER_NUMBER, SISTER_NUMBER, "")
        )
    )
    assert (await deliver(shop, body)).status == 200

    kept = await answers(shop, subscriber)
    assert [(one.account, one.sender) for one in kept] == [("sister", "SISTER")]


@pytest.mark.parametrize("n", range(5))
async def test_bad_ones_are_counted_and_spoil_neither_answers_nor_receipts(
    shop: RunningGateway, sent: Sent, n: int
) -> None:
    bad = [None, [], {}, {"id": "wamid.bad"}, an_answer("w" * 3_000)][n]
    good = [an_answer(f"wamid.in-{n}-{place}", **{"from": f"7916000010{n}"}) for place in "12"]
    body = a_webhook(
        a_change(a_status(sent.wamid), messages=[good[0], bad, good[1]]), a_change(messages=bad)
    )
    unread = shop.gateway.metrics.webhook_updates.labels("main", "unreadable")
    before = unread._value.get()
    assert (await deliver(shop, body)).status == 200

    assert len(await answers(shop, f"7916000010{n}")) == 2
    assert await sent.state() == LinkState.DELIVERED
    assert unread._value.get() == before + 1


async def test_a_thousand_answers_at_once(shop: RunningGateway) -> None:
    told = [an_answer(f"wamid.many-{n}", str(n), **{"from": "79160000078"}) for n in range(1_000)]
    assert (await deliver(shop, a_webhook(a_change(messages=told)))).status == 200
    assert [one.text for one in await answers(shop, "79160000078")] == [
        str(n) for n in range(1_000)
    ]


# -- Size, and a store that cannot write


async def test_three_megabytes_are_taken(shop: RunningGateway, sent: Sent) -> None:
    filling = [a_status(f"wamid.filling-{n}", "deleted") for n in range(30_000)]
    body = a_webhook(a_change(*filling, a_status(sent.wamid)))
    assert 3 * MIB < len(body) < 4 * MIB
    assert (await deliver(shop, body)).status == 200
    assert await sent.state() == LinkState.DELIVERED


async def test_more_than_four_are_not(shop: RunningGateway, sent: Sent) -> None:
    body = a_webhook(a_change(a_status(sent.wamid)))
    assert (await deliver(shop, body.ljust(4 * MIB))).status == 200
    assert await sent.state() == LinkState.DELIVERED
    assert (await deliver(shop, body.ljust(4 * MIB + 1))).status == 413


async def test_a_thousand_receipts_at_once(shop: RunningGateway, sent: Sent) -> None:
    parked = [a_status(f"wamid.early-{n}") for n in range(999)]
    body = a_webhook(*(a_change(status) for status in (*parked, a_status(sent.wamid))))
    assert (await deliver(shop, body)).status == 200
    assert await sent.state() == LinkState.DELIVERED


async def test_a_receipt_that_cannot_be_kept_is_asked_for_again(
    tmp_path: Path, upstream: Upstream, caplog: pytest.LogCaptureFixture
) -> None:
    settings = Settings(whatsapp={"main": an_account(base_url=upstream.url)})
    async with running_gateway(tmp_path, settings=settings) as gateway:
        message = await send(gateway)
        body = a_webhook(a_change(a_status(message.wamid, "sent"), a_status(message.wamid)))
        with write_lock(tmp_path):
            assert (await deliver(gateway, body)).status == 503
        gc.collect()
        assert "never retrieved" not in caplog.text
        assert await message.state() == LinkState.SUBMITTED
        assert (await deliver(gateway, body)).status == 200
        assert await message.state() == LinkState.DELIVERED


async def test_an_answer_that_cannot_be_kept_is_asked_for_again(
    tmp_path: Path, upstream: Upstream, caplog: pytest.LogCaptureFixture
) -> None:
    settings = Settings(whatsapp={"main": an_account(base_url=upstream.url)})
    async with running_gateway(tmp_path, settings=settings) as gateway:
        body = a_webhook(a_change(messages=[an_answer("wamid.in-1"), an_answer("wamid.in-2")]))
        with write_lock(tmp_path):
            assert (await deliver(gateway, body)).status == 503
        gc.collect()
        assert "never retrieved" not in caplog.text
        assert await answers(gateway) == []
        assert (await deliver(gateway, body)).status == 200
        with contextlib.closing(sqlite3.connect(tmp_path / "whimbrel.db")) as other:
            rows = other.execute("SELECT provider_id FROM mo_messages ORDER BY mo_id").fetchall()
        assert rows == [("wamid.in-1",), ("wamid.in-2",)], "on disk once 200 is said"


async def test_nor_one_that_meets_a_fault_of_ours(tmp_path: Path, upstream: Upstream) -> None:
    settings = Settings(whatsapp={"main": an_account(base_url=upstream.url)})
    async with running_gateway(tmp_path, settings=settings) as gateway:
        message = await send(gateway)
        body = a_webhook(a_change(a_status(message.wamid)))
        with contextlib.closing(sqlite3.connect(tmp_path / "whimbrel.db")) as other:
            other.execute("ALTER TABLE receipts RENAME TO lost")
            assert (await deliver(gateway, body)).status >= 500
            other.execute("ALTER TABLE lost RENAME TO receipts")
        assert (await deliver(gateway, body)).status == 200
        assert await message.state() == LinkState.DELIVERED
