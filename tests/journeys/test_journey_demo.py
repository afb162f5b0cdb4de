"""`whimbrel demo` as a new user runs it."""

import asyncio
import contextlib
import json
import re
import shlex
import shutil
import signal
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.support.builders import Database
from tests.support.processes import Running, finished, free_ports, running

READY = "Whimbrel is ready on"


def demo(folder: Path, port: int, *options: str) -> contextlib.AbstractAsyncContextManager[Running]:
    """Run the demo in a folder that has its store already: to make one takes a second of a core."""
    make_store(folder)
    return demo_in(folder, port, *options)


def demo_in(
    folder: Path, port: int, *options: str
) -> contextlib.AbstractAsyncContextManager[Running]:
    return running("demo", "--port", str(port), *options, ready=READY, folder=folder)


def make_store(folder: Path) -> None:
    data = folder / "whimbrel-data"
    data.mkdir(exist_ok=True)
    Database(data / "whimbrel.db")


async def curl_words(process: Running) -> list[str]:
    """Return the words of the line that the demo asks to be copied."""
    line = await process.until_line("^curl ")
    return shlex.split(line.string)


async def post(url: str, request: dict[str, Any]) -> str:
    async with aiohttp.ClientSession() as client, client.post(f"{url}/send", json=request) as said:
        answer = await said.json()
        assert said.status == 200, answer
        return answer["mtNum"]


def a_request(to: str) -> dict[str, Any]:
    content = {"type": "TEXT", "data": {"text": "Hello"}}
    message = {"type": "WHATSAPP", "data": {"instantContent": content}}
    return {"login": "demo", "password": "demo-secret", "destAddr": to, "message": message}


async def until_report(process: Running, mt_num: str, status: int) -> None:
    await process.until_line(rf"report .*mtNum={mt_num} .*status={status}\b")


def reports_of(process: Running, mt_num: str) -> list[int]:
    found = (re.search(rf"mtNum={mt_num} .*status=(\d)", line) for line in process.lines)
    return [int(match[1]) for match in found if match]


async def test_the_line_that_it_prints_yields_reports(tmp_path: Path) -> None:
    port = free_ports(4)
    async with demo_in(tmp_path, port) as process:
        words = await curl_words(process)
        assert words[:3] == ["curl", "-sS", f"http://127.0.0.1:{port}/send"]
        assert words[3] == "-d"
        assert "id" not in json.loads(words[4]), (
            "a second time it would be a repeat, and sent no more"
        )
        async with (
            aiohttp.ClientSession() as client,
            client.post(words[2], data=words[4], headers=FORM) as said,  # as curl -d sends it
        ):
            answer = await said.json(content_type=None)
        await until_report(process, answer["mtNum"], 9)
        assert reports_of(process, answer["mtNum"]) == [0, 2, 9]

        code = await process.stop(signal.SIGINT)  # Ctrl-C; waits for all who hold its output

    assert code == 0
    assert "Traceback" not in process.error_output
    assert sorted(path.name for path in (tmp_path / "whimbrel-data").iterdir()) == [
        "sandbox-state.json",
        "smsc-state.json",
        "whimbrel.db",
        "whimbrel.db.lock",
        "whimbrel.toml",
    ]
    for number in range(port, port + 4):
        assert not await answers(number), f"port {number} is still served"


FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
async def test_and_curl_itself_can_run_it(tmp_path: Path) -> None:
    async with demo(tmp_path, free_ports(4)) as process:
        curl = await asyncio.create_subprocess_exec(
            *await curl_words(process), stdout=asyncio.subprocess.PIPE
        )
        said, _ = await curl.communicate()
        assert curl.returncode == 0
        await until_report(process, json.loads(said)["mtNum"], 9)


async def test_a_second_run_goes_on_where_the_first_one_stopped(tmp_path: Path) -> None:
    port = free_ports(4)
    slow = "70000000013"  # delivered after 90 s, here 3
    async with demo(tmp_path, port, "--speed", "30") as first:
        mt_num = await post(f"http://127.0.0.1:{port}", a_request(slow))
        await until_report(first, mt_num, 0)
        assert await first.stop(signal.SIGINT) == 0
        assert reports_of(first, mt_num) == [0]
    async with demo(tmp_path, port, "--speed", "30") as second:
        await until_report(second, mt_num, 2)

        assert reports_of(second, mt_num) == [2]


async def test_a_second_run_may_have_other_ports(tmp_path: Path) -> None:
    async with demo(tmp_path, free_ports(4)):
        pass
    port = free_ports(4)
    async with demo(tmp_path, port) as second:
        mt_num = await post(f"http://127.0.0.1:{port}", a_request("70000000002"))
        await until_report(second, mt_num, 2)


async def test_it_names_the_phone_that_the_message_arrives_on(tmp_path: Path) -> None:
    port = free_ports(4)
    async with demo(tmp_path, port) as process:
        words = await curl_words(process)
        page = (await process.until_line(r"phone: (http://\S+)"))[1]
        request = json.loads(words[4])
        assert page == f"http://127.0.0.1:{port + 1}/handset/{request['destAddr']}"
        await until_report(process, await post(f"http://127.0.0.1:{port}", request), 9)

        async with aiohttp.ClientSession() as client, client.get(page) as said:
            assert said.status == 200
            assert "Hello from Whimbrel" in await said.text()


async def test_it_shows_a_cascade_too(tmp_path: Path) -> None:
    async with demo(tmp_path, free_ports(4)) as process:
        await process.until_line('"SMS"')

    request = json.loads(shlex.split(process.find('"SMS"').string)[4])
    assert request["destAddr"] == "70000000004"
    assert request["message"]["type"] == "WHATSAPP"
    assert request["cascadeChainLink"]["state"] == "DELIVERED"
    assert request["cascadeChainLink"]["message"]["type"] == "SMS"


async def test_a_folder_from_before_sms_still_works(tmp_path: Path) -> None:
    port = free_ports(4)
    async with demo(tmp_path, port):
        pass
    config = tmp_path / "whimbrel-data" / "whimbrel.toml"
    before, _, rest = config.read_text().partition("# An account at an SMSC")
    _, head, sandbox = rest.partition("# The stand-in")
    config.write_text(before + head + sandbox)
    assert "smpp" not in config.read_text()
    (config.parent / "smsc-state.json").unlink()

    async with demo(tmp_path, port) as second:
        mt_num = await post(f"http://127.0.0.1:{port}", a_request("70000000002"))
        await until_report(second, mt_num, 2)

        assert second.find('"SMS"') is None
    assert not (config.parent / "smsc-state.json").exists()


async def test_its_settings_are_good_for_the_parts_alone(tmp_path: Path) -> None:
    port = free_ports(4)
    async with demo(tmp_path, port):
        pass
    config = tmp_path / "whimbrel-data" / "whimbrel.toml"
    options = ("-c", config, "--receiver", str(port + 2))
    async with (
        running("sandbox", *options, ready="is ready", folder=tmp_path) as sandbox,
        running("serve", "-c", config, ready=READY, folder=tmp_path) as gateway,
    ):
        mt_num = await post(f"http://127.0.0.1:{port}", a_request("70000000001"))
        await until_report(sandbox, mt_num, 9)
        doctor = await finished("doctor", "-c", config, folder=tmp_path)

        assert doctor.code == 0, doctor.output
        assert await gateway.stop(signal.SIGINT) == 0
        assert await sandbox.stop(signal.SIGINT) == 0


@pytest.mark.parametrize("taken", [0, 1, 2, 3], ids=["gateway", "sandbox", "receiver", "smsc"])
async def test_a_taken_port_ends_all_of_it(tmp_path: Path, taken: int) -> None:
    port = free_ports(4)
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", port + taken)
    make_store(tmp_path)
    async with server:
        done = await finished("demo", "--port", str(port), folder=tmp_path)

    assert done.code == 1
    assert "in use" in done.errors
    assert "Traceback" not in done.errors
    assert done.errors.count("\n") <= 3, done.errors


async def answers(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    return True
