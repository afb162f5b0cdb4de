"""The console's page of what subscribers wrote, with what the sandbox's phones cannot write."""

import hashlib
import hmac
import json
import tomllib
from typing import Any

import pytest
from playwright.async_api import expect

from tests.browser.accessibility import check_accessibility
from tests.browser.conftest import DESKTOP, PHONE, OpenPage
from tests.browser.guard import Guard
from tests.browser.pictures import screenshot
from tests.browser.signing_in import sign_in
from tests.browser.world import World

USER_ID = "GB." + "1" * 128  # of somebody who withholds his number, as long as it may be
KINDS: list[tuple[str, dict[str, Any]]] = [
    ("image Taj Mahal", {"type": "image", "image": {"id": "1", "caption": "Taj Mahal"}}),
    ("location", {"type": "location", "location": {"latitude": 1.5, "longitude": 2.5}}),
    ("reaction Yes", {"type": "reaction", "reaction": {"message_id": "w", "emoji": "Yes"}}),
    ("button Unsubscribe", {"type": "button", "button": {"text": "Unsubscribe"}}),
    ("poll", {"type": "poll"}),
    ("Hello " * 60, {"type": "text", "text": {"body": "Hello " * 60}, "from_user_id": USER_ID}),
    ("W" * 300, {"type": "text", "text": {"body": "W" * 300}}),
]


async def post_answers(world: World, subscriber: str) -> None:
    """Post one of each kind to the gateway, signed as Meta does it."""
    name, account = next(iter(tomllib.loads(world.config.read_text())["whatsapp"].items()))
    messages = [
        {"id": f"wamid.{subscriber}.{n}", "timestamp": "1789000100", **members}
        | ({} if "from_user_id" in members else {"from": subscriber})
        for n, (_, members) in enumerate(KINDS)
    ]
    value = {"metadata": {"phone_number_id": account["phone_number_id"]}, "messages": messages}
    change = {"field": "messages", "value": value}
    body = json.dumps({"entry": [{"id": "1", "changes": [change]}]}).encode()
    digest = hmac.new(account["app_secret"].encode(), body, hashlib.sha256).hexdigest()
    headers = {"X-Hub-Signature-256": f"sha256={digest}"}
    url = f"{world.url}/hooks/whatsapp/{name}"
    async with world.client.post(url, data=body, headers=headers) as said:
        assert said.status == 200


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
async def test_every_kind_is_shown_and_nothing_sticks_out(
    open_page: OpenPage, guard: Guard, world: World, size: tuple[int, int]
) -> None:
    guard.allow(world.url)
    await post_answers(world, world.subscriber())
    page = await open_page(size=size)
    await sign_in(page, world, "/console/inbound")

    said = page.locator("table.found tbody tr td:last-child")
    for place, (words, _) in enumerate(reversed(KINDS)):
        await expect(said.nth(place)).to_have_text(words.strip(), use_inner_text=False)
    assert await page.evaluate("document.documentElement.scrollWidth") == size[0]
    await check_accessibility(page, "dark", "light")
    await screenshot(page, f"inbound-kinds-{size[0]}", whole=True)

    await page.get_by_role("link", name=USER_ID).first.click()
    await expect(page.locator("table.found tbody tr").first).to_contain_text("Hello")
