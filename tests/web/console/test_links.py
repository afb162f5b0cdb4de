"""Short URLs in the console: figures, a chart with a table, and a file that runs no formula."""

import csv
import io
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.builders import Database
from tests.support.console import signed_in
from tests.support.gateway import RunningGateway, a_profile, running_gateway
from whimbrel.clock import DAY, HOUR, SystemClock
from whimbrel.domain.operator import Role
from whimbrel.store.audit import AuditWish, list_deeds

PAGE = "/console/links"
FILE = f"{PAGE}/csv"
NOW = SystemClock().now()
TARGET = "https://shop.example/<b>reset</b>?token=one-time-secret"
VISITS = [("-own1", 1, HOUR, 1), ("-own1", 1, 2 * HOUR, 0), ("both1", 2, 40 * DAY, 1)]


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[RunningGateway]:
    partners = {"shop": a_profile(), "=1+1": a_profile()}
    async with running_gateway(tmp_path, partners=partners) as one:
        database = Database(tmp_path / "whimbrel.db")
        for uid, partner_id, chain_id in [("-own1", 1, 7), ("both1", 2, None)]:
            database.script(
                "INSERT INTO short_urls (uid, partner_id, target, subscriber, chain_id, created_at,"
                f" visits, clicks) VALUES ('{uid}', {partner_id}, '{TARGET}', '79161234567',"
                f" {chain_id or 'NULL'}, {NOW - 50 * DAY}, 0, 0)"
            )
        for uid, partner_id, ago, counted in VISITS:
            database.script(
                "INSERT INTO clicks (uid, at, agent, counted, partner_id)"
                f" VALUES ('{uid}', {NOW - ago}, 'mobile', {counted}, {partner_id})"
            )
        yield one


async def test_the_last_thirty_days_are_shown_with_a_chart_and_a_table(
    running: RunningGateway,
) -> None:
    async with signed_in(running, Role.READER) as browser:
        shown = await browser.get(PAGE)
    assert shown.status == 200
    assert "Visits 2" in shown.words
    assert "Clicks 1" in shown.words
    assert "-own1" in shown.words
    assert "both1" not in shown.words, "that was forty days ago"
    assert 'data-chart="[[' in shown.text
    assert shown.text.count('<tr><th scope="row">') == 30, "each day of the chart is in the table"
    assert "<b>reset" not in shown.text
    assert "/console/messages/7" in shown.text


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("by=day", "Day by day"),
        ("by=partner&from=2026-01-01T00:00", "=1+1"),
        ("by=message", "79161234567"),
        ("short_url=https://go.example/both1&from=2026-01-01T00:00", "shared"),
        ("number=7", "-own1"),
        ("partner=shop", "Visits 2"),
        ("partner=nobody", "There is no such Partner."),
        ("number=seven", "There is no such message."),
        ("from=soon", "Write a moment like"),
        ("from=2026-01-02T00:00&to=2026-01-01T00:00", "It must be later than the beginning."),
        ("from=2020-01-01T00:00", "At most a thousand days"),
        ("by=moon", "-own1"),
    ],
)
async def test_what_is_asked_for_is_shown_or_told_to_be_wrong(
    running: RunningGateway, query: str, told: str
) -> None:
    async with signed_in(running) as browser:
        shown = await browser.get(f"{PAGE}?{query}")
    assert (shown.status, told in shown.words) == (200, True), shown.words


@pytest.mark.parametrize("sees_texts", [True, False])
async def test_targets_are_masked_like_the_texts_that_they_come_from(
    running: RunningGateway, *, sees_texts: bool
) -> None:
    async with signed_in(running, sees_texts=sees_texts) as browser:
        shown = await browser.get(PAGE)
        file = await browser.post(FILE, on="/console/password")
    for text in (shown.words, file.text):
        assert ("one-time-secret" in text) == sees_texts
        assert "https://shop.example/" in text


@pytest.mark.parametrize(("separator", "sign"), [("comma", ","), ("semicolon", ";")])
async def test_the_file_runs_no_formula_and_says_who_took_it(
    running: RunningGateway, separator: str, sign: str
) -> None:
    async with signed_in(running) as browser:
        fields = {"from": "2026-01-01T00:00", "separator": separator}
        file = await browser.post(FILE, on=PAGE, **fields)
    assert file.headers["content-type"] == "text/csv; charset=utf-8"
    assert "attachment" in file.headers["content-disposition"]
    assert file.headers["cache-control"] == "no-store"
    heading, first, second = csv.reader(io.StringIO(file.text.lstrip("\ufeff")), delimiter=sign)
    assert heading[:5] == ["uid", "partner", "target", "number", "subscriber"]
    assert first[:2] == ["'-own1", "shop"]
    assert second[:2] == ["both1", "'=1+1"]
    assert first[5:7] == ["2", "1"]
    rows = await running.store.read(list_deeds, AuditWish(1 << 60, "", 10))
    assert rows[0][4:6] == ("links.export", "*")


async def test_a_file_of_what_cannot_be_is_refused(running: RunningGateway) -> None:
    async with signed_in(running) as browser:
        for fields, why in (
            ({"partner": "nobody"}, "There is no such Partner."),
            ({"separator": "tab"}, "separator"),
        ):
            file = await browser.post(FILE, on=PAGE, **fields)
            assert (file.status, why in file.words) == (400, True)
