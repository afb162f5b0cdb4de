"""A stranger's SMSC: npm's `smpp` in a process of its own, steered line by line.

It is nobody's relative here: neither our codec nor the sandbox's, so that a fault which two of them
share would show. Where node or npm is missing, tests that need it are skipped, unless this is CI.
"""

import asyncio
import contextlib
import fcntl
import functools
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import pytest

_ROOT = Path(__file__).parents[2]
_SOURCE = _ROOT / "tests" / "strangers"
_INSTALLED = _ROOT / ".strangers"
_INSTALL_SECONDS = 180
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
    installed = _installed()
    if isinstance(installed, str):
        _do_without(installed)
    folder, node = installed
    process = await asyncio.create_subprocess_exec(
        node,
        _SOURCE / "smpp_server.mjs",
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


@functools.cache
def _installed() -> tuple[Path, str] | str:
    """Install the strangers once a lock file; return where they are and node, or what is wrong."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        return "node and npm are not installed"
    wanted = (_SOURCE / "package-lock.json").read_bytes()
    folder = _INSTALLED / hashlib.sha256(wanted).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests run in several processes at once
        return _install(folder, npm) or (folder, node)


def _install(folder: Path, npm: str) -> str | None:
    """Install the strangers into a folder that may have them; return what went wrong."""
    if (folder / "complete").exists():
        return None
    for name in ("package.json", "package-lock.json"):
        shutil.copy(_SOURCE / name, folder / name)
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            check=False,
            capture_output=True,
            text=True,
            timeout=_INSTALL_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return f"npm ci took longer than {_INSTALL_SECONDS} s"
    if done.returncode:
        return f"npm ci failed: {done.stderr[-500:]}"
    (folder / "complete").touch()
    return None


def _do_without(reason: str) -> NoReturn:
    if os.environ.get("CI"):
        pytest.fail(f"a stranger's SMSC cannot run, and in CI it must: {reason}")
    pytest.skip(f"a stranger's SMSC cannot run: {reason}")
