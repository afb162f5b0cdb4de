"""A long URL on its way: shortened, followed, counted and told, by real processes."""

import csv
import io
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any, NamedTuple

import aiohttp
import pytest
import pytest_asyncio
from standardwebhooks import Webhook, WebhookVerificationError

from tests.journeys.partner import LOGIN, PASSWORD, Receiver, a_text, ask, send
from tests.support.processes import Installation, Running

pytestmark = pytest.mark.asyncio(loop_scope="module")

LONG = "https://shop.example/каталог/shoes?colour=red&size=42#top"
LOCATION = (
    "https://shop.example/%D0%BA%D0%B0%D1%82%D0%B0%D0%BB%D0%BE%D0%B3/shoes?colour=red&size=42#top"
)
HOST = "go.test"
BROWSER = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 Safari/604.1"
CRAWLERS = ["WhatsApp/2.23.20.0 A", "TelegramBot (like TwitterBot)", "facebookexternalhit/1.1"]


class Place(NamedTuple):
    """A gateway with a short domain, and a Partner that wants to be told of clicks."""

    installation: Installation
    gateway: Running
    client: aiohttp.ClientSession
    receiver: Receiver
    clicks: Receiver
    signing_secret: str

    async def send(self, to: str) -> tuple[str, str]:
        """Send a text with a URL; return `mtNum` and the UID that reached the subscriber."""
        answer = await send(self.client, self.installation.url, a_text(to, f"New: {LONG}.", id=to))
        await self.receiver.until_last(answer.mt_num, 9)
        url = f"{self.installation.sandbox_url}/sandbox/messages?to={to}"
        [message] = (await ask(self.client, url))["messages"]
        found = re.fullmatch(rf"New: https://{HOST}/([\w-]+)\.", message["content"]["body"])
        assert found, message
        return answer.mt_num, found[1]

    async def visit(self, uid: str, agent: str = BROWSER, method: str = "GET") -> str:
        """Follow a short URL one step; return where it leads."""
        async with self.client.request(
            method,
            f"{self.installation.url}/{uid}",
            headers={"Host": HOST, "User-Agent": agent},
            allow_redirects=False,
        ) as answer:
            assert answer.status == 302
            return answer.headers["Location"]

    async def stats(self, *options: str) -> list[dict[str, str]]:
        done = await self.installation.run("links", "stats", "--csv", *options)
        assert (done.code, done.errors) == (0, "")
        return list(csv.DictReader(io.StringIO(done.output)))


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def place(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    installation = Installation(
        tmp_path_factory.mktemp("short"), sections={"short_urls": {"base_url": f"https://{HOST}"}}
    )
    receiver, clicks = Receiver(), Receiver()
    printed = await installation.add_partner(
        *(LOGIN, PASSWORD, "--default-sender", "WHIMBREL", "--report-url", receiver.url),
        *("--short-urls", "per-subscriber", "--click-url", clicks.url, "--sign-reports"),
    )
    secret = re.search(r"whsec_\S+", printed)
    assert secret
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(receiver.up())
        await stack.enter_async_context(clicks.up())
        await stack.enter_async_context(installation.sandbox())
        gateway = await stack.enter_async_context(installation.serve())
        client = await stack.enter_async_context(aiohttp.ClientSession())
        yield Place(installation, gateway, client, receiver, clicks, secret[0])


async def test_a_click_counts_once_and_is_told(place: Place) -> None:
    mt_num, uid = await place.send("79160000001")
    texts = {post.report["text"] for post in place.receiver.posts[mt_num]}
    assert texts == {f"New: https://{HOST}/{uid}."}

    for crawler in CRAWLERS:
        assert await place.visit(uid, crawler) == LOCATION
    assert await place.visit(uid, method="HEAD") == LOCATION
    assert await place.visit(uid) == LOCATION

    await place.clicks.until(lambda: mt_num in place.clicks.posts)
    [post] = place.clicks.posts[mt_num]
    told = dict(post.report)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+0300", told.pop("clickedAt"))
    assert told == {
        "event": "click",
        "mtNum": mt_num,
        "id": "79160000001",
        "destAddr": "79160000001",
        "shortUrl": f"https://{HOST}/{uid}",
        "targetUrl": LONG,
    }
    webhook = Webhook(place.signing_secret)
    assert webhook.verify(post.body.decode(), post.headers) == post.report
    with pytest.raises(WebhookVerificationError):
        webhook.verify(post.body.decode().replace(mt_num, "1"), post.headers)

    [row] = await place.stats("--mtnum", mt_num)
    assert (row["uid"], row["visits"], row["clicks"], row["mobile"]) == (uid, "4", "1", "1")
    story = (await place.installation.run("message", "show", mt_num)).output
    assert len(re.findall(rf" click +{uid}: mobile", story)) == 1
    assert len(re.findall(rf" visit +{uid}: bot", story)) == 3
    assert "first click: acknowledged" in story


async def test_another_click_is_counted_and_not_told(place: Place) -> None:
    mt_num, uid = await place.send("79160000002")
    await place.visit(uid)
    await place.clicks.until(lambda: mt_num in place.clicks.posts)
    await place.visit(uid)
    other, others_uid = await place.send("79160000003")
    await place.visit(others_uid)
    await place.clicks.until(lambda: other in place.clicks.posts)
    assert [len(place.clicks.posts[one]) for one in (mt_num, other)] == [1, 1]
    assert (await place.stats("--short-url", f"https://{HOST}/{uid}"))[0]["clicks"] == "2"


async def test_the_command_adds_up(place: Place) -> None:
    by: dict[str, list[dict[str, Any]]] = {
        name: await place.stats("--by", name) for name in ("short-url", "chain", "partner", "day")
    }
    sums = {
        name: [sum(int(row[column]) for row in rows) for column in ("visits", "clicks", "mobile")]
        for name, rows in by.items()
    }
    assert set(map(tuple, sums.values())) == {(7, 4, 4)}
    assert [(row["short_urls"], row["followed"]) for row in by["partner"]] == [("3", "3")]
    assert await place.stats("--partner", "nobody") == []
    assert [row["visits"] for row in await place.stats("--before", "1h", "--by", "partner")] == [
        "0"
    ]


async def test_a_clean_stop_loses_no_click(place: Place) -> None:
    """The last test of the gateway: it ends it."""
    mt_num, uid = await place.send("79160000004")
    for _ in range(100):
        await place.visit(uid)
    assert await place.gateway.stop() == 0
    [row] = await place.stats("--mtnum", mt_num)
    assert (row["visits"], row["clicks"]) == ("100", "100")
