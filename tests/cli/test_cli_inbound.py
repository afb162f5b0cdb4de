"""`whimbrel inbound list`: what subscribers wrote."""

import asyncio

import pytest

from tests.cli.conftest import Cli, Keep
from tests.support.clock import START
from whimbrel.clock import MINUTE
from whimbrel.domain.content import Channel
from whimbrel.domain.receipt import MoMessage
from whimbrel.store.mo_messages import keep_mo_messages
from whimbrel.store.sqlite import SqliteStore

pytestmark = pytest.mark.usefixtures("made")

STOP = MoMessage(
    channel=Channel.SMS,
    account="main",
    sender="WHIMBREL",
    subscriber="79161234567",
    received_at=START,
    text="[b]STOP",
    raw=b"[b]STOP",
    data_coding=0,
)
PART = MoMessage(
    channel=Channel.SMS,
    account="main",
    sender="1234",
    subscriber="79160000000",
    received_at=START + MINUTE,
    text=None,
    raw=b"\xff",
    data_coding=4,
    part=2,
    parts=3,
    reference=77,
)


def by_whatsapp(n: int, kind: str, text: str | None) -> MoMessage:
    return MoMessage(
        channel=Channel.WHATSAPP, account="main", sender="WHIMBREL", subscriber=f"7916000010{n}",
        received_at=START, text=text, raw=b"{}", kind=kind, provider_id=f"wamid.{n}",
    )  # fmt: skip


ANSWERS = [
    by_whatsapp(1, "text", "See you"),
    by_whatsapp(2, "image", None),
    by_whatsapp(3, "image", "Taj"),
    by_whatsapp(4, "text", None),
]


async def some_answers(store: SqliteStore) -> None:
    await asyncio.gather(*(store.write(keep_mo_messages, one) for one in ANSWERS))


async def some_messages(store: SqliteStore) -> None:
    await asyncio.gather(*(store.write(keep_mo_messages, one) for one in (STOP, PART)))


def test_nobody_has_written(cli: Cli, keep: Keep) -> None:
    keep(lambda store: asyncio.sleep(0))
    assert "Nobody has written." in cli.good("inbound", "list").output


def test_the_newest_comes_first_and_texts_on_demand(cli: Cli, keep: Keep) -> None:
    keep(some_messages)

    outcome = cli.good("inbound", "list")

    assert "7 symbols" in outcome.row("79161234567")
    assert all(
        word in outcome.row("79160000000") for word in ("2 of 3 (reference 77)", "not a text")
    )
    assert outcome.output.index("79160000000") < outcome.output.index("79161234567")
    assert "STOP" not in outcome.output
    assert "[b]STOP" in cli.good("inbound", "list", "--with-text").row("79161234567")
    assert "79161234567" not in cli.good("inbound", "list", "--limit", 1).output


def test_answers_by_whatsapp_are_listed_with_their_kinds(cli: Cli, keep: Keep) -> None:
    keep(some_answers)

    shy, open_ = cli.good("inbound", "list"), cli.good("inbound", "list", "--with-text")

    for n, hidden, shown in (
        (1, "7 symbols", "See you"),
        (2, "image", "image"),
        (3, "image: 3 symbols", "image: Taj"),
        (4, "not a text", "not a text"),
    ):
        assert all(word in shy.row(f"7916000010{n}") for word in ("WHATSAPP", "main", hidden))
        assert shown in open_.row(f"7916000010{n}")
    assert "Taj" not in shy.output
    assert " of " not in shy.row("79160000102"), "an answer has no parts"
