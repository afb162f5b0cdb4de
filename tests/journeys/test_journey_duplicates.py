"""Fifty requests with one `id` at one moment are one message."""

import asyncio
from pathlib import Path

import aiohttp

from tests.journeys.partner import LOGIN, PASSWORD, Receiver, a_text, ask, send
from tests.support.processes import Installation

REQUESTS = 50


async def test_racing_requests_with_one_id_are_one_message(tmp_path: Path) -> None:
    place = Installation(tmp_path)
    receiver = Receiver()
    options = ["--default-sender", "WHIMBREL", "--report-url", receiver.url]
    await place.add_partner(LOGIN, PASSWORD, *options, "--duplicate-control", "return")
    request = a_text("79161234567", id="order-1")

    async with (
        receiver.up(),
        place.sandbox(),
        place.serve(),
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=REQUESTS)) as client,
    ):
        answers = await asyncio.gather(*(send(client, place.url, request) for _ in range(REQUESTS)))
        [mt_num] = {answer.mt_num for answer in answers}
        tags = await receiver.until_last(mt_num, 9)
        other = await send(client, place.url, {**request, "id": "order-2"})
        await receiver.until_last(other.mt_num, 9)
        in_sandbox = await ask(client, f"{place.sandbox_url}/sandbox/messages/count")

    assert {answer.body["id"] for answer in answers} == {"order-1"}
    assert tags == [0, 2, 9]
    assert other.mt_num != mt_num
    assert in_sandbox["total"] == 2
