"""The overview in a browser: it grows as messages are sent, and everybody can read it."""

import pytest
from playwright.async_api import Page, expect

from tests.browser.accessibility import check_accessibility
from tests.browser.conftest import DESKTOP, PHONE, OpenPage
from tests.browser.guard import Guard
from tests.browser.pictures import screenshot
from tests.browser.signing_in import sign_in
from tests.browser.world import World

NOT_ON_WHATSAPP = "70000000004"
HOUR = "/console?range=1h"


async def until_all_are_counted(page: Page, world: World) -> None:
    """Other tests' messages, too: they are counted a moment after they were accepted."""
    await expect(page.locator("[data-tile=accepted]")).to_have_text(str(world.accepted()))


@pytest.mark.parametrize(
    ("language", "size"), [("en", DESKTOP), ("ru", PHONE)], ids=["English", "Russian phone"]
)
async def test_a_number_grows_as_a_message_is_sent(
    open_page: OpenPage, guard: Guard, world: World, language: str, size: tuple[int, int]
) -> None:
    guard.allow(world.url)
    page = await open_page(language=language, size=size)
    await sign_in(page, world, HOUR)
    await expect(page.locator("#live-state")).to_have_attribute("data-state", "live")
    await until_all_are_counted(page, world)
    await world.until_report(await world.send(NOT_ON_WHATSAPP), 5)
    await until_all_are_counted(page, world)
    await expect(page.locator(".failures a").first).to_have_attribute(
        "href", "/console/messages?error=6&type=WHATSAPP"
    )
    await check_accessibility(page, "dark", "light")
    await screenshot(page, f"overview-{language}", whole=True)
    wide = await page.evaluate("document.documentElement.scrollWidth")
    assert wide <= size[0], "it scrolls sideways"


async def test_the_chart_can_be_read_without_seeing_it(
    open_page: OpenPage, guard: Guard, world: World
) -> None:
    guard.allow(world.url)
    page = await open_page()
    await sign_in(page, world, HOUR)
    await page.get_by_text("As a table").click()
    rows = page.locator("#series tbody tr")
    await expect(rows).to_have_count(60)
    await until_all_are_counted(page, world)
    await world.send(world.subscriber())
    await until_all_are_counted(page, world)
    totals = await page.locator("#series tbody td:nth-child(2)").all_inner_texts()
    assert sum(map(int, totals)) == world.accepted()
    failed = page.get_by_role("button", name="Failed")
    await failed.press("Enter")
    await expect(failed).to_have_attribute("aria-pressed", "false")
    await check_accessibility(page)
