"""An admin makes a Partner, tries its report URL, and sends its dead reports once more."""

from playwright.async_api import Page, expect

from tests.browser.accessibility import check_accessibility
from tests.browser.guard import Guard
from tests.browser.pictures import screenshot
from tests.browser.world import SENDER, World

PARTNERS, REPORTS = "/console/partners", "/console/reports"
PASSWORD = "its-password"


async def until_known(world: World, login: str) -> None:
    """Wait until the gateway has seen that there is a Partner."""
    asked = {"login": login, "password": PASSWORD}
    while True:
        async with world.client.post(f"{world.url}/check", json=asked) as said:
            if (await said.json())["error"]["code"] != 5:
                return


async def test_a_partner_is_made_and_its_secrets_are_seen_once(
    console: Page, guard: Guard, world: World
) -> None:
    guard.expect("status of 400")
    await console.goto(f"{world.url}{PARTNERS}")
    await check_accessibility(console, "dark", "light")
    await screenshot(console, "partners")
    await console.get_by_role("link", name="New Partner").click()
    await console.get_by_label("Login").fill("boutique")
    await console.get_by_label("Sign its reports").check()
    await console.get_by_label("Senders", exact=True).fill(SENDER)
    await console.locator("#p-zone").fill("Moscow")
    await console.get_by_role("button", name="Add the Partner").click()

    await expect(console.get_by_text("'Moscow' is not the name of a time zone")).to_be_visible()
    await check_accessibility(console, "dark", "light")
    await screenshot(console, "partner-form")
    await console.get_by_role("alert").get_by_role("link", name="Time zone").click()
    await console.locator("#p-zone").fill("Asia/Omsk")
    await console.get_by_role("button", name="Add the Partner").click()

    secrets = [await one.inner_text() for one in await console.locator("output").all()]
    assert len(secrets) == 2
    assert secrets[1].startswith("whsec_")
    await check_accessibility(console, "dark", "light")
    await console.get_by_role("link", name="To the Partner").click()
    await expect(console.get_by_role("heading", name="boutique")).to_be_visible()
    await expect(console.get_by_text("yes, with a secret")).to_be_visible()
    shown = await console.content()
    assert not [secret for secret in secrets if secret in shown]
    await check_accessibility(console, "dark", "light")
    await screenshot(console, "partner", whole=True)


async def test_the_report_url_is_tried_and_dead_reports_go_again(
    console: Page, world: World
) -> None:
    options = ("--sender", SENDER, "--default-sender", SENDER, "--password-stdin")
    await world.run("partner", "add", "silent", *options, stdin=f"{PASSWORD}\n")
    await until_known(world, "silent")
    mt_num = await world.send(world.subscriber(), login="silent", password=PASSWORD)
    await console.goto(f"{world.url}{REPORTS}?partner=silent")
    link = console.get_by_role("link", name=mt_num).first
    while not await link.is_visible():  # its report is given up when it is first tried
        await console.reload()
    await check_accessibility(console, "dark", "light")
    await screenshot(console, "reports")

    await console.goto(f"{world.url}{PARTNERS}/silent/change")
    await console.get_by_label("Report URL").fill(world.receiver_url)
    await console.get_by_role("button", name="Save").click()
    await console.get_by_role("button", name="Send a sample").click()
    await expect(console.get_by_text("Acknowledged with 200.")).to_be_visible()

    await console.goto(f"{world.url}{REPORTS}")
    again = console.locator("form[action='/console/reports/redeliver']")
    await again.get_by_label("Partner").select_option("silent")
    await again.get_by_role("button").click()
    await expect(console.get_by_text("It is under way.")).to_be_visible()
    await expect(console.locator(".redelivery .badge").first).to_have_text("done")
    await check_accessibility(console, "dark", "light")
    await world.until_report(mt_num, 0)
