"""Whether a page that misbehaves makes its test fail, whatever the test itself asserts."""

import contextlib
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web
from playwright.async_api import Browser, Page
from yarl import URL

from tests.browser.accessibility import check_accessibility
from tests.browser.guard import Guard
from tests.support.processes import finished

ROOT = Path(__file__).parents[2]
NOBODY = "http://127.0.0.1:9"  # the discard port: nothing listens there
FRAME = """<!doctype html><html lang="en"><title>A page</title><style nonce="n">
@media (prefers-color-scheme: dark) {{ .faint {{ color: #777; background: #666 }} }}
</style><main><h1>A page</h1>{}</main></html>"""
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' http:; style-src 'nonce-n'; "
    "img-src http: https: data:; connect-src https: ws:"
)
GOOD = "<p>Nothing is wrong with this.<script>console.warn('only a warning')</script>"
A_WORD = "<script>console.error('a word')</script>"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def url() -> AsyncIterator[str]:
    """A server that answers with the body it is asked for."""

    async def show(request: web.Request) -> web.Response:
        if "body" not in request.query:
            raise web.HTTPNotFound
        text = FRAME.format(request.query["body"])
        headers = {"Content-Security-Policy": POLICY}
        return web.Response(text=text, content_type="text/html", headers=headers)

    app = web.Application()
    app.router.add_get("/{path:.*}", show)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@contextlib.asynccontextmanager
async def shown(body: str, chromium: Browser, url: str, guard: Guard) -> AsyncIterator[Page]:
    guard.allow(url, NOBODY)
    context = await chromium.new_context()
    await guard.watch(context)
    page = await context.new_page()
    await page.goto(str(URL(url).with_query(body=body)), wait_until="networkidle")
    yield page
    await context.close()


FAULTS = {
    A_WORD: r"console: a word \(http",
    "<script>nobody_knows()</script>": "uncaught: .*nobody_knows is not defined",
    "<script>Promise.reject(new Error('rejected'))</script>": "uncaught: .*rejected",
    "<p style='color: red'>inline style</p>": "Policy violated: style-src-attr inline",
    "<img src='/nothing' alt='Nothing'>": "console: .* status of 404",
    f"<script src='{NOBODY}/x.js'></script>": f"failed: GET {NOBODY}/x.js: net::ERR_",
    "<img src='https://a.example/x.png' alt='X'>": "foreign: GET https://a.example/x.png",
    "<script>fetch('https://b.example/')</script>": "foreign: GET https://b.example/",
    "<script>open('https://c.example/')</script>": "foreign: GET https://c.example/",
    "<script>new WebSocket('ws://d.example/')</script>": "foreign: WebSocket ws://d.example/",
    "<img src='http://127.0.0.1:8/x.png' alt='X'>": "foreign: GET http://127.0.0.1:8/x.png",
}


async def test_what_a_page_must_not_do(chromium: Browser, url: str) -> None:
    guard = Guard()
    async with shown("".join(FAULTS), chromium, url, guard):
        pass

    with pytest.raises(AssertionError) as told:
        guard.check()
    assert [fault for fault, words in FAULTS.items() if not re.search(words, str(told.value))] == []


async def test_a_good_page(chromium: Browser, url: str) -> None:
    guard = Guard()
    async with shown(GOOD, chromium, url, guard) as page:
        await check_accessibility(page, "light", "dark")

    guard.check()


async def test_what_is_expected_must_come(chromium: Browser, url: str) -> None:
    guard = Guard()
    guard.expect("a word")
    async with shown(A_WORD, chromium, url, guard):
        guard.check()
        guard.expect("status of 404")

        with pytest.raises(AssertionError, match="did not come: status of 404"):
            guard.check()


BARRIERS = {
    "<h4>The second heading</h4>": r"heading-order \(moderate\)",
    "<img src='data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA='>": "image-alt",
    "<p class='faint'>grey on grey": r"color-contrast \(serious\)(?s:.*)\[dark\]",
}


async def test_what_a_page_must_not_ask(chromium: Browser, url: str) -> None:
    async with shown("".join(BARRIERS), chromium, url, Guard()) as page:
        with pytest.raises(AssertionError) as told:
            await check_accessibility(page, "light", "dark")

    assert [
        barrier for barrier, words in BARRIERS.items() if not re.search(words, str(told.value))
    ] == []


async def test_a_fault_fails_the_test_that_opened_the_page(
    chromium: Browser, tmp_path: Path
) -> None:
    file = tmp_path / "test_fault.py"
    file.write_text("""
async def test_good(open_page):
    page = await open_page()
    await page.set_content("<p>Nothing is wrong.")

async def test_bad(open_page):
    page = await open_page()
    await page.set_content("<script>console.error('a word')</script>")
""")
    plugins = ("no:schemathesis", "no:hypothesispytest", "tests.browser.conftest")
    options: tuple[str | Path, ...] = (
        "-q",
        "-c",
        ROOT / "pyproject.toml",
        *(f"-p{name}" for name in plugins),
        file,
    )
    told = await finished(*options, folder=ROOT, program=(sys.executable, "-m", "pytest"))

    assert told.code == 1, told.output
    assert "console: a word" in told.output
    assert "2 passed, 1 error" in told.output
    assert "ERROR ::test_bad" in told.output
