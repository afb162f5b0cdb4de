"""Bursts of SMS whose connection is torn, or whose gateway dies, in their midst.

Against two SMSCs that are strangers to us and to each other. Nothing is lost: each message ends
with its "delivered". Nothing goes twice that was acknowledged: what goes again had no answer.
"""

import asyncio
import itertools
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import aiohttp
import pytest

from tests.journeys.partner import LOGIN, PASSWORD, Receiver, a_request, by_sms, send
from tests.journeys.sandbox import Sandbox
from tests.support.node_smsc import node_smsc
from tests.support.processes import Installation
from tests.support.smpp_tap import Key, SmppTap

MESSAGES = 400
EVERY_FIFTH_IS_LONG = 5
PARTS_OF_LONG = 3
PARTS = MESSAGES + MESSAGES // EVERY_FIFTH_IS_LONG * (PARTS_OF_LONG - 1)
WINDOW = 50
CLIENTS = 16
TORN_AFTER = (100, 240, 380)  # submits, those that went again included
KILLED_AFTER = (150, 150)  # more submits than before
UNHEARD = 20  # submits whose answers are lost each time


class Smsc(NamedTuple):
    """A stranger: where it is, how its connections are torn, and what it has taken."""

    port: int
    drop: Callable[[], Awaitable[object]]
    taken: Callable[[], Awaitable[Counter[Key]]]


Stranger = Callable[[Installation], AbstractAsyncContextManager[Smsc]]


@asynccontextmanager
async def smpp34_in_the_sandbox(place: Installation) -> AsyncIterator[Smsc]:
    async with place.sandbox(), aiohttp.ClientSession() as client:
        sandbox = Sandbox(client, place.sandbox_url)

        async def taken() -> Counter[Key]:
            return Counter(
                (one["to"], bytes.fromhex(one["short_message"])) for one in await sandbox.sms()
            )

        yield Smsc(place.smsc_port, lambda: sandbox.post("smsc/drop"), taken)


@asynccontextmanager
async def npms_smpp(place: Installation) -> AsyncIterator[Smsc]:
    async with node_smsc() as smsc:
        await smsc.set(answer_delay=2, receipts="after", receipt_delay=10, keep_receipts=True)

        async def taken() -> Counter[Key]:
            return Counter((one.dest_addr, one.short_message) for one in smsc.taken)

        yield Smsc(smsc.port, lambda: smsc.order("drop"), taken)


both_strangers = pytest.mark.parametrize("stranger", [smpp34_in_the_sandbox, npms_smpp])


class Burst:
    """A gateway behind a tap on its way to an SMSC, and a Partner with much to say."""

    def __init__(self, place: Installation, receiver: Receiver, tap: SmppTap, smsc: Smsc) -> None:
        self.place = place
        self.receiver = receiver
        self.tap = tap
        self.smsc = smsc
        self.mt_nums: list[str] = []

    async def send_all(self) -> None:
        numbers = iter(range(MESSAGES))

        async def client() -> None:
            for number in numbers:
                request = a_request(str(79_160_000_000 + number), by_sms(text_of(number)))
                self.mt_nums.append((await send(http, self.place.url, request)).mt_num)

        async with aiohttp.ClientSession() as http, asyncio.TaskGroup() as clients:
            for _ in range(CLIENTS):
                clients.create_task(client())

    async def until_delivered(self) -> None:
        """Wait for the last report of each message."""
        await self.receiver.until(
            lambda: (
                self.receiver.count >= 2 * MESSAGES
                and sum(posts[-1].tag == 2 for posts in self.receiver.posts.values()) == MESSAGES
            )
        )

    def again(self) -> dict[Key, int]:
        """Return how many times each part was submitted again."""
        counts = Counter(submit.key for submit in self.tap.submits)
        return {key: count - 1 for key, count in counts.items() if count > 1}

    def again_after(self, known: Callable[[str], bool]) -> list[Key]:
        """Return the parts that were submitted again after an answer with a `known` number."""
        answered: set[Key] = set()
        again = []
        for submit in self.tap.submits:
            if submit.key in answered:
                again.append(submit.key)
            if submit.message_id is not None and known(submit.message_id):
                answered.add(submit.key)
        return again

    async def check(self, what: str) -> None:
        """Hold what has come of it against the promises, and print the counts."""
        again, taken = self.again(), await self.smsc.taken()
        answered = sum(submit.message_id is not None for submit in self.tap.submits)
        long = sum(times for key, times in again.items() if is_of_long(key))
        print(
            f"{what}: accepted {len(self.mt_nums)} messages of {PARTS} parts, submitted "
            f"{len(self.tap.submits)}, answered {answered}, taken {taken.total()}, submitted again "
            f"without an answer {sum(again.values())} (of them {long} parts of long messages)"
        )
        assert len(set(self.mt_nums)) == MESSAGES
        assert set(self.receiver.posts) == set(self.mt_nums)
        for mt_num in self.mt_nums:
            tags = self.receiver.tags(mt_num)
            assert [tag for tag, _ in itertools.groupby(tags)] == [0, 2], (mt_num, tags)
        assert len(taken) == len({submit.key for submit in self.tap.submits}) == PARTS
        # Where there was no answer, the receipt told in time that a message of one part had gone.
        twice = [key for key, times in taken.items() if times > 1]
        assert [key for key in twice if not is_of_long(key)] == []


def text_of(number: int) -> str:
    long = number % EVERY_FIFTH_IS_LONG == 0
    return f"Order {number} is ready. " + ("Come and get it. " * 24 if long else "")


def is_of_long(key: Key) -> bool:
    """Tell a part of a long message by its header: its length, and the element of concatenation."""
    return key[1].startswith(b"\x05\x00\x03")


@asynccontextmanager
async def a_burst(folder: Path, stranger: Stranger) -> AsyncIterator[Burst]:
    tap, receiver = SmppTap(), Receiver()
    async with tap.listening(), receiver.up():
        place = Installation(
            folder,
            smpp={"main": ["WHIMBREL"]},
            sections={
                "dispatch": {"ambiguity_grace_seconds": 3.0},
                "smpp.main": {"port": tap.port, "submit_window": WINDOW},
            },
        )
        # Parts of long messages whose answers are lost have no receipt that could be known: for
        # these it is the Partner's choice between a copy and a loss.
        options = ["--default-sender", "WHIMBREL", "--type", "SMS", "--report-url", receiver.url]
        await place.add_partner(LOGIN, PASSWORD, *options, "--unanswered", "resend")
        async with stranger(place) as smsc:
            tap.behind = smsc.port
            yield Burst(place, receiver, tap, smsc)


@both_strangers
async def test_a_connection_that_is_torn_in_a_burst(tmp_path: Path, stranger: Stranger) -> None:
    async with a_burst(tmp_path, stranger) as burst:
        async with burst.place.serve(), asyncio.TaskGroup() as tasks:
            tasks.create_task(burst.send_all())
            for submits in TORN_AFTER:
                burst.tap.stall_after(submits)
                await burst.tap.until_unheard(UNHEARD)
                await burst.smsc.drop()
            await burst.until_delivered()
        await burst.check("torn")
        assert burst.tap.unanswered >= UNHEARD * len(TORN_AFTER)
        assert burst.again_after(lambda _: True) == []


@both_strangers
async def test_a_gateway_that_dies_in_a_burst(tmp_path: Path, stranger: Stranger) -> None:
    async with a_burst(tmp_path, stranger) as burst:
        on_disk: set[str] = set()
        for kill, more in enumerate(KILLED_AFTER):
            burst.tap.stall_after(len(burst.tap.submits) + more)
            async with burst.place.serve() as gateway:
                if not kill:
                    await burst.send_all()
                await burst.tap.until_unheard(UNHEARD)
                await gateway.kill()
            on_disk |= ids_on_disk(tmp_path / "whimbrel.db")
        assert burst.tap.unanswered >= UNHEARD * len(KILLED_AFTER)
        async with burst.place.serve():
            await burst.until_delivered()
        await burst.check(f"killed with {len(on_disk)} answers on disk")
        assert burst.again_after(on_disk.__contains__) == []


def ids_on_disk(path: Path) -> set[str]:
    """Return the SMSC's numbers that a gateway which is dead had written down."""
    connection = sqlite3.connect(path)
    try:
        rows = connection.execute(
            "SELECT provider_id FROM submits WHERE provider_id IS NOT NULL"
            " UNION SELECT provider_id FROM parts"
        ).fetchall()
    finally:
        connection.close()
    return {provider_id for (provider_id,) in rows}
