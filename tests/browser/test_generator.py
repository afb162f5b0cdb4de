"""The request generator, as a person uses it."""

import base64
import json
import re
from urllib.parse import urlsplit

from playwright.async_api import Page, expect

from tests.browser.accessibility import check_accessibility
from tests.browser.conftest import PHONE, OpenPage
from tests.browser.guard import Guard
from tests.browser.pictures import screenshot
from tests.browser.signing_in import sign_in
from tests.browser.world import LOGIN, PASSWORD, World

HOSTILE = 'It\'s "here" \\ </script><img src=x onerror=alert(1)> $HOME 😀'
NOT_ON_WHATSAPP = "70000000004"


async def write(page: Page, to: str, text: str) -> None:
    """Write a message with a login; the login counts once its fields were left."""
    await page.locator("#destAddr").fill(to)
    await page.locator("#login").fill(LOGIN)
    await page.locator("#password").fill(PASSWORD)
    await page.locator("#text-1").fill(text)


async def add_sms(page: Page, text: str) -> None:
    await page.get_by_role("button", name="Add a message behind it").click()
    await expect(page.locator("#type-2")).to_have_value("SMS")
    await page.locator("#state-2").select_option("READ")
    await page.locator("#text-2").fill(text)


async def test_a_cascade_is_built_and_sent(console: Page, world: World) -> None:
    page = console
    await page.goto(f"{world.url}/generator")
    await check_accessibility(page)
    await write(page, f"+{NOT_ON_WHATSAPP}", HOSTILE)
    await page.locator("#ttl-1").fill("30")
    await add_sms(page, "x" * 161)

    await expect(page.locator("#verdict")).to_have_text("The gateway would accept this.")
    await expect(page.locator("#checked-for")).to_have_text(f"Checked for the login {LOGIN}")
    await expect(page.locator(".bubble.whatsapp")).to_have_text(HOSTILE)
    await expect(page.locator(".goal")).to_have_text("If it is not read in 30 min, or fails:")
    await expect(page.locator("#count-2")).to_have_text("Characters: 161 · GSM-7, SMS parts: 2")
    shown = json.loads(await page.locator("#code").inner_text())
    assert shown["password"] == "********"
    assert shown["cascadeChainLink"]["message"]["data"]["text"] == "x" * 161
    await check_accessibility(page, "dark", "light")
    await screenshot(page, "generator")

    await page.get_by_role("button", name="Send it").click()
    await expect(page.locator("#sent")).to_contain_text("Accepted: mtNum")
    link = page.get_by_role("link", name="Open the message in the console")
    mt_num = (await link.get_attribute("href") or "").rpartition("/")[2]
    await expect(page.locator("#sent")).to_contain_text(mt_num)
    await world.until_report(mt_num, 2)  # by SMS, for the number is not on WhatsApp


async def test_an_objection_stands_where_it_belongs(
    console: Page, guard: Guard, world: World
) -> None:
    guard.expect("status of 40[06]")  # how Chromium tells a refusal, which is no fault of the page
    page = console
    await page.goto(f"{world.url}/generator")
    await write(page, "12", "Hello")
    field = page.locator("#destAddr")
    note = page.locator("#destAddr-objection")
    await expect(note).to_contain_text("Code 8")
    await expect(note).to_contain_text("too short or too long")
    await expect(field).to_have_attribute("aria-invalid", "true")
    await expect(page.locator("#verdict")).to_contain_text("Code 8: destAddr is not correct")
    await check_accessibility(page, "dark", "light")

    await field.fill("79161234567")
    await expect(note).to_have_count(0)
    await expect(page.locator("#verdict")).to_have_text("The gateway would accept this.")

    await add_sms(page, "Hello")
    await page.locator("#ttl-2").fill("9999")
    await expect(page.locator("#ttl-2-objection")).to_contain_text("Code 11")


async def test_a_refused_login_is_asked_once(console: Page, guard: Guard, world: World) -> None:
    """Each dry run with a wrong password is a failed login, and few of those are forgiven."""
    guard.expect("status of 401")
    page = console
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.post_data or ""))
    await page.goto(f"{world.url}/generator")
    await write(page, "79161234567", "Hello")
    await page.locator("#password").fill("a guess")
    await page.locator("#text-1").fill("Hello!")
    await expect(page.locator("#password-objection")).to_contain_text("Code 6")
    for text in ("Hello, a", "Hello, b", "Hello, c"):
        await page.locator("#text-1").fill(text)
        await expect(page.locator(".bubble")).to_have_text(text)
        await expect(page.locator("#password-objection")).to_contain_text("Code 6")
    assert sum("a guess" in body for body in asked) == 1


async def test_a_form_is_shared_without_its_password(
    open_page: OpenPage, guard: Guard, world: World
) -> None:
    guard.allow(world.url)
    page = await open_page()
    await sign_in(page, world, "/console/password")
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await page.goto(f"{world.url}/generator")
    await write(page, "79161234567", HOSTILE)
    await add_sms(page, "Second")
    await page.get_by_role("button", name="Copy a link to this form").click()
    await expect(page).to_have_url(re.compile("#form="))
    link = await page.evaluate("navigator.clipboard.readText()")
    assert link == page.url
    fragment = urlsplit(link).fragment.removeprefix("form=")
    shared = base64.urlsafe_b64decode(fragment + "=" * (-len(fragment) % 4)).decode()
    assert PASSWORD not in link + shared
    assert "password" not in json.loads(shared)
    stored = await page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}])")
    assert PASSWORD not in stored

    await page.goto("about:blank")
    await page.goto(link)
    await expect(page.locator("#text-1")).to_have_value(HOSTILE)
    await expect(page.locator("#text-2")).to_have_value("Second")
    await expect(page.locator("#state-2")).to_have_value("READ")
    await expect(page.locator("#login")).to_have_value(LOGIN)
    await expect(page.locator("#password")).to_have_value("")


async def test_code_is_copied(open_page: OpenPage, guard: Guard, world: World) -> None:
    guard.allow(world.url)
    page = await open_page()
    await sign_in(page, world, "/console/password")
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await page.goto(f"{world.url}/generator")
    await write(page, "79161234567", HOSTILE)
    copy = page.locator("[data-copy=code]")
    for with_password, expected in ((False, "********"), (True, PASSWORD)):
        await page.locator("#with-password").set_checked(with_password)
        await copy.click()
        await expect(copy).to_have_attribute("data-copied", "yes")
        copied = json.loads(await page.evaluate("navigator.clipboard.readText()"))
        assert copied["password"] == expected
        await expect(copy).not_to_have_attribute("data-copied", "yes")
    await page.locator("#tab-json").press("ArrowRight")
    await expect(page.locator("#tab-curl")).to_have_attribute("aria-selected", "true")
    await expect(page.locator("#tab-curl")).to_be_focused()
    await expect(page.locator("#code")).to_contain_text(f"curl --silent --show-error '{world.url}")


async def test_on_a_phone_in_russian(open_page: OpenPage, guard: Guard, world: World) -> None:
    guard.allow(world.url)
    page = await open_page(language="ru", size=PHONE, theme="dark")
    await sign_in(page, world, "/console/password")
    await page.goto(f"{world.url}/generator")
    await write(page, "79161234567", "Ваш заказ уже в пути")
    await page.locator("#hours summary").click()
    await page.locator("#timeBegin").fill("10:00")
    await page.locator("#useTimeDiff").select_option("true")
    await expect(page.locator("#verdict")).to_have_text("Шлюз принял бы этот запрос.")
    width = await page.evaluate("document.documentElement.scrollWidth")
    assert width <= PHONE[0]
    await check_accessibility(page, "dark", "light")
    await page.locator(".outlook").scroll_into_view_if_needed()
    await screenshot(page, "generator-phone")
