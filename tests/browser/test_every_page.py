"""Every page there is, in both languages and themes, on a desktop and on a phone.

The pages' own tests use them; this one only looks at them all: axe-core, the guard, whether
anything sticks out of a phone's screen, and the pictures of the documentation.
"""

import asyncio
from typing import NamedTuple

import pytest
import pytest_asyncio
from playwright.async_api import Page

from tests.browser.accessibility import check_accessibility
from tests.browser.conftest import PHONE, OpenPage
from tests.browser.guard import Guard
from tests.browser.pictures import screenshot
from tests.browser.signing_in import sign_in
from tests.browser.world import World

NOT_ON_WHATSAPP = "70000000004"
UNSEEN = "70000000002"
DESKTOP = (1100, 720)  # small, since the pictures are read at half their size


class Walk(NamedTuple):
    """The pages, by the names of their pictures."""

    console: dict[str, str]
    sandbox: dict[str, str]


async def answer(world: World, phone: str, text: str, **wish: str) -> None:
    """Write on a phone, and wait until the gateway has kept it."""
    url = f"{world.sandbox_url}/sandbox/phones/{phone}/answers"
    async with world.client.post(url, json={"text": text, **wish}) as said:
        assert said.status == 200, await said.text()
    async with asyncio.timeout(10):
        while text not in (await world.run("inbound", "list", "--with-text")).output:
            pass


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def walk(world: World) -> Walk:
    """Something to see on every page, and where they are."""
    sms = {"type": "SMS", "data": {"text": "Your order 8770100 is ready", "ttl": 10}}
    behind = {"state": "DELIVERED", "message": sms}
    text = "Your order 8770100 is ready: https://shop.example/orders/8770100"
    cascade = await world.send(
        NOT_ON_WHATSAPP, text, cascadeChainLink=behind, extraParam="order=8770100"
    )
    phone = world.subscriber()
    read = await world.send(phone, text)
    await world.send(UNSEEN, "Your code is 4711")
    await asyncio.gather(world.until_report(read, 9), world.until_report(cascade, 2))
    await answer(world, phone, "Thank you! May I come at six?")
    await answer(world, phone, "До шести успею?", channel="SMS", to="SMSDEMO")
    return Walk(
        {
            "overview": "/console",
            "messages": "/console/messages",
            "message": f"/console/messages/{cascade}",
            "inbound": "/console/inbound",
            "reports": "/console/reports",
            "partners": "/console/partners",
            "partner": "/console/partners/demo",
            "partner-new": "/console/new-partner",
            "senders": "/console/senders",
            "links": "/console/links",
            "numbering": "/console/numbering",
            "operators": "/console/operators",
            "operator": "/console/operators/demo",
            "password": "/console/password",
            "audit": "/console/audit",
            "not-found": "/console/nowhere",
            "generator": "/generator",
            "reference": "/docs",
        },
        {"sandbox": "/", "handset": f"/handset/{phone}"},
    )


async def _look(page: Page, url: str, name: str, guard: Guard) -> None:
    if name.startswith("not-found"):
        guard.expect("status of 404")
    await page.goto(url)
    await page.wait_for_load_state("load")
    await check_accessibility(page)
    width = await page.evaluate("document.documentElement.scrollWidth")
    view = page.viewport_size
    assert view
    assert width <= view["width"], f"{url}: something sticks out of the screen"
    await screenshot(page, name)


@pytest.mark.timeout(300)  # a page may take seconds while the machine is busy
async def test_on_a_desktop(open_page: OpenPage, guard: Guard, world: World, walk: Walk) -> None:
    guard.allow(world.url, world.sandbox_url)
    page = await open_page(size=DESKTOP)
    await _look(page, world.url + "/console/sign-in", "sign-in", guard)
    await sign_in(page, world)
    for name, path in walk.console.items():
        await _look(page, world.url + path, name, guard)
    for name, path in walk.sandbox.items():
        await _look(page, world.sandbox_url + path, name, guard)


@pytest.mark.timeout(300)
async def test_on_a_phone(open_page: OpenPage, guard: Guard, world: World, walk: Walk) -> None:
    """In Russian and in the dark."""
    guard.allow(world.url, world.sandbox_url)
    page = await open_page(size=PHONE, language="ru", theme="dark")
    await _look(page, world.url + "/console/sign-in", "sign-in-phone", guard)
    await sign_in(page, world)
    for name, path in walk.console.items():
        await _look(page, world.url + path, f"{name}-phone", guard)
    for name, path in walk.sandbox.items():
        await _look(page, world.sandbox_url + path, f"{name}-phone", guard)
