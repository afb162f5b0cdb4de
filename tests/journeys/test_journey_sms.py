"""SMS from the Partner through an SMSC to the last report: each fate, and troubles on the way."""

import re
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import pytest
import pytest_asyncio

from tests.journeys.partner import LOGIN, PASSWORD, Receiver, Tag, a_request, by_sms, send
from tests.journeys.sandbox import Sandbox
from tests.support.node_smsc import node_smsc
from tests.support.processes import Installation

pytestmark = pytest.mark.asyncio(loop_scope="module")

# Shorter than the product's: what was never answered must be told by its receipts all the same.
QUICK = {"dispatch": {"submit_timeout_seconds": 1.0, "ambiguity_grace_seconds": 5.0}}
SENDERS = ("WHIMBREL", "PLOVER", "79001112233")

EXPECTED: dict[str, list[Tag]] = {
    "0101": [0, 2],
    "0102": [0, (5, 8)],
    "0103": [0],
    "0104": [0, 2],
    "0105": [0, 2],
    "0106": [0, 2],
    "0107": [(5, 8)],  # refused: it was never handed over
    "0108": [0, (5, 7)],
    "0109": [0, 2],
    "0110": [0, 2],
    "0111": [0, 2],
    "0112": [0, (5, 8)],
    "0113": [0, 2],
    "0114": [0, 2],
    "0115": [0, 2],
}
# One message for each account, so that the throttling and the tearing of one harms no other.
SENDER_OF = {"0104": "PLOVER", "0113": "PLOVER", "0105": "79001112233"}
LONG = "Ваш заказ собран и ждёт вас. " * 7  # 203 characters: four parts of up to 67


class Place(NamedTuple):
    """A gateway with three accounts at the sandbox's SMSC, and a Partner."""

    installation: Installation
    client: aiohttp.ClientSession
    receiver: Receiver
    sandbox: Sandbox

    async def send(self, to: str, text: str = "Hello", **data: Any) -> str:
        request = a_request(to, by_sms(text, **data))
        return (await send(self.client, self.installation.url, request)).mt_num


async def an_installation(folder: Path, receiver: Receiver) -> Installation:
    installation = Installation(
        folder,
        smpp={"main": ["WHIMBREL"], "second": ["PLOVER"], "third": ["79001112233"]},
        sections=QUICK,
    )
    options = [part for sender in SENDERS for part in ("--sender", sender)]
    await installation.add_partner(
        LOGIN,
        PASSWORD,
        *options,
        "--default-sender",
        SENDERS[0],
        "--type",
        "SMS",
        "--report-url",
        receiver.url,
    )
    return installation


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def place(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    receiver = Receiver()
    installation = await an_installation(tmp_path_factory.mktemp("sms"), receiver)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(receiver.up())
        await stack.enter_async_context(installation.sandbox())
        await stack.enter_async_context(installation.serve())
        client = await stack.enter_async_context(aiohttp.ClientSession())
        yield Place(installation, client, receiver, Sandbox(client, installation.sandbox_url))


class Journeys(NamedTuple):
    """One message to each magic recipient, at the end of its way."""

    mt_nums: dict[str, str]
    submits: dict[str, list[dict[str, Any]]]
    """What the SMSC took, by recipient."""


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def journeys(place: Place) -> Journeys:
    texts = {end: LONG if end == "0112" else f"To {end}" for end in EXPECTED}
    mt_nums = {
        end: await place.send(
            f"7000000{end}", text, serviceNumber=SENDER_OF.get(end, "WHIMBREL"), ttl=60
        )
        for end, text in texts.items()
    }
    for end, tags in EXPECTED.items():
        await place.receiver.until_last(mt_nums[end], tags[-1])
    # A fence: whatever was still on its way is before these reports.
    await place.sandbox.until_quiet()
    fences = [await place.send("79161234567", serviceNumber=sender) for sender in SENDERS]
    for fence in fences:
        await place.receiver.until_last(fence, 2)
    submits = {end: await place.sandbox.messages(f"7000000{end}") for end in EXPECTED}
    return Journeys(mt_nums, submits)


@pytest.mark.parametrize(("end", "tags"), EXPECTED.items(), ids=EXPECTED)
async def test_a_magic_recipient_is_told_as_its_script_says(
    place: Place, journeys: Journeys, end: str, tags: list[Tag]
) -> None:
    assert place.receiver.tags(journeys.mt_nums[end]) == tags


@pytest.mark.parametrize("end", [end for end in EXPECTED if end not in {"0107", "0112"}])
async def test_and_is_written_to_once(journeys: Journeys, end: str) -> None:
    [submit] = journeys.submits[end]

    assert submit["text"] == f"To {end}"
    assert submit["source"]["address"] == SENDER_OF.get(end, "WHIMBREL")


async def test_a_failing_part_fails_the_message_and_no_part_goes_twice(journeys: Journeys) -> None:
    parts = [submit["part"]["part"] for submit in journeys.submits["0112"]]

    assert sorted(parts) == [1, 2, 3, 4]
    assert journeys.submits["0107"] == []


async def test_a_report_has_every_member(place: Place, journeys: Journeys) -> None:
    handed, delivered = (post.report for post in place.receiver.posts[journeys.mt_nums["0101"]])

    assert handed == {
        "mtNum": journeys.mt_nums["0101"],
        "status": 0,
        "type": "SMS",
        "doneDate": "",
        "submitDate": handed["submitDate"],
        "sourceAddr": "WHIMBREL",
        "destAddr": "70000000101",
        "text": "To 0101",
        "partCount": "001",
        "errorCode": "0",
        "mccMnc": "",
        "trafficType": 1,
    }
    assert handed["submitDate"].endswith("+0300")
    assert delivered["doneDate"].endswith("+0300")
    assert delivered["doneDate"] >= delivered["submitDate"] == handed["submitDate"]


async def test_a_long_text_arrives_as_its_parts_and_is_reported_once(place: Place) -> None:
    mt_num = await place.send("79160000001", LONG)

    assert await place.receiver.until_last(mt_num, 2) == [0, 2]
    reports = [post.report for post in place.receiver.posts[mt_num]]
    assert [report["partCount"] for report in reports] == ["004", "004"]
    assert {report["text"] for report in reports} == {LONG}
    parts = sorted(await place.sandbox.messages("79160000001"), key=lambda one: one["part"]["part"])
    assert [one["part"]["part"] for one in parts] == [1, 2, 3, 4]
    assert {one["part"]["total"] for one in parts} == {4}
    assert len({one["part"]["ref"] for one in parts}) == 1
    assert "".join(one["text"] for one in parts) == LONG
    assert {one["data_coding"] for one in parts} == {8}


async def test_the_sender_chooses_the_account(place: Place) -> None:
    mt_nums = {
        sender: await place.send("79160000002", f"From {sender}", serviceNumber=sender)
        for sender in SENDERS
    }
    for mt_num in mt_nums.values():
        await place.receiver.until_last(mt_num, 2)

    submits = await place.sandbox.messages("79160000002")
    by_text = {one["text"]: (one["smpp"], *one["source"].values()) for one in submits}
    assert by_text == {
        "From WHIMBREL": ("main", "WHIMBREL", 5, 0),
        "From PLOVER": ("second", "PLOVER", 5, 0),
        "From 79001112233": ("third", "79001112233", 1, 1),
    }


async def test_throttling_quiets_the_whole_account_and_no_other(place: Place) -> None:
    refused = (await place.sandbox.count())["sms"]["refused"]
    began = time.time_ns() // 1_000_000
    throttled = await place.send("70000000104", "Too fast", serviceNumber="PLOVER")
    await place.sandbox.until_counted(lambda count: count["sms"]["refused"] > refused)

    behind = [
        await place.send(f"7916000010{n}", "Behind", serviceNumber="PLOVER") for n in range(5)
    ]
    beside = await place.send("79160000200", "Beside", serviceNumber="WHIMBREL")
    for mt_num in (throttled, *behind, beside):
        assert await place.receiver.until_last(mt_num, 2) == [0, 2]

    [other] = await place.sandbox.messages("79160000200")
    for n in range(5):
        [waited] = await place.sandbox.messages(f"7916000010{n}")
        assert waited["accepted_at"] >= began + 500, "it went while the account was to be quiet"
        assert waited["accepted_at"] > other["accepted_at"]
    assert (await place.sandbox.count())["sms"]["refused"] == refused + 3


async def test_what_subscribers_write_is_kept(place: Place) -> None:
    texts = {"79160000301": "Да, жду", "79160000302": "STOP [now] €"}
    for subscriber, text in texts.items():
        document = {"channel": "SMS", "from": subscriber, "to": "PLOVER", "text": text}
        await place.sandbox.post("inbound", document)
    await place.sandbox.until_quiet()  # acknowledged: it is on disk

    listed = await place.installation.run("inbound", "list", "--with-text")
    shy = await place.installation.run("inbound", "list")

    for subscriber, text in texts.items():
        [row] = [line for line in listed.output.splitlines() if subscriber in line]
        assert "second" in row
        assert "PLOVER" in row
        assert text in row
        assert text not in shy.output


async def test_an_smsc_that_comes_late_gets_all_that_has_waited(tmp_path: Path) -> None:
    receiver = Receiver()
    installation = await an_installation(tmp_path, receiver)
    async with receiver.up(), installation.serve(), aiohttp.ClientSession() as client:
        requests = [a_request(f"7916000040{n}", by_sms("Waiting")) for n in range(5)]
        mt_nums = [(await send(client, installation.url, one)).mt_num for one in requests]
        before = await installation.run("status")
        async with installation.sandbox():
            for mt_num in mt_nums:
                assert await receiver.until_last(mt_num, 2) == [0, 2]
            submits = await Sandbox(client, installation.sandbox_url).sms()

    [row] = [line for line in before.output.splitlines() if re.search(r"SMS\W+main\b", line)]
    assert "no connection" in row
    assert "connection refused" in row
    assert sorted(one["to"] for one in submits) == [f"7916000040{n}" for n in range(5)]


async def test_an_answer_that_comes_after_it_was_given_up_still_counts(tmp_path: Path) -> None:
    """The receipts come long after the grace: without the answers all would have failed."""
    receiver = Receiver()
    async with node_smsc() as smsc, receiver.up():
        late = {"answer_delay": 400, "receipts": "after", "receipt_delay": 1_500}
        await smsc.set(**late)
        installation = Installation(
            tmp_path,
            smpp={"main": ["WHIMBREL"]},
            sections={
                "dispatch": {"submit_timeout_seconds": 0.2, "ambiguity_grace_seconds": 0.5},
                "smpp.main": {"port": smsc.port},
            },
        )
        options = ["--default-sender", "WHIMBREL", "--type", "SMS", "--report-url", receiver.url]
        await installation.add_partner(LOGIN, PASSWORD, *options)
        async with installation.serve(), aiohttp.ClientSession() as client:
            texts = {"79160000501": "Short", "79160000502": LONG}
            for to, text in texts.items():
                request = a_request(to, by_sms(text))
                mt_num = (await send(client, installation.url, request)).mt_num
                assert await receiver.until_last(mt_num, 2) == [0, 2]

    assert sorted(Counter(one.dest_addr for one in smsc.taken).items()) == [
        ("79160000501", 1),
        ("79160000502", 4),
    ]
