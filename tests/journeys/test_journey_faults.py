"""What goes wrong on the way, and what the Partner and the operator are told of it."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import aiohttp
import pytest
import pytest_asyncio
from standardwebhooks import Webhook

from tests.journeys.partner import LOGIN, PASSWORD, Receiver, a_text, an_image, ask, send
from tests.support.processes import Installation

pytestmark = pytest.mark.asyncio(loop_scope="module")

SIGNED_LOGIN = "signed-shop"
IMAGE = "https://media.example.net/p/42.jpg"


class Place(NamedTuple):
    """A gateway with two numbers and two Partners."""

    installation: Installation
    client: aiohttp.ClientSession
    receiver: Receiver
    late_receiver: Receiver
    """Of `SIGNED_LOGIN`; it is down."""
    signing_secret: str

    async def send(self, request: dict[str, Any]) -> str:
        return (await send(self.client, self.installation.url, request)).mt_num

    async def break_number(self, phone_number_id: str, error: dict[str, Any] | None) -> None:
        url = f"{self.installation.sandbox_url}/sandbox/faults"
        fault = {"phone_number_id": phone_number_id, "error": error}
        async with self.client.post(url, json=fault) as answer:
            assert answer.status == 204, await answer.text()

    async def failed_reports(self) -> float:
        async with self.client.get(f"{self.installation.url}/metrics") as answer:
            text = await answer.text()
        found = re.search(r'whimbrel_reports_total\{outcome="failed"\} (\S+)', text)
        return float(found[1]) if found else 0.0


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def place(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    installation = Installation(
        tmp_path_factory.mktemp("faults"), numbers={"main": "WHIMBREL", "second": "PLOVER"}
    )
    receiver, late_receiver = Receiver(), Receiver()
    senders = ["--default-sender", "WHIMBREL", "--sender", "WHIMBREL", "--sender", "PLOVER"]
    await installation.add_partner(LOGIN, PASSWORD, *senders, "--report-url", receiver.url)
    printed = await installation.add_partner(
        SIGNED_LOGIN, PASSWORD, *senders, "--report-url", late_receiver.url, "--sign-reports"
    )
    secret = re.search(r"whsec_\S+", printed)
    assert secret
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(receiver.up())
        await stack.enter_async_context(installation.sandbox())
        await stack.enter_async_context(installation.serve())
        client = await stack.enter_async_context(aiohttp.ClientSession())
        yield Place(installation, client, receiver, late_receiver, secret[0])


async def test_an_image_arrives_with_its_reports(place: Place) -> None:
    mt_num = await place.send(an_image("79160000001", IMAGE, sender="WHIMBREL"))

    assert await place.receiver.until_last(mt_num, 9) == [0, 2, 9]
    url = f"{place.installation.sandbox_url}/sandbox/messages?to=79160000001"
    [message] = (await ask(place.client, url))["messages"]
    assert (message["type"], message["content"]) == ("image", {"link": IMAGE})
    assert {post.report["text"] for post in place.receiver.posts[mt_num]} == {""}


async def test_a_broken_token_pauses_its_sender_and_a_deadline_ends_the_message(
    place: Place,
) -> None:
    invalid = {"http": 401, "code": 190, "message": "The access token has expired", "subcode": 463}
    await place.break_number("200000000000002", invalid)
    deadline = datetime.now(UTC) + timedelta(seconds=2)
    request = a_text(
        "79160000002", sender="PLOVER", scheduleInfo={"deadline": deadline.isoformat()}
    )

    mt_num = await place.send(request)

    assert await place.receiver.until_last(mt_num, (5, 7)) == [(5, 7)]
    [post] = place.receiver.posts[mt_num]
    assert post.report["doneDate"] == ""
    status = await place.installation.run("status")
    assert status.code == 0
    paused, working = rows_of(status.output, "PLOVER"), rows_of(status.output, "WHIMBREL")
    assert "paused" in paused
    assert "190 The access token has expired" in paused
    assert "working" in working
    url = f"{place.installation.sandbox_url}/sandbox/messages?to=79160000002"
    assert (await ask(place.client, url))["messages"] == []


async def test_and_harms_no_other_sender(place: Place) -> None:
    mt_num = await place.send(a_text("79160000003", sender="WHIMBREL"))

    assert await place.receiver.until_last(mt_num, 9) == [0, 2, 9]


async def test_reports_wait_for_a_receiver_that_is_down(place: Place) -> None:
    recipients = [str(79160000010 + index) for index in range(3)]
    mt_nums = [
        await place.send(a_text(to, login=SIGNED_LOGIN, id=f"order-{to}")) for to in recipients
    ]
    async with asyncio.timeout(20):
        while await place.failed_reports() < len(mt_nums):  # each first report has met nobody
            pass
        url = f"{place.installation.sandbox_url}/sandbox/health"
        while (await ask(place.client, url))["statuses_to_come"]:  # and all states are known
            pass

    async with place.late_receiver.up() as receiver:
        for mt_num, to in zip(mt_nums, recipients, strict=True):
            assert await receiver.until_last(mt_num, 9) == [0, 2, 9]
            assert [post.report["id"] for post in receiver.posts[mt_num]] == [f"order-{to}"] * 3
        posts = [post for posts in receiver.posts.values() for post in posts]
        for post in posts:
            Webhook(place.signing_secret).verify(post.body, post.headers)

    message_ids = [post.headers["webhook-id"] for post in posts]
    assert len(set(message_ids)) == len(message_ids) == 9


async def test_without_a_secret_nothing_is_signed(place: Place) -> None:
    posts = [post for posts in place.receiver.posts.values() for post in posts]

    assert posts
    assert not any(name.lower().startswith("webhook-") for post in posts for name in post.headers)


def rows_of(table: str, word: str) -> str:
    return "\n".join(line for line in table.splitlines() if word in line)
