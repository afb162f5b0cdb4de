"""Nodes with different roles on one PostgreSQL database, as real processes, and one that dies."""

import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import pytest
import pytest_asyncio

from tests.journeys.partner import (
    LOGIN,
    PASSWORD,
    Receiver,
    a_request,
    by_sms,
    on_whatsapp,
    send,
)
from tests.journeys.sandbox import Sandbox
from tests.support import postgres
from tests.support.processes import Installation, Running, free_ports, running
from whimbrel.store.migrate import upgrade_postgres

pytestmark = pytest.mark.asyncio(loop_scope="module")

W, S = "WHATSAPP", "SMS"
NOT_ON_WHATSAPP, READ = "70000000004", "70000000001"
FELL_THROUGH = [(W, (5, 6)), (S, 0), (S, 2)]
RIGHTS = ("--type", W, "--type", S, "--cascades", "--default-sender", "WHIMBREL")
SENDS_AGAIN = ("--unanswered", "resend")
TAKEN_OVER_WITHIN = 45.0  # seconds: the lease is 15, and a busy machine takes longer


class Place(NamedTuple):
    """A database, the settings that all nodes share, and a world to send to."""

    installation: Installation
    client: aiohttp.ClientSession
    receiver: Receiver
    sandbox: Sandbox

    def node(self, name: str, roles: str) -> AbstractAsyncContextManager[Running]:
        """Run a node; the one named `web` is where Partners and webhooks come to."""
        port = self.installation.url.rpartition(":")[2] if name == "web" else str(free_ports(1))
        return running(
            "serve",
            "-c",
            self.installation.config,
            "--roles",
            roles,
            ready="is ready on",
            folder=self.installation.folder,
            environment={"WHIMBREL_SERVER_PORT": port, "WHIMBREL_CLUSTER_NAME": name},
        )

    async def send(self, to: str, *messages: dict[str, Any], **members: Any) -> str:
        request = a_request(to, *messages, **members)
        return (await send(self.client, self.installation.url, request)).mt_num

    async def get(self, url: str) -> tuple[int, str]:
        async with self.client.get(url) as answer:
            return answer.status, await answer.text()


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def place(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    url = postgres.new_database("nodes")
    await upgrade_postgres(url)
    installation = Installation(
        tmp_path_factory.mktemp("nodes"),
        smpp={"main": ["WHIMBREL"]},
        sections={"store": {"url": url}, "dispatch": {"ambiguity_grace_seconds": 2.0}},
    )
    receiver = Receiver()
    await installation.add_partner(
        LOGIN, PASSWORD, *RIGHTS, *SENDS_AGAIN, "--report-url", receiver.url
    )
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(receiver.up())
        await stack.enter_async_context(installation.sandbox())
        client = await stack.enter_async_context(aiohttp.ClientSession())
        yield Place(installation, client, receiver, Sandbox(client, installation.sandbox_url))


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def web(place: Place) -> AsyncIterator[Running]:
    """The node that Partners and webhooks come to, and that reports; it sends nothing."""
    async with place.node("web", "api,reports") as node:
        yield node


def url_of(node: Running) -> str:
    found = node.find(r"is ready on (http\S+)")
    assert found
    return found[1]


async def test_roles_that_are_none_are_refused(place: Place) -> None:
    done = await place.installation.run("serve", "--roles", "api,nonsense")
    assert done.code == 1
    assert "--roles: nonsense: the roles are api, dispatch, reports, smpp" in done.errors


async def test_what_is_accepted_waits_for_a_node_that_sends(place: Place, web: Running) -> None:
    mt_num = await place.send(READ, on_whatsapp("Early"))
    status = (await place.installation.run("status")).output
    assert "dispatch" in status
    assert (await place.sandbox.count())["total"] == 0
    async with place.node("sender", "dispatch,smpp"):
        assert await place.receiver.until_typed(mt_num, (W, 9)) == [(W, 0), (W, 2), (W, 9)]


async def test_a_cascade_goes_through_nodes_of_three_kinds(place: Place, web: Running) -> None:
    """One takes requests and webhooks, and reports; one submits to WhatsApp; one is bound."""
    async with place.node("whatsapp", "dispatch") as whatsapp, place.node("smsc", "smpp") as smsc:
        mt_num = await place.send(NOT_ON_WHATSAPP, on_whatsapp("Hello"), by_sms("Hello by SMS"))
        told = await place.receiver.until_typed(mt_num, (S, 2))
        # The receipt may overtake the answer to the submit: they come to different nodes.
        assert told in (FELL_THROUGH, [(W, 0), *FELL_THROUGH])
        for node in (whatsapp, smsc):
            url = url_of(node)
            for path in ("healthz", "readyz", "metrics"):
                assert (await place.get(f"{url}/{path}"))[0] == 200
            for path in ("hooks/whatsapp/main", "openapi.json", "l/abc"):
                assert (await place.get(f"{url}/{path}"))[0] == 404
            async with place.client.post(f"{url}/send", json={}) as answer:
                assert answer.status == 404
        submits = [await submits_of(place, node) for node in (web, whatsapp, smsc)]
    assert submits == [0, 1, 1]


async def submits_of(place: Place, node: Running) -> int:
    _, text = await place.get(f"{url_of(node)}/metrics")
    return sum(
        int(float(line.rpartition(" ")[2]))
        for line in text.splitlines()
        if line.startswith("whimbrel_submits_total")
    )


async def test_a_node_that_is_killed_in_the_midst_of_submits(place: Place, web: Running) -> None:
    """Its submits wait for receipts, what waits goes by another node, and nothing goes twice."""
    async with place.node("first", "dispatch,smpp") as first:
        await place.sandbox.until(lambda health: health["smsc"]["sessions"]["esme-main"] == 1)
        async with place.node("second", "dispatch,smpp"):
            await place.sandbox.post("smsc/hold")
            in_flight = [
                await place.send(f"7916200000{index}", by_sms(f"In flight {index}"))
                for index in range(5)
            ]
            await place.sandbox.until(lambda health: health["smsc"]["held_bytes"] > 0)
            await first.kill()
            killed_at = time.monotonic()
            await place.sandbox.post("smsc/release")
            waiting = [
                await place.send(READ, on_whatsapp("Waits")),
                await place.send("79162000009", by_sms("Waits")),
            ]
            await place.receiver.until_typed(waiting[0], (W, 9))
            by_whatsapp = time.monotonic() - killed_at
            await place.receiver.until_typed(waiting[1], (S, 2))
            by_smsc = time.monotonic() - killed_at
            for mt_num in in_flight:
                told = await place.receiver.until_typed(mt_num, (S, 2))
                assert list(dict.fromkeys(told)) == [(S, 0), (S, 2)]
            settled = time.monotonic() - killed_at
            await place.sandbox.until_quiet()
            texts = [one["text"] for one in await place.sandbox.sms()]
    print(
        f"after kill -9: WhatsApp goes on after {by_whatsapp:.1f} s, SMS after {by_smsc:.1f} s, "
        f"submits in flight are settled after {settled:.1f} s"
    )
    assert max(by_whatsapp, by_smsc) < TAKEN_OVER_WITHIN
    assert sorted(one for one in texts if one.startswith("In flight")) == [
        f"In flight {index}" for index in range(5)
    ]


async def test_a_second_gateway_on_the_same_sqlite_file_is_refused(tmp_path: Path) -> None:
    installation = Installation(tmp_path)
    async with installation.serve():
        done = await installation.run("serve")
        workers = await installation.run("serve", "--workers", "2")
    assert (done.code, workers.code) == (1, 1)
    assert "whimbrel.db is in use by another gateway" in done.errors
    assert "--workers: SQLite serves one process; several need PostgreSQL" in workers.errors
