"""Starting and stopping as one node of several; the journey itself is told elsewhere."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from aiohttp import web

from tests.support.builders import Database, a_chain, accept, opened
from tests.support.gateway import an_account
from tests.support.nodes import join, nodes_of
from tests.support.processes import free_ports
from whimbrel import gateway as module
from whimbrel.clock import DAY, SystemClock
from whimbrel.domain.status import LinkState
from whimbrel.gateway import Gateway
from whimbrel.settings import Settings
from whimbrel.settings.sections import ClusterSettings
from whimbrel.store.sqlite import SqliteStore

_FASTER = 200


class QuickClock(SystemClock):
    """A steady clock by which a lease is over in a moment."""

    def elapsed(self) -> float:
        return super().elapsed() * _FASTER


class Upstream:
    """What stands for Meta: it takes a request, and answers when it is let."""

    def __init__(self) -> None:
        self.port = free_ports(1)
        self.asked = asyncio.Event()
        self.answers = asyncio.Event()

    async def take(self, request: web.Request) -> web.Response:
        self.asked.set()
        await self.answers.wait()
        return web.json_response({"messages": [{"id": "wamid.1"}]})


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    one = Upstream()
    app = web.Application()
    app.router.add_post("/{path:.*}", one.take)
    runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", one.port).start()
    yield one
    await runner.cleanup()


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database(tmp_path / "whimbrel.db")


@pytest.fixture(autouse=True)
def _looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PLACE_SECONDS", 0.005)


def a_gateway(database: Database, upstream: Upstream, **cluster: list[str]) -> Gateway:
    settings = Settings(
        whatsapp={"main": an_account(base_url=f"http://127.0.0.1:{upstream.port}")},
        cluster=ClusterSettings(**cluster),  # type: ignore[arg-type]
    )
    return Gateway(settings, SqliteStore(database.path), QuickClock(), alone=False)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - a table tells nobody
            await asyncio.sleep(0.005)


async def test_a_node_that_drains_is_not_taken_for_dead(
    database: Database, upstream: Upstream
) -> None:
    """It beats until the last submit has been recorded, and then takes leave."""
    async with opened(database) as store:
        gateway = a_gateway(database, upstream)
        await gateway.start()
        now = SystemClock().now()
        await accept(store, a_chain(link={"due_at": now, "expires_at": now + DAY}))
        await until(upstream.asked.is_set)
        stopping = asyncio.create_task(gateway.stop())
        await asyncio.sleep(0)
        [(beat,)] = database.rows("SELECT beat FROM nodes")
        await until(lambda: database.rows("SELECT beat FROM nodes") >= [(beat + 5,)])
        assert (stopping.done(), gateway._membership.is_mine) == (False, True)
        upstream.answers.set()
        async with asyncio.timeout(20):
            await stopping
        assert database.state() is LinkState.SUBMITTED
        assert [node.token for node in (await nodes_of(store)).values()] == [None]
        assert database.rows("SELECT * FROM holdings") == []


async def test_what_one_node_is_enough_for_is_done_where_an_elder_has_no_such_role(
    database: Database, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Retention is the eldest's, of those that move messages: a node for requests does none."""
    async with opened(database) as store:
        for roles, does in ((["api"], False), (["dispatch"], True)):
            gateway = a_gateway(database, upstream, roles=roles)
            done: list[bool] = []

            async def step(done: list[bool] = done) -> float:
                done.append(True)
                return 60.0

            monkeypatch.setattr(gateway._retention, "step", step)
            await join(store, roles="api", now=0)
            await gateway.start()
            if does:
                await until(lambda done=done: bool(done))
            await gateway.stop()
            assert bool(done) == does
