"""`whimbrel doctor` against a server that plays Meta and the gateway."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from aiohttp import web

from tests.cli.conftest import ACCOUNT, Cli, Outcome

NUMBER = {"display_phone_number": "+44 20 7946 0000", "status": "CONNECTED"}
NOWHERE = "http://127.0.0.1:9"  # the discard port: nothing listens there


class Peer:
    """Plays both of them; each member can be changed to what goes wrong."""

    def __init__(self) -> None:
        self.port = 0
        self.token = ACCOUNT["token"]
        self.verify_token = ACCOUNT["verify_token"]
        self.status = 200
        self.body: Any = NUMBER
        self.off = timedelta()
        self.challenge: str | None = None

    @contextlib.asynccontextmanager
    async def up(self) -> AsyncIterator["Peer"]:
        app = web.Application()
        app.router.add_get("/v23.0/200000000000001", self._look_up)
        app.router.add_get("/hooks/whatsapp/main", self._shake_hands)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.port = runner.addresses[0][1]
        try:
            yield self
        finally:
            await runner.cleanup()

    async def _look_up(self, request: web.Request) -> web.Response:
        headers = {"Date": format_datetime(datetime.now(UTC) + self.off, usegmt=True)}
        if request.headers["Authorization"] != f"Bearer {self.token}":
            error = {"message": "Invalid [OAuth] token", "type": "OAuthException", "code": 190}
            return web.json_response({"error": error}, status=401, headers=headers)
        if isinstance(self.body, str):
            return web.Response(status=self.status, text=self.body, headers=headers)
        return web.json_response(self.body, status=self.status, headers=headers)

    async def _shake_hands(self, request: web.Request) -> web.Response:
        if request.query["hub.verify_token"] != self.verify_token:
            return web.Response(status=403, text="wrong verify token")
        return web.Response(text=self.challenge or request.query["hub.challenge"])


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    async with Peer().up() as peer:
        yield peer


async def examine(
    cli: Cli, peer: Peer, *, server: dict[str, Any] | None = None, **account: Any
) -> Outcome:
    """Let the doctor look at an account of the peer's."""
    main = {**ACCOUNT, "base_url": f"http://127.0.0.1:{peer.port}", **account}
    cli.configure({"server": server or {"port": peer.port}, "whatsapp.main": main})
    outcome = await asyncio.to_thread(cli, "doctor")
    assert outcome.errors == ""
    assert "very-secret" not in outcome.output
    return outcome


def failures(outcome: Outcome) -> list[str]:
    """Return what has failed; whether anything has must be told by the exit code, too."""
    failed = [line for line in outcome.output.splitlines() if line.startswith("FAIL")]
    assert outcome.code == (1 if failed else 0)
    return failed


async def test_all_is_well(cli: Cli, peer: Peer) -> None:
    outcome = await examine(cli, peer)

    assert failures(outcome) == []
    assert [line.split(": ")[0] for line in outcome.output.splitlines()] == [
        "ok   settings",
        "ok   store",
        "ok   whatsapp.main",
        "ok   whatsapp.main clock",
        "ok   whatsapp.main callback",
    ]
    assert "+44 20 7946 0000 CONNECTED" in outcome.output


async def test_the_public_url_is_what_is_checked(cli: Cli, peer: Peer) -> None:
    server = {"port": 9, "public_url": f"http://127.0.0.1:{peer.port}/"}

    outcome = await examine(cli, peer, server=server)

    assert failures(outcome) == []
    assert f"http://127.0.0.1:{peer.port}/hooks/whatsapp/main: HTTP 200" in outcome.output


async def test_a_bad_token(cli: Cli, peer: Peer) -> None:
    peer.token = "another"

    [failure] = failures(await examine(cli, peer))

    assert failure == "FAIL whatsapp.main: HTTP 401: Invalid [OAuth] token"


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (200, {**NUMBER, "status": "BANNED"}, "BANNED"),
        (200, {"display_phone_number": "1"}, "status unknown"),
        (200, "<html>", "no answer of the Cloud API"),
        (200, [], "no answer of the Cloud API"),
        (502, "<html>", "HTTP 502, and no answer of the Cloud API"),
        (500, {"error": "x"}, "HTTP 500, and no answer of the Cloud API"),
    ],
)
async def test_a_number_that_cannot_send(
    cli: Cli, peer: Peer, status: int, body: Any, told: str
) -> None:
    peer.status, peer.body = status, body

    [failure] = failures(await examine(cli, peer))

    assert told in failure


async def test_nobody_at_the_base_url(cli: Cli, peer: Peer) -> None:
    [failure] = failures(await examine(cli, peer, base_url=NOWHERE))

    assert failure.startswith("FAIL whatsapp.main: GET http://127.0.0.1:9/")


async def test_a_clock_that_is_wrong(cli: Cli, peer: Peer) -> None:
    peer.off = timedelta(seconds=-90)

    [failure] = failures(await examine(cli, peer))

    assert re.fullmatch(r"FAIL whatsapp.main clock: \+9[01] s beside theirs", failure)


async def test_a_gateway_that_is_down(cli: Cli, peer: Peer) -> None:
    [failure] = failures(await examine(cli, peer, server={"port": 9}))

    assert failure.startswith("FAIL whatsapp.main callback: GET http://127.0.0.1:9/hooks/whatsapp")
    assert "is the gateway running?" in failure


async def test_a_gateway_with_another_verify_token(cli: Cli, peer: Peer) -> None:
    peer.verify_token = "another"

    [failure] = failures(await examine(cli, peer))

    assert "callback: " in failure
    assert "HTTP 403" in failure


async def test_a_callback_that_says_something_else(cli: Cli, peer: Peer) -> None:
    peer.challenge = "welcome"

    [failure] = failures(await examine(cli, peer))

    assert "callback: " in failure


async def test_a_store_that_is_no_database(cli: Cli, peer: Peer) -> None:
    (cli.folder / "whimbrel.db").write_text("This is a shopping list, and rather a long one.\n" * 9)

    [failure] = failures(await examine(cli, peer))

    assert failure.startswith("FAIL store: ")
    assert "not a database" in failure


def test_no_account(cli: Cli) -> None:
    cli.configure({"server": {"port": 9}})

    [failure] = failures(cli("doctor"))

    assert "accounts" in failure


def test_wrong_settings_are_told_as_everywhere(cli: Cli) -> None:
    cli.configure({"server": {"port": "http"}})

    assert "$.server.port" in cli.refused("doctor")
