"""A Partner's server: it keeps the reports that come to it and answers as it is told."""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal

from aiohttp import web

Answer = int | Literal["hang", "close"]


@dataclass(frozen=True)
class ReportPost:
    """One report, as it came over the wire."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        """The document, with its members in the order in which they came."""
        return json.loads(self.body)


class PartnerSpy:
    """Answers `usual_answer`, unless `answers` holds others for the next POSTs.

    An answer is a status, or `hang` (until `release` is set, then 200), or `close` (the connection,
    without an answer).
    """

    def __init__(self) -> None:
        self.base = ""
        self.answers: deque[Answer] = deque()
        self.usual_answer: Answer = 200
        self.release = asyncio.Event()
        self.posts: list[ReportPost] = []
        self.under_way = 0
        self.most_under_way = 0
        self._changed = asyncio.Condition()

    @property
    def url(self) -> str:
        return f"{self.base}/reports"

    @property
    def statuses(self) -> list[int]:
        return [post.json["status"] for post in self.posts]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something that a request changed makes the condition true."""
        # A generous bound: it only ends a test that has failed already.
        async with asyncio.timeout(20), self._changed:
            await self._changed.wait_for(condition)

    async def until_posts(self, count: int) -> None:
        await self.until(lambda: len(self.posts) >= count)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["PartnerSpy"]:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._take)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        self.base = f"http://{host}:{port}"
        try:
            yield self
        finally:
            self.release.set()
            await runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        post = ReportPost(request.path, dict(request.headers), await request.read())
        answer = self.answers.popleft() if self.answers else self.usual_answer
        async with self._changed:
            self.posts.append(post)
            self.under_way += 1
            self.most_under_way = max(self.most_under_way, self.under_way)
            self._changed.notify_all()
        try:
            return await self._answer(answer, request)
        finally:
            self.under_way -= 1

    async def _answer(self, answer: Answer, request: web.Request) -> web.Response:
        if answer == "hang":
            await self.release.wait()
            return web.Response()
        if answer == "close":
            assert request.transport
            request.transport.abort()
            return web.Response()
        location = {"Location": f"{self.base}/elsewhere"} if 300 <= answer < 400 else None
        return web.Response(status=answer, headers=location, text=f"answer {answer}")
