"""`whimbrel doctor`: checks what can go wrong before it does."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode

import msgspec
import typer
from rich.markup import escape

from whimbrel import __version__
from whimbrel.cli.terminal import ConfigOption, console, read_settings
from whimbrel.clock import SystemClock
from whimbrel.http_out import Answer, HttpOut, NotSent, Unanswered
from whimbrel.settings import Settings, SmppAccount, WhatsappAccount, local_url
from whimbrel.store.engine import StoreUnavailable
from whimbrel.store.migrate import upgrade
from whimbrel.store.opening import store_name
from whimbrel.store.postgres.condition import PostgresInspector
from whimbrel.store.postgres.connecting import connected
from whimbrel.store.postgres.refusals import REFUSALS, refusal

app = typer.Typer()
_CLOCK_TOLERANCE_SECONDS = 5
_TIMEOUT_SECONDS = 10.0  # Meta answers a look-up in a fraction of it


class Finding(NamedTuple):
    """What a check found."""

    subject: str
    good: bool
    text: str


@app.command()
def doctor(config: ConfigOption = None) -> None:
    """Check settings, store, sender accounts, the callback URL and the clock."""
    settings = read_settings(config)
    findings = [Finding("settings", True, "read"), _check_store(settings)]
    findings += asyncio.run(_check_network(settings))
    for subject, good, text in findings:
        sign = "[green]ok  [/]" if good else "[red]FAIL[/]"
        console.print(f"{sign} {subject}: {escape(text)}", soft_wrap=True)
    if not all(finding.good for finding in findings):
        raise SystemExit(1)


def _check_store(settings: Settings) -> Finding:
    if settings.store.url:
        try:
            return asyncio.run(_check_postgres(settings))
        except (StoreUnavailable, *REFUSALS) as error:
            told = error if isinstance(error, StoreUnavailable) else refusal(error)
            return Finding("store", False, f"{store_name(settings.store)}: {told}")
    path = Path(settings.store.path)
    try:
        upgrade(path)
        with sqlite3.connect(path) as connection:
            verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    except Exception as error:  # noqa: BLE001 - whatever is wrong is the finding
        return Finding("store", False, f"{path}: {error}")
    return Finding("store", verdict == "ok", f"{path}: {verdict}, SQLite {sqlite3.sqlite_version}")


async def _check_postgres(settings: Settings) -> Finding:
    """See that a gateway could start there, and that what it answers is kept."""
    store = PostgresInspector(await connected(settings.store.url))
    try:
        faults = [fault.text for fault in await store.durability_faults()]
        schema_fault = await store.schema_fault()
        told = faults + ([schema_fault] if schema_fault else [])
        told = told or [f"{what} {value}" for what, value in await store.facts()]
    finally:
        await store.close()
    good = not faults and not schema_fault
    return Finding("store", good, f"{store_name(settings.store)}: {'; '.join(told)}")


async def _check_network(settings: Settings) -> list[Finding]:
    http = HttpOut(
        address_rule=None,
        connect_timeout=_TIMEOUT_SECONDS / 2,
        timeout=_TIMEOUT_SECONDS,
        connections=10,
        user_agent=f"Whimbrel/{__version__}",
    )
    try:
        if not settings.whatsapp and not settings.smpp:
            lack = "the settings have no section [whatsapp.NAME] or [smpp.NAME]"
            return [Finding("accounts", False, lack)]
        findings = [
            finding
            for name, account in settings.whatsapp.items()
            async for finding in _check_account(http, settings, name, account)
        ]
        return findings + [await _check_smsc(name, one) for name, one in settings.smpp.items()]
    finally:
        await http.close()


async def _check_smsc(name: str, account: SmppAccount) -> Finding:
    """Knock at an SMSC's door. To bind could cost a running gateway its own connection."""
    where = f"{account.host}:{account.port}"
    try:
        async with asyncio.timeout(_TIMEOUT_SECONDS):
            _, writer = await asyncio.open_connection(
                account.host, account.port, ssl=account.tls or None
            )
    except (OSError, TimeoutError) as error:
        return Finding(f"smpp.{name}", False, f"{where}: {error or 'no answer'}")
    writer.close()
    told = "can be reached; `whimbrel status` tells whether the gateway is bound"
    return Finding(f"smpp.{name}", True, f"{where}: {told}")


async def _check_account(
    http: HttpOut, settings: Settings, name: str, account: WhatsappAccount
) -> AsyncIterator[Finding]:
    url = (
        f"{account.base_url.rstrip('/')}/{account.api_version}/{account.phone_number_id}"
        "?fields=display_phone_number,verified_name,status,quality_rating"
    )
    subject = f"whatsapp.{name}"
    try:
        answer = await http.get(url, {"Authorization": f"Bearer {account.token}"})
    except (NotSent, Unanswered) as error:
        yield Finding(subject, False, str(error))
    else:
        yield Finding(subject, *_number_state(answer))
        yield _clock_beside(answer, subject)
    yield await _check_callback(http, settings, name, account)


def _number_state(answer: Answer) -> tuple[bool, str]:
    try:
        seen = msgspec.json.decode(answer.body)
        if answer.status == 200:
            state = seen.get("status", "status unknown")
            return state == "CONNECTED", f"{seen.get('display_phone_number', '')} {state}"
        return False, f"HTTP {answer.status}: {seen['error']['message']}"
    except (msgspec.DecodeError, AttributeError, KeyError, TypeError):
        return False, f"HTTP {answer.status}, and no answer of the Cloud API"


def _clock_beside(answer: Answer, subject: str) -> Finding:
    try:
        theirs = parsedate_to_datetime(answer.headers["date"]).timestamp()
    except (KeyError, ValueError):
        return Finding(f"{subject} clock", True, "the answer has no date to compare with")
    off = SystemClock().now() / 1_000 - theirs
    return Finding(
        f"{subject} clock", abs(off) <= _CLOCK_TOLERANCE_SECONDS, f"{off:+.0f} s beside theirs"
    )


async def _check_callback(
    http: HttpOut, settings: Settings, name: str, account: WhatsappAccount
) -> Finding:
    """Shake hands with ourselves as Meta would."""
    base = settings.server.public_url or local_url(settings.server.host, settings.server.port)
    callback = f"{base.rstrip('/')}/hooks/whatsapp/{name}"
    challenge = "1158201444"
    query = urlencode(
        {
            "hub.mode": "subscribe",
            "hub.challenge": challenge,
            "hub.verify_token": account.verify_token,
        }
    )
    try:
        answer = await http.get(f"{callback}?{query}", {})
    except (NotSent, Unanswered) as error:
        return Finding(f"whatsapp.{name} callback", False, f"{error}: is the gateway running?")
    good = answer.status == 200 and answer.body.decode("latin-1") == challenge
    where = "" if settings.server.public_url else " (server.public_url is not set: checked locally)"
    return Finding(f"whatsapp.{name} callback", good, f"{callback}: HTTP {answer.status}{where}")
