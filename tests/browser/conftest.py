"""One Chromium and one world for all tests in the browser, and no longer; fresh contexts for each.

A page that a test opens is watched: what `guard.py` lists makes the test fail at its end.
"""

from collections.abc import AsyncIterator, Awaitable
from typing import Any, Protocol

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect
from pytest_asyncio import is_async_test

from tests.browser.accessibility import Theme
from tests.browser.chromium import running_chromium
from tests.browser.guard import Guard
from tests.browser.signing_in import sign_in
from tests.browser.world import World, running_world

DESKTOP, PHONE = (1280, 800), (390, 844)
_PATIENCE = 20_000.0  # milliseconds, a bound that only ends a test which has failed already


def pytest_collection_modifyitems(items: list[Any]) -> None:
    """Run all tests that need Chromium in one loop, which is Chromium's."""
    for item in items:
        if is_async_test(item) and "chromium" in item.fixturenames:
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def chromium() -> AsyncIterator[Browser]:
    expect.set_options(timeout=_PATIENCE)
    async with running_chromium() as running:
        yield running


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def world(
    chromium: Browser, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    """The demo; not started where there is no browser to look at it."""
    async with running_world(tmp_path_factory.mktemp("world")) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def guard(chromium: Browser) -> AsyncIterator[Guard]:
    """Watches every page of the test, and has its say when they are closed."""
    guard = Guard()
    yield guard
    guard.check()


class OpenPage(Protocol):
    """Opens a page in a context of its own: new cookies, a new visitor."""

    def __call__(
        self,
        *,
        language: str = "en",
        theme: Theme = "light",
        size: tuple[int, int] = DESKTOP,
        zone: str = "UTC",
    ) -> Awaitable[Page]: ...


@pytest_asyncio.fixture(loop_scope="session")
async def open_page(
    chromium: Browser, guard: Guard, request: pytest.FixtureRequest
) -> AsyncIterator[OpenPage]:
    """Open pages for other visitors than `page`'s.

    They may ask the world's servers if the test has a world; `guard.allow` names others.
    """
    contexts = []
    if "world" in request.fixturenames:
        world: World = request.getfixturevalue("world")  # which is there already
        guard.allow(world.url, world.sandbox_url)

    async def opened(
        *,
        language: str = "en",
        theme: Theme = "light",
        size: tuple[int, int] = DESKTOP,
        zone: str = "UTC",
    ) -> Page:
        context = await chromium.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme=theme,
            locale=language,
            timezone_id=zone,
            reduced_motion="reduce",
            service_workers="block",
        )
        contexts.append(context)
        context.set_default_timeout(_PATIENCE)
        await guard.watch(context)
        return await context.new_page()

    yield opened
    for context in contexts:
        await context.close()


@pytest_asyncio.fixture(loop_scope="session")
async def page(open_page: OpenPage, world: World) -> Page:
    """A page of the world: a desktop, in English, in the light theme."""
    return await open_page()


@pytest_asyncio.fixture(loop_scope="session")
async def console(page: Page, world: World) -> Page:
    """`page`, with which the demo's operator, an admin who sees texts, has signed in."""
    await sign_in(page, world)
    return page
