"""The sign-in page, and the frame that every page of the console has."""

import pytest
from playwright.async_api import Page, expect

from tests.browser.accessibility import check_accessibility
from tests.browser.conftest import DESKTOP, PHONE, OpenPage
from tests.browser.guard import Guard
from tests.browser.pictures import screenshot
from tests.browser.signing_in import sign_in
from tests.browser.world import World


@pytest.mark.parametrize(
    ("language", "size"), [("en", DESKTOP), ("ru", PHONE)], ids=["English", "Russian phone"]
)
async def test_an_operator_signs_in_and_out(
    open_page: OpenPage, world: World, language: str, size: tuple[int, int]
) -> None:
    page = await open_page(language=language, size=size)
    await page.goto(f"{world.url}/console/operators")
    await expect(page.locator("html")).to_have_attribute("lang", language)
    await check_accessibility(page, "dark", "light")
    await screenshot(page, f"sign-in-{language}")

    await sign_in(page, world, "/console/operators")
    await check_accessibility(page, "dark", "light")
    await page.locator("details.drop summary").click()
    await page.locator("form[action='/console/sign-out'] button").click()
    await expect(page.locator("input[name=password]")).to_be_visible()


async def test_a_wrong_password_is_told(page: Page, guard: Guard, world: World) -> None:
    guard.expect("status of 40[13]")
    await page.goto(f"{world.url}/console/sign-in")
    await page.get_by_label("Login").fill("demo")
    await page.get_by_label("Password").fill("a guess")
    await page.get_by_role("button", name="Sign in").click()

    await expect(page.get_by_text("do not belong together")).to_be_visible()
    await check_accessibility(page)
