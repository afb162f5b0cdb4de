"""What the Partner is told of each magic recipient: the exact list, from 0 to the end."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import aiohttp
import pytest
import pytest_asyncio

from tests.journeys.partner import LOGIN, PASSWORD, Receiver, Tag, a_text, ask, send
from tests.support.processes import Installation

pytestmark = pytest.mark.asyncio(loop_scope="module")

EXPECTED: dict[str, list[Tag]] = {
    "0001": [0, 2, 9],
    "0002": [0, 2],
    "0003": [0],
    "0004": [0, (5, 6)],
    "0005": [0, (5, 10)],
    "0006": [0, 2, 9],
    "0007": [0, 2, 9],
    "0008": [0, 2, 9],
    "0009": [0, 2, 9],
    "0010": [0, 2, 9],
    "0011": [0, 2, 9],  # a message that was read has been delivered
    "0012": [0, 2, 9],
    "0013": [0, 2],
}


class Journeys(NamedTuple):
    """All messages at the end of their ways."""

    receiver: Receiver
    mt_nums: dict[str, str]
    attempts: dict[str, list[dict[str, Any]]]
    """What the sandbox accepted, by recipient."""


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def journeys(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Journeys]:
    place = Installation(
        tmp_path_factory.mktemp("magic"),
        # Not smaller: what was accepted and never answered must be told by its receipts first.
        sections={"dispatch": {"submit_timeout_seconds": 1.0, "ambiguity_grace_seconds": 5.0}},
    )
    receiver = Receiver()
    options = ["--default-sender", "WHIMBREL", "--report-url", receiver.url]
    await place.add_partner(LOGIN, PASSWORD, *options)
    async with (
        receiver.up(),
        place.sandbox(),
        place.serve(),
        aiohttp.ClientSession() as client,
    ):
        requests = {end: a_text(f"7000000{end}", text=f"To {end}") for end in EXPECTED}
        answers = await asyncio.gather(
            *(send(client, place.url, request) for request in requests.values())
        )
        mt_nums = {end: answer.mt_num for end, answer in zip(requests, answers, strict=True)}
        for end, tags in EXPECTED.items():
            await receiver.until_last(mt_nums[end], tags[-1])
        # A fence: whatever was still on its way is before these reports.
        fence = await send(client, place.url, a_text("79161234567"))
        await receiver.until_last(fence.mt_num, 9)
        attempts = {
            end: (await ask(client, f"{place.sandbox_url}/sandbox/messages?to=7000000{end}"))[
                "messages"
            ]
            for end in EXPECTED
        }
        yield Journeys(receiver, mt_nums, attempts)


@pytest.mark.parametrize(("end", "tags"), EXPECTED.items(), ids=EXPECTED)
async def test_a_magic_recipient_is_told_as_its_script_says(
    journeys: Journeys, end: str, tags: list[Tag]
) -> None:
    assert journeys.receiver.tags(journeys.mt_nums[end]) == tags


@pytest.mark.parametrize("end", EXPECTED)
async def test_and_is_written_to_once(journeys: Journeys, end: str) -> None:
    [message] = journeys.attempts[end]

    assert message["content"] == {"body": f"To {end}"}


@pytest.mark.parametrize(("end", "attempt"), [("0006", 4), ("0007", 2), ("0008", 4), ("0009", 1)])
async def test_so_many_attempts_were_needed(journeys: Journeys, end: str, attempt: int) -> None:
    [message] = journeys.attempts[end]

    assert message["biz_opaque_callback_data"].partition(".")[2] == str(attempt)


async def test_a_report_has_every_member(journeys: Journeys) -> None:
    handed, delivered, read = (
        post.report for post in journeys.receiver.posts[journeys.mt_nums["0001"]]
    )

    assert handed == {
        "mtNum": journeys.mt_nums["0001"],
        "status": 0,
        "type": "WHATSAPP",
        "doneDate": "",
        "submitDate": handed["submitDate"],
        "sourceAddr": "WHIMBREL",
        "destAddr": "70000000001",
        "text": "To 0001",
        "partCount": "001",
        "errorCode": "0",
        "mccMnc": "",
        "trafficType": 1,
    }
    assert handed["submitDate"].endswith("+0300")
    assert delivered["doneDate"] <= read["doneDate"]
    assert delivered["submitDate"] == handed["submitDate"]
