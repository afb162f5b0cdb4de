"""The sandbox's own API as journeys use it: what arrived there, and what is to go wrong."""

import asyncio
from collections.abc import Callable
from typing import Any

import aiohttp

from tests.journeys.partner import ask

_LOOK_EVERY = 0.02  # seconds; the sandbox tells nobody when something arrives


class Sandbox:
    """One sandbox, looked into and meddled with."""

    def __init__(self, client: aiohttp.ClientSession, url: str) -> None:
        self._client = client
        self._url = f"{url}/sandbox"

    async def messages(self, to: str, channel: str | None = None) -> list[dict[str, Any]]:
        """Return what was accepted for a subscriber, oldest first."""
        found = await ask(self._client, f"{self._url}/messages?to={to}&limit=100000")
        return [one for one in found["messages"] if channel in {None, one["channel"]}]

    async def sms(self) -> list[dict[str, Any]]:
        """Return all SMS that were accepted."""
        found = await ask(self._client, f"{self._url}/messages?limit=100000")
        return [one for one in found["messages"] if one["channel"] == "SMS"]

    async def count(self) -> dict[str, Any]:
        """Return how much was accepted and refused."""
        return await ask(self._client, f"{self._url}/messages/count")

    async def health(self) -> dict[str, Any]:
        """Return who is bound, and what is still to come."""
        return await ask(self._client, f"{self._url}/health")

    async def until(self, condition: Callable[[dict[str, Any]], bool]) -> None:
        """Wait until the sandbox's health makes `condition` true."""
        async with asyncio.timeout(30):
            while not condition(await self.health()):  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(_LOOK_EVERY)

    async def until_counted(self, condition: Callable[[dict[str, Any]], bool]) -> None:
        """Wait until the sandbox's counts make `condition` true."""
        async with asyncio.timeout(30):
            while not condition(await self.count()):  # noqa: ASYNC110 - the same
                await asyncio.sleep(_LOOK_EVERY)

    async def until_quiet(self) -> None:
        """Wait until every status and receipt of what was accepted has been acknowledged."""
        await self.until(
            lambda health: (
                not health["statuses_to_come"]
                and not health.get("smsc", {}).get("receipts_to_come")
            )
        )

    async def post(self, path: str, document: Any = None) -> dict[str, Any]:
        """POST to a path below `/sandbox`; return the answer."""
        async with self._client.post(f"{self._url}/{path}", json=document or {}) as answer:
            assert answer.status in {200, 204}, await answer.text()
            return await answer.json() if answer.status == 200 else {}
