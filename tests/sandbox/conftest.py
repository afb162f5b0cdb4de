"""The sandbox over real HTTP, on a port of its own, with a callback that remembers."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
from tests.support.callback_spy import CallbackSpy
from tests.support.esme import Esme

from whimbrel.sandbox import SandboxNumber, Smsc, SmscAccount, World, serve
from whimbrel.sandbox.handset.phones import Phones

# Fast enough for tests, slow enough for statuses to fall due one after the other.
SPEED = 200.0


@dataclass
class Answer:
    http: int
    body: Any

    @property
    def error(self) -> dict[str, Any]:
        return self.body["error"]

    @property
    def code(self) -> int:
        return self.error["code"]

    @property
    def wamid(self) -> str:
        return self.body["messages"][0]["id"]


@dataclass
class Sandbox:
    world: World
    number: SandboxNumber
    url: str
    http: aiohttp.ClientSession
    serving: asyncio.Task[None]
    smsc: Smsc | None = None

    async def ask(self, method: str, path: str, **arguments: Any) -> Answer:
        async with self.http.request(method, self.url + path, **arguments) as answer:
            is_json = answer.content_type == "application/json"
            return Answer(answer.status, await (answer.json() if is_json else answer.text()))

    async def post(self, body: Any, *, token: str | None = None, **arguments: Any) -> Answer:
        form = {"data": body} if isinstance(body, bytes) else {"json": body}
        headers = {"Authorization": f"Bearer {token or self.number.token}"}
        path = f"/v23.0/{self.number.phone_number_id}/messages"
        return await self.ask("POST", path, headers=headers, **form, **arguments)

    async def text(self, to: str, label: str | None = None, body: str = "Hello") -> Answer:
        form = {"messaging_product": "whatsapp", "to": to, "type": "text", "text": {"body": body}}
        if label is not None:
            form["biz_opaque_callback_data"] = label
        return await self.post(form)


StartSandbox = Callable[..., Awaitable[Sandbox]]


@pytest.fixture
async def callback() -> AsyncIterator[CallbackSpy]:
    async with CallbackSpy().serving() as spy:
        yield spy


@pytest.fixture
def number(callback: CallbackSpy) -> SandboxNumber:
    return SandboxNumber(
        phone_number_id="200000000000001",
        token="EAAtoken",
        app_secret="whimbrel-test-secret",
        verify_token=callback.verify_token,
        callback_url=callback.url,
    )


@pytest.fixture
async def start(number: SandboxNumber) -> AsyncIterator[StartSandbox]:
    """Start a sandbox with given arguments of `World`, and `smsc`; several may run in one test."""
    async with AsyncExitStack() as running, aiohttp.ClientSession() as http:

        async def start(**arguments: Any) -> Sandbox:
            numbers, smsc = arguments.pop("numbers", [number]), arguments.pop("smsc", None)
            world = World(numbers, **{"speed": SPEED, "throughput": 0} | arguments)
            url, serving = await running.enter_async_context(_served(world, smsc))
            return Sandbox(world, number, url, http, serving)

        yield start


@pytest.fixture
async def sandbox(start: StartSandbox) -> Sandbox:
    return await start()


@asynccontextmanager
async def _served(world: World, smsc: Smsc | None) -> AsyncIterator[tuple[str, asyncio.Task[None]]]:
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    urls: list[str] = []

    def on_ready(url: str) -> None:
        urls.append(url)
        if len(urls) == 1 + (smsc is not None):
            ready.set_result(urls[0])

    serving = asyncio.create_task(serve(world, "127.0.0.1", 0, smsc=smsc, on_ready=on_ready))
    try:
        yield await ready, serving
    finally:
        world.stopping.set()
        await serving


SMSC_ACCOUNTS = [
    SmscAccount("main", "esme-main", "secret-1", senders=("WHIMBREL", "1234")),
    SmscAccount("other", "esme-other", "secret-2", senders=("OTHER",)),
]

StartSmsc = Callable[..., Awaitable[Smsc]]
BindEsme = Callable[..., Awaitable[Esme]]


@pytest.fixture
async def start_smsc() -> AsyncIterator[StartSmsc]:
    """Start an SMSC with given arguments of `Smsc`; several may run in one test."""
    async with AsyncExitStack() as running:

        async def start_smsc(**arguments: Any) -> Smsc:
            smsc = Smsc(SMSC_ACCOUNTS, **{"speed": SPEED} | arguments)
            return await running.enter_async_context(smsc)

        yield start_smsc


@pytest.fixture
async def smsc(start_smsc: StartSmsc) -> Smsc:
    return await start_smsc()


@pytest.fixture
async def both(start: StartSandbox) -> Sandbox:
    """A sandbox that is an SMSC too: `both.smsc`."""
    phones = Phones()
    smsc = Smsc(SMSC_ACCOUNTS, speed=SPEED, phones=phones)
    sandbox = await start(smsc=smsc, phones=phones)
    sandbox.smsc = smsc
    return sandbox


@pytest.fixture
async def bind(smsc: Smsc) -> AsyncIterator[BindEsme]:
    """Bind a client to `smsc`; as the account "main", unless told otherwise."""
    async with AsyncExitStack() as bound:

        async def bind(system_id: str = "esme-main", bind_type: str = "TRX") -> Esme:
            [password] = [one.password for one in SMSC_ACCOUNTS if one.system_id == system_id]
            esme = Esme.bound(smsc.port, system_id, password, bind_type=bind_type)
            return await bound.enter_async_context(esme)

        yield bind


@pytest.fixture
async def esme(bind: BindEsme) -> Esme:
    return await bind()
