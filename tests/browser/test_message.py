"""One message in the browser: it grows live, and what one can do about it."""

from datetime import UTC, datetime

from playwright.async_api import Page, expect

from tests.browser.accessibility import check_accessibility
from tests.browser.conftest import PHONE, OpenPage
from tests.browser.guard import Guard
from tests.browser.pictures import screenshot
from tests.browser.signing_in import sign_in
from tests.browser.world import World

SLOW = "70000000013"
"""Its phone gets a message a minute and a half after it was sent, in the sandbox's time."""
_MARK = "window.isTheSamePage = true"
_IS_SAME = "() => window.isTheSamePage === true"
_HAS_FOCUS = "(selector) => document.activeElement.closest(selector) !== null"


def not_today() -> dict[str, str]:
    """Sending hours that do not open today, in whatever zone."""
    return {"weekdaysSchedule": str((datetime.now(UTC).isoweekday() + 2) % 7 + 1)}


async def test_it_grows_while_one_looks(console: Page, world: World) -> None:
    page, mt_num = console, await world.send(world.subscriber(), scheduleInfo=not_today())
    await page.goto(f"{world.url}/console/messages/{mt_num}")
    await expect(page.get_by_role("heading", level=1)).to_contain_text("waits to be sent")
    await expect(page.locator("#part-step-0")).to_contain_text("when its sending hours open")
    await page.evaluate(_MARK)
    await page.get_by_text("Cancel", exact=True).focus()

    await world.run("message", "cancel", mt_num)

    await expect(page.locator("#events")).to_contain_text("Cancelled by an operator")
    await expect(page.locator("#events")).to_contain_text("5 undelivered, errorCode 10")
    await expect(page.locator("#events")).to_contain_text("The receiver answered 200")
    await expect(page.locator("#news")).to_contain_text("The receiver answered 200")
    assert await page.evaluate(_HAS_FOCUS, "#act-cancel")  # whoever was about to press it
    await page.locator("main").focus()
    await expect(page.get_by_role("heading", level=1)).to_contain_text("cancelled")
    await expect(page.locator("#live")).to_have_attribute("data-over", "yes")
    assert await page.evaluate(_IS_SAME)
    await check_accessibility(page, "light", "dark")


async def test_it_is_called_off_and_sent_again_at_once(console: Page, world: World) -> None:
    page, mt_num = console, await world.send(SLOW, scheduleInfo=not_today(), id="order-1")
    await page.goto(f"{world.url}/console/messages/{mt_num}")
    await page.get_by_text("Cancel", exact=True).click()
    await check_accessibility(page, "light", "dark")
    await page.get_by_role("button", name="Cancel what is not sent yet").click()
    await expect(page.locator(".notice")).to_have_text("The message was cancelled.")

    await page.get_by_text("Send again").first.click()
    await page.get_by_label("At once").check()
    await screenshot(page, "message-send-again")
    posts: list[str] = []
    page.on("request", lambda one: posts.append(one.url) if one.method == "POST" else None)
    await page.get_by_role("button", name="Send again").dblclick()  # once is enough

    await page.wait_for_url(lambda url: "/console/messages/" in url and mt_num not in url)
    assert len(posts) == 1, posts
    await page.evaluate(_MARK)
    await expect(page.locator("#asked ~ dl").first).to_contain_text(f"resend of {mt_num} by")
    await expect(page.locator("#events")).to_contain_text("The channel took it")
    await expect(page.get_by_role("heading", level=1)).to_contain_text("delivered")
    await expect(page.locator("#live")).to_have_attribute("data-over", "yes")
    assert await page.evaluate(_IS_SAME)
    await expect(page.locator("#events > li").last).to_contain_text("2 delivered")
    await screenshot(page, "message", whole=True)


async def test_it_fits_a_phone_in_russian(open_page: OpenPage, guard: Guard, world: World) -> None:
    guard.allow(world.url)
    mt_num = await world.send(world.subscriber(), text="Ваш код 4711")
    await world.until_report(mt_num, 9)
    page = await open_page(language="ru", size=PHONE)
    await sign_in(page, world, f"/console/messages/{mt_num}")
    await expect(page.get_by_role("heading", level=1)).to_contain_text("прочитано")
    await check_accessibility(page, "light", "dark")
    await screenshot(page, "message-phone", whole=True)
    for name in ("Повторить отчёты", "Отправить ещё раз"):
        await page.get_by_text(name).first.click()
        await expect(page.locator("details[open] .drop-box")).to_be_in_viewport(ratio=1)
        assert await page.evaluate("() => document.documentElement.scrollWidth") == 390
        await page.keyboard.press("Escape")
