"""An operator signs in, as a person does."""

from playwright.async_api import Page, expect

from tests.browser.world import LOGIN, PASSWORD, World


async def sign_in(
    page: Page,
    world: World,
    path: str = "/console/password",
    *,
    login: str = LOGIN,
    password: str = PASSWORD,
) -> None:
    """Open a page of the console, which asks who this is, and come back to it.

    The demo's operator is an admin who sees texts.
    """
    await page.goto(world.url + path)
    await page.locator("input[name=login]").fill(login)
    await page.locator("input[name=password]").fill(password)
    await page.locator("main form button").click()
    await expect(page).to_have_url(world.url + path)
    await page.wait_for_load_state()
