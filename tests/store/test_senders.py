"""Senders that rest."""

from tests.support.clock import START
from whimbrel.clock import MINUTE
from whimbrel.store.senders import SenderPause, pause_senders, paused_senders, resume_senders
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
