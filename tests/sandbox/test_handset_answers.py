"""A person answers on a phone, and the business hears of it as of any subscriber's message."""

import asyncio
import hashlib
import hmac

import pytest
from tests.support.esme import Esme

PHONE = "79161234567"


@pytest.fixture
async def main(both):
    async with Esme.bound(both.smsc.port, "esme-main", "secret-1") as esme:
        yield esme


async def answer(sandbox, number=PHONE, **wish):
    return await sandbox.ask("POST", f"/sandbox/phones/{number}/answers", json=wish)


async def set_phone(sandbox, **switches):
    assert (await sandbox.ask("POST", f"/sandbox/phones/{PHONE}", json=switches)).http == 200


async def a_later_moment(sandbox):
    """Wait for the next millisecond: within one, nobody knows which bubble is the older."""
    clock = sandbox.world.clock
    before = clock.now()
    while clock.now() == before:  # noqa: ASYNC110 - a clock tells nobody
        await asyncio.sleep(0.001)


async def test_by_whatsapp_through_a_signed_webhook(sandbox, callback):
    said = await answer(sandbox, text="Приду в 18:00 😀")
    await callback.until(lambda: len(callback.posts) == 1)

    [post] = callback.posts
    [message] = post.value["messages"]
    assert (message["from"], message["id"]) == (PHONE, said.body["id"])
    assert message["text"] == {"body": "Приду в 18:00 😀"}
    signature = hmac.digest(sandbox.number.app_secret.encode(), post.body, hashlib.sha256).hex()
    assert post.headers["X-Hub-Signature-256"] == f"sha256={signature}"


async def test_by_sms_through_a_deliver_sm(both, main, callback):
    said = await answer(both, channel="SMS", to="1234", text="СТОП")
    await main.until_delivered(1)

    [event] = main.delivered
    assert said.body["id"]
    assert (event.source_addr, event.destination_addr) == (PHONE, "1234")
    assert event.short_message == "СТОП".encode("utf-16-be")
    assert callback.posts == []


async def test_the_screen_shows_both_sides_in_order(both, main, callback):
    await both.text(f"+{PHONE}", body="Hello")
    await callback.until_statuses(3)
    await answer(both, text="Hi")
    await a_later_moment(both)
    await main.submit(PHONE, b"By SMS")
    await main.until_delivered(1)
    await a_later_moment(both)
    await both.ask("POST", "/sandbox/inbound", json={"from": PHONE, "text": "Bye"})

    screen = (await both.ask("GET", f"/sandbox/phones/{PHONE}")).body

    assert [
        (one["channel"], one["business"], one["is_answer"], one["text"])
        for one in screen["messages"]
    ] == [
        ("WHATSAPP", "Sandbox", False, "Hello"),
        ("WHATSAPP", "Sandbox", True, "Hi"),
        ("SMS", "WHIMBREL", False, "By SMS"),
        ("WHATSAPP", "Sandbox", True, "Bye"),
    ]
    assert [(one["channel"], one["address"]) for one in screen["recipients"]] == [
        ("WHATSAPP", both.number.phone_number_id),
        ("SMS", "WHIMBREL"),
        ("SMS", "1234"),
        ("SMS", "OTHER"),
    ]


@pytest.mark.parametrize(
    ("switches", "wish", "said"),
    [
        ({}, {"text": ""}, "4096"),
        ({}, {"text": " \n "}, "blank"),
        ({}, {"text": "x" * 4097}, "4096"),
        ({}, {"text": "Hi", "to": "1"}, "200000000000001"),
        ({}, {"text": "Hi", "channel": "SMS"}, "OTHER"),
        ({}, {"text": "Hi", "channel": "SMS", "to": "NOBODY"}, "WHIMBREL"),
        ({}, {"text": "ё" * 71, "channel": "SMS", "to": "OTHER"}, "70"),
        ({}, {"text": "Hi", "channel": "PIGEON"}, "PIGEON"),
        ({"is_on": False}, {"text": "Hi"}, "off"),
        ({"is_on": False}, {"text": "Hi", "channel": "SMS", "to": "OTHER"}, "off"),
        ({"is_on_whatsapp": False}, {"text": "Hi"}, "not on WhatsApp"),
        ({"is_blocking": True}, {"text": "Hi"}, "blocked"),
    ],
)
async def test_what_cannot_be_written_is_explained(both, callback, switches, wish, said):
    await set_phone(both, **switches)

    refused = await answer(both, **wish)

    assert refused.http == 400
    assert said in refused.body["error"]
    assert (await both.ask("GET", f"/sandbox/phones/{PHONE}")).body["messages"] == []


async def test_without_an_smsc_there_is_no_sms(sandbox):
    refused = await answer(sandbox, channel="SMS", text="Hi")

    assert "[smpp.NAME]" in refused.body["error"]


async def test_a_phone_that_is_off_reads_nothing(sandbox):
    await set_phone(sandbox, is_on=False)

    refused = await sandbox.ask("POST", f"/sandbox/phones/{PHONE}/read")

    assert (refused.http, refused.body) == (400, {"error": "the phone is off"})
