"""`whimbrel inbound list`: what subscribers wrote."""

import asyncio

from tests.cli.conftest import Cli, Keep
from tests.support.clock import START
from whimbrel.clock import MINUTE
from whimbrel.domain.content import Channel
from whimbrel.domain.receipt import MoMessage
from whimbrel.store.mo_messages import keep_mo_messages
from whimbrel.store.sqlite import SqliteStore

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
