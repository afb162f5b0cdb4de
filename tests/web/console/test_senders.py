"""Senders in the console: how they stand, without secrets; a paused one can be tried now."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

from tests.support.builders import Database
from tests.support.console import signed_in
from tests.support.gateway import SENDER, RunningGateway, an_account, running_gateway
from whimbrel.clock import HOUR, SystemClock
from whimbrel.domain.operator import Role
from whimbrel.settings import Settings, SmppAccount, WhatsappAccount
from whimbrel.store.audit import AuditWish, list_deeds
from whimbrel.store.senders import SenderPause, pause_senders, paused_senders
from whimbrel.web.console.senders import _without_secrets

PAGE = "/console/senders"
SECRETS = {
    "token": "EAA-very-secret",
    "app_secret": "app-very-secret",
    "verify_token": "verify-very-secret",
}
SMPP = SmppAccount(
    senders=["SHOP", "<b>BOLD</b>"],
    host="127.0.0.1",
    port=9,
    system_id="whimbrel",
    password="smppsecr",
    throughput=12.5,
)


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[RunningGateway]:
    Database(tmp_path / "whimbrel.db")
    settings = Settings(
        whatsapp={"main": an_account(throughput=80.0, **SECRETS)}, smpp={"mts": SMPP}
    )
    async with running_gateway(tmp_path, settings=settings) as one:
        yield one


async def rests(running: RunningGateway) -> SenderPause:
    now = SystemClock().now()
    pause = SenderPause("WHATSAPP", SENDER, now - HOUR, now + HOUR, 4, "190 <i>expired</i>", now)
    await running.store.write(pause_senders, pause)
    return pause


async def deeds(running: RunningGateway) -> list[tuple[Any, ...]]:
    rows = await running.store.read(list_deeds, AuditWish(1 << 60, "", 100))
    return [tuple(row[4:]) for row in rows if row[4].startswith("sender.")]


@pytest.mark.parametrize("role", list(Role))
async def test_accounts_are_shown_without_secrets(running: RunningGateway, role: Role) -> None:
    await rests(running)
    async with signed_in(running, role) as browser:
        shown = await browser.get(PAGE)
    for words in (
        *("WHIMBREL", "whatsapp.main", "80 a second", "paused", "tries in vain: 4"),
        *("smpp.mts", "12.5 a second", "no connection", "SHOP, <b>BOLD</b>"),
        *("phone_number_id", "200000000000001", "system_id", "whimbrel", "190 <i>expired</i>"),
    ):
        assert words in shown.words, words
    assert "<b>BOLD" not in shown.text
    assert "<i>expired" not in shown.text
    assert "very-secret" not in shown.text
    assert "smppsecr" not in shown.text
    assert ("Try it now" in shown.words) == (role is Role.ADMIN)


@pytest.mark.parametrize(
    ("account", "hidden"),
    [
        (an_account(), {"token", "app_secret", "verify_token"}),
        (SMPP, {"password"}),
    ],
)
def test_all_settings_but_the_secret_ones_are_shown(account: Struct, hidden: set[str]) -> None:
    assert isinstance(account, WhatsappAccount | SmppAccount)
    shown = _without_secrets(account)
    assert set(account.__struct_fields__) - set(shown) == hidden


async def test_a_paused_sender_is_tried_now(running: RunningGateway) -> None:
    pause = await rests(running)
    await running.gateway._holdings.step()
    [line] = {line for line in running.gateway._lines.values() if line.name == SENDER}
    assert line.pause == pause
    async with signed_in(running) as browser:
        shown = await browser.post(f"{PAGE}/retry", on=PAGE, channel="WHATSAPP", sender=SENDER)
        assert shown.headers["location"] == f"{PAGE}?done=trying"
        assert (
            "It is tried with the next message" in (await browser.get(f"{PAGE}?done=trying")).words
        )
    await running.gateway._holdings.step()
    assert line.pause is not None
    assert line.pause.paused_until <= SystemClock().now()
    assert line.room(SystemClock()) == 1, "one link as a probe"
    [stored] = [
        one for one in await running.store.read(paused_senders, None) if one.sender == SENDER
    ]
    assert stored.holds == 4, "the next pause is a long one again if the probe fails"
    assert await deeds(running) == [("sender.retry", SENDER, '{"channel":"WHATSAPP"}')]


async def test_what_does_not_rest_is_left_alone(running: RunningGateway) -> None:
    async with signed_in(running) as browser:
        csrf = await browser.csrf(PAGE.replace("senders", "password"))
        for fields in ({"channel": "WHATSAPP", "sender": SENDER}, {"sender": "x"}, {}):
            shown = await browser.post(f"{PAGE}/retry", csrf=csrf, **fields)
            assert shown.headers["location"] == f"{PAGE}?done=working"
    assert await deeds(running) == []


@pytest.mark.parametrize("role", [Role.SUPPORT, Role.READER])
async def test_only_who_manages_may_try_it(running: RunningGateway, role: Role) -> None:
    pause = await rests(running)
    async with signed_in(running, role) as browser:
        csrf = await browser.csrf("/console/password")
        fields = {"channel": "WHATSAPP", "sender": SENDER}
        assert (await browser.post(f"{PAGE}/retry", csrf=csrf, **fields)).status == 403
    assert pause in await running.store.read(paused_senders, None)
