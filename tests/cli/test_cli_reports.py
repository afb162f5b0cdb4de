"""`whimbrel reports`: what waits or is dead, and how it is sent once more."""

from datetime import UTC, datetime

import pytest

from tests.cli.conftest import Cli, Keep
from tests.support import builders
from tests.support.clock import START
from whimbrel.clock import HOUR, MINUTE
from whimbrel.domain.status import LinkState
from whimbrel.store.reports import (
    ReportAttempt,
    ReportClaim,
    ReportState,
    claim_reports,
    record_report_attempts,
)
from whimbrel.store.sqlite import SqliteStore

pytestmark = pytest.mark.usefixtures("made")

CHAINS = (1, 2, 3)
"""Each has a dead report 0 and an acknowledged report 2, of 3:13, 4:13 and 5:13 UTC."""


def at(chain_id: int) -> int:
    return START + chain_id * HOUR


async def settled_reports(store: SqliteStore) -> None:
    for chain_id in CHAINS:
        now, wamid = at(chain_id), f"wamid.{chain_id}"
        await builders.submit(store, chain_id, wamid, now)
        receipt = builders.a_receipt(LinkState.DELIVERED, provider_id=wamid, at=now)
        await builders.receive(store, receipt, at=now)
        for http_status, state in ((500, ReportState.DEAD), (200, ReportState.ACKNOWLEDGED)):
            claim = ReportClaim("1/", 10, now + MINUTE, now + 2 * MINUTE)
            [report] = await store.write(claim_reports, claim)
            attempt = ReportAttempt(
                report_id=report.report_id,
                chain_id=chain_id,
                attempt=1,
                failures=1,
                ended_at=now,
                latency=5,
                http_status=http_status,
                answer=f"said {http_status} [sic]",
                state=state,
                next_at=now,
            )
            await store.write(record_report_attempts, attempt)


@pytest.fixture
def shop(cli: Cli, keep: Keep) -> Cli:
    cli.good("partner", "add", "shop")
    cli.good("partner", "add", "other")
    keep(settled_reports)
    return cli


def listed(cli: Cli, *options: object) -> list[tuple[str, str, str]]:
    """Return chain, status and state of each row, in order."""
    output = cli.good("reports", "list", *options).output
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in output.splitlines()]
    return [(row[0], row[2], row[3]) for row in rows if row]


def test_all_are_listed_the_newest_first(shop: Cli) -> None:
    assert listed(shop) == [
        ("3", "2", "acknowledged"),
        ("3", "0", "dead"),
        ("2", "2", "acknowledged"),
        ("2", "0", "dead"),
        ("1", "2", "acknowledged"),
        ("1", "0", "dead"),
    ]


def test_a_row_tells_who_when_and_what_was_answered(shop: Cli) -> None:
    row = shop.good("reports", "list", "--mtnum", 1, "--state", "dead").row("dead")

    for word in ("shop", "2026-11-23 03:13:20.000Z", "500 said 500 [sic]"):
        assert word in row


@pytest.mark.parametrize(
    ("options", "chains"),
    [
        (("--mtnum", 2), ["2", "2"]),
        (("--mtnum", 4711), []),
        (("--partner", "shop"), ["3", "3", "2", "2", "1", "1"]),
        (("--partner", "other"), []),
        (("--state", "dead"), ["3", "2", "1"]),
        (("--state", "held"), []),
        (("--limit", 3), ["3", "3", "2"]),
        (("--since", "2026-11-23T05:00:00"), ["3", "3"]),
        (("--since", "2026-11-23T08:00:00+03:00"), ["3", "3"]),
        (("--before", "2026-11-23T04:00:00Z"), ["1", "1"]),
        (("--since", "2026-11-23T04", "--before", "2026-11-23T05", "--state", "dead"), ["2"]),
    ],
)
def test_they_can_be_chosen(shop: Cli, options: tuple[object, ...], chains: list[str]) -> None:
    assert [chain for chain, _, _ in listed(shop, *options)] == chains


def test_a_while_ago_is_a_moment_too(cli: Cli, keep: Keep) -> None:
    cli.good("partner", "add", "shop")
    keep(settled_reports)
    days = (datetime.now(UTC) - datetime.fromtimestamp(START / 1_000, UTC)).days

    assert len(listed(cli, "--since", f"{max(days, 0) + 2}d")) == 6
    assert len(listed(cli, "--since", "999999999999999999999d")) == 6
    assert listed(cli, "--before", f"{max(days, 0) + 2}d") == []


def test_a_dead_report_goes_once_more(shop: Cli) -> None:
    done = shop.good("reports", "redeliver", "--mtnum", 2)

    assert done.output == "1 reports are due again.\n"
    assert listed(shop, "--mtnum", 2) == [("2", "2", "acknowledged"), ("2", "0", "due")]
    assert listed(shop, "--state", "due") == [("2", "0", "due")]


def test_and_what_was_acknowledged_if_so_wished_in_order(shop: Cli) -> None:
    done = shop.good("reports", "redeliver", "--mtnum", 2, "--acknowledged")

    assert done.output == "2 reports are due again.\n"
    assert listed(shop, "--mtnum", 2) == [("2", "2", "held"), ("2", "0", "due")]


@pytest.mark.parametrize(
    ("options", "due"),
    [
        (("--since", "2026-11-23"), ["3", "2", "1"]),
        (("--since", "2026-11-23T04:00"), ["3", "2"]),
        (("--since", "2026-11-23T04:00", "--before", "2026-11-23T05:00"), ["2"]),
        (("--since", "2026-11-24"), []),
    ],
)
def test_a_partner_s_reports_of_a_time_go_once_more(
    shop: Cli, options: tuple[object, ...], due: list[str]
) -> None:
    done = shop.good("reports", "redeliver", "--partner", "shop", *options)

    assert done.output == f"{len(due)} reports are due again.\n"
    assert [chain for chain, _, _ in listed(shop, "--state", "due")] == due


def test_another_partner_s_are_left_alone(shop: Cli) -> None:
    shop.good("reports", "redeliver", "--partner", "other", "--since", "2026-11-23")

    assert listed(shop, "--state", "due") == []


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("redeliver",), "either --mtnum or --partner"),
        (("redeliver", "--mtnum", 1, "--partner", "shop"), "either --mtnum or --partner"),
        (("redeliver", "--partner", "shop"), "--partner needs --since"),
        (("redeliver", "--partner", "nobody", "--since", "1d"), "there is no Partner 'nobody'"),
        (("list", "--since", "yesterday"), "since: 'yesterday' is neither"),
        (("list", "--before", ""), "before: '' is neither"),
        (("list", "--since", "²h"), "since: '²h' is neither"),
        (("list", "--since", "-2h"), "since: '-2h' is neither"),
    ],
)
def test_a_wrong_wish_is_named(cli: Cli, arguments: tuple[object, ...], told: str) -> None:
    assert told in cli.refused("reports", *arguments)


@pytest.mark.parametrize("number", ["0", "-1", "1" * 30])
@pytest.mark.parametrize("command", ["list", "redeliver"])
def test_what_is_no_message_number_is_a_misuse(cli: Cli, command: str, number: str) -> None:
    assert "--mtnum" in cli.misused("reports", command, f"--mtnum={number}")
