"""The world itself: what other tests in the browser take for granted."""

import json

from playwright.async_api import Page

from tests.browser.world import World


async def test_it_is_alive_and_quick(page: Page, world: World) -> None:
    to = world.subscriber()
    mt_num = await world.send(to)
    await world.until_report(mt_num, 9)
    shown = await world.run("message", "show", mt_num)

    assert shown.code == 0, shown.errors
    await page.goto(f"{world.sandbox_url}/sandbox/messages?to={to}")
    [message] = json.loads(await page.inner_text("pre"))["messages"]
    assert "Hello from Whimbrel" in json.dumps(message)
