"""Debian's Chromium, driven by Playwright: never a browser that Playwright fetched itself."""

import contextlib
import os
import shutil
from collections.abc import AsyncIterator

from playwright.async_api import Browser, async_playwright

from tests.support.strangers import do_without

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_ARGUMENTS = (
    "--no-sandbox",  # CI is root in a container
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # it cannot even ask for others
)


def chromium_path() -> str | None:
    """Return where Chromium is: `WHIMBREL_TEST_CHROMIUM` if that is set, else the system's own."""
    named = os.environ.get("WHIMBREL_TEST_CHROMIUM")
    found = (shutil.which(name) for name in ((named,) if named else _NAMES))
    return next((path for path in found if path), None)


@contextlib.asynccontextmanager
async def running_chromium() -> AsyncIterator[Browser]:
    """Run Chromium with a new, empty profile. Without Chromium the test is skipped."""
    path = chromium_path()
    if path is None:
        do_without("browser tests", "no Chromium is installed (Debian's package is `chromium`)")
    async with (
        async_playwright() as playwright,
        await playwright.chromium.launch(executable_path=path, args=_ARGUMENTS) as browser,
    ):
        yield browser
