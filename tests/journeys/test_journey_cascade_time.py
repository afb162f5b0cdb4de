"""Cascades by the clock: lifetimes and sending hours pass to the second, and nobody waits for them.

The gateway runs in the test's own process, by a clock that the test owns; the sandbox is a process
of its own, and the Partner is reached by real HTTP.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import aiohttp
import pytest
import pytest_asyncio

from tests.journeys.partner import Receiver, a_request, by_sms, on_whatsapp, send
from tests.journeys.sandbox import Sandbox
from tests.journeys.webhooks import a_status, post_webhook
from tests.support.clock import FakeClock
from tests.support.gateway import LOGIN, running_gateway
from tests.support.processes import Installation
from whimbrel.clock import HOUR, MINUTE, SECOND
from whimbrel.domain.content import Channel
from whimbrel.domain.partner import Profile
from whimbrel.domain.zones import MOSCOW
from whimbrel.settings import load

pytestmark = pytest.mark.asyncio(loop_scope="module")

W, S = "WHATSAPP", "SMS"
READ, NEVER_READ, SILENT, ALSO_FINE = "70000000001", "70000000002", "70000000003", "79161234567"
SUNDAY = 1_795_312_800_000  # 2026-11-22T02:00:00Z
# A magic recipient may be anywhere in the zones of +7: it is nine in all of them, and not nine in
# the evening in any, from 07:00 to 09:00 UTC.
TO_MONDAY_AT_9 = 29 * HOUR
LIFETIME = {"ttl": 120, "ttlUnit": "SECONDS"}


class Place(NamedTuple):
    """A gateway whose clock stands still until it is told to go on."""

    installation: Installation
    clock: FakeClock
    client: aiohttp.ClientSession
    receiver: Receiver
    sandbox: Sandbox

    async def send(self, to: str, *messages: dict[str, Any], **members: Any) -> str:
        request = a_request(to, *messages, **members)
        return (await send(self.client, self.installation.url, request)).mt_num

    async def handed_over(self, to: str, *messages: dict[str, Any], **members: Any) -> str:
        """Send, and wait until WhatsApp has said all that it will say by itself."""
        mt_num = await self.send(to, *messages, **members)
        await self.receiver.until_typed(mt_num, (W, 0))
        await self.sandbox.until_quiet()
        return mt_num

    async def delivered(self, text: str) -> None:
        """Let Meta tell that a message has been delivered."""
        [message] = [
            one
            for one in await self.sandbox.messages(SILENT, W)
            if one["content"] == {"body": text}
        ]
        body = a_status(message, "delivered", self.clock.now())
        await post_webhook(self.client, self.installation.url, "main", body)

    async def texts(self, to: str, channel: str) -> list[str]:
        """Return what a subscriber was sent on a channel."""
        found = await self.sandbox.messages(to, channel)
        return [one["text"] if channel == S else one["content"]["body"] for one in found]

    async def fence(self) -> None:
        """Wait until the gateway has looked at what is due now."""
        mt_num = await self.send(ALSO_FINE, by_sms("Fence"))
        await self.receiver.until_typed(mt_num, (S, 2))


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def place(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    installation = Installation(tmp_path_factory.mktemp("time"), smpp={"main": ["WHIMBREL"]})
    clock, receiver = FakeClock(SUNDAY), Receiver()
    profile = Profile(
        senders=["WHIMBREL"],
        default_sender="WHIMBREL",
        message_types=list(Channel),
        cascades=True,
        report_url=receiver.url,
    )
    gateway = running_gateway(
        installation.folder,
        settings=load(installation.config, {}),
        partners={LOGIN: profile},
        clock=clock,
        port=int(installation.url.rpartition(":")[2]),
    )
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(receiver.up())
        await stack.enter_async_context(installation.sandbox())
        running = await stack.enter_async_context(gateway)
        sandbox = Sandbox(running.client, installation.sandbox_url)
        yield Place(installation, clock, running.client, receiver, sandbox)


async def test_the_providers_own_example(place: Place) -> None:
    request = {
        "login": LOGIN,
        "password": "shop-password",
        "useTimeDiff": True,
        "id": "8770630",
        "scheduleInfo": {
            "timeBegin": "09:00",
            "timeEnd": "21:00",
            "weekdaysSchedule": "12345",
            "deadline": "2031-12-31T16:29:30+0300",
        },
        "destAddr": SILENT,
        "message": {
            "type": "WHATSAPP",
            "data": {
                "instantContent": {"type": "TEXT", "data": {"text": "message text"}},
                "serviceNumber": "WHIMBREL",
                "ttl": 120,
                "ttlUnit": "SECONDS",
            },
        },
        "cascadeChainLink": {
            "state": "DELIVERED",
            "message": {
                "type": "SMS",
                "data": {"text": "SMS text", "serviceNumber": "WHIMBREL", "ttl": 10},
            },
        },
    }
    answer = await send(place.client, place.installation.url, request)
    assert answer.body == {"mtNum": answer.mt_num, "id": "8770630"}

    # It is Sunday. On Monday the day begins in the east and is late in the west.
    story = (await place.installation.run("message", "show", answer.mt_num)).output
    assert "09:00 to 21:00 on Mon Tue Wed Thu Fri in Asia/Almaty + " in story
    assert "(the subscriber's, by the number's" in story
    assert "due at 2026-11-23 07:00:00.000Z" in story
    place.clock.advance(TO_MONDAY_AT_9 - 1)
    await place.fence()
    assert await place.sandbox.messages(SILENT) == []
    place.clock.advance(1)
    assert await place.receiver.until_typed(answer.mt_num, (W, 0)) == [(W, 0)]

    # Two minutes of silence; another one's 119 seconds are over before.
    await place.sandbox.until_quiet()
    other = await place.handed_over(
        SILENT, on_whatsapp("Other", ttl=119, ttlUnit="SECONDS"), by_sms("Other by SMS")
    )
    place.clock.advance(119_999)
    assert await place.receiver.until_typed(other, (S, 2)) == [(W, 0), (W, (5, 7)), (S, 0), (S, 2)]
    assert place.receiver.typed(answer.mt_num) == [(W, 0)]
    place.clock.advance(1)

    assert await place.receiver.until_typed(answer.mt_num, (S, 2)) == [
        (W, 0),
        (W, (5, 7)),
        (S, 0),
        (S, 2),
    ]
    reports = [post.report for post in place.receiver.posts[answer.mt_num]]
    assert {report["id"] for report in reports} == {"8770630"}
    assert [report["text"] for report in reports] == ["message text"] * 2 + ["SMS text"] * 2
    assert [report["submitDate"] for report in reports] == [
        *["2026-11-23T10:00:00+0300"] * 2,
        *["2026-11-23T10:02:00+0300"] * 2,
    ]
    assert await place.texts(SILENT, S) == ["Other by SMS", "SMS text"]


async def test_an_sms_whose_turn_comes_outside_the_hours_waits_for_them(place: Place) -> None:
    """The hours close a minute from now, and the lifetime ends a minute after that."""
    now = datetime.fromtimestamp(place.clock.now() / SECOND, MOSCOW)
    hours = {"timeBegin": "00:00", "timeEnd": f"{now + timedelta(minutes=1):%H:%M}"}
    first = on_whatsapp("In time", **LIFETIME)
    mt_num = await place.handed_over(SILENT, first, by_sms("Tomorrow"), scheduleInfo=hours)
    place.clock.advance(2 * MINUTE)
    assert await place.receiver.until_typed(mt_num, (W, (5, 7))) == [(W, 0), (W, (5, 7))]

    midnight = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    place.clock.advance(round(midnight.timestamp() * SECOND) - 1 - place.clock.now())
    await place.fence()
    assert "Tomorrow" not in await place.texts(SILENT, S)
    place.clock.advance(1)

    assert (await place.receiver.until_typed(mt_num, (S, 2)))[2:] == [(S, 0), (S, 2)]
    assert (
        place.receiver.posts[mt_num][-1].report["submitDate"] == f"{midnight:%Y-%m-%dT%H:%M:%S%z}"
    )


async def test_a_delivery_one_second_before_the_end_and_one_after(place: Place) -> None:
    before = await place.handed_over(SILENT, on_whatsapp("Before", **LIFETIME), by_sms("No"))
    after = await place.handed_over(SILENT, on_whatsapp("After", **LIFETIME), by_sms("Yes"))

    place.clock.advance(119 * SECOND)
    await place.delivered("Before")
    assert await place.receiver.until_typed(before, (W, 2)) == [(W, 0), (W, 2)]
    assert place.receiver.typed(after) == [(W, 0)]
    place.clock.advance(2 * SECOND)
    fell_through = [(W, 0), (W, (5, 7)), (S, 0), (S, 2)]
    assert await place.receiver.until_typed(after, (S, 2)) == fell_through
    await place.delivered("After")
    assert await place.receiver.until_typed(after, (W, 2)) == [*fell_through, (W, 2)]

    await place.fence()
    assert place.receiver.typed(before) == [(W, 0), (W, 2)]
    texts = await place.texts(SILENT, S)
    assert ("No" in texts, texts.count("Yes")) == (False, 1)


async def test_what_must_be_read_and_was_only_delivered_goes_by_sms(place: Place) -> None:
    goal = {"goal": "READ"}
    read = await place.send(READ, on_whatsapp("Read", **LIFETIME), by_sms("No"), **goal)
    unread = await place.send(NEVER_READ, on_whatsapp("Unread", **LIFETIME), by_sms("Yes"), **goal)
    assert await place.receiver.until_typed(read, (W, 9)) == [(W, 0), (W, 2), (W, 9)]
    assert await place.receiver.until_typed(unread, (W, 2)) == [(W, 0), (W, 2)]

    place.clock.advance(120 * SECOND)

    # Delivered it was: nobody is told that it was not.
    told = [(W, 0), (W, 2), (S, 0), (S, 2)]
    assert await place.receiver.until_typed(unread, (S, 2)) == told
    await place.fence()
    assert await place.texts(READ, S) == []
    assert await place.texts(NEVER_READ, S) == ["Yes"]
