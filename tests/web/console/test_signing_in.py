"""Operators sign in, stay signed in as long as they may, and sign out."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace
from yarl import URL

from tests.support.clock import FakeClock
from tests.support.console import PASSWORD, ConsoleClient, a_browser, an_operator, signed_in
from tests.support.gateway import RunningGateway, running_gateway
from whimbrel.clock import HOUR, MINUTE, SystemClock
from whimbrel.domain.operator import Role
from whimbrel.store.audit import Audited, AuditEntry, AuditWish, list_deeds
from whimbrel.store.operators import change_operators, operators_by_login


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[RunningGateway]:
    async with running_gateway(tmp_path) as one:
        yield one


@pytest.fixture
async def browser(running: RunningGateway) -> AsyncIterator[ConsoleClient]:
    await an_operator(running.store)
    async with a_browser(running.url) as one:
        yield one


async def test_a_stranger_is_led_to_the_sign_in_page_and_back(browser: ConsoleClient) -> None:
    led = await browser.get("/console/audit?operator=ann")
    assert (led.status, led.headers["location"]) == (
        303,
        "/console/sign-in?next=/console/audit%3Foperator%3Dann",
    )
    shown = await browser.get(led.headers["location"])
    assert 'value="/console/audit?operator=ann"' in shown.text
    back = await browser.post(
        "/console/sign-in",
        on=led.headers["location"],
        login="ann",
        password=PASSWORD,
        next="/console/audit?operator=ann",
    )
    assert (back.status, back.headers["location"]) == (303, "/console/audit?operator=ann")
    assert (await browser.get("/console/audit")).status == 200


@pytest.mark.parametrize(
    "elsewhere",
    ["https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:alert(1)", "x"],
)
async def test_nobody_is_led_to_another_site(browser: ConsoleClient, elsewhere: str) -> None:
    back = await browser.post("/console/sign-in", login="ann", password=PASSWORD, next=elsewhere)
    assert back.headers["location"] == "/console"


@pytest.mark.parametrize(("login", "password"), [("ann", "wrong"), ("nobody", PASSWORD), ("", "")])
async def test_which_of_login_and_password_is_wrong_is_not_told(
    browser: ConsoleClient, login: str, password: str
) -> None:
    shown = await browser.sign_in(login, password)
    assert shown.status == 401
    assert "This login and password do not belong together." in shown.words
    assert password not in shown.text or not password
    assert (await browser.get("/console/audit")).status == 303


async def test_the_cookie_is_for_the_server_alone(browser: ConsoleClient) -> None:
    cookie = (await browser.sign_in("ann")).headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert "secure" not in cookie  # this test's connection is not


async def test_behind_tls_the_cookie_never_leaves_it(browser: ConsoleClient) -> None:
    shown = await browser.post(
        "/console/sign-in",
        headers={"x-forwarded-proto": "https"},
        login="ann",
        password=PASSWORD,
    )
    assert "secure" in shown.headers["set-cookie"].lower()


async def test_a_session_that_was_laid_out_is_not_taken_over(
    running: RunningGateway, browser: ConsoleClient
) -> None:
    """Session fixation: the token is made at the sign-in, whatever the browser brings."""
    async with signed_in(running, Role.READER) as other:
        laid_out = _session(other)
        browser.session.cookie_jar.update_cookies({"whimbrel_session": laid_out})
        assert (await browser.sign_in("ann")).status == 303
        assert _session(browser) != laid_out
        assert "ann" in (await browser.get("/console/audit")).words
        assert (await other.get("/console/audit")).status == 403  # still the reader's


async def test_guessing_is_slowed_down(running: RunningGateway, browser: ConsoleClient) -> None:
    await an_operator(running.store, "ben")
    statuses = [(await browser.sign_in("ann", f"guess {n}")).status for n in range(6)]
    assert statuses == [401] * 5 + [429]
    shown = await browser.sign_in("ann")
    assert shown.status == 429  # not even the right one tells anything now
    assert int(shown.headers["retry-after"]) > 0
    assert (await browser.sign_in("ben")).status == 303  # others are not kept out


async def test_guessing_logins_is_slowed_down_too(browser: ConsoleClient) -> None:
    csrf = await browser.csrf("/console/sign-in")
    statuses = [
        (await browser.post("/console/sign-in", csrf=csrf, login=f"l{n}", password="x")).status
        for n in range(31)
    ]
    assert statuses == [401] * 30 + [429]


async def test_the_sign_in_form_must_be_ours(browser: ConsoleClient) -> None:
    """Else another site could sign somebody in as somebody else."""
    shown = await browser.post("/console/sign-in", csrf="0" * 48, login="ann", password=PASSWORD)
    assert shown.status == 403
    assert (await browser.get("/console/audit")).status == 303


async def test_signing_out_ends_the_session(browser: ConsoleClient) -> None:
    await browser.sign_in("ann")
    token = _session(browser)
    out = await browser.post("/console/sign-out", on="/console/audit")
    assert (out.status, out.headers["location"]) == (303, "/console/sign-in")
    browser.session.cookie_jar.update_cookies({"whimbrel_session": token})
    assert (await browser.get("/console/audit")).status == 303


async def test_a_disabled_operator_is_out_at_once(
    running: RunningGateway, browser: ConsoleClient
) -> None:
    await browser.sign_in("ann")
    operator = await running.store.read(operators_by_login, "ann")
    assert operator
    entry = AuditEntry(SystemClock().now(), "test", "-", "operator.change", "ann")
    await running.store.write(change_operators, Audited(replace(operator, disabled=True), entry))
    assert (await browser.get("/console/audit")).status == 303
    assert (await browser.sign_in("ann")).status == 401


async def test_sessions_end_by_themselves(tmp_path: Path) -> None:
    clock = FakeClock()
    async with running_gateway(tmp_path, clock=clock) as running, signed_in(running) as browser:
        for _ in range(6):  # used now and then, it goes on ...
            clock.advance(110 * MINUTE)
            assert (await browser.get("/console/audit")).status == 200
        clock.advance(HOUR)  # ... but not beyond its twelve hours
        assert (await browser.get("/console/audit")).status == 303
        await browser.sign_in("admin")
        clock.advance(120 * MINUTE)
        assert (await browser.get("/console/audit")).status == 303


async def test_signing_in_and_out_is_in_the_audit_log(
    running: RunningGateway, browser: ConsoleClient
) -> None:
    await browser.sign_in("ann", "wrong")
    await browser.sign_in("ann")
    await browser.post("/console/sign-out", on="/console/audit")
    rows = await running.store.read(list_deeds, AuditWish(1 << 60, "ann", 10))
    assert [row[4] for row in rows] == ["operator.sign-out", "operator.sign-in"]
    assert {row[3] for row in rows} == {"127.0.0.1"}


async def test_many_sign_in_at_once(running: RunningGateway) -> None:
    await an_operator(running.store)
    async with a_browser(running.url) as one, a_browser(running.url) as two:
        shown = await asyncio.gather(one.sign_in("ann"), two.sign_in("ann"))
        assert [each.status for each in shown] == [303, 303]
        assert _session(one) != _session(two)


def _session(browser: ConsoleClient) -> str:
    return browser.session.cookie_jar.filter_cookies(URL(browser.url))["whimbrel_session"].value
