"""Several workers behind one port: real processes that are watched, killed and replaced."""

import asyncio
import contextlib
import itertools
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from pathlib import Path
from typing import NamedTuple

import aiohttp
import pytest
import pytest_asyncio

from tests.journeys.partner import LOGIN, PASSWORD, Receiver, a_text, send
from tests.support import postgres
from tests.support.postgres import PostgresDatabase
from tests.support.processes import Installation, Running, finished, free_ports, running
from whimbrel.store.migrate import upgrade_postgres

pytestmark = pytest.mark.asyncio(loop_scope="module")

READ = "70000000001"
WORKERS = 2
_LOOK_EVERY = 0.02  # seconds; processes tell nobody when they end


class Place(NamedTuple):
    """A database, and a world to send to."""

    installation: Installation
    database: PostgresDatabase
    client: aiohttp.ClientSession
    receiver: Receiver

    def serve(self, *options: str) -> AbstractAsyncContextManager[Running]:
        return running(
            "serve",
            "-c",
            self.installation.config,
            "--workers",
            str(WORKERS),
            *options,
            ready="is ready on",
            folder=self.installation.folder,
            environment={"WHIMBREL_LOG_LEVEL": "info"},
        )

    def nodes(self) -> dict[str, int]:
        """Return the numbers of the nodes that are alive, by their names."""
        sql = "SELECT name, node_id FROM nodes WHERE token IS NOT NULL ORDER BY name"
        return dict(self.database.rows(sql))

    async def send(self) -> str:
        return (await send(self.client, self.installation.url, a_text(READ))).mt_num

    async def is_read(self, mt_num: str) -> None:
        assert await self.receiver.until_last(mt_num, 9) == [0, 2, 9]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def place(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    url = postgres.new_database("workers")
    await upgrade_postgres(url)
    installation = Installation(
        tmp_path_factory.mktemp("workers"),
        sections={
            "store": {"url": url},
            "cluster": {"name": "host", "watch_port": free_ports(WORKERS)},
            # What a worker had claimed when it was killed goes again soon, gone or not.
            "dispatch": {"ambiguity_grace_seconds": 2.0},
        },
    )
    receiver, database = Receiver(), PostgresDatabase(url)
    await installation.add_partner(
        LOGIN, PASSWORD, "--default-sender", "WHIMBREL", "--report-url", receiver.url,
        "--unanswered", "resend",
    )  # fmt: skip
    async with AsyncExitStack() as stack:
        stack.callback(database.close)
        await stack.enter_async_context(receiver.up())
        await stack.enter_async_context(installation.sandbox())
        # A connection for each request: else all would come to one worker.
        connector = aiohttp.TCPConnector(force_close=True)
        client = await stack.enter_async_context(aiohttp.ClientSession(connector=connector))
        yield Place(installation, database, client, receiver)


def workers_of(parent: Running) -> list[int]:
    """Return the pids of a process's children."""
    children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text(encoding="ascii")
    return [int(pid) for pid in children.split()]


async def until_gone(pids: list[int], *, within: float = 30.0) -> None:
    async with asyncio.timeout(within):
        while any(_runs(pid) for pid in pids):  # noqa: ASYNC110 - they tell nobody
            await asyncio.sleep(_LOOK_EVERY)


def _runs(pid: int) -> bool:
    """Tell whether a process is there, and no zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def said(parent: Running, event: str) -> int:
    return sum(event in line for line in parent.errors)


class Load:
    """Requests one after the other, several at once; those that fail are counted."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._over = asyncio.Event()
        self._subscribers = itertools.count(79_163_000_000)
        self.accepted: list[str] = []
        self.failed: list[str] = []

    @contextlib.asynccontextmanager
    async def under_way(self, clients: int = 4) -> AsyncIterator["Load"]:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(clients):
                tasks.create_task(self._send_on())
            yield self
            self._over.set()

    async def _send_on(self) -> None:
        while not self._over.is_set():
            request = a_text(str(next(self._subscribers)))
            try:
                answer = await send(self._place.client, self._place.installation.url, request)
            except aiohttp.ClientError as error:
                self.failed.append(type(error).__name__)
            else:
                assert answer.status == 200, answer
                self.accepted.append(answer.mt_num)


async def test_a_worker_that_is_killed_is_replaced_and_requests_go_on(place: Place) -> None:
    clients = 4
    async with place.serve() as parent:
        assert parent.lines == [f"Whimbrel is ready on {place.installation.url}"]
        assert list(place.nodes()) == ["host/1", "host/2"]
        before = workers_of(parent)
        async with Load(place).under_way(clients) as load:
            await place.is_read(await place.send())
            [sender] = place.database.rows("SELECT node_id FROM holdings")
            [name] = [name for name, number in place.nodes().items() if number == sender[0]]
            os.kill(before[int(name.rpartition("/")[2]) - 1], signal.SIGKILL)
            killed_at = time.monotonic()
            # The one that sends is dead: what is accepted now waits for its successor.
            await place.is_read(await place.send())
            gone_on_after = time.monotonic() - killed_at
        assert said(parent, "worker_died") == 1
        assert said(parent, "worker_ready") == WORKERS + 1
        assert list(place.nodes()) == ["host/1", "host/2"]
        for mt_num in load.accepted:
            await place.receiver.until_last(mt_num, 9)
    print(
        f"after kill -9 of the worker that sends: goes on after {gone_on_after:.1f} s; requests: "
        f"{len(load.accepted)} accepted, {len(load.failed)} cut off"
    )
    assert gone_on_after < 12, "no lease had to be waited for"
    assert len(load.failed) <= clients, load.failed


async def test_each_worker_is_watched_on_a_port_of_its_own(place: Place) -> None:
    async with place.serve() as parent:
        first = await watch_port(place)
        assert len(workers_of(parent)) == WORKERS
        for index in range(WORKERS):
            async with place.client.get(f"http://127.0.0.1:{first + index}/metrics") as answer:
                assert answer.status == 200
        async with place.client.get(f"http://127.0.0.1:{first}/send") as answer:
            assert answer.status == 404
        mt_num = await place.send()
        assert await parent.stop() == 0
    assert place.nodes() == {}, "each has taken leave"
    assert place.receiver.tags(mt_num) in ([], [0], [0, 2], [0, 2, 9])


async def watch_port(place: Place) -> int:
    text = place.installation.config.read_text(encoding="utf-8")
    return int(text.partition("watch_port = ")[2].split()[0])


async def test_workers_end_with_their_parent_however_it_ends(place: Place) -> None:
    async with place.serve() as parent:
        workers = workers_of(parent)
        os.kill(parent.pid, signal.SIGKILL)
        await until_gone(workers)
        assert place.nodes() == {}, "they were not killed: each has taken leave"


async def test_a_port_of_a_watcher_that_is_taken_is_told(place: Place) -> None:
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", await watch_port(place) + 1))
        taken.listen()
        done = await finished(
            *("serve", "-c", place.installation.config, "--workers", str(WORKERS)),
            folder=place.installation.folder,
        )
    assert (done.code, done.output) == (1, "")
    assert "worker 2 could not start; its own message says why" in done.errors
    assert "Address already in use" in done.errors
    assert place.nodes() == {}


async def test_a_stop_while_workers_are_being_started_is_heard(place: Place) -> None:
    """They wait for a database that does not answer."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        port = silent.getsockname()[1]
        process = await asyncio.create_subprocess_exec(
            *(Path(sys.executable).with_name("whimbrel"), "serve"),
            *("-c", place.installation.config, "--workers", "2"),
            env={**os.environ, "WHIMBREL_STORE_URL": f"postgresql://nobody@127.0.0.1:{port}/x"},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        loop = asyncio.get_running_loop()
        silent.setblocking(False)
        first, _ = await loop.sock_accept(silent)
        with first:
            process.send_signal(signal.SIGTERM)
            output, _ = await asyncio.wait_for(process.communicate(), 20)
    assert output == b""
