"""A Partner with both of its ends: it sends requests, and receives reports on a real server."""

import asyncio
import contextlib
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


class Answer(NamedTuple):
    """What the gateway said to a request."""

    status: int
    body: dict[str, Any]

    @property
    def mt_num(self) -> str:
        assert self.status == 200, self.body
        return self.body["mtNum"]


def a_text(to: str, text: str = "Hello", **members: Any) -> dict[str, Any]:
    content = {"type": "TEXT", "data": {"text": text}}
    return _a_request(to, content, members)


def an_image(to: str, url: str, **members: Any) -> dict[str, Any]:
    content = {"type": "IMAGE_URL", "data": {"imageURL": url}}
    return _a_request(to, content, members)


def _a_request(to: str, content: dict[str, Any], members: dict[str, Any]) -> dict[str, Any]:
    data: dict[str, Any] = {"instantContent": content}
    sender = members.pop("sender", None)
    if sender:
        data["serviceNumber"] = sender
    message = {"type": "WHATSAPP", "data": data}
    return {"login": LOGIN, "password": PASSWORD, "destAddr": to, "message": message, **members}


async def send(client: aiohttp.ClientSession, url: str, request: dict[str, Any]) -> Answer:
    async with client.post(f"{url}/send", json=request) as answer:
        return Answer(answer.status, await answer.json())


async def ask(client: aiohttp.ClientSession, url: str) -> dict[str, Any]:
    async with client.get(url) as answer:
        assert answer.status == 200
        return await answer.json()
