"""An operator looks for a message, and takes what was found along."""

import csv
import io

from playwright.async_api import Page, expect

from tests.browser.accessibility import check_accessibility
from tests.browser.conftest import PHONE, OpenPage
from tests.browser.guard import Guard
from tests.browser.pictures import screenshot
from tests.browser.signing_in import sign_in
from tests.browser.world import World

_LIST = "/console/messages"


async def test_a_message_is_found_by_a_phone_in_any_spelling(console: Page, world: World) -> None:
    subscriber = world.subscriber()
    mt_num = await world.send(subscriber, extraParam="order=17")
    await world.until_report(mt_num, 9)
    await console.goto(world.url + _LIST)
    await check_accessibility(console, "dark", "light")

    box = console.get_by_role("searchbox")
    await box.fill(f"8 ({subscriber[1:4]}) {subscriber[4:7]}-{subscriber[7:9]}-{subscriber[9:]}")
    await box.press("Enter")
    await expect(console.get_by_text("Found as: Phone")).to_be_visible()
    await expect(console.get_by_role("rowheader", name=mt_num)).to_be_visible()
    await expect(console.get_by_role("row")).to_have_count(2)
    await expect(console.get_by_role("table").get_by_text("read", exact=True)).to_be_visible()
    assert "zone=" not in console.url, "the address has what was filled in, and no more"
    await check_accessibility(console, "dark", "light")
    await screenshot(console, "search-en-light")

    await console.reload()  # an address can be shared
    await expect(console.get_by_role("rowheader", name=mt_num)).to_be_visible()
    async with console.expect_download() as downloading:
        await console.get_by_role("button", name="Export as CSV").click()
    download = await downloading.value
    assert download.suggested_filename.startswith("messages-")
    text = (await download.path()).read_text(encoding="utf-8-sig")
    [row] = csv.DictReader(io.StringIO(text, newline=""))
    assert (row["mtNum"], row["destAddr"], row["state"]) == (mt_num, subscriber, "READ")


async def test_criteria_are_narrowed_and_taken_back(
    open_page: OpenPage, guard: Guard, world: World
) -> None:
    guard.allow(world.url)
    page = await open_page(language="ru", size=PHONE, theme="dark")
    subscriber = world.subscriber()
    mt_num = await world.send(subscriber)
    await world.until_report(mt_num, 9)
    await sign_in(page, world, _LIST)
    await page.get_by_text("Другие условия").click()
    await page.get_by_label("Телефон", exact=True).fill("12")
    await page.locator("#criteria-button").click()
    await expect(page.get_by_text("слишком короткий")).to_be_visible()
    await check_accessibility(page, "dark", "light")

    await page.get_by_label("Телефон", exact=True).fill(f"+{subscriber}")
    await page.get_by_label("Состояние").select_option("failed")
    await page.locator("#criteria-button").click()
    await expect(page.get_by_text("Ничего не найдено.")).to_be_visible()
    await check_accessibility(page, "dark", "light")

    await page.get_by_role("link", name="Без условия: Состояние").click()
    await expect(page.get_by_role("link", name=mt_num)).to_be_visible()
    await check_accessibility(page, "dark", "light")
    await page.emulate_media(color_scheme="dark")
    await screenshot(page, "search-ru-phone")

    await page.go_back()
    await expect(page.get_by_text("Ничего не найдено.")).to_be_visible()
