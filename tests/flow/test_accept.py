"""Accepting requests: `protocol.md`, sections 1, 4 and 8."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator
from typing import Any

import pytest
from msgspec.structs import replace

from tests.flow.door import (
    LOGIN,
    PASSWORD,
    QUEUE_LIMIT,
    Door,
    a_message,
    a_request,
    stored,
)
from tests.support.builders import PARTNER_ID, SENDER, SUBSCRIBER, Database, a_chain, a_partner
from tests.support.clock import START, FakeClock
from tests.support.registry import some_ranges
from whimbrel.clock import DAY, HOUR, SECOND
from whimbrel.domain.content import Channel
from whimbrel.domain.partner import DuplicateControl
from whimbrel.domain.refusal import Refusal, RefusalCode
from whimbrel.domain.request import ScheduleRequest
from whimbrel.domain.tally import What
from whimbrel.flow import password_checks
from whimbrel.store import sqlite
from whimbrel.store.chains import accept_chains
from whimbrel.store.history import tell_stories
from whimbrel.store.numbering import NumberingImport, import_ranges
from whimbrel.store.partners import PartnerChange, change_partners
from whimbrel.store.sqlite import SqliteStore
from whimbrel.store.tallies import Kind, TallyRange, read_totals


@pytest.fixture
async def door(
    store: SqliteStore, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Door]:
    monkeypatch.setattr(
        password_checks, "password_is_right", lambda kept, password: kept == stored(password)
    )
    door = Door(store, clock)
    await door.configure()
    yield door
    door.gatekeeper.close()


def chains(database: Database) -> int:
    return int(database.rows("SELECT count(*) FROM chains")[0][0])


async def test_a_request_is_on_disk_when_it_is_answered(door: Door, database: Database) -> None:
    answer = await door.accept(a_request(partner_ref="order-1"))
    assert answer.partner_ref == "order-1"
    assert database.rows("SELECT chain_id, partner_id, partner_ref, dest_addr FROM chains") == [
        (answer.mt_num, PARTNER_ID, "order-1", SUBSCRIBER)
    ]
    assert door.woken == 1


async def test_a_message_without_a_sender_or_lifetime_has_the_partners(
    door: Door, database: Database
) -> None:
    await door.configure(ttl_minutes={Channel.WHATSAPP: 2_880})
    await door.accept(a_request())
    assert database.rows("SELECT sender, ttl, expires_at - due_at FROM links") == [
        (SENDER, 2 * DAY, 2 * DAY)
    ]


async def test_a_deadline_ends_a_link_before_its_lifetime(door: Door, database: Database) -> None:
    schedule = ScheduleRequest(
        time_begin=None, time_end=None, weekdays=None, deadline="2026-11-23T06:00:00+0300"
    )
    await door.accept(a_request(schedule=schedule))
    assert database.rows("SELECT expires_at FROM links") == [(START + 2_800 * SECOND,)]


async def test_sending_hours_say_when_a_link_is_due(door: Door, database: Database) -> None:
    schedule = ScheduleRequest(time_begin="06:00", time_end="07:00", weekdays="1", deadline=None)
    await door.accept(a_request(schedule=schedule))
    opening = START + 2_800 * SECOND
    assert database.rows("SELECT due_at, closes_at FROM links") == [
        (opening, opening + 3_600 * SECOND)
    ]


BY_DAY = ScheduleRequest(time_begin="10:00", time_end="20:00", weekdays=None, deadline=None)


VLADIVOSTOK, FREE_PHONE = "79146512345", "80012345678"
IN_NO_RANGE = "79260000000"


@pytest.mark.parametrize(
    ("zone", "asked", "stored", "hours"),
    [
        # It is 05:13 in Moscow, 12:13 in Vladivostok, 08:13 in Omsk. Hours are UTC.
        ("", (False, VLADIVOSTOK), {}, (7, 17)),
        ("Asia/Omsk", (False, VLADIVOSTOK),
         {"zones": ["Asia/Omsk"], "zone_reason": "partner"}, (4, 14)),
        ("", (True, VLADIVOSTOK),
         {"zones": ["Asia/Vladivostok"], "zone_reason": "registry"}, (0, 10)),
        ("Asia/Omsk", (True, VLADIVOSTOK),
         {"zones": ["Asia/Vladivostok"], "zone_reason": "registry"}, (0, 10)),
        ("Asia/Omsk", (True, IN_NO_RANGE),
         {"zones": ["Europe/Moscow"], "zone_reason": "capital"}, (7, 17)),
        ("Asia/Omsk", (True, FREE_PHONE), {"zone_reason": "no-country"}, (7, 17)),
    ],
)  # fmt: skip
async def test_whose_zone_the_hours_are_in(
    door: Door, zone: str, asked: tuple[bool, str], stored: dict[str, Any], hours: tuple[int, int]
) -> None:
    ranges = NumberingImport((9,), "file.csv", 4, some_ranges(), START)
    await door.store.write(import_ranges, ranges)
    await door.numbering.refresh()
    await door.configure(zone=zone)
    use_time_diff, dest_addr = asked
    request = a_request(schedule=BY_DAY, use_time_diff=use_time_diff, dest_addr=f"+{dest_addr}")
    answer = await door.accept(request)
    story = await door.store.read(tell_stories, answer.mt_num)
    assert story is not None
    assert json.loads(story.chain["schedule"]) == {"begins": 10 * HOUR, "ends": 20 * HOUR, **stored}
    opens = START // DAY * DAY + hours[0] * HOUR
    assert story.links[0]["due_at"] == max(door.clock.now(), opens)


async def test_a_deadline_alone_is_in_no_zone(door: Door, database: Database) -> None:
    await door.configure(zone="Asia/Omsk")
    schedule = ScheduleRequest(
        time_begin=None, time_end=None, weekdays=None, deadline="2026-11-23T06:00:00"
    )
    await door.accept(a_request(schedule=schedule, use_time_diff=True))
    deadline = START + 2_800 * SECOND  # 06:00 in UTC+3, whatever the Partner's zone
    assert database.rows("SELECT schedule FROM chains") == [(f'{{"deadline_at":{deadline}}}',)]


async def test_numbers_rise_and_are_given_once(door: Door) -> None:
    answers = [await door.accept(a_request()) for _ in range(3)]
    numbers = [answer.mt_num for answer in answers]
    assert numbers == sorted(set(numbers))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"login": "nobody"}, RefusalCode.INVALID_LOGIN),
        ({"password": "wrong-password"}, RefusalCode.INVALID_PASSWORD),
        ({"message": a_message(type="PIGEON")}, RefusalCode.MESSAGE_TYPE_NOT_CORRECT),
        ({"message": a_message(text="")}, RefusalCode.INVALID_REQUEST),
        ({"message": a_message(service_number="OTHER")}, RefusalCode.SERVICE_NUMBER_NOT_DEFINED),
        ({"dest_addr": "12"}, RefusalCode.DEST_ADDR_NOT_CORRECT),
        ({"message": a_message(ttl=7)}, RefusalCode.INVALID_TTL),
        ({"notify_url": ""}, RefusalCode.INVALID_REQUEST),
    ],
)
async def test_of_a_refused_request_nothing_is_stored(
    door: Door, database: Database, changes: dict[str, Any], code: RefusalCode
) -> None:
    refusal = await door.refusal(a_request(**changes))
    assert (refusal.code, chains(database), door.woken) == (code, 0, 0)


# Duplicates


async def test_return_gives_the_first_number_and_sends_nothing(
    door: Door, database: Database
) -> None:
    await door.configure(duplicate_control=DuplicateControl.RETURN)
    answers = await asyncio.gather(*(door.accept(a_request(partner_ref="a")) for _ in range(3)))
    assert len({answer.mt_num for answer in answers}) == 1
    assert {answer.partner_ref for answer in answers} == {"a"}
    assert chains(database) == 1


async def test_reject_refuses_the_second(door: Door, database: Database) -> None:
    await door.configure(duplicate_control=DuplicateControl.REJECT)
    await door.accept(a_request(partner_ref="a"))
    refusal = await door.refusal(a_request(partner_ref="a", dest_addr="79160000000"))
    assert (refusal.code, chains(database)) == (RefusalCode.PROHIBITED_DUPLICATE, 1)


async def test_off_echoes_the_id_only(door: Door, database: Database) -> None:
    await door.accept(a_request(partner_ref="a"))
    await door.accept(a_request(partner_ref="a"))
    assert chains(database) == 2


@pytest.mark.parametrize(
    ("changes", "duplicate"),
    [
        ({}, True),
        ({"dest_addr": "79160000000"}, False),
        ({"message": a_message(text="Hello!")}, False),
        (
            {"message": a_message(content_type="IMAGE_URL", text=None, image_url="https://a.b/")},
            False,
        ),
        ({"partner_ref": "another"}, True),
        ({"dest_addr": "8 (916) 123-45-67"}, True),
    ],
)
async def test_the_same_content_to_the_same_subscriber_is_a_duplicate(
    door: Door, database: Database, changes: dict[str, Any], duplicate: bool
) -> None:
    await door.configure(content_window_seconds=60)
    await door.accept(a_request())
    if duplicate:
        refusal = await door.refusal(a_request(**changes))
        assert refusal.code == RefusalCode.PROHIBITED_DUPLICATE
    else:
        await door.accept(a_request(**changes))
    assert chains(database) == 2 - duplicate


async def test_after_the_window_it_is_none(door: Door, database: Database) -> None:
    await door.configure(content_window_seconds=60)
    await door.accept(a_request())
    door.clock.advance(60 * SECOND)
    await door.accept(a_request())
    assert chains(database) == 2


# More than can be taken


async def test_a_long_queue_is_shed(door: Door, database: Database) -> None:
    await door.accept(a_request())  # the password is remembered, so that nothing waits below
    waiting = [
        door.store.write(accept_chains, a_chain(number)) for number in range(1, QUEUE_LIMIT + 1)
    ]
    refusal = await door.refusal(a_request())
    assert (refusal.code, refusal.retry_after) == (RefusalCode.SERVICE_UNAVAILABLE, 1)
    await asyncio.gather(*waiting)
    assert chains(database) == 1 + QUEUE_LIMIT


async def test_a_queue_one_shorter_is_not(door: Door) -> None:
    await door.accept(a_request())
    waiting = [door.store.write(accept_chains, a_chain(number)) for number in range(1, QUEUE_LIMIT)]
    await asyncio.gather(door.accept(a_request()), *waiting)


async def test_a_locked_store_is_unavailable(
    door: Door, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "_BUSY_LIMIT", 0.01)
    other = sqlite3.connect(database.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    refusal = await door.refusal(a_request())
    other.close()
    assert (refusal.code, refusal.retry_after) == (RefusalCode.SERVICE_UNAVAILABLE, 1)
    assert chains(database) == 0


# Who may come in, and how fast


@pytest.mark.parametrize(
    ("profile", "changes", "code"),
    [
        ({"subnets": ["10.0.0.0/8"]}, {"login": "nobody"}, RefusalCode.INVALID_LOGIN),
        ({"subnets": ["10.0.0.0/8"]}, {"password": "wrong"}, RefusalCode.INVALID_IP_ADDRESS),
        ({"rate": 0.001}, {"password": "wrong"}, RefusalCode.INVALID_PASSWORD),
    ],
)
async def test_the_door_asks_in_the_order_of_the_protocol(
    door: Door, profile: dict[str, Any], changes: dict[str, Any], code: RefusalCode
) -> None:
    await door.configure(**profile)
    assert (await door.refusal(a_request(**changes))).code == code


async def test_a_partner_that_is_disabled_is_out(door: Door) -> None:
    partner = replace(a_partner(), password_hash=stored(PASSWORD), disabled=True)
    await door.store.write(change_partners, PartnerChange(partner, START + SECOND))
    await door.partners.refresh()
    assert (await door.refusal(a_request())).code == RefusalCode.INVALID_LOGIN


async def test_a_remembered_password_is_worthless_once_changed(door: Door) -> None:
    await door.accept(a_request())
    partner = replace(a_partner(), password_hash=stored("another-password"))
    await door.store.write(change_partners, PartnerChange(partner, START + SECOND))
    await door.partners.refresh()
    assert (await door.refusal(a_request())).code == RefusalCode.INVALID_PASSWORD
    await door.accept(a_request(password="another-password"))


async def test_a_partner_keeps_to_its_rate(door: Door) -> None:
    await door.configure(rate=2.0, burst=3)
    for _ in range(3):
        await door.accept(a_request())
    refusal = await door.refusal(a_request())
    assert (refusal.code, refusal.retry_after) == (RefusalCode.TOO_MANY_CONNECTIONS, 1)
    door.clock.advance(SECOND // 2)
    await door.accept(a_request())


async def test_a_partner_has_so_many_requests_under_way(door: Door, database: Database) -> None:
    await door.configure(concurrency=2)
    await door.accept(a_request())
    answers = await asyncio.gather(
        *(door.accept(a_request()) for _ in range(5)), return_exceptions=True
    )
    assert [isinstance(answer, Refusal) for answer in answers] == [False, False, True, True, True]
    await door.accept(a_request())
    assert chains(database) == 4


async def guesses(door: Door, count: int, login: str = LOGIN) -> list[RefusalCode]:
    guess = a_request(login=login, password="a wrong guess")
    return [(await door.refusal(guess)).code for _ in range(count)]


@pytest.mark.parametrize(
    ("login", "code"),
    [(LOGIN, RefusalCode.INVALID_PASSWORD), ("nobody", RefusalCode.INVALID_LOGIN)],
)
async def test_guesses_are_slowed_down(door: Door, login: str, code: RefusalCode) -> None:
    too_many = RefusalCode.TOO_MANY_CONNECTIONS
    assert await guesses(door, 12, login) == [code] * 10 + [too_many] * 2
    door.clock.advance(30 * SECOND)
    assert await guesses(door, 2, login) == [code, too_many]


async def test_they_lock_out_the_address_they_come_from_and_no_other(door: Door) -> None:
    await guesses(door, 20)
    assert (await door.refusal(a_request())).code == RefusalCode.TOO_MANY_CONNECTIONS
    await door.acceptor.accept(a_request(), "198.51.100.1", "request-2")


async def test_nor_another_login_from_there(door: Door) -> None:
    await guesses(door, 20, "nobody")
    await door.accept(a_request())


async def test_what_is_let_in_is_counted_once(door: Door) -> None:
    await door.configure(duplicate_control="return")
    for ref in ("a", "b", "a"):
        await door.accept(a_request(partner_ref=ref))
    await door.tallies.flush()
    wish = TallyRange(HOUR, 0, START + DAY, tuple(What))
    kind = Kind(What.ACCEPTED, Channel.WHATSAPP, 0)
    assert await door.store.read(read_totals, wish) == {kind: 2}
