"""Figures of short URLs: every visit counted once, in the days of a zone, and never too many."""

from collections.abc import AsyncIterator
from datetime import UTC, date
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

import whimbrel.flow.link_figures as counted
from tests.support.builders import Database, opened
from tests.support.clock import START
from whimbrel.clock import DAY, HOUR
from whimbrel.flow.link_figures import LinkFigures, LinkWish, by_message, count_links, look_up
from whimbrel.store.sqlite import SqliteStore

BOTH = (1, 2)
VISITS = [
    # short URL, Partner, moment, agent, counted
    ("own1", 1, START, "mobile", 1),
    ("own1", 1, START + DAY, "desktop", 1),
    ("own1", 1, START + DAY, "bot", 0),
    ("own2", 1, START + DAY, "mobile", 1),
    ("more", 1, START + 2 * DAY, "other", 1),
    ("both", 2, START + 2 * DAY, "mobile", 1),
]


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database(tmp_path / "whimbrel.db")


@pytest.fixture
async def store(database: Database) -> AsyncIterator[SqliteStore]:
    async with opened(database) as store:
        for uid, partner_id, chain_id in [
            ("own1", 1, 7), ("own2", 1, 7), ("more", 1, 8), ("both", 2, None),
        ]:  # fmt: skip
            database.script(
                "INSERT INTO short_urls (uid, partner_id, target, subscriber, chain_id, created_at,"
                f" visits, clicks) VALUES ('{uid}', {partner_id}, 'https://{uid}', '7916',"
                f" {chain_id or 'NULL'}, {START}, 0, 0)"
            )
        for visit in VISITS:
            write(database, *visit)
        yield store


def write(database: Database, *visit: object) -> None:
    uid, partner_id, at, agent, clicked = visit
    database.script(
        "INSERT INTO clicks (uid, at, agent, counted, partner_id)"
        f" VALUES ('{uid}', {at}, '{agent}', {clicked}, {partner_id})"
    )


async def count(store: SqliteStore, **wish: object) -> LinkFigures:
    members = {"partner_ids": BOTH, "since": START, "before": START + 3 * DAY, **wish}
    return await count_links(store, LinkWish(**members), UTC)


def totals(figures: LinkFigures) -> tuple[int, int]:
    return figures.total.visits, figures.total.clicks


async def test_everything_is_counted_under_every_heading(store: SqliteStore) -> None:
    figures = await count(store)
    assert figures.is_whole
    total = figures.total
    assert (total.visits, total.clicks, total.mobile, total.desktop) == (6, 5, 3, 1)
    assert (total.first_click_at, total.last_click_at) == (START, START + 2 * DAY)
    assert {uid: one.visits for uid, one in figures.by_uid.items()} == {
        "own1": 3, "own2": 1, "more": 1, "both": 1,
    }  # fmt: skip
    assert {number: one.clicks for number, one in figures.by_partner.items()} == {1: 4, 2: 1}
    urls = await look_up(store, figures.by_uid)
    messages = by_message(figures.by_uid, urls)
    assert {number: (one.visits, one.clicks) for number, one in messages.items()} == {
        7: (4, 3), 8: (1, 1),
    }  # fmt: skip
    assert (messages[7].first_click_at, messages[7].last_click_at) == (START, START + DAY)


@pytest.mark.parametrize(
    ("wish", "expected"),
    [
        ({"partner_ids": (2,)}, (1, 1)),
        ({"partner_ids": ()}, (0, 0)),
        ({"since": START + 1}, (5, 4)),
        ({"before": START + DAY}, (1, 1)),
        ({"uid": "own1"}, (3, 2)),
        ({"uid": "own1", "since": START + DAY}, (2, 1)),
        ({"uid": "own1", "partner_ids": (2,)}, (0, 0)),
        ({"uid": "none"}, (0, 0)),
        ({"chain_id": 7}, (4, 3)),
        ({"chain_id": 7, "uid": "own2"}, (1, 1)),
        ({"chain_id": 9}, (0, 0)),
    ],
)
async def test_only_what_is_asked_for_is_counted(
    store: SqliteStore, wish: dict[str, object], expected: tuple[int, int]
) -> None:
    assert totals(await count(store, **wish)) == expected


async def test_days_are_those_of_the_zone_and_none_is_left_out(
    store: SqliteStore, database: Database
) -> None:
    zone = ZoneInfo("Asia/Omsk")  # six hours ahead
    write(database, "own1", 1, START - START % DAY + 19 * HOUR, "mobile", 1)
    wish = LinkWish(BOTH, START - START % DAY, START - START % DAY + 3 * DAY)
    first = date.fromordinal(719_163 + START // DAY)
    figures = await count_links(store, wish, zone)
    days = list(figures.by_day)
    assert [(day - first).days for day in days] == [0, 1, 2, 3]
    assert sum(one.visits for one in figures.by_day.values()) == figures.total.visits
    by_day = [one.visits for one in figures.by_day.values()]
    assert by_day == [1, 4, 2, 0], "what is of 19:00 UTC is of the next day there"


async def test_more_than_a_stretch_is_counted_whole_and_once(
    store: SqliteStore, database: Database
) -> None:
    database.script(
        "INSERT INTO clicks (uid, at, agent, counted, partner_id)"
        " WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)"
        f" SELECT 'own1', {START} + i / 7, 'mobile', 1, 1 FROM n"
    )
    assert (await count(store)).total.visits == 5_006
    assert (await count(store, uid="own1")).total.visits == 5_003


async def test_beyond_a_bound_the_figures_say_that_they_are_of_a_part(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counted, "MOST_VISITS", 5)
    figures = await count(store)
    assert (figures.is_whole, figures.total.visits) == (False, 5)
    monkeypatch.setattr(counted, "MOST_VISITS", 6)
    assert (await count(store)).is_whole


async def test_what_was_removed_is_looked_up_in_vain(store: SqliteStore) -> None:
    assert await look_up(store, ["none"]) == {}
