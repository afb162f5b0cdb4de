"""Senders that rest."""

import pytest

from tests.support.clock import START
from whimbrel.clock import MINUTE
from whimbrel.store.senders import (
    Retry,
    SenderPause,
    pause_senders,
    paused_senders,
    resume_senders,
    retry_senders,
)
from whimbrel.store.sqlite import SqliteStore

PAUSE = SenderPause("WHATSAPP", "WHIMBREL", START, START + MINUTE, 1, "190 expired", START)


async def test_a_pause_is_kept_until_the_sender_works_again(store: SqliteStore) -> None:
    await store.write(pause_senders, PAUSE)
    assert await store.read(paused_senders, None) == [PAUSE]
    await store.write(resume_senders, ("WHATSAPP", "WHIMBREL"))
    assert await store.read(paused_senders, None) == []


async def test_a_longer_pause_takes_the_place_of_the_one_before(store: SqliteStore) -> None:
    longer = PAUSE._replace(paused_until=START + 3 * MINUTE, holds=2, reason="131031 locked")
    await store.write(pause_senders, PAUSE)
    await store.write(pause_senders, longer)
    assert await store.read(paused_senders, None) == [longer]


async def test_a_name_on_another_channel_is_another_sender(store: SqliteStore) -> None:
    other = PAUSE._replace(channel="SMS")
    await store.write(pause_senders, PAUSE)
    await store.write(pause_senders, other)
    await store.write(resume_senders, ("WHATSAPP", "WHIMBREL"))
    assert await store.read(paused_senders, None) == [other]


@pytest.mark.parametrize("now", [START - 5, START + 7])
async def test_a_pause_can_be_ended_early_whatever_the_clock_says(
    store: SqliteStore, now: int
) -> None:
    await store.write(pause_senders, PAUSE)
    assert await store.write(retry_senders, Retry(now, "WHATSAPP", "WHIMBREL"))
    [ended] = await store.read(paused_senders, None)
    assert ended == PAUSE._replace(paused_until=now, changed_at=max(now, START + 1))


async def test_only_what_rests_can_be_tried(store: SqliteStore) -> None:
    assert not await store.write(retry_senders, Retry(START, "WHATSAPP", "WHIMBREL"))
    unbound = PAUSE._replace(channel="SMS", holds=0)
    await store.write(pause_senders, unbound)
    assert not await store.write(retry_senders, Retry(START, "SMS", "WHIMBREL"))
    assert await store.read(paused_senders, None) == [unbound]
