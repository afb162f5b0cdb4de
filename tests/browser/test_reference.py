"""The API reference as a person reads it: Swagger UI under the pages' own strict policy."""

import json

import pytest
from playwright.async_api import Page, expect

from tests.browser.accessibility import Theme, check_accessibility
from tests.browser.conftest import DESKTOP, PHONE, OpenPage
from tests.browser.pictures import screenshot
from tests.browser.world import World

SEND = "POST /send Send a message."
HEADINGS = {"en": "API reference", "ru": "Справочник API"}


@pytest.mark.parametrize(
    ("language", "size", "theme"),
    [("en", DESKTOP, "dark"), ("ru", PHONE, "light")],
    ids=["English", "Russian phone"],
)
async def test_it_can_be_read_folded_and_unfolded(
    open_page: OpenPage, world: World, language: str, size: tuple[int, int], theme: Theme
) -> None:
    page = await open_page(language=language, size=size)
    await page.goto(f"{world.url}/docs")
    await expect(page.get_by_role("heading", level=1)).to_have_text(HEADINGS[language])
    await drawn(page)
    await check_accessibility(page, "dark", "light")
    await screenshot(page, f"reference-{language}")

    await page.get_by_role("button", name=SEND).click()
    await page.get_by_role("button", name="Schemas").click()
    await page.get_by_role("button", name="ScheduleInfo", exact=True).click()
    await expect(page.get_by_text("weekdaysSchedule").first).to_be_visible()
    await check_accessibility(page, theme)
    assert await page.evaluate("document.documentElement.scrollWidth") == size[0]


async def test_the_error_with_code_8_is_found_both_ways(page: Page, world: World) -> None:
    wanted = {
        "error": {"code": 8, "description": "destAddr is not correct"},
        "extendedDescription": "destAddr: The phone number is too short or too long for its "
        "country code.",
    }
    await page.goto(f"{world.url}/docs")
    await page.get_by_role("link", name="Errors at a glance").click()
    row = page.get_by_role("row").filter(has_text="destAddr is not correct")
    await expect(row.get_by_role("rowheader")).to_have_text("8")
    assert json.loads(await row.locator("pre").inner_text()) == wanted

    await drawn(page)
    await page.get_by_role("button", name=SEND).click()
    answer = page.locator(".response[data-code='406']")
    await answer.get_by_label("Example", exact=True).select_option("code9")
    await answer.get_by_label("Example", exact=True).select_option("code8")
    assert json.loads(await answer.locator("pre").inner_text()) == wanted
    await expect(page).to_have_url(f"{world.url}/docs#/Messages/send")


async def drawn(page: Page) -> None:
    """Wait until Swagger UI has drawn the document."""
    await expect(page.locator("#reference[aria-busy=false]")).to_be_visible()
    await expect(page.get_by_role("button", name=SEND)).to_be_visible()
