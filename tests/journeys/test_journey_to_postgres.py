"""A company outgrows SQLite: its gateway stops, its store is copied, and all goes on in PostgreSQL.

Real processes throughout. What was on its way, in whatever state, ends as if nothing had happened.
"""

import asyncio
import re
from contextlib import AsyncExitStack
from datetime import datetime, timedelta, timezone
from pathlib import Path

import aiohttp

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
from tests.support.processes import Installation

W, S = "WHATSAPP", "SMS"
READ, SILENT = "70000000001", "70000000003"
ASLEEP, WHILE_DOWN, AT_REST, NEW = "79160000001", "79160000002", "79160000003", "79160000004"
LATER = 2 * 3_600_000  # milliseconds: lifetimes have ended, and the hours have opened
LIFETIME = {"ttl": 30, "ttlUnit": "SECONDS"}
BROKEN_TOKEN = {"http": 401, "code": 190, "message": "The access token has expired"}
HOST = "go.test"
LONG = "https://shop.example/catalogue/shoes?colour=red&size=42"
RIGHTS = (
    *("--type", W, "--type", S, "--cascades", "--duplicate-control", "return"),
    *("--default-sender", "WHIMBREL", "--sender", "WHIMBREL", "--sender", "PLOVER"),
    *("--short-urls", "per-subscriber"),
)


async def test_everything_goes_on_in_postgres(tmp_path: Path) -> None:
    place = Installation(
        tmp_path,
        numbers={"main": "WHIMBREL", "second": "PLOVER"},
        smpp={"main": ["WHIMBREL"]},
        sections={"short_urls": {"base_url": f"https://{HOST}"}},
    )
    receiver = Receiver()
    await place.add_partner(LOGIN, PASSWORD, *RIGHTS, "--report-url", receiver.url)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(place.sandbox())
        client = await stack.enter_async_context(aiohttp.ClientSession())
        sandbox = Sandbox(client, place.sandbox_url)
        known = a_request(READ, on_whatsapp(f"New: {LONG} - look"), id="8770100")
        async with place.serve() as gateway:
            async with receiver.up():
                first = (await send(client, place.url, known)).mt_num
                assert await receiver.until_last(first, 9) == [0, 2, 9]
                cascade = a_request(SILENT, on_whatsapp("Silent", **LIFETIME), by_sms("By SMS"))
                held = (await send(client, place.url, cascade)).mt_num
                await receiver.until_typed(held, (W, 0))
            rows = await asyncio.gather(
                send(client, place.url, a_request(ASLEEP, on_whatsapp("x"), **an_hour_from_now())),
                send(client, place.url, a_request(WHILE_DOWN, on_whatsapp("Down"))),
            )
            queued, pending = (answer.mt_num for answer in rows)
            await sandbox.post(
                "faults", {"phone_number_id": "200000000000002", "error": BROKEN_TOKEN}
            )
            resting = a_request(AT_REST, on_whatsapp("Resting", serviceNumber="PLOVER"))
            at_rest = (await send(client, place.url, resting)).mt_num
            await until_told(place, "status", "paused")
            await until_told(place, "reports", "list", "--mtnum", pending, f"{pending}.*9.*held")
            assert await gateway.stop() == 0
        assert (await place.run("db", "check", "--full")).code == 0
        await move(place, postgres.new_database("move"))
        assert "paused" in (await place.run("status")).output
        assert "held" in (await place.run("status")).output

        await sandbox.post("faults", {"phone_number_id": "200000000000002", "error": None})
        async with receiver.up(), place.serve_ahead(LATER):
            again = await send(client, place.url, known)
            new = (await send(client, place.url, a_request(NEW, on_whatsapp("New")))).mt_num
            assert await receiver.until_last(pending, 9) == [0, 2, 9]
            told = await receiver.until_typed(held, (S, 2))
            assert told == [(W, 0), (W, (5, 7)), (S, 0), (S, 2)]
            for one in (queued, at_rest, new):
                assert await receiver.until_last(one, 9) == [0, 2, 9]
            await follow(client, place, sandbox)
            await sandbox.until_quiet()
            metrics = await (await client.get(f"{place.url}/metrics")).text()
        assert "whimbrel_cascade_overlaps_total 0.0" in metrics
        assert again.mt_num == first, "its id is still known"
        assert int(new) > max(map(int, (first, held, queued, pending, at_rest)))
        count = await sandbox.count()
        assert count["total"] == count["distinct"] == 6, "each once, on WhatsApp"
        assert [one["text"] for one in await sandbox.sms()] == ["By SMS"]
        done = await place.run("db", "check", "--full")
        failed = [line for line in done.output.splitlines() if line.startswith("FAIL")]
        assert [line for line in failed if "durable" not in line] == [], done.output


def an_hour_from_now() -> dict[str, object]:
    """Sending hours that are closed now, and open when the gateway runs again."""
    begin = datetime.now(timezone(timedelta(hours=3))) + timedelta(hours=1)
    end = begin + timedelta(hours=3)
    return {"scheduleInfo": {"timeBegin": f"{begin:%H:%M:%S}", "timeEnd": f"{end:%H:%M:%S}"}}


async def until_told(place: Installation, *command: str) -> None:
    """Ask a command until it tells what its last word is a pattern of."""
    *words, pattern = command
    async with asyncio.timeout(60):
        while not re.search(pattern, (await place.run(*words)).output):
            pass


async def move(place: Installation, url: str) -> None:
    """Name the database in the settings, and do what docs/migration.md says."""
    settings = place.config.read_text()
    place.config.write_text(settings.replace("[store]\n", f'[store]\nurl = "{url}"\n'))
    for command in ("upgrade", "copy"):
        done = await place.run("db", command)
        assert done.code == 0, done.errors


async def follow(client: aiohttp.ClientSession, place: Installation, sandbox: Sandbox) -> None:
    """Follow the short URL of the first message, which was made before the move."""
    [message] = await sandbox.messages(READ)
    found = re.search(rf"https://{HOST}/([\w-]+)", message["content"]["body"])
    assert found, message
    async with client.get(
        f"{place.url}/{found[1]}", headers={"Host": HOST}, allow_redirects=False
    ) as answer:
        assert (answer.status, answer.headers["Location"]) == (302, LONG)
