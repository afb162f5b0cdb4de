"""A whole gateway in the test's own process, on real SQLite, reached by real HTTP."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp

from tests.support.builders import Database
from tests.support.passwords import quick_hash
from tests.support.templates import compile_once
from whimbrel.app import Gateway
from whimbrel.clock import Clock, SystemClock
from whimbrel.domain.partner import Partner, Profile
from whimbrel.serving import serve_app
from whimbrel.settings import Settings, WhatsappAccount
from whimbrel.store.partners import PartnerChange, add_partners
from whimbrel.store.sqlite import SqliteStore

LOGIN, PASSWORD, SENDER = "shop", "shop-password", "WHIMBREL"
APP_SECRET, VERIFY_TOKEN, TOKEN = "app-secret", "verify-me", "EAA-token"
PHONE_NUMBER_ID = "200000000000001"
NOWHERE = "http://127.0.0.1:9"  # the discard port: nothing listens there


def an_account(**changes: Any) -> WhatsappAccount:
    members = {
        "sender": SENDER,
        "phone_number_id": PHONE_NUMBER_ID,
        "token": TOKEN,
        "app_secret": APP_SECRET,
        "verify_token": VERIFY_TOKEN,
        "base_url": NOWHERE,
        "throughput": 0.0,
    }
    return WhatsappAccount(**{**members, **changes})


def a_profile(**changes: Any) -> Profile:
    return Profile(**{"senders": [SENDER], "default_sender": SENDER, **changes})


def a_request(**changes: Any) -> dict[str, Any]:
    """The smallest request; a change of None takes the member away."""
    request = {
        "login": LOGIN,
        "password": PASSWORD,
        "destAddr": "79161234567",
        "message": {
            "type": "WHATSAPP",
            "data": {"instantContent": {"type": "TEXT", "data": {"text": "Hello"}}},
        },
    }
    return {name: value for name, value in {**request, **changes}.items() if value is not None}


class RunningGateway(NamedTuple):
    url: str
    gateway: Gateway
    store: SqliteStore
    client: aiohttp.ClientSession

    async def send(self, **changes: Any) -> tuple[int, dict[str, Any]]:
        """POST `a_request` with changes; return the HTTP status and the answer."""
        async with self.client.post(f"{self.url}/send", json=a_request(**changes)) as answer:
            return answer.status, await answer.json()


@contextlib.asynccontextmanager
async def running_gateway(
    folder: Path,
    *,
    settings: Settings | None = None,
    partners: dict[str, Profile] | None = None,
    clock: Clock | None = None,
    port: int = 0,
    hashed: Callable[[str], str] = quick_hash,
) -> AsyncIterator[RunningGateway]:
    """Run a gateway with one account and, unless told otherwise, one Partner.

    On a free port, or on `port`. `hashed` makes of `PASSWORD` what is stored.
    """
    compile_once()
    settings = settings or Settings(whatsapp={"main": an_account()})
    store = SqliteStore(Database(folder / "whimbrel.db").path)
    stored = hashed(PASSWORD)
    for login, profile in (partners or {LOGIN: a_profile()}).items():
        partner = Partner(0, login, stored, False, profile)
        await store.write(add_partners, PartnerChange(partner, SystemClock().now()))
    stop, ready = asyncio.Event(), asyncio.get_running_loop().create_future()
    gateway = Gateway(settings, store, clock or SystemClock(), stopping=stop)
    await gateway.start()
    server = asyncio.create_task(
        serve_app(gateway.site, "127.0.0.1", port, stop=stop, on_ready=ready.set_result)
    )
    try:
        async with aiohttp.ClientSession() as client:
            yield RunningGateway(await ready, gateway, store, client)
    finally:
        stop.set()
        await server
        await gateway.stop()
