"""A Partner with both of its ends: it sends requests, and receives reports on a real server."""

import asyncio
import contextlib
import itertools
import json
from collections.abc import AsyncIterator, Callable
from typing import Any, NamedTuple

import aiohttp
from aiohttp import web

from tests.support.processes import free_ports

LOGIN, PASSWORD = "shop", "shop-password"
Tag = int | tuple[int, int]
"""A report in short: its status; for 5, with its errorCode."""


class Post(NamedTuple):
    """A report as it came."""

    report: dict[str, Any]
    body: bytes
    headers: dict[str, str]

    @property
    def tag(self) -> Tag:
        status = self.report["status"]
        return (status, int(self.report["errorCode"])) if status == 5 else status


class Receiver:
    """Where reports go. It keeps every POST by `mtNum`, and can be down for a while."""

    def __init__(self) -> None:
        self._port = free_ports(1)
        self.url = f"http://127.0.0.1:{self._port}/reports"
        self.posts: dict[str, list[Post]] = {}
        self.count = 0
        self._changed = asyncio.Condition()

    @contextlib.asynccontextmanager
    async def up(self) -> AsyncIterator["Receiver"]:
        app = web.Application()
        app.router.add_post("/reports", self._take)
        runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", self._port).start()
        try:
            yield self
        finally:
            await runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        body = await request.read()
        post = Post(json.loads(body), body, dict(request.headers))
        async with self._changed:
            self.posts.setdefault(post.report["mtNum"], []).append(post)
            self.count += 1
            self._changed.notify_all()
        return web.Response()

    async def until(self, condition: Callable[[], bool], *, within: float = 60.0) -> None:
        """Wait until a report that came makes the condition true."""
        async with asyncio.timeout(within), self._changed:
            await self._changed.wait_for(condition)

    async def until_last(self, mt_num: str, tag: Tag, *, within: float = 60.0) -> list[Tag]:
        """Wait for a report, and return all that came of its message so far."""
        await self.until(lambda: self.tags(mt_num)[-1:] == [tag], within=within)
        return self.tags(mt_num)

    def tags(self, mt_num: str) -> list[Tag]:
        """Return the reports of a message in the order in which they came."""
        return [post.tag for post in self.posts.get(mt_num, [])]

    def typed(self, mt_num: str) -> list[tuple[str, Tag]]:
        """Return the same with the type of the link that each is about."""
        return [(post.report["type"], post.tag) for post in self.posts.get(mt_num, [])]

    async def until_typed(
        self, mt_num: str, last: tuple[str, Tag], *, within: float = 60.0
    ) -> list[tuple[str, Tag]]:
        """Wait for a report about a link of this type, and return all that came so far."""
        await self.until(lambda: self.typed(mt_num)[-1:] == [last], within=within)
        return self.typed(mt_num)


class Answer(NamedTuple):
    """What the gateway said to a request."""

    status: int
    body: dict[str, Any]

    @property
    def mt_num(self) -> str:
        assert self.status == 200, self.body
        return self.body["mtNum"]


def a_text(to: str, text: str = "Hello", **members: Any) -> dict[str, Any]:
    return _with_sender(a_request(to, on_whatsapp(text), **members))


def an_image(to: str, url: str, **members: Any) -> dict[str, Any]:
    content = {"type": "IMAGE_URL", "data": {"imageURL": url}}
    message = {"type": "WHATSAPP", "data": {"instantContent": content}}
    return _with_sender(a_request(to, message, **members))


def _with_sender(request: dict[str, Any]) -> dict[str, Any]:
    sender = request.pop("sender", None)
    if sender:
        request["message"]["data"]["serviceNumber"] = sender
    return request


def on_whatsapp(text: str = "Hello", **data: Any) -> dict[str, Any]:
    """A message on WhatsApp; `data` are further members, such as `ttl`."""
    content = {"type": "TEXT", "data": {"text": text}}
    return {"type": "WHATSAPP", "data": {"instantContent": content, **data}}


def by_sms(text: str = "Hello", **data: Any) -> dict[str, Any]:
    """A message by SMS; `data` are further members, such as `serviceNumber`."""
    return {"type": "SMS", "data": {"text": text, **data}}


def a_request(
    to: str,
    message: dict[str, Any],
    *behind: dict[str, Any],
    goal: str = "DELIVERED",
    **members: Any,
) -> dict[str, Any]:
    """A request; each of `behind` goes unless the one before it has reached the goal."""
    request = {"login": LOGIN, "password": PASSWORD, "destAddr": to, "message": message, **members}
    links = [{"state": goal, "message": one} for one in behind]
    for link, after in itertools.pairwise(links):
        link["nextLink"] = after
    return {**request, "cascadeChainLink": links[0]} if links else request


async def send(client: aiohttp.ClientSession, url: str, request: dict[str, Any]) -> Answer:
    async with client.post(f"{url}/send", json=request) as answer:
        return Answer(answer.status, await answer.json())


async def ask(client: aiohttp.ClientSession, url: str) -> dict[str, Any]:
    async with client.get(url) as answer:
        assert answer.status == 200
        return await answer.json()
