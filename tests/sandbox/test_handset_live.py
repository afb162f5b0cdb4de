"""Server-sent events keep an open page up to date."""

import asyncio
import re
from contextlib import asynccontextmanager

import aiohttp
import pytest
from tests.support.esme import Esme, eventually

PHONE = "79161234567"
WITHIN = 20.0  # seconds; a bound that only ends a test which has failed already


class Page:
    """A page as its script would keep it: pieces by their id, bubbles among them."""

    def __init__(self, stream):
        self._stream = stream
        self.pieces: dict[str, str] = {}
        self.present: list[str] = []  # what the stream began with
        self.events = 0

    async def until(self, condition):
        async with asyncio.timeout(WITHIN):
            while not condition(self):
                await self._read_event()

    async def until_end(self):
        async with asyncio.timeout(WITHIN):
            while await self._stream.readline():
                pass

    def fates(self):
        bubbles = (html for id_, html in self.pieces.items() if id_.startswith("m-"))
        return [re.search('data-fate="([a-z]+)"', html)[1] for html in bubbles]

    async def _read_event(self):
        name, data = "", []
        while line := (await self._stream.readline()).decode().rstrip("\n"):
            field, _, value = line.partition(": ")
            if field == "event":
                name = value
            elif field == "data":
                data.append(value)
        if name == "present":
            self.present = data
        elif name == "gone":
            del self.pieces["\n".join(data)]
        elif name:
            assert name in {"piece", "bubble"}, name
            html = "\n".join(data)
            self.pieces[re.search('id="([^"]+)"', html)[1]] = html
            self.events += 1


@asynccontextmanager
async def opened(sandbox, path=f"/handset/{PHONE}/live"):
    async with aiohttp.ClientSession() as http, http.get(sandbox.url + path) as answer:
        assert answer.status == 200
        assert answer.content_type == "text/event-stream"
        yield Page(answer.content)


async def test_a_bubble_arrives_and_gets_its_ticks(start, callback):
    sandbox = await start(speed=5.0)
    async with opened(sandbox) as page:
        await page.until(lambda page: "switches" in page.pieces)
        assert page.fates() == []
        await sandbox.text(f"+{PHONE}", body="Hello")
        seen = []

        def is_read(page):
            seen.extend(fate for fate in page.fates() if fate not in seen)
            return page.fates() == ["read"]

        await page.until(is_read)

    # A look every tenth of a second may miss one that lasted shorter.
    assert seen == [one for one in ("pending", "sent", "delivered", "read") if one in seen]
    assert len(seen) >= 2
    assert "Hello" in page.pieces[next(id_ for id_ in page.pieces if id_.startswith("m-"))]


async def test_an_sms_gets_its_ticks_though_nobody_wants_receipts(both):
    async with Esme.bound(both.smsc.port, "esme-main", "secret-1") as esme, opened(both) as page:
        await esme.submit(PHONE, registered_delivery=0)
        await page.until(lambda page: page.fates() == ["delivered"])
        assert esme.delivered == []


async def test_switches_and_answers_show_at_once(sandbox):
    async with opened(sandbox) as page:
        await page.until(lambda page: "notice" in page.pieces)
        await sandbox.ask("POST", f"/sandbox/phones/{PHONE}", json={"is_on": False})
        await page.until(lambda page: 'data-on="false"' in page.pieces["state"])
        await page.until(lambda page: "The phone is off" in page.pieces["notice"])
        await sandbox.ask("POST", "/sandbox/inbound", json={"from": PHONE, "text": "Ring!"})
        await page.until(lambda page: any("Ring!" in html for html in page.pieces.values()))


async def test_what_was_forgotten_goes(sandbox, callback):
    await sandbox.text(f"+{PHONE}")
    await callback.until_statuses(3)
    async with opened(sandbox) as page:
        await page.until(lambda page: page.fates() == ["read"])
        await sandbox.ask("DELETE", "/sandbox/messages")
        await page.until(lambda page: page.fates() == [])


async def test_a_page_that_comes_back_hears_what_is_still_there(sandbox):
    await sandbox.text(f"+{PHONE}")
    [message] = sandbox.world.ledger.select(limit=1)
    async with opened(sandbox) as page:
        await page.until(lambda page: page.present)

    assert page.present == ["state", "switches", "notice", "unread", f"m-{message.wamid}"]


async def test_a_text_cannot_break_out_of_its_event(sandbox, callback):
    await sandbox.text(
        f"+{PHONE}", body="a\r\revent: gone\rdata: state\r\n\r\nevent: x\ndata: y\n\n"
    )
    await callback.until_statuses(3)
    async with opened(sandbox) as page:
        await page.until(lambda page: page.fates() == ["read"])

    assert "event: gone" in page.pieces[page.present[-1]]
    assert set(page.present) == set(page.pieces)


async def test_other_phones_are_another_page(sandbox, callback):
    async with opened(sandbox) as page:
        await page.until(lambda page: "unread" in page.pieces)
        before = page.events
        await sandbox.text("+79160000000")
        await callback.until_statuses(3)
        await sandbox.text(f"+{PHONE}", body="Mine")
        await page.until(lambda page: page.fates() == ["read"])

    assert sum(id_.startswith("m-") for id_ in page.pieces) == 1
    assert page.events > before


async def test_the_list_is_live_too(sandbox):
    async with opened(sandbox, "/handset/live") as page:
        await page.until(lambda page: "phones" in page.pieces)
        assert PHONE not in page.pieces["phones"]
        await sandbox.text(f"+{PHONE}", body="Hello")
        await page.until(lambda page: PHONE in page.pieces["phones"])


async def test_the_stream_speaks_the_visitors_language(sandbox):
    headers = {"Accept-Language": "ru"}
    async with (
        aiohttp.ClientSession(headers=headers) as http,
        http.get(f"{sandbox.url}/handset/{PHONE}/live") as answer,
    ):
        page = Page(answer.content)
        await page.until(lambda page: "Включён" in page.pieces.get("state", ""))


@pytest.mark.parametrize("path", ["/handset/live", f"/handset/{PHONE}/live"])
async def test_a_page_that_is_open_does_not_hold_up_a_stop(sandbox, path):
    async with opened(sandbox, path) as page:
        await page.until(lambda page: page.pieces)
        sandbox.world.stopping.set()
        await page.until_end()
        async with asyncio.timeout(3):  # uvicorn would wait five seconds for one that hangs
            await sandbox.serving


async def test_a_page_that_is_closed_is_forgotten(sandbox):
    async with opened(sandbox) as page:
        await page.until(lambda page: page.pieces)
        assert sandbox.world.phones.news._listeners
    await eventually(lambda: not sandbox.world.phones.news._listeners)


async def test_there_is_no_stream_for_what_is_no_number(sandbox):
    assert (await sandbox.ask("GET", "/handset/12/live")).http == 404
