"""The sandbox as `whimbrel sandbox` runs it."""

import asyncio
import os
import signal

import aiohttp
import pytest
from tests.support.esme import RawEsme
from tests.support.processes import Installation

from whimbrel.sandbox import accounts_from, numbers_from, run
from whimbrel.settings import (
    SandboxSettings,
    ServerSettings,
    Settings,
    SmppAccount,
    WhatsappAccount,
)


def settings() -> Settings:
    account = WhatsappAccount(
        sender="Shop",
        phone_number_id="200000000000001",
        token="EAAtoken",
        app_secret="secret",
        verify_token="word",
    )
    return Settings(
        server=ServerSettings(host="127.0.0.1", port=9),  # discard: nobody answers
        whatsapp={"main": account},
        sandbox=SandboxSettings(port=0),
    )


async def started(**arguments):
    ready = asyncio.get_running_loop().create_future()
    running = asyncio.create_task(run(settings(), on_ready=ready.set_result, **arguments))
    return running, await ready


async def lives(url: str) -> bool:
    async with aiohttp.ClientSession() as http, http.get(url + "/sandbox/health") as answer:
        return answer.status == 200


async def test_it_serves_until_told_to_stop(tmp_path):
    stop = asyncio.Event()
    state = tmp_path / "sandbox.json"
    running, url = await started(stop=stop, state_file=state)

    assert await lives(url)

    stop.set()
    async with asyncio.timeout(20):
        await running
    assert state.exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_it_stops_at_a_signal(number):
    before = signal.getsignal(number)
    running, url = await started()
    assert await lives(url)

    os.kill(os.getpid(), number)

    async with asyncio.timeout(20):
        await running
    assert signal.getsignal(number) is before


async def test_a_taken_port_is_an_error_and_not_an_exit():
    stop = asyncio.Event()
    running, url = await started(stop=stop)
    second = settings()
    second.sandbox.port = int(url.rpartition(":")[2])

    with pytest.raises(OSError, match="in use"):
        await run(second)

    stop.set()
    await running


def test_numbers_come_from_the_settings():
    [number] = numbers_from(settings())

    assert number.phone_number_id == "200000000000001"
    assert number.token == "EAAtoken"
    assert number.callback_url == "http://127.0.0.1:9/hooks/whatsapp/main"
    assert number.display_phone_number == "79000000001"


def with_smpp() -> Settings:
    both = settings()
    both.sandbox.smsc_port = 0
    for name in ("main", "other"):
        both.smpp[name] = SmppAccount(
            senders=[name.upper()],
            host="smsc.example.net",
            port=2775,
            system_id=f"esme-{name}",
            password=f"{name}-1",
            receipt_zone="Asia/Omsk" if name == "other" else "",
        )
    return both


async def test_a_section_smpp_makes_it_an_smsc_too(tmp_path):
    stop = asyncio.Event()
    urls: asyncio.Queue[str] = asyncio.Queue()
    state = tmp_path / "smsc.json"
    running = asyncio.create_task(
        run(with_smpp(), on_ready=urls.put_nowait, stop=stop, smsc_state_file=state)
    )

    assert await lives(await urls.get())
    scheme, _, address = (await urls.get()).partition("://")
    for system_id, password in (("esme-main", "main-1"), ("esme-other", "other-1")):
        async with RawEsme.connected(int(address.rpartition(":")[2])) as raw:
            assert (await raw.bind(system_id, password)).status == 0

    assert scheme == "smpp"
    stop.set()
    async with asyncio.timeout(20):
        await running
    assert state.exists()


async def test_a_taken_smsc_port_is_an_error(start_smsc):
    taken = with_smpp()
    taken.sandbox.smsc_port = (await start_smsc()).port

    with pytest.raises(OSError, match="in use"):
        await run(taken)


def test_accounts_come_from_the_settings():
    main, other = accounts_from(with_smpp())

    assert (main.name, main.system_id, main.password) == ("main", "esme-main", "main-1")
    assert main.senders == ("MAIN",)
    assert "main-1" not in repr(main)
    assert str(main.zone) == "UTC+03:00"
    assert str(other.zone) == "Asia/Omsk"


async def test_an_installation_may_have_an_smsc(tmp_path):
    installation = Installation(tmp_path, smpp={"main": ["WHIMBREL"], "other": ["OTHER"]})
    async with installation.sandbox() as process:
        await process.until_line(f"smpp://127.0.0.1:{installation.smsc_port} is ready")
        for name in ("main", "other"):
            async with RawEsme.connected(installation.smsc_port) as raw:
                assert (await raw.bind(f"esme-{name}", "pass-123")).status == 0
