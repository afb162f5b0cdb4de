"""A stranger's SMSC: npm's `smpp` in a process of its own, steered line by line.

It is nobody's relative here: neither our codec nor the sandbox's, so that a fault which two of them
share would show.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from typing import Any, NamedTuple

from tests.support.strangers import SOURCE, strangers

_ENDED_WITHIN = 10.0
WITHIN = 20.0  # a bound that only ends a test which has failed already


class TakenSubmit(NamedTuple):
    """A submit_sm that the SMSC has read."""

    dest_addr: str
    short_message: bytes
    sequence: int
    session: int


class NodeSmsc:
    """The SMSC, and everything that it has told so far."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._changed = asyncio.Condition()
        self._open = True
        self._orders = 0
        self.port = 0
        self.events: list[dict[str, Any]] = []
        self.pump = asyncio.create_task(self._pump())

    @property
    def taken(self) -> list[TakenSubmit]:
        """The submits, in the order of their arrival."""
        return [
            TakenSubmit(
                one["dest_addr"], bytes.fromhex(one["hex"]), one["sequence"], one["session"]
            )
            for one in self.told("submit")
        ]

    def told(self, event: str) -> list[dict[str, Any]]:
        """Return the events of a name so far."""
        return [one for one in self.events if one["event"] == event]

    async def until(self, condition: Callable[[], bool], *, within: float = WITHIN) -> None:
        """Wait until what it has told makes `condition` true."""
        async with asyncio.timeout(within), self._changed:
            await self._changed.wait_for(lambda: condition() or not self._open)
        assert condition(), "the SMSC ended"

    async def until_told(self, event: str, count: int = 1) -> list[dict[str, Any]]:
        """Wait until it has told `count` events of a name."""
        await self.until(lambda: len(self.told(event)) >= count)
        return self.told(event)

    async def order(self, deed: str, **members: Any) -> None:
        """Order something, and wait until it is done; `smpp_server.mjs` lists the orders."""
        self._orders += 1
        number = self._orders
        line = json.dumps({"do": deed, "order": number, **members})
        assert self._process.stdin
        self._process.stdin.write(line.encode() + b"\n")
        await self.until(lambda: any(one["order"] == number for one in self.told("done")))

    async def set(self, **habits: Any) -> None:
        """Change how it behaves from now on; `smpp_server.mjs` lists the habits."""
        await self.order("set", **habits)

    async def _pump(self) -> None:
        assert self._process.stdout
        try:
            async for line in self._process.stdout:
                self.events.append(json.loads(line))
                async with self._changed:
                    self._changed.notify_all()
        finally:
            self._open = False
            async with self._changed:
                self._changed.notify_all()


@contextlib.asynccontextmanager
async def node_smsc(port: int = 0) -> AsyncIterator[NodeSmsc]:
    """Run the SMSC on a port of the loopback interface; 0: on any free one."""
    folder, node = strangers("a stranger's SMSC")
    process = await asyncio.create_subprocess_exec(
        node,
        SOURCE / "smpp_server.mjs",
        str(port),
        cwd=folder,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    smsc = NodeSmsc(process)
    try:
        [listening] = await smsc.until_told("listening")
        smsc.port = listening["port"]
        yield smsc
    finally:
        assert process.stdin
        process.stdin.close()
        try:
            async with asyncio.timeout(_ENDED_WITHIN):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
        await smsc.pump
