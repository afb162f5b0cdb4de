"""Channels that take messages and never say a word: what the Partner chose is what is done.

Both are servers of this test that answer nothing and send no receipts; the second link of a cascade
goes over the other one, or over the sandbox's SMSC.
"""

import asyncio
import json
import re
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from tests.journeys.partner import (
    PASSWORD,
    Receiver,
    Tag,
    a_request,
    by_sms,
    on_whatsapp,
    send,
)
from tests.journeys.webhooks import a_status, post_webhook
from tests.support.processes import Installation
from tests.support.raw_smsc import SUBMIT_SM, RawSmsc, raw_smsc

W, S = "WHATSAPP", "SMS"
NOBODY_KNOWS = (5, 1)
RULES = ("auto", "resend", "fail")
RIGHTS = ("--type", W, "--type", S, "--cascades", "--default-sender", "WHIMBREL")
GRACE_SECONDS = 2.0  # longer than a change of a Partner takes to reach the gateway
TIMEOUT_SECONDS = 0.3
PHONE_NUMBER_ID = "200000000000001"


class SilentCloud:
    """A Cloud API that takes every message and answers none."""

    def __init__(self) -> None:
        self.url = ""
        self.taken: list[dict[str, Any]] = []
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def up(self) -> AsyncIterator["SilentCloud"]:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._take)
        runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0]
        self.url = f"http://{host}:{port}"
        try:
            yield self
        finally:
            await runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        document = json.loads(await request.read())
        async with self._changed:
            self.taken.append(document)
            self._changed.notify_all()
        await asyncio.Event().wait()  # until the gateway gives up, or dies
        raise AssertionError

    async def until_taken(self, count: int) -> None:
        async with asyncio.timeout(30), self._changed:
            await self._changed.wait_for(lambda: len(self.taken) >= count)

    def copies(self) -> dict[str, int]:
        """Return how often each subscriber was written to."""
        return Counter(one["to"].removeprefix("+") for one in self.taken)


class Place:
    """A gateway between two silent channels, and a Partner for each rule, named after it."""

    def __init__(
        self,
        folder: Path,
        cloud: SilentCloud,
        smsc: RawSmsc,
        receiver: Receiver,
        *,
        timeout: float,
    ) -> None:
        self.cloud, self.smsc, self.receiver = cloud, smsc, receiver
        dispatch = {
            "submit_timeout_seconds": timeout,
            "ambiguity_grace_seconds": GRACE_SECONDS,
        }
        self.installation = Installation(
            folder,
            smpp={"main": ["WHIMBREL"]},
            sections={
                "dispatch": dispatch,
                "whatsapp.main": {"base_url": cloud.url},
                "smpp.main": {"port": smsc.port},
            },
        )

    async def send(self, client: aiohttp.ClientSession, login: str, *what: Any) -> str:
        request = {**a_request(*what), "login": login}
        return (await send(client, self.installation.url, request)).mt_num

    def await_answers(self, timeout: float) -> None:
        """Let the next gateway wait for an answer so many seconds."""
        text = self.installation.config.read_text()
        key = "submit_timeout_seconds = "
        self.installation.config.write_text(re.sub(f"{key}.*", f"{key}{timeout}", text))

    async def show(self, mt_num: str) -> str:
        shown = await self.installation.run("message", "show", mt_num)
        assert shown.code == 0, shown.errors
        return shown.output

    def sms_copies(self) -> dict[str, int]:
        addresses = (re.search(rb"(79\d{9})\0", pdu[3]) for pdu in self.smsc.told(SUBMIT_SM))
        return Counter(found[1].decode() for found in addresses if found)


@pytest.fixture
async def place(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Place]:
    timeout = getattr(request, "param", TIMEOUT_SECONDS)
    receiver = Receiver()
    async with AsyncExitStack() as stack:
        cloud = await stack.enter_async_context(SilentCloud().up())
        smsc = await stack.enter_async_context(raw_smsc())
        await stack.enter_async_context(receiver.up())
        place = Place(tmp_path, cloud, smsc, receiver, timeout=timeout)
        for rule in RULES:
            options = (*RIGHTS, "--report-url", receiver.url, "--unanswered", rule)
            await place.installation.add_partner(rule, PASSWORD, *options)
        yield place


async def metrics_of(client: aiohttp.ClientSession, url: str, name: str) -> dict[str, int]:
    """Return a counter's values by its labels."""
    async with client.get(f"{url}/metrics") as answer:
        text = await answer.text()
    found = re.findall(rf"^whimbrel_{name}_total(?:{{(.*?)}})? (\S+)$", text, re.MULTILINE)
    return {labels: int(float(value)) for labels, value in found}


async def test_each_message_goes_as_often_as_its_partner_and_its_lifetime_say(
    place: Place,
) -> None:
    code = {"ttl": 10}
    asked = {
        "79160000001": ("auto", on_whatsapp("An advertisement"), 1),
        "79160000002": ("resend", on_whatsapp("It must arrive"), 3),
        "79160000003": ("fail", on_whatsapp("Once or never"), 1),
        "79160000011": ("auto", by_sms("An advertisement"), 1),
        "79160000012": ("auto", by_sms("Your code is 4711", **code), 3),
        "79160000013": ("resend", by_sms("It must arrive"), 3),
        "79160000014": ("fail", by_sms("Your code is 4711", **code), 1),
    }
    url = place.installation.url
    async with place.installation.serve(), aiohttp.ClientSession() as client:
        mt_nums = {
            to: await place.send(client, login, to, message)
            for to, (login, message, _) in asked.items()
        }
        for mt_num in mt_nums.values():
            assert await place.receiver.until_last(mt_num, NOBODY_KNOWS) == [NOBODY_KNOWS]
        again = await metrics_of(client, url, "ambiguous_resubmits")
        failed = await metrics_of(client, url, "ambiguous_failures")
        silent = await metrics_of(client, url, "ambiguous_submits")
        once = await place.show(mt_nums["79160000001"])
        often = await place.show(mt_nums["79160000012"])

    copies = {to: count for to, (_, _, count) in asked.items()}
    assert {**place.cloud.copies(), **place.sms_copies()} == copies
    assert again == {
        'channel="WHATSAPP",reason="wanted"': 2,
        'channel="SMS",reason="wanted"': 2,
        'channel="SMS",reason="short"': 2,
    }
    assert failed == {
        'channel="WHATSAPP",reason="long"': 1,
        'channel="WHATSAPP",reason="unwanted"': 1,
        'channel="WHATSAPP",reason="spent"': 1,
        'channel="SMS",reason="long"': 1,
        'channel="SMS",reason="unwanted"': 1,
        'channel="SMS",reason="spent"': 2,
    }
    assert silent == {'sender="WHIMBREL"': 5, 'sender="main"': 8}
    assert "fails: its lifetime is not short, and it may have gone" in once
    assert often.count("goes again: its lifetime is short") == 2
    assert "fails: 3 submits of which nothing was heard are enough" in often


async def test_a_cascade_goes_on_and_a_late_delivery_is_told(place: Place) -> None:
    to = "79160000021"
    first = on_whatsapp("By WhatsApp", ttl=60)
    async with place.installation.serve(), aiohttp.ClientSession() as client:
        mt_num = await place.send(client, "auto", to, first, by_sms("By SMS"))
        assert await place.receiver.until_typed(mt_num, (W, NOBODY_KNOWS)) == [(W, NOBODY_KNOWS)]
        await place.smsc.until_told(SUBMIT_SM)
        [taken] = place.cloud.taken
        message = {**taken, "id": "wamid.late", "to": to, "phone_number_id": PHONE_NUMBER_ID}
        late = a_status(message, "delivered", time.time_ns() // 1_000_000)
        await post_webhook(client, place.installation.url, "main", late)
        told = await place.receiver.until_typed(mt_num, (W, 2))

        # The SMS is out, and nothing is heard of it; but the message has arrived.
        async with asyncio.timeout(30):
            while "is spared: a message before it has arrived" not in await place.show(mt_num):
                pass

    assert told == [(W, NOBODY_KNOWS), (W, 2)]
    assert place.receiver.typed(mt_num) == told
    assert (place.cloud.copies(), place.sms_copies()) == ({to: 1}, {to: 1})


# So long that the kill comes before the first time-out.
@pytest.mark.parametrize("place", [4.0], indirect=True)
async def test_a_gateway_that_dies_over_its_submits_follows_the_rule_of_now(
    place: Place,
) -> None:
    """And no copy goes to who wants none; a rule is changed while the gateway runs."""
    recipients = {f"7916000003{n}": rule for n, rule in enumerate(RULES)}
    expected: list[Tag] = [NOBODY_KNOWS]
    async with aiohttp.ClientSession() as client:
        mt_nums: dict[str, str] = {}
        async with place.installation.serve() as gateway:
            for to, rule in recipients.items():
                mt_nums[to] = await place.send(client, rule, to, on_whatsapp("Hello"))
            await place.cloud.until_taken(len(recipients))
            await gateway.kill()
        place.await_answers(TIMEOUT_SECONDS)
        async with place.installation.serve():
            for mt_num in mt_nums.values():
                assert await place.receiver.until_last(mt_num, NOBODY_KNOWS) == expected
            done = await place.installation.run("partner", "set", "auto", "--unanswered", "resend")
            assert done.code == 0, done.errors
            changed = await place.send(client, "auto", "79160000040", on_whatsapp("Hello"))
            assert await place.receiver.until_last(changed, NOBODY_KNOWS) == expected
            shown = await place.show(mt_nums["79160000032"])
            interrupted = await metrics_of(client, place.installation.url, "interrupted_submits")

    once = dict.fromkeys(("79160000030", "79160000032"), 1)
    assert place.cloud.copies() == {**once, "79160000031": 3, "79160000040": 3}
    assert interrupted == {"": len(recipients)}
    assert "the gateway stopped, or lost its lease, before the answer came; fails: its" in shown
