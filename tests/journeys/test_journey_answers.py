"""What people answer on their phones: kept once, though the gateway is killed while it takes it."""

import asyncio
import contextlib
import json
import sqlite3
from collections import Counter
from pathlib import Path

import aiohttp

from tests.journeys.sandbox import Sandbox
from tests.journeys.webhooks import post_webhook
from tests.support.processes import Installation

ANSWERS = 300
KILLED_AT = (40, 150)  # answers kept
FIRST_SUBSCRIBER = 79_160_000_000


def kept(place: Installation) -> list[tuple[str, str, str]]:
    """Return whose answers the store holds: subscriber, text and Meta's id."""
    with contextlib.closing(sqlite3.connect(place.folder / "whimbrel.db")) as store:
        return store.execute(
            "SELECT subscriber, text, provider_id FROM mo_messages ORDER BY mo_id"
        ).fetchall()


async def until_kept(place: Installation, count: int) -> None:
    while len(kept(place)) < count:  # noqa: ASYNC110 - it tells nobody
        await asyncio.sleep(0.005)


def a_webhook(subscriber: str, text: str, wamid: str) -> bytes:
    """Return the webhook of an answer, as Meta would repeat it."""
    message = {"from": subscriber, "id": wamid, "timestamp": "1789000100", "type": "text"}
    value = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "1", "phone_number_id": "200000000000001"},
        "messages": [{**message, "text": {"body": text}}],
    }
    entry = {"id": "1", "changes": [{"field": "messages", "value": value}]}
    return json.dumps({"object": "whatsapp_business_account", "entry": [entry]}).encode()


async def test_kill_9_loses_no_answer_and_doubles_none(tmp_path: Path) -> None:
    place = Installation(tmp_path)
    async with asyncio.timeout(60), place.sandbox(), aiohttp.ClientSession() as client:
        sandbox = Sandbox(client, place.sandbox_url)
        written: dict[str, str] = {}

        async def write_all() -> None:
            for n in range(ANSWERS):
                wish = {"text": f"Ответ {n}"}
                said = await sandbox.post(f"phones/{FIRST_SUBSCRIBER + n}/answers", wish)
                written[said["id"]] = wish["text"]

        async with asyncio.TaskGroup() as tasks:
            for count in KILLED_AT:
                async with place.serve() as gateway:
                    if count == KILLED_AT[0]:
                        tasks.create_task(write_all())
                    await until_kept(place, count)
                    await gateway.kill()
        async with place.serve():
            await until_kept(place, ANSWERS)
            for subscriber, text, wamid in kept(place):
                await post_webhook(client, place.url, "main", a_webhook(subscriber, text, wamid))
            listed = await place.run("inbound", "list", "--with-text", "--limit", "1000")

    assert len(written) == ANSWERS
    assert Counter(wamid for _, _, wamid in kept(place)) == Counter(list(written))
    assert {wamid: text for _, text, wamid in kept(place)} == written
    for n in range(ANSWERS):
        [row] = [line for line in listed.output.splitlines() if str(FIRST_SUBSCRIBER + n) in line]
        assert "WHATSAPP" in row
        assert f"Ответ {n}" in row
