"""The overview's figures are what has happened, in real processes, beyond a stop and a kill."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import pytest

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
from tests.support.builders import Database
from tests.support.console import PASSWORD as OPERATORS_PASSWORD
from tests.support.console import a_browser
from tests.support.event_stream import listening
from tests.support.processes import Installation

W, S = "WHATSAPP", "SMS"
READ, DELIVERED, SILENT, NOT_ON_WHATSAPP = (
    "70000000001",
    "70000000002",
    "70000000003",
    "70000000004",
)
RIGHTS = ("--type", W, "--type", S, "--cascades", "--default-sender", "WHIMBREL")


class Place(NamedTuple):
    installation: Installation
    client: aiohttp.ClientSession
    receiver: Receiver
    sandbox: Sandbox

    async def send(self, to: str, *messages: dict[str, Any]) -> str:
        request = a_request(to, *(messages or [on_whatsapp("Hello")]))
        return (await send(self.client, self.installation.url, request)).mt_num

    def database(self) -> Database:
        return Database(self.installation.folder / "whimbrel.db")


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    installation = Installation(tmp_path, smpp={"main": ["WHIMBREL"]})
    receiver = Receiver()
    sender = ("--sender", "WHIMBREL", "--report-url", receiver.url)
    await installation.add_partner(LOGIN, PASSWORD, *RIGHTS, *sender)
    added = await installation.run(
        "operator", "add", "ann", "--password-stdin", stdin=OPERATORS_PASSWORD
    )
    assert added.code == 0, added.errors
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(receiver.up())
        await stack.enter_async_context(installation.sandbox())
        client = await stack.enter_async_context(aiohttp.ClientSession())
        yield Place(installation, client, receiver, Sandbox(client, installation.sandbox_url))


async def some_messages(place: Place) -> None:
    """Send one of each fate, and wait until everybody has been told."""
    read = await place.send(READ)
    delivered = await place.send(DELIVERED)
    silent = await place.send(SILENT)
    fallen = await place.send(NOT_ON_WHATSAPP, on_whatsapp("Hello"), by_sms("Hello"))
    failed = await place.send(NOT_ON_WHATSAPP)
    spared = await place.send(READ, on_whatsapp("Hello"), by_sms("Hello"))
    for mt_num, tag in ((read, 9), (delivered, 2), (silent, 0), (failed, (5, 6)), (spared, 9)):
        await place.receiver.until_last(mt_num, tag)
    await place.receiver.until_typed(fallen, (S, 2))


async def figures(place: Place, accepted: int) -> dict[str, int]:
    """Return the tiles' numbers once all is counted that has been acknowledged."""
    async with a_browser(place.installation.url) as browser:
        await browser.sign_in("ann")
        async with listening(browser, "/console/live?range=1h") as stream:
            told = await stream.until(
                lambda event: (
                    event.name == "tiles"
                    and event.tiles["accepted"] == accepted
                    and event.tiles["reports"] == 0
                )
            )
    return told.tiles


def happened(place: Place) -> dict[str, int]:
    """Return what the messages themselves tell."""
    rows = place.database().rows
    [(accepted,)] = rows("SELECT count(*) FROM chains")
    told = dict(rows("SELECT status, count(*) FROM reports GROUP BY status"))
    return {
        "accepted": accepted,
        "submitted": told[0],
        "delivered": told[2],
        "read": told[9],
        "failed": told[5],
        "waiting": 0,
        "reports": 0,
        "dead": 0,
    }


async def test_the_figures_are_what_has_happened(place: Place) -> None:
    async with place.installation.serve() as process:
        await some_messages(place)
        assert await figures(place, 6) == happened(place)
        await page_tells_of_each_link(place)
        await place.send(READ)  # and nobody waits for anything: a clean stop writes what it knows
        await process.stop()
    async with place.installation.serve():
        await some_messages(place)
        found = await figures(place, 13)
        assert found == happened(place)


async def page_tells_of_each_link(place: Place) -> None:
    async with a_browser(place.installation.url) as browser:
        await browser.sign_in("ann")
        shown = await browser.get("/console?range=1h")
    words = shown.words
    assert "WhatsApp sent first Stage Messages Share Accepted 6 100 % Handed over" in words
    assert "SMS 2. in the cascade Stage Messages Share Its turn came 1 100 %" in words
    assert "Not needed any more: 1." in words
    assert "Not on this channel errorCode 6 WhatsApp 2" in words


async def test_a_kill_loses_the_last_moment_at_most_and_counts_nothing_twice(
    place: Place,
) -> None:
    async with place.installation.serve() as process:
        await some_messages(place)
        before = await figures(place, 6)
        await place.send(SILENT)
        await process.kill()
    async with place.installation.serve():
        await some_messages(place)
        async with a_browser(place.installation.url) as browser:
            await browser.sign_in("ann")
            async with listening(browser, "/console/live?range=1h") as stream:
                after = (
                    await stream.until(
                        lambda event: (
                            event.name == "tiles"
                            and event.tiles["read"] >= 2 * before["read"]
                            and event.tiles["accepted"] >= 12
                            and event.tiles["reports"] == 0
                        )
                    )
                ).tiles
    real = happened(place)
    assert {name: after[name] <= real[name] for name in after} == dict.fromkeys(after, True)
    assert {name: real[name] - after[name] <= 1 for name in after} == dict.fromkeys(after, True)
