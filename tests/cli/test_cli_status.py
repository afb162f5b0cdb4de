"""`whimbrel status`: what waits, for whom and since when, and which senders rest and why."""

import pytest

from tests.cli.conftest import ACCOUNT, Cli, Keep
from tests.support import builders
from whimbrel.clock import HOUR, MINUTE, SystemClock
from whimbrel.domain.chain import Taken
from whimbrel.domain.chain_id import chain_of
from whimbrel.domain.status import LinkState
from whimbrel.store.senders import SenderPause, pause_senders
from whimbrel.store.sqlite import SqliteStore

pytestmark = pytest.mark.usefixtures("made")


def test_an_idle_gateway(cli: Cli) -> None:
    outcome = cli.good("status")

    assert "working" in outcome.row("WHIMBREL")
    assert "No messages on their way." in outcome.output
    assert "No reports wait." in outcome.output
    assert "dead" not in outcome.output


def test_what_waits_is_told_by_partner_sender_and_receiver(cli: Cli, keep: Keep) -> None:
    cli.good("partner", "add", "[b]shop")
    now = SystemClock().now()

    async def some_messages(store: SqliteStore) -> None:
        late = {"due_at": now + 2 * HOUR + MINUTE, "expires_at": now + 9 * HOUR}
        due = {"due_at": now - 10 * MINUTE, "expires_at": now + 9 * HOUR}
        await builders.accept(
            store,
            builders.a_chain(1, link=late | {"sender": "PLOVER"}),
            builders.a_chain(2, link=due),
            builders.a_chain(3, link=due),
            builders.a_chain(4, link=due, notify_url="https://shop.example:8443/r?token=secret"),
        )
        lane = builders.a_lane()
        for link in await builders.claim(store, lane=lane, room=1, now=now - 10 * MINUTE):
            taken = Taken(1, now - 10 * MINUTE, "wamid.2")
            await builders.answer(store, taken, chain_of(link.link_id))
        receipt = builders.a_receipt(LinkState.SENT, provider_id="wamid.unknown", at=now)
        await builders.receive(store, receipt, at=now - 5 * MINUTE)

    keep(some_messages)

    outcome = cli.good("status")

    assert all(word in outcome.row("PLOVER") for word in ("[b]shop", "queued", "in 2 h"))
    waiting = [line for line in outcome.output.splitlines() if "WHIMBREL" in line][1:]
    assert [cells(line)[2:6] for line in waiting] == [
        ["WHATSAPP", "queued", "2", "10 min ago"],
        ["WHATSAPP", "submitted", "1", cells(waiting[1])[5]],
    ]
    assert "1 receipts wait for a message that is not known, oldest 5 min ago." in outcome.output
    [report] = [
        line
        for line in outcome.output.splitlines()
        if "the Partner's own URL" in line or "https://shop.example:8443" in line
    ]
    assert "10 min ago" in report
    assert "secret" not in outcome.output


def test_links_behind_others_have_no_moments_yet(cli: Cli, keep: Keep) -> None:
    cli.good("partner", "add", "shop")
    keep(lambda store: builders.accept(store, builders.a_cascade({}, {}, {})))

    told = ["WHATSAPP", "held", "2", "after the one before", "-"]
    assert cells(cli.good("status").row("held"))[2:] == told


def test_a_paused_sender_tells_why_and_until_when(cli: Cli, keep: Keep) -> None:
    cli.configure(
        {
            "whatsapp.main": ACCOUNT,
            "whatsapp.second": {**ACCOUNT, "sender": "PLOVER", "phone_number_id": "2"},
        }
    )
    since = SystemClock().now() - 10 * MINUTE
    pause = SenderPause("WHATSAPP", "PLOVER", since, 1_795_400_030_000, 3, "190 Expired [463]", 0)
    keep(lambda store: store.write(pause_senders, pause))

    outcome = cli.good("status")

    assert cells(outcome.row("PLOVER")) == [
        "PLOVER",
        "WHATSAPP",
        "second",
        "paused",
        "10 min ago",
        "2026-11-23 02:13:50.000Z",
        "3",
        "190 Expired [463]",
    ]
    assert cells(outcome.row("WHIMBREL"))[3] == "working"


def test_an_smsc_that_is_not_connected_tells_since_when_and_why(cli: Cli, keep: Keep) -> None:
    smsc = {"host": "127.0.0.1", "system_id": "whimbrel", "password": "secret"}
    cli.configure(
        {
            "smpp.gone": {**smsc, "senders": ["SHOP", "1234"]},
            "smpp.here": {**smsc, "senders": ["BANK"]},
        }
    )
    now = SystemClock().now()
    gone = SenderPause("SMS", "gone", now - 10 * MINUTE, now, 0, "connection refused", now)
    keep(lambda store: store.write(pause_senders, gone))

    outcome = cli.good("status")

    assert cells(outcome.row("SHOP")) == [
        *("SHOP, 1234", "SMS", "gone", "no connection", "10 min ago", "-", "-"),
        "connection refused",
    ]
    assert cells(outcome.row("BANK"))[3] == "working"
    assert "secret" not in outcome.output


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.split("│")[1:-1]]
