"""Short URLs as chains are accepted with them: `protocol.md`, sections 4 and 5."""

import asyncio
from string import ascii_letters, digits
from typing import Any

import pytest

from tests.support.builders import SUBSCRIBER, Database, a_chain, a_link, accept
from tests.support.clock import START
from whimbrel.clock import DAY, SECOND
from whimbrel.domain.chain_id import link_id
from whimbrel.domain.content import Text
from whimbrel.domain.short_url import Draft, ShortUrlRules, uid_space
from whimbrel.domain.status import LinkState
from whimbrel.store.chains import Accepted, accept_chains
from whimbrel.store.engine import Steps
from whimbrel.store.short_urls import find_short_urls, release_uids, used_uids
from whimbrel.store.sqlite import SqliteStore

BASE = "https://go.shop.example"
LONG = "https://shop.example/catalogue/shoes?colour=red"
OTHER = "https://shop.example/catalogue/hats"
CHARACTERS = f"{ascii_letters}{digits}-_"


def rules(**changes: Any) -> ShortUrlRules:
    members = {
        "base": BASE,
        "threshold": 26,
        "uid_length": 8,
        "shared": False,
        "idle": 90 * DAY,
        "lifetime": None,
    }
    return ShortUrlRules(**{**members, **changes})


def a_draft(*targets: str, **how: Any) -> Draft:
    """Return a text with each target after a word."""
    pieces = tuple(f" see{place} " for place in range(len(targets)))
    return Draft((*pieces, "."), targets, rules(**how))


def with_draft(chain_id: int, *targets: str, shared: bool = False, **changes: Any) -> Any:
    how = {
        name: changes.pop(name) for name in ("uid_length", "idle", "lifetime") if name in changes
    }
    draft = a_draft(*(targets or (LONG,)), shared=shared, **how)
    return a_chain(chain_id, link={"content": draft}, **changes)


def uids_of(database: Database, chain_id: int = 1) -> list[str]:
    uids: str = database.link(chain_id)["short_uids"]
    return uids.split(" ")


async def test_a_text_is_kept_as_it_is_sent(store: SqliteStore, database: Database) -> None:
    await accept(store, with_draft(1, LONG, OTHER, LONG))
    first, second = uids_of(database)
    assert database.link()["text"] == (
        f" see0 {BASE}/{first} see1 {BASE}/{second} see2 {BASE}/{first}."
    )
    assert database.rows("SELECT target FROM short_urls ORDER BY created_at, target") == [
        (OTHER,),
        (LONG,),
    ]


async def test_one_per_subscriber_knows_whose_it_is(store: SqliteStore, database: Database) -> None:
    await accept(store, with_draft(7, lifetime=30 * DAY))
    [uid] = uids_of(database, 7)
    found = await store.read(find_short_urls, uid)
    assert found is not None
    assert found._asdict() == {
        "uid": uid,
        "partner_id": 1,
        "target": LONG,
        "subscriber": SUBSCRIBER,
        "chain_id": 7,
        "link_id": link_id(7, 0),
        "created_at": START,
        "expires_at": START + 30 * DAY,
        "idle_until": START + 90 * DAY,
        "visits": 0,
        "clicks": 0,
        "first_click_at": None,
        "last_click_at": None,
    }


async def test_a_shared_one_is_of_no_chain_and_used_again(
    store: SqliteStore, database: Database
) -> None:
    await accept(store, with_draft(1, shared=True))
    await accept(store, with_draft(2, LONG, OTHER, shared=True))
    [uid] = uids_of(database, 1)
    assert uids_of(database, 2)[0] == uid
    found = await store.read(find_short_urls, uid)
    assert found is not None
    assert (found.subscriber, found.chain_id, found.link_id) == (None, None, None)
    assert database.rows("SELECT count(*) FROM short_urls") == [(2,)]


@pytest.mark.parametrize("other", [{"partner_id": 2}, {"uid_length": 5}])
async def test_nothing_is_shared_with_another_partner_or_length(
    store: SqliteStore, database: Database, other: dict[str, int]
) -> None:
    await accept(store, with_draft(1, shared=True), with_draft(2, shared=True, **other))
    assert uids_of(database, 1) != uids_of(database, 2)


async def test_fifty_requests_that_race_for_one_shared_url_make_one(
    store: SqliteStore, database: Database
) -> None:
    await accept(store, *(with_draft(number, shared=True) for number in range(1, 51)))
    assert database.rows("SELECT count(*) FROM short_urls") == [(1,)]
    assert len({uids_of(database, number)[0] for number in range(1, 51)}) == 1
    assert await store.read(used_uids, None) == {8: 1}


async def test_fifty_requests_in_groups_of_their_own_share_too(
    store: SqliteStore, database: Database
) -> None:
    async def later(number: int) -> None:
        for _ in range(number % 7):
            await asyncio.sleep(0)
        await store.write(accept_chains, with_draft(number, shared=True))

    await asyncio.gather(*(later(number) for number in range(1, 51)))
    assert database.rows("SELECT count(*) FROM short_urls") == [(1,)]


async def test_a_group_of_chains_makes_one_for_each(store: SqliteStore, database: Database) -> None:
    await accept(store, *(with_draft(number) for number in range(1, 101)), a_chain(101))
    assert database.rows("SELECT count(DISTINCT uid), count(*) FROM short_urls") == [(100, 100)]
    assert database.rows(
        "SELECT count(*) FROM links l JOIN short_urls s ON s.uid = l.short_uids "
        "AND s.link_id = l.link_id AND l.text = ' see0 https://go.shop.example/' || s.uid || '.'"
    ) == [(100,)]
    assert database.link(101)["short_uids"] is None


async def test_each_link_of_a_cascade_has_its_own(store: SqliteStore, database: Database) -> None:
    links = [
        a_link(1, content=a_draft(LONG), satisfied_by=LinkState.READ),
        a_link(1, link_id=link_id(1, 1), position=1, content=a_draft(LONG), state=LinkState.HELD),
        a_link(1, link_id=link_id(1, 2), position=2, content=Text(LONG), state=LinkState.HELD),
    ]
    await accept(store, a_chain(1, links=tuple(links)))
    assert database.rows("SELECT DISTINCT link_id FROM short_urls ORDER BY 1") == [
        (link_id(1, 0),),
        (link_id(1, 1),),
    ]
    assert database.rows("SELECT text FROM links WHERE link_id = ?", link_id(1, 2)) == [(LONG,)]


async def test_a_repeated_id_makes_none(store: SqliteStore, database: Database) -> None:
    same = {"dedupe_ref": "a"}
    await accept(store, with_draft(1, **same), with_draft(2, **same))
    assert await accept(store, with_draft(3, **same)) == [Accepted(1, repeats_ref=True)]
    assert database.rows("SELECT chain_id FROM short_urls") == [(1,)]


async def test_a_repeated_content_makes_none(store: SqliteStore, database: Database) -> None:
    same: dict[str, Any] = {"content_key": b"same", "content_window": DAY}
    await accept(store, with_draft(1, **same), with_draft(2, OTHER, **same))
    assert database.rows("SELECT chain_id, target FROM short_urls") == [(1, LONG)]


async def test_a_chain_that_fails_leaves_none(store: SqliteStore, database: Database) -> None:
    writes = [store.write(accept_chains, with_draft(number)) for number in (1, 2)]
    writes.append(store.write(accept_chains, with_draft(3, partner_id=99)))
    answers = await asyncio.gather(*writes, return_exceptions=True)
    assert isinstance(answers[2], Exception)
    assert database.rows("SELECT chain_id FROM short_urls ORDER BY 1") == [(1,), (2,)]
    assert await store.read(used_uids, None) == {8: 2}


MOMENTS = [
    (10 * DAY, 10 * DAY, START + SECOND + 10 * DAY),
    (10 * DAY, 5 * DAY, START + 10 * DAY),
    (10 * DAY, None, None),
    (None, 10 * DAY, None),
]


@pytest.mark.parametrize(("member", "column"), [("idle", "idle_until"), ("lifetime", "expires_at")])
@pytest.mark.parametrize(("first", "again", "until"), MOMENTS)
async def test_a_shared_one_lives_on_from_its_last_message(
    store: SqliteStore,
    database: Database,
    *,
    member: str,
    column: str,
    first: int | None,
    again: int | None,
    until: int | None,
) -> None:
    await accept(store, with_draft(1, shared=True, **{member: first}))
    later: dict[str, Any] = {"accepted_at": START + SECOND, member: again}
    await accept(store, with_draft(2, shared=True, **later))
    assert database.rows(f"SELECT {column} FROM short_urls") == [(until,)]


def take_uids(database: Database, condition: str) -> None:
    """Put short URLs under all UIDs of 3 characters that satisfy a condition."""
    database.script(
        f"""
        WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 64 * 64 * 64 - 1)
        INSERT INTO short_urls (uid, partner_id, target, created_at, visits, clicks)
        SELECT substr('{CHARACTERS}', i / 4096 + 1, 1) || substr('{CHARACTERS}', i / 64 % 64 + 1, 1)
            || substr('{CHARACTERS}', i % 64 + 1, 1), 1, 'x', 0, 0, 0
        FROM n WHERE {condition}
        """
    )


async def test_a_uid_in_use_is_passed_over(store: SqliteStore, database: Database) -> None:
    """One UID in eight is in use: of thirty draws, some meet one, and none meets eight in a row."""
    take_uids(database, "i % 8 = 0")
    targets = [f"{LONG}&item={number}" for number in range(30)]
    await accept(store, with_draft(1, *targets, uid_length=3))
    uids = uids_of(database)
    assert len(set(uids)) == 30
    assert {len(uid) for uid in uids} == {3}
    assert [
        database.rows("SELECT target FROM short_urls WHERE uid = ?", uid)[0][0] for uid in uids
    ] == targets


async def test_a_full_space_makes_longer_ones(store: SqliteStore, database: Database) -> None:
    take_uids(database, "1 = 1")
    await accept(store, with_draft(1, uid_length=3))
    [uid] = uids_of(database)
    assert len(uid) == 4
    assert database.link()["text"] == f" see0 {BASE}/{uid}."
    assert uid_space(3) < 64**3  # all of them were taken, those that are never drawn too


async def test_what_is_in_use_is_counted_by_length(store: SqliteStore, database: Database) -> None:
    await accept(store, with_draft(1, LONG, OTHER, uid_length=5), with_draft(2))
    await accept(store, with_draft(3, LONG, LONG, uid_length=5))
    assert await store.read(used_uids, None) == {5: 3, 8: 1}

    await store.write(_release, uids_of(database, 1))
    assert await store.read(used_uids, None) == {5: 1, 8: 1}


def _release(items: list[list[str]]) -> Steps[list[None]]:
    yield from release_uids(uid for uids in items for uid in uids)
    return [None] * len(items)


async def test_an_unknown_uid_is_none(store: SqliteStore) -> None:
    assert await store.read(find_short_urls, "unknown1") is None
