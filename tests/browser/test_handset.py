"""The sandbox's phones: a message arrives live, and what a person does goes back to the Partner."""

import asyncio
import re

import pytest
from playwright.async_api import Page, expect

from tests.browser.accessibility import Theme, check_accessibility
from tests.browser.conftest import DESKTOP, PHONE, OpenPage
from tests.browser.guard import Guard
from tests.browser.pictures import screenshot
from tests.browser.signing_in import sign_in
from tests.browser.world import World

SMS = {"type": "SMS", "data": {"text": "По SMS: ждём вас! " * 6, "ttl": 60}}


async def switch(page: Page, name: str) -> None:
    """Turn a switch, and see that it has turned."""
    button = page.get_by_role("switch", name=name)
    other = "false" if await button.get_attribute("aria-checked") == "true" else "true"
    await button.click()
    await expect(button).to_have_attribute("aria-checked", other)


async def until_shown(page: Page, url: str, words: str) -> None:
    """Open a page that does not grow by itself until it shows some words."""
    async with asyncio.timeout(10):
        await page.goto(url)
        while not await page.get_by_text(words).count():
            await page.reload()


async def test_a_message_arrives_is_read_and_answered(page: Page, world: World) -> None:
    to = world.subscriber()
    await page.goto(f"{world.sandbox_url}/handset/{to}")
    await expect(page.get_by_text("Nothing has come")).to_be_visible()
    await switch(page, "Reads by itself")

    mt_num = await world.send(to, "Your order: http://127.0.0.1:9/orders/4417, thank you.")
    bubble = page.locator("article.bubble")
    await expect(bubble).to_have_attribute("data-fate", "delivered")
    link = bubble.get_by_role("link")
    await expect(link).to_have_attribute("href", "http://127.0.0.1:9/orders/4417")
    await world.until_report(mt_num, 2)
    await check_accessibility(page, "dark", "light")

    await bubble.get_by_role("button", name="Mark as read").focus()
    await page.keyboard.press("Enter")
    await expect(bubble).to_have_attribute("data-fate", "read")
    await expect(page.get_by_role("log")).to_be_focused()
    await world.until_report(mt_num, 9)

    await page.get_by_label("Answer", exact=True).fill("I shall be there at six")
    await page.keyboard.press("Enter")
    await expect(page.locator("article.out")).to_contain_text("I shall be there at six")
    await expect(page.get_by_label("Answer", exact=True)).to_have_value("")
    await screenshot(page, "handset")

    await sign_in(page, world)
    await until_shown(page, f"{world.url}/console/inbound?subscriber={to}", "there at six")
    row = page.locator("table.found tbody tr")
    await expect(row).to_have_count(1)
    for cell in (to, "WHIMBREL", "WHATSAPP", "I shall be there at six"):
        await expect(row).to_contain_text(cell)
    await check_accessibility(page, "dark", "light")
    listed = await world.run("inbound", "list", "--with-text")
    [line] = [line for line in listed.output.splitlines() if to in line]
    assert "WHATSAPP" in line


@pytest.mark.parametrize(("language", "theme"), [("ru", "light"), ("en", "dark")])
async def test_a_phone_that_is_off_on_a_phone(
    open_page: OpenPage, guard: Guard, world: World, language: str, theme: Theme
) -> None:
    guard.allow(world.sandbox_url)
    to = world.subscriber()
    on, off = ("Switch it on", "Switched on") if language == "en" else ("Включить", "Включён")
    page = await open_page(language=language, theme=theme, size=PHONE)
    await page.goto(f"{world.sandbox_url}/handset/{to}")
    await page.locator(".settings-link").click()
    await switch(page, off)
    await check_accessibility(page)
    await page.locator(".close").click()

    mt_num = await world.send(to)
    await world.until_report(mt_num, 0)
    bubble = page.locator("article.bubble")
    await expect(bubble).to_have_attribute("data-fate", "sent")
    await check_accessibility(page)
    await screenshot(page, f"handset-off-{theme}")

    await page.get_by_role("button", name=on).click()
    await expect(bubble).to_have_attribute("data-fate", "read")
    await world.until_report(mt_num, 9)
    width = await page.evaluate("document.documentElement.scrollWidth")
    assert width == PHONE[0], "nothing sticks out"


async def test_without_whatsapp_the_message_comes_by_sms(page: Page, world: World) -> None:
    to = world.subscriber()
    await page.goto(f"{world.sandbox_url}/handset/{to}")
    await switch(page, "Has WhatsApp")

    await world.send(to, cascadeChainLink={"state": "DELIVERED", "message": SMS})
    whatsapp = page.locator("article[data-channel=WHATSAPP]")
    sms = page.locator("article[data-channel=SMS]")
    await expect(whatsapp).to_contain_text("131026")
    await expect(sms).to_have_attribute("data-fate", "delivered")
    await expect(sms).to_contain_text("Parts: 2")
    await check_accessibility(page, "dark", "light")
    await screenshot(page, "handset-cascade")

    await expect(page.get_by_label("Answer to")).to_have_value("SMS:WHIMBREL")
    await page.get_by_label("Answer to").select_option("SMS:SMSDEMO")
    await page.get_by_label("Answer", exact=True).fill("СТОП")
    await page.get_by_role("button", name="Send").click()
    await expect(page.locator("article.out")).to_contain_text("СТОП")
    async with asyncio.timeout(10):  # a deliver_sm is acknowledged when it is on disk
        while to not in (await world.run("inbound", "list")).output:
            pass


async def test_a_refusal_is_told(page: Page, guard: Guard, world: World) -> None:
    guard.expect("status of 400")
    await page.goto(f"{world.sandbox_url}/handset/{world.subscriber()}")
    await switch(page, "Blocks the business")

    await page.get_by_label("Answer", exact=True).fill("Hello?")
    await page.keyboard.press("Enter")

    await expect(page.get_by_role("alert")).to_contain_text("the business is blocked")
    await expect(page.get_by_label("Answer", exact=True)).to_have_value("Hello?")


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
async def test_phones_are_listed_live(
    open_page: OpenPage, guard: Guard, world: World, size: tuple[int, int]
) -> None:
    guard.allow(world.sandbox_url)
    to = world.subscriber()
    page = await open_page(language="ru", size=size)
    await page.goto(world.sandbox_url)
    await world.send(to, "<b>Жирно</b>")
    row = page.get_by_role("link", name=re.compile(rf"\+{to}"))
    await expect(row).to_contain_text("<b>Жирно</b>")
    await check_accessibility(page, "dark", "light")
    await screenshot(page, f"handset-list-{size[0]}")
    assert await page.evaluate("document.documentElement.scrollWidth") == size[0]

    await page.get_by_label("Откройте любой телефон").fill(f"+{to}")
    await page.get_by_role("button", name="Открыть").click()
    await expect(page).to_have_url(f"{world.sandbox_url}/handset/{to}")
    await expect(page.locator("article.bubble")).to_contain_text("<b>Жирно</b>")


async def test_language_and_theme_are_chosen(page: Page, world: World) -> None:
    await page.goto(f"{world.sandbox_url}/handset/{world.subscriber()}")
    await page.get_by_role("link", name="Русский").click()
    await expect(page.get_by_role("heading", name="Этот телефон")).to_be_visible()
    light = await page.evaluate("getComputedStyle(document.body).backgroundColor")
    await page.get_by_role("link", name="Тёмная").click()
    await expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    assert await page.evaluate("getComputedStyle(document.body).backgroundColor") != light


async def test_images_are_shown_and_those_that_are_not_there_are_told(
    page: Page, world: World, guard: Guard
) -> None:
    guard.expect("status of 40[04]")
    to = world.subscriber()
    await page.goto(f"{world.sandbox_url}/handset/{to}")
    for name in ("icon.svg", "none.png"):
        url = f"{world.sandbox_url}/handset/assets/{name}"
        content = {"type": "IMAGE_URL", "data": {"imageURL": url}}
        await world.send(to, message={"type": "WHATSAPP", "data": {"instantContent": content}})

    await expect(page.locator("article img")).to_have_count(2)
    await expect(
        page.get_by_text("The image cannot be shown").locator("visible=true")
    ).to_have_count(1)
    shown = page.locator("article img").first
    await expect(shown).to_be_visible()
    assert await shown.evaluate("image => image.naturalWidth") > 0
