"""A clean stop finishes what is under way; a second gateway on one store is refused."""

import asyncio
import json
import signal
from pathlib import Path

import aiohttp

from tests.journeys.partner import LOGIN, PASSWORD, Answer, Receiver, a_text, ask, send
from tests.support.processes import Installation, finished, write_settings

REQUESTS = 300
ACCEPTED_BEFORE_STOP = 150
NEVER_ANSWERED = "70000000009"


async def an_installation(
    folder: Path, receiver: Receiver, *, submit_timeout: float, throughput: float = 0.0
) -> Installation:
    place = Installation(
        folder,
        sections={
            "dispatch": {
                "submit_timeout_seconds": submit_timeout,
                "ambiguity_grace_seconds": 60.0,  # far beyond the test: nothing may need it
            },
            "whatsapp.main": {"throughput": throughput},
        },
    )
    options = ["--default-sender", "WHIMBREL", "--report-url", receiver.url]
    await place.add_partner(LOGIN, PASSWORD, *options)
    return place


async def test_a_stop_waits_for_the_submit_that_is_under_way(tmp_path: Path) -> None:
    receiver = Receiver()
    place = await an_installation(tmp_path, receiver, submit_timeout=1.5)
    async with receiver.up(), place.sandbox(), aiohttp.ClientSession() as client:
        async with place.serve() as gateway:
            mt_num = (await send(client, place.url, a_text(NEVER_ANSWERED))).mt_num
            in_sandbox = f"{place.sandbox_url}/sandbox/messages/count"
            async with asyncio.timeout(20):
                while not (await ask(client, in_sandbox))["total"]:
                    pass
            assert await gateway.stop() == 0
        story = await place.run("message", "show", mt_num)
        async with place.serve():
            tags = await receiver.until_last(mt_num, 9)
        count = await ask(client, in_sandbox)

    assert "attempt 1: no answer" in story.output
    assert "no complete answer in time" in story.output, "the stop did not wait for the answer"
    assert tags == [0, 2, 9]
    assert count["total"] == 1


async def test_a_stop_under_load_leaves_nothing_half_done(tmp_path: Path) -> None:
    receiver = Receiver()
    # So slow that the dispatcher is still claiming when the stop comes.
    place = await an_installation(tmp_path, receiver, submit_timeout=10.0, throughput=150.0)
    answers: list[Answer] = []
    half = asyncio.Event()

    async def send_one(client: aiohttp.ClientSession, number: int) -> None:
        try:
            answer = await send(client, place.url, a_text(str(79160000000 + number)))
        except aiohttp.ClientError:
            return
        answers.append(answer)
        if len(answers) == ACCEPTED_BEFORE_STOP:
            half.set()

    async with receiver.up(), place.sandbox(), aiohttp.ClientSession() as client:
        async with place.serve() as gateway, asyncio.TaskGroup() as clients:
            for number in range(REQUESTS):
                clients.create_task(send_one(client, number))
            await half.wait()
            assert await gateway.stop(signal.SIGTERM) == 0
        async with place.serve() as second:
            mt_nums = {answer.mt_num for answer in answers}
            await receiver.until(
                lambda: all(receiver.tags(mt_num)[-1:] == [9] for mt_num in mt_nums)
            )
        count = await ask(client, f"{place.sandbox_url}/sandbox/messages/count")

    assert len(answers) >= ACCEPTED_BEFORE_STOP
    assert {answer.status for answer in answers} == {200}
    assert all(receiver.tags(mt_num) == [0, 2, 9] for mt_num in mt_nums)
    assert count["total"] == count["distinct"] == len(receiver.posts)
    assert [line for line in gateway.errors if json.loads(line)["level"] == "error"] == []
    assert [line for line in second.errors if "interrupted" in line] == []


async def test_a_second_gateway_on_the_same_store_is_refused(tmp_path: Path) -> None:
    place = Installation(tmp_path)
    async with place.serve() as gateway:
        second = await finished("serve", "-c", place.config, folder=tmp_path)

        assert second.code == 1
        assert second.errors.count("\n") == 1, second.errors
        assert "whimbrel.db is in use by another gateway" in second.errors
        async with aiohttp.ClientSession() as client, client.get(f"{place.url}/readyz") as answer:
            assert answer.status == 200
        assert await gateway.stop() == 0


async def test_a_taken_port_is_told_in_one_line(tmp_path: Path) -> None:
    place = Installation(tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    port = int(place.sandbox_url.rpartition(":")[2])
    account = {
        "sender": "WHIMBREL",
        "phone_number_id": "1",
        "token": "t",
        "app_secret": "s",
        "verify_token": "v",
    }
    taken = {"server": {"port": port}, "sandbox": {"port": port}, "whatsapp.main": account}
    write_settings(other / "whimbrel.toml", taken)
    async with place.sandbox():
        for command in ("serve", "sandbox"):
            done = await finished(command, folder=other)

            assert done.code == 1, command
            assert "in use" in done.errors
            assert done.errors.count("\n") == 1, done.errors
