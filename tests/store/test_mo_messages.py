"""What subscribers wrote is kept once, in the order in which it came."""

import asyncio
from typing import Any

import pytest

from tests.support.builders import Database
from tests.support.clock import START
from whimbrel.clock import DAY
from whimbrel.domain.content import Channel
from whimbrel.domain.receipt import MoMessage
from whimbrel.store.engine import Store
from whimbrel.store.mo_messages import MoWish, find_mo_messages, keep_mo_messages, last_mo_messages
from whimbrel.store.purge import OldInbound, remove_inbound

EVERYTHING = MoWish(None, 0, 1 << 62, 0, 1_000)


def by_whatsapp(wamid: str, **changes: Any) -> MoMessage:
    members = {
        "channel": Channel.WHATSAPP, "account": "main", "sender": "WHIMBREL",
        "subscriber": "79161234567", "received_at": START, "text": wamid, "raw": b"{}",
        "kind": "text", "provider_id": wamid,
    }  # fmt: skip
    return MoMessage(**{**members, **changes})


def by_sms(text: str, **changes: Any) -> MoMessage:
    return by_whatsapp(
        text, channel=Channel.SMS, data_coding=0, kind=None, provider_id=None, **changes
    )


async def keep(store: Store, *messages: MoMessage) -> None:
    """Write messages as one group, as those of one webhook."""
    await asyncio.gather(*(store.write(keep_mo_messages, one) for one in messages))


async def texts(store: Store) -> list[str | None]:
    """Return all texts, the first that came first."""
    found = await store.read(find_mo_messages, EVERYTHING)
    return [one.text for one in reversed(found)]


async def test_nothing_of_a_message_is_lost(store: Store, database: Database) -> None:
    await keep(store, by_whatsapp("wamid.1", text=None, kind="image", raw=b'{"type":"image"}'))

    [row] = database.rows(
        "SELECT channel, account, sender, subscriber, text, part, parts, reference, raw,"
        " data_coding, received_at, kind, provider_id FROM mo_messages"
    )
    assert (*row[:8], bytes(row[8]), *row[9:]) == (
        "WHATSAPP", "main", "WHIMBREL", "79161234567", None, 1, 1, None, b'{"type":"image"}',
        None, START, "image", "wamid.1",
    )  # fmt: skip
    [shown] = await store.read(find_mo_messages, EVERYTHING)
    assert (shown.kind, shown.text, shown.part, shown.parts) == ("image", None, 1, 1)
    [listed] = await store.read(last_mo_messages, 1)
    assert listed[1:] == ("WHATSAPP", "main", "WHIMBREL", "79161234567", 1, 1, None, "image", None)


async def test_a_repeated_one_is_kept_once_and_as_it_was_first(store: Store) -> None:
    first = by_whatsapp("wamid.1", text="first")
    await keep(store, first)
    await keep(store, by_whatsapp("wamid.1", text="again", received_at=START + DAY))

    [kept] = await store.read(find_mo_messages, EVERYTHING)
    assert (kept.text, kept.received_at) == ("first", START)


async def test_so_it_is_within_one_webhook_and_the_others_are_kept_in_their_order(
    store: Store,
) -> None:
    words = ["z", "a", "m", "a", "b", "z", "c"]
    await keep(store, *(by_whatsapp(f"wamid.{word}", text=word) for word in words))

    assert await texts(store) == ["z", "a", "m", "b", "c"]


@pytest.mark.parametrize("other", [{"account": "second"}, {"channel": Channel.SMS}])
async def test_an_id_is_one_accounts_of_one_channel(store: Store, other: dict[str, Any]) -> None:
    await keep(store, by_whatsapp("wamid.1"), by_whatsapp("wamid.1", **other))

    assert await texts(store) == ["wamid.1", "wamid.1"]


async def test_ids_are_compared_letter_by_letter(store: Store) -> None:
    await keep(store, by_whatsapp("wamid.aB"), by_whatsapp("wamid.Ab"), by_whatsapp("wamid.ab"))

    assert await texts(store) == ["wamid.aB", "wamid.Ab", "wamid.ab"]


async def test_what_has_no_id_is_kept_each_time(store: Store) -> None:
    await keep(store, by_sms("STOP"), by_sms("STOP"))

    assert await texts(store) == ["STOP", "STOP"]


async def test_a_thousand_ids_as_long_as_they_may_be(store: Store) -> None:
    """An index of PostgreSQL holds some 2,700 bytes: what has more would spoil its whole group."""
    long = [
        by_whatsapp(f"{n:0>500}", subscriber=f"{n:0>200}", account="a" * 100) for n in range(1_000)
    ]
    await keep(store, *long, *long)

    assert len(await texts(store)) == 1_000


async def test_what_was_removed_by_age_makes_no_room_for_a_mix_up(store: Store) -> None:
    """Meta repeats for a week. What comes again after it was removed is as new, and goes again."""
    await keep(store, by_whatsapp("wamid.1"), by_sms("Hi"))
    assert await store.write(remove_inbound, OldInbound(START + 1, 10)) == 2

    await keep(store, by_whatsapp("wamid.1", received_at=START + DAY))
    assert await texts(store) == ["wamid.1"]
