"""The promise of a 200: it survives `kill -9` of the gateway, in the midst of its work."""

import asyncio
import itertools
import json
from collections import Counter
from pathlib import Path

import aiohttp

from tests.journeys.partner import LOGIN, PASSWORD, Receiver, Tag, a_text, ask, send
from tests.support.processes import Installation, Running

MESSAGES = 3_000
KILLED_AT = (500, 1_200, 2_000)  # accepted messages
CLIENTS = 48
ORDER: list[Tag] = [0, 2, 9]


class Load:
    """Clients that send `MESSAGES` requests, each again with its `id` until it has a 200."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._numbers = itertools.count(1)
        self._gateway_lives = asyncio.Event()
        self._changed = asyncio.Condition()
        self.accepted: dict[str, str] = {}
        """`mtNum` by `id`, as answered."""
        self.interrupted = 0

    def gateway_lives(self, lives: bool) -> None:
        if lives:
            self._gateway_lives.set()
        else:
            self._gateway_lives.clear()

    async def run(self) -> None:
        async with aiohttp.ClientSession() as http, asyncio.TaskGroup() as clients:
            for _ in range(CLIENTS):
                clients.create_task(self._send_all(http))

    async def until_accepted(self, count: int) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: len(self.accepted) >= count)

    async def _send_all(self, http: aiohttp.ClientSession) -> None:
        while (number := next(self._numbers)) <= MESSAGES:
            request = a_text(str(79_160_000_000 + number), id=f"order-{number}")
            while request["id"] not in self.accepted:
                await self._gateway_lives.wait()
                try:
                    answer = await send(http, self._url, request)
                except aiohttp.ClientError:
                    self.interrupted += 1  # with or without having been accepted
                    continue
                async with self._changed:
                    self.accepted[request["id"]] = answer.mt_num
                    self._changed.notify_all()


async def test_kill_9_loses_nothing_and_doubles_nothing(tmp_path: Path) -> None:
    place = Installation(tmp_path, sections={"dispatch": {"ambiguity_grace_seconds": 5.0}})
    receiver = Receiver()
    # What died before it left goes again, and nothing else: receipts tell of all that did leave.
    options = ["--default-sender", "WHIMBREL", "--report-url", receiver.url]
    options += ["--duplicate-control", "return", "--unanswered", "resend"]
    await place.add_partner(LOGIN, PASSWORD, *options)
    load = Load(place.url)
    gateways: list[Running] = []

    # A minute and a half bounds a run that goes wrong; a good one takes a third of it.
    async with asyncio.timeout(90), receiver.up(), place.sandbox(), asyncio.TaskGroup() as tasks:
        sending = tasks.create_task(load.run())
        for accepted in KILLED_AT:
            async with place.serve() as gateway:
                gateways.append(gateway)
                load.gateway_lives(True)
                await load.until_accepted(accepted)
                load.gateway_lives(False)
                await gateway.kill()
        async with place.serve() as gateway, aiohttp.ClientSession() as http:
            gateways.append(gateway)
            load.gateway_lives(True)
            await sending
            await receiver.until(lambda: all_told(receiver), within=60)
            in_sandbox = await ask(http, f"{place.sandbox_url}/sandbox/messages/count")

    resubmitted = logged(gateways, "submits_without_answer_or_receipt_go_again", "links")
    cut_off = logged(gateways, "node_is_gone", "submits_under_way")
    told = Counter(len(posts) for posts in receiver.posts.values())
    print(
        f"accepted {len(load.accepted)}, interrupted requests {load.interrupted}, "
        f"interrupted submits {cut_off}, of them resubmitted {resubmitted}, "
        f"in the sandbox {in_sandbox}, reports a message {dict(told)}"
    )
    assert cut_off, "no kill met a submit on its way: the test has not tested anything"
    assert len(load.accepted) == len(set(load.accepted.values())) == MESSAGES
    assert in_sandbox["total"] == in_sandbox["distinct"] == MESSAGES
    assert set(receiver.posts) == set(load.accepted.values())
    for mt_num in receiver.posts:
        tags = receiver.tags(mt_num)
        assert [tag for tag, _ in itertools.groupby(tags)] == ORDER, (mt_num, tags)


def all_told(receiver: Receiver) -> bool:
    # Counting first: this is asked at every report.
    return receiver.count >= MESSAGES * len(ORDER) and (
        sum(posts[-1].tag == ORDER[-1] for posts in receiver.posts.values()) == MESSAGES
    )


def logged(gateways: list[Running], event: str, member: str) -> int:
    """Add up what the gateways' logs tell under an event."""
    lines = [line for gateway in gateways for line in gateway.errors if event in line]
    return sum(json.loads(line)[member] for line in lines)
