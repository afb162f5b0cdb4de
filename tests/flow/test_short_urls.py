"""What is remembered of short URLs, who may guess, whose domain is whose, and how visits wait."""

import contextlib
import sqlite3
from collections.abc import Iterator
from typing import Any

import pytest

from tests.store.test_short_urls import LONG, uids_of, with_draft
from tests.support.builders import Database, a_partner, accept
from tests.support.clock import START, FakeClock
from whimbrel.clock import DAY, MINUTE, SECOND
from whimbrel.domain.visitor import AgentClass
from whimbrel.flow import clicks as clicks_module
from whimbrel.flow import short_urls as short_urls_module
from whimbrel.flow.address_pace import AddressPace
from whimbrel.flow.clicks import Clicks, Visit
from whimbrel.flow.partner_directory import PartnerDirectory
from whimbrel.flow.short_domains import ShortDomains, ShortPlace
from whimbrel.flow.short_urls import KnownUrl, ShortUrls
from whimbrel.metrics import Metrics
from whimbrel.store.engine import StoreUnavailable
from whimbrel.store.partners import PartnerChange, change_partners
from whimbrel.store.short_urls import find_short_urls
from whimbrel.store.sqlite import SqliteStore


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def short_urls(store: SqliteStore, clock: FakeClock, metrics: Metrics) -> ShortUrls:
    return ShortUrls(store, clock, metrics)


@pytest.fixture
async def partners(store: SqliteStore) -> PartnerDirectory:
    partners = PartnerDirectory(store)
    await partners.refresh()
    return partners


@pytest.fixture
def clicks(
    store: SqliteStore, clock: FakeClock, partners: PartnerDirectory, metrics: Metrics
) -> Clicks:
    return Clicks(store, clock, partners, metrics)


async def found(short_urls: ShortUrls, uid: str) -> KnownUrl:
    known = await short_urls.find(uid)
    assert known is not None
    return known


@contextlib.contextmanager
def locked(database: Database) -> Iterator[None]:
    with contextlib.closing(sqlite3.connect(database.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.rollback()


# Memory


async def test_what_was_found_is_recalled_without_the_store(
    short_urls: ShortUrls, store: SqliteStore, database: Database, clock: FakeClock
) -> None:
    await accept(store, with_draft(1))
    [uid] = uids_of(database)
    assert short_urls.recall(uid) is None
    known = await found(short_urls, uid)
    database.rows("DELETE FROM short_urls")
    clock.advance(30 * SECOND - 1)
    assert short_urls.recall(uid) is known
    clock.advance(1)  # another process may have removed it
    assert short_urls.recall(uid) is None
    assert await short_urls.find(uid) is None


async def test_it_is_recalled_no_longer_than_it_lives(
    short_urls: ShortUrls, store: SqliteStore, database: Database, clock: FakeClock
) -> None:
    await accept(store, with_draft(1, idle=10 * SECOND, lifetime=5 * SECOND))
    [uid] = uids_of(database)
    assert (await found(short_urls, uid)).ends_at == START + 5 * SECOND
    clock.advance(5 * SECOND - 1)
    assert short_urls.recall(uid)
    clock.advance(1)
    assert short_urls.recall(uid) is None
    assert await short_urls.find(uid) is None


async def test_what_this_process_removes_is_forgotten_at_once(
    short_urls: ShortUrls,
    store: SqliteStore,
    database: Database,
    clock: FakeClock,
    metrics: Metrics,
) -> None:
    await accept(store, with_draft(1, idle=DAY))
    [uid] = uids_of(database)
    clock.advance(DAY - 1)
    await found(short_urls, uid)
    clock.advance(MINUTE)
    await short_urls.clean_up()
    assert await store.read(find_short_urls, uid) is not None  # a click may still be on its way
    clock.advance(1)
    await short_urls.clean_up()
    assert await store.read(find_short_urls, uid) is None
    assert short_urls._known == {}
    assert metrics.registry.get_sample_value("whimbrel_short_urls_removed_total") == 1


async def test_what_is_not_there_is_remembered_for_a_moment(
    short_urls: ShortUrls, store: SqliteStore, database: Database, clock: FakeClock
) -> None:
    await accept(store, with_draft(1))
    [uid] = uids_of(database)
    rows = database.rows("SELECT * FROM short_urls")
    database.rows("DELETE FROM short_urls")
    assert await short_urls.find(uid) is None
    database.rows(f"INSERT INTO short_urls VALUES ({', '.join('?' * len(rows[0]))})", *rows[0])
    clock.advance(3 * SECOND - 1)
    assert await short_urls.find(uid) is None
    clock.advance(1)
    assert await short_urls.find(uid)


async def test_memories_are_bounded_and_keep_what_is_asked_for(
    short_urls: ShortUrls,
    store: SqliteStore,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(short_urls_module, "_MOST_REMEMBERED", 3)
    monkeypatch.setattr(short_urls_module, "_MOST_MISSING", 3)
    await accept(store, *(with_draft(number) for number in range(1, 6)))
    uids = [uids_of(database, number)[0] for number in range(1, 6)]
    for uid in uids:
        await found(short_urls, uid)
        short_urls.recall(uids[0])
        await short_urls.find(f"not{uid[:5]}")
    assert list(short_urls._known) == [uids[3], uids[4], uids[0]]
    assert len(short_urls._missing) == 3


async def test_a_stored_target_that_is_no_web_address_leads_nowhere(
    short_urls: ShortUrls, store: SqliteStore, database: Database
) -> None:
    await accept(store, with_draft(1))
    [uid] = uids_of(database)
    database.rows("UPDATE short_urls SET target = 'javascript:alert(1)'")
    assert await short_urls.find(uid) is None


# Guessing


def test_an_address_has_some_guesses_and_then_few(clock: FakeClock) -> None:
    guesses = AddressPace(clock)
    for _ in range(60):
        assert guesses.wait("192.0.2.1") == 0
        guesses.count("192.0.2.1")
    assert guesses.wait("192.0.2.1") == pytest.approx(2.0)
    assert guesses.wait("192.0.2.2") == 0
    clock.advance(2 * SECOND)
    assert guesses.wait("192.0.2.1") == 0


def test_a_subscribers_ipv6_addresses_are_one(clock: FakeClock) -> None:
    guesses = AddressPace(clock)
    for number in range(60):
        guesses.count(f"2001:db8:0:1::{number:x}")
    assert guesses.wait("2001:db8:0:1:ffff::1") > 0
    assert guesses.wait("2001:db8:0:2::1") == 0
    assert guesses.wait("unknown:address") == 0


async def test_quiet_addresses_are_forgotten(clock: FakeClock) -> None:
    guesses = AddressPace(clock)
    guesses.count("192.0.2.1")
    await guesses.forgive()
    assert len(guesses._rates) == 1
    clock.advance(2 * SECOND)
    await guesses.forgive()
    assert guesses._rates == {}


def test_addresses_are_bounded(clock: FakeClock) -> None:
    guesses = AddressPace(clock)
    for number in range(20_001):
        guesses.count(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
    assert len(guesses._rates) <= 10_000


# Domains


async def domains_with(store: SqliteStore, gateway_base: str, *own: str) -> ShortDomains:
    """Domains where Partner 1, then 2, have their own."""
    for partner_id, base in enumerate(own, 1):
        change = PartnerChange(a_partner(partner_id, short_domain=base), START + partner_id)
        await store.write(change_partners, change)
    partners = PartnerDirectory(store)
    await partners.refresh()
    return ShortDomains(partners, gateway_base)


GO, BRAND = "https://go.example", "https://go.brand.example"
BELOW = "https://gw.example/l"
BOTH = frozenset({1, 2})
OF_ONE = frozenset({1})
PLACES = [
    (GO, (), "go.example", "/abcd", ShortPlace(GO, "abcd", None)),
    (GO, (), "GO.example.:8443", "/abcd", ShortPlace(GO, "abcd", None)),
    (GO, (), "go.example", "/ab_d-_", ShortPlace(GO, "ab_d", None)),
    (GO, (), "go.example", "/abcdefgh*", ShortPlace(GO, "abcdefgh", None)),
    (GO, (), "go.example", "/ab-", ShortPlace(GO, "", None)),
    (GO, (), "go.example", "/abcdefghi", ShortPlace(GO, "", None)),
    (GO, (), "go.example", "/ab", ShortPlace(GO, "", None)),
    (GO, (), "go.example", "/abc\n", ShortPlace(GO, "", None)),
    (GO, (), "go.example", "/abc/d", ShortPlace(GO, "", None)),
    (GO, (), "go.example", "*", ShortPlace(GO, "", None)),
    (GO, (), "go.example.evil", "/abcd", None),
    (GO, (), "", "/abcd", None),
    (GO, (BRAND,), "go.brand.example", "/abcd", ShortPlace(BRAND, "abcd", OF_ONE)),
    (GO, (BRAND, BRAND), "go.brand.example", "/abcd", ShortPlace(BRAND, "abcd", BOTH)),
    (GO, (GO,), "go.example", "/abcd", ShortPlace(GO, "abcd", None)),
    ("", (BRAND,), "go.example", "/abcd", None),
    ("", (), "go.example", "/abcd", None),
    (BELOW, (), "gw.example", "/l/abcd", ShortPlace(BELOW, "abcd", None)),
    (BELOW, (), "10.0.0.1", "/l/abcd", ShortPlace(BELOW, "abcd", None)),
    (BELOW, (), "gw.example", "/l", None),
    (BELOW, (), "gw.example", "/lost", None),
    (BELOW, (), "gw.example", "/send", None),
    (BELOW, (BRAND,), "go.brand.example", "/l/abcd", ShortPlace(BRAND, "", OF_ONE)),
    (BELOW, (f"{BELOW}/b",), "gw.example", "/l/b/abcd", ShortPlace(f"{BELOW}/b", "abcd", OF_ONE)),
    (BELOW, (f"{BELOW}/b",), "gw.example", "/l/abcd", ShortPlace(BELOW, "abcd", None)),
    (GO, (f"{BRAND}/s",), "go.brand.example", "/s/abcd", ShortPlace(f"{BRAND}/s", "abcd", OF_ONE)),
    (GO, (f"{BRAND}/s",), "go.brand.example", "/send", None),
    (GO, (f"{BRAND}/s",), "other.example", "/s/abcd", None),
    ("https://го.рф", (), "xn--c1aw.xn--p1ai", "/abcd", ShortPlace("https://го.рф", "abcd", None)),
]


@pytest.mark.parametrize(("base", "own", "host", "path", "place"), PLACES)
async def test_places(
    store: SqliteStore, base: str, *, own: tuple[str, ...], host: str, path: str, place: Any
) -> None:
    domains = await domains_with(store, base, *own)
    assert domains.find(host.encode(), path) == place
    assert domains.find(host.encode(), path) == place  # once more, from memory


async def test_no_domain_takes_the_host_of_the_api(store: SqliteStore) -> None:
    """An operator's slip of the pen must not cut off Partners and Meta."""
    change = PartnerChange(a_partner(1, short_domain="https://gw.example"), START + 1)
    await store.write(change_partners, change)
    partners = PartnerDirectory(store)
    await partners.refresh()
    for own in ("https://gw.example", BELOW):
        domains = ShortDomains(partners, own, "https://gw.example/")
        assert domains.find(b"gw.example", "/send") is None
        assert domains.find(b"gw.example", "/abcd") is None
    assert domains.find(b"gw.example", "/l/abcd") == ShortPlace(BELOW, "abcd", None)


async def test_a_new_domain_is_followed(store: SqliteStore) -> None:
    partners = PartnerDirectory(store)
    await partners.refresh()
    domains = ShortDomains(partners, GO)
    assert domains.find(b"go.brand.example", "/abcd") is None
    change = PartnerChange(a_partner(1, short_domain=BRAND), START + 1)
    await store.write(change_partners, change)
    await partners.refresh()
    assert domains.find(b"go.brand.example", "/abcd") == ShortPlace(BRAND, "abcd", frozenset({1}))


async def test_spellings_of_hosts_are_bounded(store: SqliteStore) -> None:
    domains = await domains_with(store, GO)
    for number in range(5_000):
        domains.find(f"host{number}".encode(), "/abcd")
    assert len(domains._spellings) <= 1_000


# Visits that wait


async def a_visit(
    short_urls: ShortUrls, store: SqliteStore, database: Database, **changes: Any
) -> Visit:
    await accept(store, with_draft(1))
    [uid] = uids_of(database)
    members: dict[str, Any] = {"agent": AgentClass.MOBILE, "ahead": False}
    return Visit(f"{GO}/{uid}", await found(short_urls, uid), **{**members, **changes})


@pytest.mark.parametrize(
    ("changes", "counted"),
    [
        ({}, True),
        ({"agent": AgentClass.OTHER}, True),
        ({"agent": AgentClass.BOT}, False),
        ({"ahead": True}, False),
    ],
)
async def test_what_is_a_click(
    clicks: Clicks,
    short_urls: ShortUrls,
    store: SqliteStore,
    database: Database,
    changes: dict[str, Any],
    *,
    counted: bool,
) -> None:
    visit = await a_visit(short_urls, store, database, **changes)
    assert clicks.note(visit) is counted
    await clicks.flush()
    assert database.rows("SELECT visits, clicks FROM short_urls") == [(1, int(counted))]
    assert database.rows("SELECT at, agent, counted FROM clicks") == [
        (START, str(visit.agent), int(counted))
    ]


async def test_many_visits_are_written_in_small_transactions(
    clicks: Clicks, short_urls: ShortUrls, store: SqliteStore, database: Database
) -> None:
    visit = await a_visit(short_urls, store, database)
    for _ in range(1_000):
        clicks.note(visit)
    await clicks.flush()
    assert database.rows("SELECT clicks FROM short_urls") == [(1_000,)]


async def test_a_locked_store_keeps_them_waiting(
    clicks: Clicks, short_urls: ShortUrls, store: SqliteStore, database: Database
) -> None:
    visit = await a_visit(short_urls, store, database)
    for _ in range(600):
        clicks.note(visit)
    with locked(database), pytest.raises(StoreUnavailable):
        await clicks.flush()
    clicks.note(visit)
    await clicks.drain()
    assert database.rows("SELECT clicks FROM short_urls") == [(601,)]


async def test_waiting_visits_are_bounded(
    clicks: Clicks,
    short_urls: ShortUrls,
    store: SqliteStore,
    database: Database,
    *,
    metrics: Metrics,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(clicks_module, "_MOST_WAITING", 10)
    visit = await a_visit(short_urls, store, database)
    for _ in range(12):
        clicks.note(visit)
    waiting = metrics.registry.get_sample_value("whimbrel_short_url_visits_waiting")
    lost = metrics.registry.get_sample_value("whimbrel_short_url_visits_lost_total")
    assert (waiting, lost) == (10, 2)


async def test_only_a_subscribers_own_short_url_is_told_and_only_with_a_click_url(
    clicks: Clicks,
    short_urls: ShortUrls,
    store: SqliteStore,
    database: Database,
    partners: PartnerDirectory,
) -> None:
    await accept(store, with_draft(1), with_draft(2, shared=True), with_draft(3, partner_id=2))
    change = PartnerChange(a_partner(1, click_url="https://shop.example/clicks"), START + 1)
    await store.write(change_partners, change)
    await partners.refresh()
    for chain_id in (1, 2, 3):
        [uid] = uids_of(database, chain_id)
        known = await found(short_urls, uid)
        clicks.note(Visit(f"{GO}/{uid}", known, AgentClass.MOBILE, ahead=False))
    assert await clicks.flush() == 1
    [uid] = uids_of(database)
    assert database.rows("SELECT short_url, target FROM click_reports") == [(f"{GO}/{uid}", LONG)]
    assert database.rows("SELECT chain_id, lane FROM reports") == [(1, "1/clicks")]
