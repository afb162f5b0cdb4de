"""The world that browser tests look at: `whimbrel demo`, as a new user runs it, but quicker.

Gateway, sandbox, SMSC and the receiver of reports are real processes. Tests share them, so each
writes to a subscriber of its own.
"""

import contextlib
import itertools
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp

from tests.support.builders import Database
from tests.support.processes import Finished, Running, finished, free_ports, running

LOGIN, PASSWORD, SENDER = "demo", "demo-secret", "WHIMBREL"
_SPEED = 20  # times faster than life: what takes a minute in the sandbox takes three seconds
_DATA = "whimbrel-data"


class World:
    """A running demo."""

    def __init__(self, folder: Path, port: int, process: Running, client: aiohttp.ClientSession):
        self.url = f"http://127.0.0.1:{port}"
        self.sandbox_url = f"http://127.0.0.1:{port + 1}"
        self.receiver_url = f"http://127.0.0.1:{port + 2}/reports"
        self.folder = folder
        self.config = folder / _DATA / "whimbrel.toml"
        self.process = process
        self.client = client
        self._numbers = itertools.count(1)

    def subscriber(self) -> str:
        """Return a number that nobody has written to; its phone reads everything at once.

        `70000000001` and those after it have other fates (`whimbrel.sandbox.scripts`).
        """
        return f"7916{next(self._numbers):07}"

    async def send(self, to: str, text: str = "Hello from Whimbrel", **members: Any) -> str:
        """Send a message as the demo's Partner; return its `mtNum`."""
        content = {"type": "TEXT", "data": {"text": text}}
        message = {"type": "WHATSAPP", "data": {"instantContent": content}}
        request = {"login": LOGIN, "password": PASSWORD, "destAddr": to, "message": message}
        async with self.client.post(f"{self.url}/send", json={**request, **members}) as said:
            answer = await said.json()
        assert said.status == 200, answer
        mt_num: str = answer["mtNum"]
        return mt_num

    def accepted(self) -> int:
        """Return how many messages the store holds, whoever sent them."""
        with contextlib.closing(sqlite3.connect(self.folder / _DATA / "whimbrel.db")) as store:
            [(count,)] = store.execute("SELECT count(*) FROM chains")
        return int(count)

    async def until_report(self, mt_num: str, status: int) -> None:
        """Wait until the receiver has got a report of this status."""
        await self.process.until_line(rf"report .*mtNum={mt_num} .*status={status}\b")

    async def run(self, *arguments: str, stdin: str = "") -> Finished:
        """Run another command of `whimbrel` on the same settings to its end."""
        return await finished(*arguments, "-c", self.config, folder=self.folder, stdin=stdin)


@contextlib.asynccontextmanager
async def running_world(folder: Path) -> AsyncIterator[World]:
    """Run a demo in an empty folder."""
    port = free_ports(4)
    data = folder / _DATA
    data.mkdir()
    Database(data / "whimbrel.db")  # so that the demo need not make it
    options = ("--port", str(port), "--speed", str(_SPEED))
    async with (
        running("demo", *options, ready="Whimbrel is ready on", folder=folder) as process,
        aiohttp.ClientSession() as client,
    ):
        yield World(folder, port, process, client)
