"""`whimbrel demo`: the whole journey on one machine, with nothing else installed."""

import asyncio
import contextlib
import json
import os
import secrets
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any

import typer
import uvloop
from msgspec.structs import replace

from whimbrel import app as gateway
from whimbrel.cli.demo_config import DEMO_CONFIG
from whimbrel.cli.operator import add_operator
from whimbrel.cli.partner import add_partner, find_partner, write_partner
from whimbrel.cli.terminal import CONFIG_NAME, fail, on_store
from whimbrel.clock import SystemClock
from whimbrel.domain.content import Channel
from whimbrel.domain.operator import Role
from whimbrel.domain.partner import DuplicateControl, Profile
from whimbrel.flow.partner_rules import BadPartner
from whimbrel.logs import configure_logs
from whimbrel.settings import Settings, load, local_host, local_url
from whimbrel.store.audit import AuditEntry
from whimbrel.store.engine import Store

app = typer.Typer()
LOGIN, PASSWORD, SENDER, SMS_SENDER = "demo", "demo-secret", "WHIMBREL", "SMSDEMO"
_CHILD_START_SECONDS = 30.0
_CHILD_STOP_SECONDS = 10.0  # longer than its server's graceful stop


@app.command()
def demo(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int,
        typer.Option(help="Port; the next are the sandbox's, the receiver's and the SMSC's."),
    ] = 8080,
    data_dir: Annotated[Path, typer.Option(help="Where everything is kept.")] = Path(
        "whimbrel-data"
    ),
    speed: Annotated[
        float, typer.Option(min=0.001, help="How many times faster the sandbox's delays pass.")
    ] = 1.0,
    throughput: Annotated[
        float,
        typer.Option(min=0, help="Messages a second of the number; 80 is Meta's, 0 no limit."),
    ] = 0.0,
) -> None:
    """Run gateway, sandbox and a demo Partner, whose delivery reports are printed as they come."""
    data_dir.mkdir(parents=True, exist_ok=True)
    config = data_dir / CONFIG_NAME
    if not config.exists():
        config.write_text(
            DEMO_CONFIG.format(
                host=host, port=port, sandbox_port=port + 1, smsc_port=port + 3, speed=speed,
                throughput=throughput, token=secrets.token_urlsafe(24),
                app_secret=secrets.token_hex(16), verify_token=secrets.token_urlsafe(12),
                smpp_password=secrets.token_hex(4),
            ),
            encoding="utf-8",
        )  # fmt: skip
    settings = load(config)
    _overrule(settings, host, port, speed, throughput)
    configure_logs(settings.log.level)
    on_store(settings, lambda store: _make_logins(store, port + 2, has_sms=bool(settings.smpp)))
    try:
        uvloop.run(_run(settings, config, port + 2))
    except (gateway.AlreadyRunning, OSError) as error:
        fail(str(error))


def _overrule(settings: Settings, host: str, port: int, speed: float, throughput: float) -> None:
    """Let the command's options win over the file of an earlier run."""
    settings.server.host, settings.server.port = host, port
    settings.sandbox.host, settings.sandbox.port = host, port + 1
    settings.sandbox.speed, settings.sandbox.throughput = speed, throughput
    for account in settings.whatsapp.values():
        account.base_url = local_url(host, port + 1)
        account.throughput = throughput
    settings.sandbox.smsc_port = port + 3
    for smpp in settings.smpp.values():
        smpp.host, smpp.port = local_host(host), port + 3
        smpp.throughput = throughput


async def _make_logins(store: Store, receiver_port: int, *, has_sms: bool) -> None:
    """Make the demo's Partner and its operator."""
    await _make_partner(store, receiver_port, has_sms=has_sms)
    await add_operator(store, LOGIN, PASSWORD, Role.ADMIN, sees_texts=True)


async def _make_partner(store: Store, receiver_port: int, *, has_sms: bool) -> None:
    """Make the demo's Partner, or lead the reports of an earlier run's to this run's receiver."""
    profile = Profile(
        senders=[SENDER, SMS_SENDER] if has_sms else [SENDER],
        default_sender=SENDER,
        message_types=[Channel.WHATSAPP, Channel.SMS] if has_sms else [Channel.WHATSAPP],
        cascades=has_sms,
        duplicate_control=DuplicateControl.RETURN,
        report_url=f"http://127.0.0.1:{receiver_port}/reports",
    )
    try:
        await add_partner(store, LOGIN, PASSWORD, profile)
    except BadPartner:  # there is one
        known = await find_partner(store, LOGIN)
        moved = replace(known.profile, report_url=profile.report_url)
        entry = AuditEntry(SystemClock().now(), "whimbrel", "demo", "partner.change", LOGIN)
        await write_partner(store, replace(known, profile=moved), entry)


async def _run(settings: Settings, config: Path, receiver_port: int) -> None:
    greeting = _greeting(
        local_url(settings.server.host, settings.server.port),
        local_url(settings.sandbox.host, settings.sandbox.port),
        has_sms=bool(settings.smpp),
    )
    stop = asyncio.Event()
    async with _sandbox(settings, config, receiver_port, stop):
        await gateway.serve(settings, on_ready=lambda _: print(greeting, flush=True), stop=stop)


@contextlib.asynccontextmanager
async def _sandbox(
    settings: Settings, config: Path, receiver_port: int, stop: asyncio.Event
) -> AsyncIterator[None]:
    """Run sandbox and receiver as a process of their own; it ends with us, however we end.

    Its session is its own too, so that Ctrl-C reaches the gateway alone, which finishes what is in
    flight while the sandbox still answers.
    """
    ours, theirs = socket.socketpair()
    sandbox = settings.sandbox
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "whimbrel",
        "sandbox",
        "--config",
        str(config),
        "--receiver",
        str(receiver_port),
        "--parent-pipe",
        str(theirs.fileno()),
        pass_fds=[theirs.fileno()],
        start_new_session=True,
        stdin=asyncio.subprocess.DEVNULL,
        env={
            **os.environ,
            "WHIMBREL_SANDBOX_HOST": sandbox.host,
            "WHIMBREL_SANDBOX_PORT": str(sandbox.port),
            "WHIMBREL_SANDBOX_SMSC_PORT": str(sandbox.smsc_port),
            "WHIMBREL_SANDBOX_SPEED": str(sandbox.speed),
            "WHIMBREL_SANDBOX_THROUGHPUT": str(sandbox.throughput),
            "WHIMBREL_SERVER_HOST": settings.server.host,
            "WHIMBREL_SERVER_PORT": str(settings.server.port),
        },
    )
    theirs.close()
    ours.setblocking(False)
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(_CHILD_START_SECONDS):
            if not await loop.sock_recv(ours, 1):
                raise OSError("the sandbox could not start; its own message says why")
        loop.add_reader(ours, stop.set)  # readable again: the sandbox has ended
        yield
    finally:
        loop.remove_reader(ours)
        ours.close()
        await _end(child)


async def _end(child: asyncio.subprocess.Process) -> None:
    """Wait for the child, which saw its pipe close; insist if it does not end."""
    try:
        async with asyncio.timeout(_CHILD_STOP_SECONDS):
            await child.wait()
    except TimeoutError:
        child.kill()
        await child.wait()


def _greeting(url: str, sandbox_url: str, *, has_sms: bool) -> str:
    whatsapp = {
        "type": "WHATSAPP",
        "data": {"instantContent": {"type": "TEXT", "data": {"text": "Hello from Whimbrel"}}},
    }
    sms = {"type": "SMS", "data": {"text": "Hello by SMS", "ttl": 10}}
    to = "70000000001"
    text = _curl(url, to, whatsapp)
    greeting = f"""Whimbrel is ready on {url}
Its console: {url}/console (login {LOGIN}, password {PASSWORD})

Send a message, and watch its delivery reports arrive here:

{text}

Its subscriber's phone: {sandbox_url}/handset/{to}
"""
    if not has_sms:
        return greeting
    fall_back = {"state": "DELIVERED", "message": sms}
    cascade = _curl(url, "70000000004", whatsapp, cascadeChainLink=fall_back)
    return f"""{greeting}
And one to somebody who is not on WhatsApp, so that an SMS goes after it:

{cascade}
"""


def _curl(url: str, to: str, message: dict[str, Any], **members: Any) -> str:
    request = {"login": LOGIN, "password": PASSWORD, "destAddr": to, "message": message, **members}
    return f"curl -sS {url}/send -d '{json.dumps(request, separators=(',', ':'))}'"
