"""A webhook callback that remembers what was posted to it and answers as it is told."""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiohttp import web


@dataclass(frozen=True)
class Post:
    """One webhook, as it came over the wire."""

    body: bytes
    headers: dict[str, str]

    @property
    def value(self) -> dict[str, Any]:
        [entry] = json.loads(self.body)["entry"]
        [change] = entry["changes"]
        return change["value"]


class CallbackSpy:
    """Answers `usual_answer`, unless `answers` holds HTTP statuses for the next POSTs.

    `verify_token` is what the handshake must bring; `echo` turns a challenge into the answer.
    """

    def __init__(self) -> None:
        self.url = ""
        self.verify_token = "our-word"
        self.echo: Callable[[str], str] = lambda challenge: challenge
        self.answers: deque[int] = deque()
        self.usual_answer = 200
        self.handshakes = 0
        self.refused_posts: list[Post] = []
        self.posts: list[Post] = []
        self._changed = asyncio.Condition()

    @property
    def statuses(self) -> list[dict[str, Any]]:
        """All acknowledged statuses, in order of arrival."""
        return [status for post in self.posts for status in post.value.get("statuses", [])]

    def names(self) -> list[str]:
        return [status["status"] for status in self.statuses]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something that a request changed makes the condition true."""
        # A generous bound: it only ends a test that has failed already.
        async with asyncio.timeout(20), self._changed:
            await self._changed.wait_for(condition)

    async def until_statuses(self, count: int) -> None:
        await self.until(lambda: len(self.statuses) >= count)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["CallbackSpy"]:
        app = web.Application()
        app.router.add_get("/hook", self._shake_hands)
        app.router.add_post("/hook", self._take)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        self.url = f"http://{host}:{port}/hook"
        try:
            yield self
        finally:
            await runner.cleanup()

    async def _shake_hands(self, request: web.Request) -> web.Response:
        query = request.query
        async with self._changed:
            self.handshakes += 1
            self._changed.notify_all()
        if query["hub.mode"] != "subscribe" or query["hub.verify_token"] != self.verify_token:
            return web.Response(status=403)
        return web.Response(text=self.echo(query["hub.challenge"]))

    async def _take(self, request: web.Request) -> web.Response:
        post = Post(await request.read(), dict(request.headers))
        answer = self.answers.popleft() if self.answers else self.usual_answer
        async with self._changed:
            (self.posts if answer == 200 else self.refused_posts).append(post)
            self._changed.notify_all()
        return web.Response(status=answer)
