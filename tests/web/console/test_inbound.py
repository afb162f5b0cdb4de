"""Operators see what subscribers wrote."""

import asyncio
import re
from collections.abc import AsyncIterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from tests.support.console import Shown, signed_in
from tests.support.gateway import RunningGateway, running_gateway
from whimbrel.clock import SECOND
from whimbrel.domain.content import Channel
from whimbrel.domain.operator import Role
from whimbrel.domain.receipt import MoMessage
from whimbrel.store.mo_messages import keep_mo_messages

HOSTILE = "<script>alert('x')</script>"
AT = 1_795_400_000_000  # 2026-11-23T02:13:20Z


def a_message(text: str | None, **changes: Any) -> MoMessage:
    members = {
        "channel": Channel.SMS, "account": "main", "sender": "1234", "subscriber": "79161234567",
        "received_at": AT, "text": text, "raw": b"", "data_coding": 0,
    }  # fmt: skip
    return MoMessage(**{**members, **changes})


async def keep(running: RunningGateway, *messages: MoMessage) -> None:
    await asyncio.gather(*(running.store.write(keep_mo_messages, one) for one in messages))


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[RunningGateway]:
    async with running_gateway(tmp_path) as one:
        yield one


def older(shown: Shown) -> str:
    found = re.search(r'rel="next" href="([^"]+)"', shown.text)
    return unescape(found[1]) if found else ""


async def test_the_newest_are_first_and_pages_lose_none(running: RunningGateway) -> None:
    # Many at one moment: the page's edge lies among them.
    await keep(running, *(a_message(f"no {n:03};", received_at=AT + n // 70) for n in range(120)))
    async with signed_in(running) as browser:
        path, seen, pages = "/console/inbound", [], 0
        while path:
            shown = await browser.get(path)
            assert shown.status == 200
            seen += re.findall(r"no (\d{3});", shown.text)
            path, pages = older(shown), pages + 1
    assert pages == 3
    assert seen == [f"{n:03}" for n in reversed(range(120))]


async def test_one_subscriber_is_found_in_any_spelling(running: RunningGateway) -> None:
    await keep(
        running,
        a_message("from one"),
        a_message("from another", subscriber="4930901820"),
        a_message("from a short number", subscriber="900"),
    )
    async with signed_in(running) as browser:
        for spelled, said in (
            ("8 (916) 123-45-67".replace(" ", "%20"), "from one"),
            ("%2B49 30 901820".replace(" ", "%20"), "from another"),
            ("900", "from a short number"),
        ):
            shown = await browser.get(f"/console/inbound?subscriber={spelled}")
            assert re.findall("from one|from another|from a short number", shown.text) == [said]
        assert "Nothing was found" in (await browser.get("/console/inbound?subscriber=1")).words
        for n in range(60):
            await keep(running, a_message(f"no {n:02};", received_at=AT + n * SECOND))
        first = await browser.get("/console/inbound?subscriber=79161234567")
        second = await browser.get(older(first))
        assert len(re.findall(r"no \d\d;", first.text)) == 50
        assert len(re.findall(r"no \d\d;", second.text)) == 10
        assert "from another" not in second.text


async def test_a_moment_bounds_the_list(running: RunningGateway) -> None:
    await keep(running, a_message("early"), a_message("late", received_at=AT + 3_600 * SECOND))
    async with signed_in(running) as browser:
        shown = await browser.get("/console/inbound?to=2026-11-23T05:30&zone=Europe/Moscow")
        assert ("early" in shown.text, "late" in shown.text) == (True, False)
        shown = await browser.get("/console/inbound?to=2026-11-23T05:30&zone=UTC")
        assert ("early" in shown.text, "late" in shown.text) == (True, True)
        for bad in ("to=soon", f"subscriber={'9' * 201}"):
            shown = await browser.get(f"/console/inbound?{bad}")
            assert shown.status == 400
            assert 'aria-invalid="true"' in shown.text


@pytest.mark.parametrize("sees_texts", [True, False])
async def test_texts_are_shown_to_whom_they_may_be(
    running: RunningGateway, sees_texts: bool
) -> None:
    await keep(running, a_message("My code is 4417"), a_message(HOSTILE), a_message(None))
    async with signed_in(running, Role.READER, sees_texts=sees_texts) as browser:
        shown = await browser.get("/console/inbound")
    assert ("4417" in shown.text) == sees_texts
    assert ("hidden, 15 characters" in shown.words) != sees_texts
    assert "not a text" in shown.words
    assert HOSTILE not in shown.text


def by_whatsapp(kind: str, text: str | None, **changes: Any) -> MoMessage:
    members = {
        "channel": Channel.WHATSAPP, "sender": "WHIMBREL", "data_coding": None, "kind": kind,
        "provider_id": f"wamid.{kind}.{text}", "raw": b"{}",
    }  # fmt: skip
    return a_message(text, **{**members, **changes})


def rows_of(shown: Shown) -> list[str]:
    """Return what the last cell of each row says, the newest first."""
    cells = re.findall(r'<td data-name="(?:Text|Текст)">(.*?)</td>', shown.text, re.DOTALL)
    return [unescape(" ".join(re.sub(r"<[^>]*>", " ", one).split())) for one in cells]


KINDS = [
    ("text", "Yes, at six", "Yes, at six"),
    ("text", None, "not a text"),
    ("button", "Unsubscribe", "button Unsubscribe"),
    ("interactive", "Express", "choice or form Express"),
    ("image", None, "image"),
    ("image", "Taj Mahal", "image Taj Mahal"),
    ("reaction", "👍", "reaction 👍"),
    ("location", None, "location"),
    ("unsupported", None, "of a kind that Meta does not hand over"),
    ("poll<b>", None, "poll<b>"),
]


async def test_answers_by_whatsapp_are_shown_with_their_kinds(running: RunningGateway) -> None:
    await keep(running, *(by_whatsapp(kind, text) for kind, text, _ in KINDS))
    async with signed_in(running) as browser:
        shown = await browser.get("/console/inbound")
    assert rows_of(shown) == [said for _, _, said in reversed(KINDS)]
    assert shown.words.count("WHATSAPP") == len(KINDS)
    assert "part 1" not in shown.words


async def test_what_was_written_is_hidden_and_its_kind_is_not(running: RunningGateway) -> None:
    await keep(running, *(by_whatsapp(kind, text) for kind, text, _ in KINDS[:6]))
    async with signed_in(running, Role.READER, sees_texts=False) as browser:
        shown = await browser.get("/console/inbound")
    assert rows_of(shown) == [
        "image hidden, 9 characters",
        "image",
        "choice or form hidden, 7 characters",
        "button hidden, 11 characters",
        "not a text",
        "hidden, 11 characters",
    ]


async def test_who_withholds_his_number_is_found_by_his_user_id(running: RunningGateway) -> None:
    user_id = "GB." + "1" * 128
    await keep(running, by_whatsapp("text", "from him", subscriber=user_id), a_message("another"))
    async with signed_in(running) as browser:
        shown = await browser.get(f"/console/inbound?subscriber={user_id}")
    assert rows_of(shown) == ["from him"]
