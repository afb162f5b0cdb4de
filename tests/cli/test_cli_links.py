"""`whimbrel links stats`: who followed what, as a table and as CSV."""

import csv
import io

import pytest

from tests.cli.conftest import Cli, Keep
from tests.store.test_clicks import a_click, a_crawl, a_told_click, record
from tests.store.test_short_urls import LONG, OTHER, with_draft
from tests.support import builders
from tests.support.clock import START
from whimbrel.clock import DAY
from whimbrel.domain.visitor import AgentClass
from whimbrel.store.clicks import NewClick
from whimbrel.store.engine import Statement, Steps, ask_one
from whimbrel.store.purge import OldVisits, remove_visits
from whimbrel.store.sqlite import SqliteStore

pytestmark = pytest.mark.usefixtures("made")

_SHORT_URLS = Statement("SELECT coalesce(chain_id, 0), target, uid FROM short_urls")
SHARED = 0
CLICKS = [
    (1, LONG, START, AgentClass.MOBILE),
    (1, LONG, START + DAY, AgentClass.DESKTOP),
    (1, LONG, START + DAY, AgentClass.BOT),
    (2, LONG, START, AgentClass.BOT),
    *((SHARED, LONG, START + n, AgentClass.MOBILE) for n in range(3)),
    (5, LONG, START + 2 * DAY, AgentClass.OTHER),
]


def _short_urls(items: list[None]) -> Steps[list[dict[tuple[int, str], str]]]:
    rows = yield from ask_one(_SHORT_URLS)
    return [{(chain_id, target): uid for chain_id, target, uid in rows}] * len(items)


async def visited(store: SqliteStore) -> None:
    """Chains 1 and 2 have short URLs of their own, 3 and 4 share one, 5 is another Partner's."""
    await builders.accept(
        store,
        with_draft(1, LONG, OTHER),
        with_draft(2, dest_addr="79160000002"),
        with_draft(3, shared=True),
        with_draft(4, shared=True),
        with_draft(5, partner_id=2),
    )
    uids = await store.read(_short_urls, None)
    await record(
        store,
        *(
            _visit(uids[chain_id, target], at, agent, chain_id)
            for chain_id, target, at, agent in CLICKS
        ),
    )


def _visit(uid: str, at: int, agent: AgentClass, chain_id: int) -> NewClick:
    if agent is AgentClass.BOT:
        return a_crawl(uid, at)
    return (
        a_told_click(uid, at)._replace(agent=agent)
        if chain_id == 1
        else a_click(uid, at, agent=agent)
    )


@pytest.fixture
def shop(cli: Cli, keep: Keep) -> Cli:
    cli.good("partner", "add", "shop", "--click-url", "https://shop.example/clicks")
    cli.good("partner", "add", "other")
    keep(visited)
    return cli


def stats(cli: Cli, *options: object) -> list[dict[str, str]]:
    output = cli.good("links", "stats", "--csv", *options).output
    return list(csv.DictReader(io.StringIO(output)))


def counts(rows: list[dict[str, str]], *names: str) -> list[tuple[str, ...]]:
    return [tuple(row[name] for name in names) for row in rows]


def test_each_short_url_the_most_clicked_first(shop: Cli) -> None:
    rows = stats(shop)
    names = ("login", "chain_id", "target", "visits", "clicks", "last_click_at")
    assert counts(rows[:3], *names) == [
        ("shop", "", LONG, "3", "3", "2026-11-23T02:13:20Z"),
        ("shop", "1", LONG, "3", "2", "2026-11-24T02:13:20Z"),
        ("other", "5", LONG, "1", "1", "2026-11-25T02:13:20Z"),
    ]
    assert sorted(counts(rows[3:], *names)) == [
        ("shop", "1", OTHER, "0", "0", ""),
        ("shop", "2", LONG, "1", "0", ""),
    ]
    assert {row["subscriber"] for row in rows} == {"", builders.SUBSCRIBER, "79160000002"}


def test_each_chain(shop: Cli) -> None:
    rows = stats(shop, "--by", "chain", "--partner", "shop")
    assert counts(rows, "chain_id", "short_urls", "followed", "visits", "clicks") == [
        ("1", "2", "1", "3", "2"),
        ("2", "1", "0", "1", "0"),
    ]


def test_each_partner(shop: Cli) -> None:
    rows = stats(shop, "--by", "partner")
    names = ("login", "short_urls", "followed", "visits", "clicks", "mobile", "desktop")
    assert counts(rows, *names) == [
        ("shop", "4", "2", "7", "5", "4", "1"),
        ("other", "1", "1", "1", "1", "0", "0"),
    ]


def test_each_day_the_latest_first(shop: Cli) -> None:
    assert counts(stats(shop, "--by", "day"), "day", "login", "visits", "clicks") == [
        ("2026-11-25", "other", "1", "1"),
        ("2026-11-24", "shop", "2", "1"),
        ("2026-11-23", "shop", "5", "4"),
    ]


@pytest.mark.parametrize(
    ("options", "clicks"),
    [
        (["--since", "2026-11-24"], 2),
        (["--before", "2026-11-24"], 4),
        (["--since", "2026-11-24", "--before", "2026-11-25"], 1),
        (["--mtnum", 1], 2),
        (["--partner", "other"], 1),
        (["--partner", "nobody"], 0),
        (["--limit", 1], 3),
    ],
)
def test_what_is_counted_can_be_narrowed(shop: Cli, options: list[object], clicks: int) -> None:
    assert sum(int(row["clicks"]) for row in stats(shop, *options)) == clicks


def test_one_short_url_by_its_uid_or_as_a_whole(shop: Cli) -> None:
    uid = stats(shop)[0]["uid"]
    assert counts(stats(shop, "--short-url", uid), "uid", "clicks") == [(uid, "3")]
    assert counts(stats(shop, "--short-url", f"https://go.example/{uid}"), "uid") == [(uid,)]


def test_a_table_for_people(shop: Cli) -> None:
    row = shop.good("links", "stats", "--mtnum", 2).row("79160000002")
    assert [cell.strip() for cell in row.split("│")[1:-1]][2:] == [
        *(LONG, "2", "79160000002", "1", "0", "0", "0", "-", "-")
    ]


def test_the_report_of_a_click_is_listed_as_one(shop: Cli) -> None:
    assert " click " in shop.good("reports", "list", "--mtnum", 1).row("due")
    shown = shop.good("message", "show", 1).output
    assert "first click: due" in shown
    assert shown.count(" click ") - shown.count("first click ") == 2
    assert " visit " in shown


def test_a_click_url_must_be_one(cli: Cli) -> None:
    assert "click-url" in cli.refused("partner", "add", "shop", "--click-url", "ftp://x")


def test_visits_that_were_removed_are_not_passed_over_in_silence(shop: Cli, keep: Keep) -> None:
    assert "removed by" not in shop.good("links", "stats").output
    keep(lambda store: store.write(remove_visits, OldVisits(1, START + DAY, 99)))

    note = "Visits removed by retention, and not counted: 5\n"
    assert shop.good("links", "stats").output.endswith(note)
    assert "removed by" not in shop.good("links", "stats", "--partner", "other").output
    assert shop.good("links", "stats", "--mtnum", 2).output.endswith(note.replace("5", "1", 1))
    as_csv = shop("links", "stats", "--by", "partner", "--csv")
    assert (as_csv.code, as_csv.errors) == (0, note)
    rows = list(csv.DictReader(io.StringIO(as_csv.output)))
    assert counts(rows, "login", "visits") == [("other", "1"), ("shop", "2")]
