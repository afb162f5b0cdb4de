"""Nobody gets where he may not go, and nobody is made to do what he did not mean."""

import html
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

import whimbrel
from tests.support.console import a_browser, an_operator, signed_in
from tests.support.gateway import RunningGateway, an_account, running_gateway
from whimbrel.domain.operator import Right, Role
from whimbrel.settings import ConsoleSettings, Settings
from whimbrel.store.audit import AuditWish, list_deeds
from whimbrel.store.operators import all_operators
from whimbrel.web.console.guard import Guard, Page

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[RunningGateway]:
    async with running_gateway(tmp_path) as one:
        yield one


@pytest.fixture
def every_page(monkeypatch: pytest.MonkeyPatch) -> list[Page]:
    """The pages of whatever gateway is made in this test."""
    found: list[Page] = []
    route: Callable[[Guard, Page], object] = Guard.route

    def noting(guard: Guard, page: Page) -> object:
        found.append(page)
        return route(guard, page)

    monkeypatch.setattr(Guard, "route", noting)
    return found


def _path(page: Page) -> str:
    """A path of a page, whatever its parameters."""
    numbered = page.path.replace(":int}", "}1")
    parts = [
        (part.partition("}")[2] or "x" if "{" in part else part) for part in numbered.split("/")
    ]
    return "/".join(parts)


async def test_every_page_asks_who_is_there(every_page: list[Page], tmp_path: Path) -> None:
    async with running_gateway(tmp_path) as running, a_browser(running.url) as browser:
        assert len(every_page) > 5
        for page in every_page:
            for method in page.handlers:
                path = _path(page)
                shown = (
                    await browser.get(path)
                    if method == "GET"
                    else await browser.post(path, csrf="0" * 48)
                )
                assert shown.status == 303, f"{method} {path}"
                assert shown.headers["location"].startswith("/console/sign-in"), path


@pytest.mark.parametrize("role", list(Role))
async def test_every_page_keeps_to_the_role(
    every_page: list[Page], tmp_path: Path, role: Role
) -> None:
    rights = {
        Role.ADMIN: {Right.SEE, Right.ACT, Right.MANAGE},
        Role.SUPPORT: {Right.SEE, Right.ACT},
        Role.READER: {Right.SEE},
    }[role]
    async with running_gateway(tmp_path) as running, signed_in(running, role) as browser:
        csrf = await browser.csrf("/console/password")
        for page in every_page:
            for method in page.handlers:
                path = _path(page)
                if page.right in rights and (method == "POST" or "live" in path):
                    continue  # the page's own tests
                shown = (
                    await browser.get(path)
                    if method == "GET"
                    else await browser.post(path, csrf=csrf)
                )
                if page.right in rights:
                    assert shown.status in {200, 303, 400, 404}, f"{method} {path}"
                else:
                    assert shown.status == 403, f"{method} {path}"
                    assert "Your role does not allow this." in shown.words


async def test_every_change_asks_for_the_sessions_own_token(
    every_page: list[Page], tmp_path: Path
) -> None:
    async with running_gateway(tmp_path) as running, signed_in(running) as browser:
        async with a_browser(running.url) as other:
            await an_operator(running.store, "ben")
            await other.sign_in("ben")
            others = await other.csrf("/console/password")
        for page in every_page:
            if "POST" in page.handlers:
                for csrf in ("", "0" * 48, others):
                    shown = await browser.post(_path(page), csrf=csrf)
                    assert shown.status == 403, page.path
                    assert "not valid any more" in shown.words


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
    ],
)
async def test_another_site_changes_nothing_even_with_the_token(
    running: RunningGateway, headers: dict[str, str]
) -> None:
    async with signed_in(running) as browser:
        csrf = await browser.csrf("/console/password")
        shown = await browser.post(
            "/console/operators", csrf=csrf, headers=headers, login="eve", role="admin"
        )
        assert shown.status == 403
        assert [one.login for one in await running.store.read(all_operators, None)] == ["admin"]
        shown = await browser.post("/preferences", csrf="", headers=headers, language="ru")
        assert shown.status == 403


async def test_every_answer_is_secured(running: RunningGateway) -> None:
    async with signed_in(running) as browser:
        for path in ("/console/sign-in", "/console/password", "/console/nowhere", "/assets/x"):
            headers = (await browser.get(path)).headers
            policy = headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "frame-ancestors 'none'" in policy
            assert "unsafe" not in policy
            assert headers["x-frame-options"] == "DENY"
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["cache-control"] == "no-store", path


async def test_htmx_is_led_to_the_sign_in_page_as_a_whole(running: RunningGateway) -> None:
    async with a_browser(running.url) as browser:
        shown = await browser.get("/console/audit", **{"hx-request": "true"})
        assert (shown.status, shown.text) == (401, "")
        assert shown.headers["hx-redirect"] == "/console/sign-in?next=/console/audit"


async def test_what_is_typed_is_shown_as_it_was_typed(running: RunningGateway) -> None:
    async with signed_in(running) as browser:
        shown = await browser.post("/console/operators", login=HOSTILE + " ", role="admin")
        assert shown.status == 400
        assert HOSTILE not in shown.text
        assert html.escape(HOSTILE) in shown.text
        assert "without blanks and slashes" in shown.words


async def test_a_form_that_is_none_is_told_so(running: RunningGateway) -> None:
    async with signed_in(running) as browser:
        for body, content_type in (
            ("{}", "application/json"),
            ("a=" + "x" * 300_000, "application/x-www-form-urlencoded"),
            ("a=%ff", "application/x-www-form-urlencoded"),
        ):
            async with browser.session.post(
                f"{browser.url}/console/operators",
                data=body,
                headers={"content-type": content_type},
                allow_redirects=False,
            ) as answer:
                assert answer.status == 400
                assert "The form could not be read." in await answer.text()


async def test_the_console_can_be_switched_off(tmp_path: Path) -> None:
    settings = Settings(whatsapp={"main": an_account()}, console=ConsoleSettings(enabled=False))
    async with (
        running_gateway(tmp_path, settings=settings) as running,
        a_browser(running.url) as browser,
    ):
        assert (await browser.get("/console")).status == 404
        assert (await browser.get("/console/sign-in")).status == 404


async def test_the_console_can_have_a_port_of_its_own(tmp_path: Path) -> None:
    """The process is tested in test_console_port.py; here: what is where."""
    settings = Settings(whatsapp={"main": an_account()}, console=ConsoleSettings(port=1))
    async with (
        running_gateway(tmp_path, settings=settings) as running,
        a_browser(running.url) as browser,
    ):
        assert (await browser.get("/console/sign-in")).status == 404
        assert running.gateway.console_site is not None


async def test_operators_are_added_changed_and_removed(running: RunningGateway) -> None:
    async with signed_in(running) as browser:
        shown = await browser.post("/console/operators", login="eve", role="reader")
        assert shown.status == 200
        password = html.unescape(shown.text.split('id="secret">')[1].split("<")[0])
        async with a_browser(running.url) as eve:
            assert (await eve.sign_in("eve", password)).status == 303
            assert (await eve.get("/console/operators")).status == 403
            await browser.post("/console/operators/eve", role="support", sees_texts="yes")
            assert (await eve.get("/console/password")).status == 303  # signed out by it
            shown = await browser.post(
                "/console/operators/eve/password", on="/console/operators/eve"
            )
            assert (await eve.sign_in("eve", password)).status == 401
        taken = await browser.post("/console/operators", login="eve", role="reader")
        assert taken.status == 409
        await browser.post("/console/operators/eve/remove", on="/console/operators/eve")
        assert [one.login for one in await running.store.read(all_operators, None)] == ["admin"]
        deeds = await running.store.read(list_deeds, AuditWish(1 << 60, "admin", 10))
        assert [row[4] for row in deeds] == [
            "operator.remove", "operator.password", "operator.change", "operator.add",
            "operator.sign-in",
        ]  # fmt: skip
        assert password not in str(deeds)
        assert "eve" in (await browser.get("/console/audit")).words


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/console/operators/admin", {"role": "reader"}),
        ("/console/operators/admin", {"role": "admin", "disabled": "yes"}),
        ("/console/operators/admin/remove", {}),
    ],
)
async def test_the_last_admin_cannot_be_lost(
    running: RunningGateway, path: str, fields: dict[str, str]
) -> None:
    async with signed_in(running) as browser:
        shown = await browser.post(path, on="/console/operators/admin", **fields)
        assert shown.status == 409
        assert "the last admin stays one" in shown.words


async def test_ones_own_password_is_changed_by_who_knows_it(running: RunningGateway) -> None:
    async with signed_in(running, Role.READER) as browser:
        new = "another-password"
        for old, again in (("wrong", new), ("operator-password", "different-one")):
            shown = await browser.post("/console/password", old=old, new=new, again=again)
            assert shown.status == 400
        shown = await browser.post("/console/password", old="operator-password", new=new, again=new)
        assert shown.status == 303
        assert (await browser.get("/console/password")).status == 303
        assert (await browser.sign_in("reader", new)).status == 303


async def test_language_theme_and_zone_are_kept(running: RunningGateway) -> None:
    async with signed_in(running) as browser:
        chosen = await browser.post(
            "/preferences", csrf="", language="ru", theme="dark", zone="Asia/Omsk",
            next="/console/audit",
        )  # fmt: skip
        assert (chosen.status, chosen.headers["location"]) == (303, "/console/audit")
        shown = await browser.get("/console/audit")
        assert 'lang="ru"' in shown.text
        assert 'data-theme="dark"' in shown.text
        assert "Журнал действий" in shown.words
        assert "Asia/Omsk" in shown.words


@pytest.mark.parametrize(
    ("member", "value"), [("language", "xx"), ("theme", HOSTILE), ("zone", "Nowhere/Town")]
)
async def test_a_preference_that_is_none_is_told_so(
    running: RunningGateway, member: str, value: str
) -> None:
    async with a_browser(running.url) as browser:
        shown = await browser.post("/preferences", csrf="", **{member: value})
        assert shown.status == 400
        assert shown.text.startswith(f"{member}: ")
        assert shown.headers["content-type"].startswith("text/plain")


@pytest.mark.parametrize("wanted", ["//evil.example", "https://evil.example", "/\\evil", "/send"])
async def test_preferences_lead_to_no_other_site(running: RunningGateway, wanted: str) -> None:
    async with a_browser(running.url) as browser:
        shown = await browser.post("/preferences", csrf="", language="en", next=wanted)
        assert shown.headers["location"] == "/console"


async def test_assets_are_kept_by_browsers_under_their_digest(running: RunningGateway) -> None:
    async with a_browser(running.url) as browser:
        page = (await browser.get("/console/sign-in")).text
        url = page.split('rel="stylesheet" href="')[1].split('"')[0]
        shown = await browser.get(url)
        assert shown.status == 200
        assert shown.headers["content-type"].startswith("text/css")
        assert "immutable" in shown.headers["cache-control"]
        _, folder, edition, name = url.split("/", 3)
        other = await browser.get(f"/{folder}/{'0' * len(edition)}/{name}")
        assert (other.status, other.text) == (200, shown.text)
        assert "immutable" not in other.headers["cache-control"]
        for path in ("../words/ru/console.toml", f"{edition}/../../words/ru/console.toml"):
            assert (await browser.get(f"/{folder}/{path}")).status == 404


def test_what_a_script_imports_is_of_its_edition() -> None:
    """Relative addresses lead to the same folder, and no other is imported."""
    folder = Path(whimbrel.__file__).parent / "web/pages/assets/js"
    imports = [
        (script, imported)
        for script in folder.rglob("*.js")
        for imported in re.findall(
            r'^(?:import|\}).* from "(.+)";$', script.read_text(), re.MULTILINE
        )
    ]
    assert len(imports) > 20
    for script, imported in imports:
        assert imported.startswith("."), f"{script.name} imports {imported}"
        assert (script.parent / imported).is_file()


async def test_assets_are_packed_for_whom_it_helps(running: RunningGateway) -> None:
    url = f"{running.url}/assets/any/vendor/htmx-2.0.11.min.js"
    bodies = []
    for accepted, sent in (("gzip, br", "gzip"), ("gzip, br", "gzip"), ("identity", None)):
        headers = {"accept-encoding": accepted}
        async with running.client.get(url, headers=headers) as answer:
            assert answer.headers.get("content-encoding") == sent
            assert answer.headers["vary"] == "accept-encoding"
            bodies.append(await answer.read())  # unpacked
    assert len(set(bodies)) == 1
