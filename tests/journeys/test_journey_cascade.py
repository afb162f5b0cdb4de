"""Cascades from the request to the last report, in real processes, with what can go wrong."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import pytest
import pytest_asyncio

from tests.journeys.partner import (
    LOGIN,
    PASSWORD,
    Receiver,
    a_request,
    by_sms,
    on_whatsapp,
    send,
)
from tests.journeys.sandbox import Sandbox
from tests.journeys.webhooks import a_status, post_webhook
from tests.support.processes import Installation

pytestmark = pytest.mark.asyncio(loop_scope="module")

W, S = "WHATSAPP", "SMS"
NOT_ON_WHATSAPP, READ, SILENT = "70000000004", "70000000001", "70000000003"
NEITHER = "70000000103"  # not on WhatsApp, and an SMS is taken and never heard of again
FELL_THROUGH = [(W, 0), (W, (5, 6)), (S, 0), (S, 2)]
BROKEN_TOKEN = {"http": 401, "code": 190, "message": "The access token has expired"}
LIFETIME = {"ttl": 30, "ttlUnit": "SECONDS"}
SENDERS = ("--sender", "WHIMBREL", "--sender", "PLOVER", "--sender", "STINT")
RIGHTS = ("--type", W, "--type", S, "--cascades", "--default-sender", "WHIMBREL", *SENDERS)


class Place(NamedTuple):
    """A gateway with three numbers on WhatsApp and an SMSC, and a Partner."""

    installation: Installation
    client: aiohttp.ClientSession
    receiver: Receiver
    sandbox: Sandbox

    async def send(self, to: str, *messages: dict[str, Any], **members: Any) -> str:
        request = a_request(to, *messages, **members)
        return (await send(self.client, self.installation.url, request)).mt_num

    async def hook(self, *bodies: bytes) -> None:
        """POST webhooks of the number WHIMBREL, all at once."""
        await asyncio.gather(
            *(post_webhook(self.client, self.installation.url, "main", body) for body in bodies)
        )

    async def settled(self) -> None:
        """Wait until whatever was still on its way has come: another cascade is behind it."""
        await self.sandbox.until_quiet()
        fence = await self.send(NOT_ON_WHATSAPP, on_whatsapp("Fence"), by_sms("Fence"))
        await self.receiver.until_typed(fence, (S, 2))


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def place(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    installation = Installation(
        tmp_path_factory.mktemp("cascade"),
        numbers={"main": "WHIMBREL", "second": "PLOVER", "third": "STINT"},
        smpp={"main": ["WHIMBREL"]},
        sections={"dispatch": {"blocked_sender_seconds": 1.0}},
    )
    receiver = Receiver()
    await installation.add_partner(LOGIN, PASSWORD, *RIGHTS, "--report-url", receiver.url)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(receiver.up())
        await stack.enter_async_context(installation.sandbox())
        await stack.enter_async_context(installation.serve())
        client = await stack.enter_async_context(aiohttp.ClientSession())
        yield Place(installation, client, receiver, Sandbox(client, installation.sandbox_url))


async def test_what_fails_on_whatsapp_goes_by_sms_at_once(place: Place) -> None:
    mt_num = await place.send(NOT_ON_WHATSAPP, on_whatsapp("Hello"), by_sms("Hello by SMS"))

    assert await place.receiver.until_typed(mt_num, (S, 2)) == FELL_THROUGH
    texts = [post.report["text"] for post in place.receiver.posts[mt_num]]
    assert texts == ["Hello", "Hello", "Hello by SMS", "Hello by SMS"]


async def test_what_is_read_on_whatsapp_goes_no_further(place: Place) -> None:
    mt_num = await place.send(READ, on_whatsapp("Read"), by_sms("Never"), goal="READ")

    assert await place.receiver.until_typed(mt_num, (W, 9)) == [(W, 0), (W, 2), (W, 9)]
    await place.settled()
    assert len(place.receiver.typed(mt_num)) == 3
    assert await place.sandbox.messages(READ, "SMS") == []
    story = await place.installation.run("message", "show", mt_num)
    assert "SMS from WHIMBREL (default): spared, attempts 0" in story.output


async def test_ten_doubled_failures_bring_one_sms(place: Place) -> None:
    mt_num = await place.send(SILENT, on_whatsapp("Doubled"), by_sms("Once"), by_sms("Not at all"))
    await place.receiver.until_typed(mt_num, (W, 0))
    await place.sandbox.until_quiet()
    [message] = [
        one
        for one in await place.sandbox.messages(SILENT, W)
        if one["content"] == {"body": "Doubled"}
    ]
    failed = a_status(message, "failed", now(), 131026)

    await place.hook(*[failed] * 10)
    assert await place.receiver.until_typed(mt_num, (S, 2)) == FELL_THROUGH
    await place.hook(*[failed] * 10)

    await place.settled()
    assert place.receiver.typed(mt_num) == FELL_THROUGH
    assert [one["text"] for one in await place.sandbox.messages(SILENT, S)] == ["Once"]


async def test_a_late_delivery_is_told_and_stops_what_has_not_been_sent(place: Place) -> None:
    third = on_whatsapp("Third", serviceNumber="PLOVER")
    mt_num = await place.send(NEITHER, on_whatsapp("First"), by_sms("Second"), third)
    assert await place.receiver.until_typed(mt_num, (S, 0)) == FELL_THROUGH[:3]
    [message] = await place.sandbox.messages(NEITHER, W)

    await place.hook(a_status(message, "delivered", now()))

    assert await place.receiver.until_typed(mt_num, (W, 2)) == [*FELL_THROUGH[:3], (W, 2)]
    await place.settled()
    assert place.receiver.typed(mt_num) == [*FELL_THROUGH[:3], (W, 2)]
    assert len(await place.sandbox.messages(NEITHER)) == 2
    async with place.client.get(f"{place.installation.url}/metrics") as answer:
        assert "whimbrel_cascade_overlaps_total 1.0" in await answer.text()
    story = await place.installation.run("message", "show", mt_num)
    assert "WHATSAPP from PLOVER: spared" in story.output


async def test_three_links_of_three_senders(place: Place) -> None:
    mt_num = await place.send(
        NOT_ON_WHATSAPP,
        on_whatsapp("One", serviceNumber="WHIMBREL"),
        on_whatsapp("Two", serviceNumber="PLOVER"),
        by_sms("Three"),
    )

    await place.receiver.until_typed(mt_num, (S, 2))
    told = [
        (post.report["type"], post.report["sourceAddr"], post.tag)
        for post in place.receiver.posts[mt_num]
    ]
    assert told == [
        (W, "WHIMBREL", 0),
        (W, "WHIMBREL", (5, 6)),
        (W, "PLOVER", 0),
        (W, "PLOVER", (5, 6)),
        (S, "WHIMBREL", 0),
        (S, "WHIMBREL", 2),
    ]


async def test_a_broken_sender_holds_a_cascade_for_a_second_only(place: Place) -> None:
    fault = {"phone_number_id": "200000000000003", "error": BROKEN_TOKEN}
    await place.sandbox.post("faults", fault)
    began = time.monotonic()
    mt_num = await place.send(READ, on_whatsapp("Held", serviceNumber="STINT"), by_sms("Past it"))

    assert await place.receiver.until_typed(mt_num, (S, 2)) == [(W, (5, 11)), (S, 0), (S, 2)]
    assert time.monotonic() - began >= 1.0
    assert "paused" in (await place.installation.run("status")).output


async def test_message_show_tells_the_story(place: Place) -> None:
    mt_num = await place.send(
        NOT_ON_WHATSAPP, on_whatsapp("Secret one", **LIFETIME), by_sms("Secret two", ttl=10)
    )
    await place.receiver.until_typed(mt_num, (S, 2))
    await place.settled()

    story = (await place.installation.run("message", "show", mt_num)).output

    assert (
        "WHATSAPP from WHIMBREL (default): failed (6 teleservice-not-provisioned), attempts 1, "
        "lifetime 30 s, the next one goes unless it is delivered"
    ) in story
    assert "SMS from WHIMBREL (default): delivered, attempts 1, lifetime 600 s" in story
    rows = [
        "WHATSAPP attempt 1: submitted wamid.",
        "WHATSAPP failed at ",
        "WHATSAPP 0 handed over: acknowledged",
        "WHATSAPP 5 undelivered errorCode 6: acknowledged",
        "SMS attempt 1: submitted ",
        "SMS delivered at ",
        "SMS 0 handed over: acknowledged",
        "SMS 2 delivered: acknowledged",
    ]
    places = [story.find(row) for row in rows]
    assert -1 not in places, story
    order = [0, 1, 4, 5]  # what happened, as it happened
    assert [places[index] for index in order] == sorted(places[index] for index in order)
    assert "Secret" not in story


def now() -> int:
    return time.time_ns() // 1_000_000


# With a gateway that dies


class Mortal(NamedTuple):
    """An installation whose gateway is started again and again."""

    installation: Installation
    client: aiohttp.ClientSession
    receiver: Receiver
    sandbox: Sandbox

    async def send(self) -> str:
        first = on_whatsapp("Hello", **LIFETIME)
        # Its lifetime is that of a one-time code: if it dies with the gateway it goes again.
        request = a_request(SILENT, first, by_sms("Hello by SMS", ttl=10))
        return (await send(self.client, self.installation.url, request)).mt_num


@pytest_asyncio.fixture(loop_scope="module")
async def mortal(tmp_path: Path) -> AsyncIterator[Mortal]:
    installation = Installation(
        tmp_path,
        smpp={"main": ["WHIMBREL"]},
        sections={"dispatch": {"ambiguity_grace_seconds": 1.0}},
    )
    receiver = Receiver()
    await installation.add_partner(LOGIN, PASSWORD, *RIGHTS, "--report-url", receiver.url)
    async with receiver.up(), installation.sandbox(), aiohttp.ClientSession() as client:
        yield Mortal(installation, client, receiver, Sandbox(client, installation.sandbox_url))


LATER = 31_000  # milliseconds: beyond the lifetime
EXPIRED = [(W, 0), (W, (5, 7)), (S, 0), (S, 2)]


async def ends_well(mortal: Mortal, mt_num: str) -> None:
    """Let it run once more, and hold that there was one SMS and each report came in order."""
    async with mortal.installation.serve_ahead(LATER):
        told = await mortal.receiver.until_typed(mt_num, (S, 2))
        await mortal.sandbox.until_quiet()
    # A report whose acknowledgement died with the gateway comes again.
    assert list(dict.fromkeys(told)) == EXPIRED
    assert len(await mortal.sandbox.messages(SILENT, W)) == 1
    [sms] = await mortal.sandbox.messages(SILENT, S)
    assert sms["text"] == "Hello by SMS"


async def test_a_lifetime_ends_while_the_gateway_is_dead(mortal: Mortal) -> None:
    async with mortal.installation.serve_ahead(0) as gateway:
        mt_num = await mortal.send()
        await mortal.receiver.until_typed(mt_num, (W, 0))
        await gateway.kill()
    await ends_well(mortal, mt_num)


async def test_the_gateway_dies_between_the_expiry_and_the_sms(mortal: Mortal) -> None:
    async with mortal.installation.serve_ahead(0) as gateway:
        mt_num = await mortal.send()
        await mortal.receiver.until_typed(mt_num, (W, 0))
        await gateway.kill()
    await mortal.sandbox.post("smsc/hold")  # nobody answers a bind: the SMS has its turn, and waits
    async with mortal.installation.serve_ahead(LATER) as gateway:
        await mortal.receiver.until_typed(mt_num, (W, (5, 7)))
        await gateway.kill()
    await mortal.sandbox.post("smsc/release")
    await ends_well(mortal, mt_num)


async def test_the_gateway_dies_while_the_sms_is_being_submitted(mortal: Mortal) -> None:
    async with mortal.installation.serve_ahead(0) as gateway:
        mt_num = await mortal.send()
        await mortal.receiver.until_typed(mt_num, (W, 0))
        await mortal.sandbox.until(lambda health: health["smsc"]["sessions"]["esme-main"] == 1)
        [message] = await mortal.sandbox.messages(SILENT, W)
        await mortal.sandbox.post("smsc/hold")
        failed = a_status(message, "failed", now(), 131026)
        await post_webhook(mortal.client, mortal.installation.url, "main", failed)
        await mortal.sandbox.until(lambda health: health["smsc"]["held_bytes"] > 0)
        await gateway.kill()
    await mortal.sandbox.post("smsc/release")
    async with mortal.installation.serve_ahead(0):
        told = await mortal.receiver.until_typed(mt_num, (S, 2))
        await mortal.sandbox.until_quiet()
    assert list(dict.fromkeys(told)) == FELL_THROUGH
    assert len(await mortal.sandbox.messages(SILENT, S)) == 1
