"""Calling off what has not been sent: all of it, and nothing else, whoever comes meanwhile."""

import asyncio

import pytest

from tests.support.builders import (
    Database,
    a_cascade,
    a_chain,
    accept,
    an_echo,
    answer,
    claim,
    receive,
    submit,
)
from tests.support.clock import START
from tests.support.meeting import meeting, stopping_after
from tests.support.postgres import PostgresDatabase
from whimbrel.clock import DAY, HOUR, MINUTE, SECOND
from whimbrel.domain.chain import Again, NoAnswer, Refused, Taken
from whimbrel.domain.chain_id import link_id
from whimbrel.domain.content import Channel
from whimbrel.domain.status import ErrorCode, LinkState
from whimbrel.domain.tally import What
from whimbrel.store import chains, links
from whimbrel.store.audit import Audited, AuditEntry, AuditWish, audited, list_deeds
from whimbrel.store.cancelling import CalledOff, Cancellation, cancel_chains
from whimbrel.store.chains import Claim, claim_links
from whimbrel.store.sqlite import SqliteStore
from whimbrel.store.timers import Tick, expire_links, release_links, settle_limbo

S = LinkState
NOW = START + SECOND
LANE = "WHATSAPP/1/WHIMBREL"


async def cancel(store: SqliteStore, chain_id: int = 1, now: int = NOW) -> list[CalledOff]:
    told = await store.write(cancel_chains, Cancellation(chain_id, now))
    assert told is not None
    return told


def new(told: list[CalledOff]) -> list[int]:
    """Return the places of what was called off just now."""
    return [one.link_id & 15 for one in told if one.is_new]


async def test_a_message_that_waits_is_ended_and_its_partner_is_told(
    store: SqliteStore, database: Database
) -> None:
    await accept(store, a_chain(link={"due_at": START + HOUR}))
    [one] = await cancel(store)
    assert one._replace(news=()) == CalledOff(link_id(1, 0), S.CANCELLED, 0, True)
    assert [news.what for news in one.news] == [What.CANCELLED]
    link = database.link()
    assert (link["state"], link["done_at"], link["error_code"]) == (S.CANCELLED, NOW, 10)
    assert database.rows("SELECT status, error_code FROM reports") == [(5, ErrorCode.FILTERED)]
    assert await claim(store, now=START + HOUR) == []


async def test_a_whole_cascade_is_ended_and_nothing_falls_through(
    store: SqliteStore, database: Database
) -> None:
    await accept(store, a_cascade({"ttl": HOUR}, {"channel": Channel.SMS}, {}))
    assert new(await cancel(store)) == [0, 1, 2]
    assert database.states() == [S.CANCELLED] * 3
    assert database.told_by_link() == [(0, 5), (1, 5), (2, 5)]
    for now in (START + HOUR, START + 9 * DAY):
        await store.write(expire_links, now)
        await store.write(release_links, now)
    assert database.states() == [S.CANCELLED] * 3
    assert len(database.told_by_link()) == 3


@pytest.mark.parametrize(
    ("registered_delivery", "told"), [(0, []), (1, [(0, 5), (1, 5)]), (2, [(0, 5), (1, 5)])]
)
async def test_a_partner_is_told_what_it_wants_to_be_told(
    store: SqliteStore, database: Database, registered_delivery: int, told: list[tuple[int, int]]
) -> None:
    await accept(store, a_cascade(registered_delivery=registered_delivery))
    await cancel(store)
    assert database.told_by_link() == told


async def test_what_is_on_its_way_is_left_alone_and_what_follows_it_is_not_sent(
    store: SqliteStore, database: Database
) -> None:
    await accept(store, a_cascade())
    await claim(store)
    assert new(await cancel(store)) == [1]
    assert database.states() == [S.SUBMITTING, S.CANCELLED]
    await answer(store, Refused(1, NOW, ErrorCode.CALL_BARRED))
    assert database.states() == [S.FAILED, S.CANCELLED]  # its failure lets nothing go
    assert database.told_by_link() == [(1, 5), (0, 5)]


@pytest.mark.parametrize("state", [S.SUBMITTED, S.SENT, S.DELIVERED, S.READ])
async def test_what_the_channel_has_is_not_called_back(
    store: SqliteStore, database: Database, state: LinkState
) -> None:
    await submit(store)
    if state is not S.SUBMITTED:
        await receive(store, an_echo(state))
    before = database.link()
    [one] = await cancel(store)
    assert (one.state, one.is_new) == (state, False)
    assert database.link() == before


async def test_what_may_have_gone_keeps_its_rule(store: SqliteStore, database: Database) -> None:
    await accept(store, a_chain(link={"ttl": 10 * MINUTE}))
    await claim(store)
    await answer(store, NoAnswer(1, NOW, NOW + MINUTE))
    assert new(await cancel(store)) == []
    await store.write(settle_limbo, Tick(NOW + MINUTE, NOW + 2 * MINUTE))
    assert database.state() is S.QUEUED  # goes again ...
    [one] = await cancel(store, now=NOW + MINUTE)
    assert (one.is_new, one.attempts) == (True, 1)  # ... and can be called off then


async def test_a_delivery_that_comes_to_light_is_told_all_the_same(
    store: SqliteStore, database: Database
) -> None:
    await accept(store, a_cascade())
    await claim(store)
    await answer(store, Again(1, NOW, START + HOUR))
    await cancel(store)
    await receive(store, an_echo(S.DELIVERED))
    assert database.states() == [S.DELIVERED, S.CANCELLED]
    assert database.told_by_link() == [(0, 5), (1, 5), (0, 2)]


async def test_an_answer_that_comes_late_moves_nothing(
    store: SqliteStore, database: Database
) -> None:
    await accept(store, a_chain())
    await claim(store)
    await answer(store, Again(1, NOW, NOW))
    await cancel(store)
    await answer(store, Taken(1, NOW, "wamid.1", late=True))
    assert (database.state(), database.link()["provider_id"]) == (S.CANCELLED, "wamid.1")


async def test_twice_is_as_good_as_once(store: SqliteStore, database: Database) -> None:
    await accept(store, a_cascade())
    await cancel(store)
    before = database.rows("SELECT * FROM links ORDER BY link_id")
    assert new(await cancel(store, now=NOW + HOUR)) == []
    assert database.rows("SELECT * FROM links ORDER BY link_id") == before
    assert len(database.told_by_link()) == 2


async def test_what_is_not_there_is_not_called_off(store: SqliteStore) -> None:
    assert await store.write(cancel_chains, Cancellation(4711, NOW)) is None


async def test_several_in_one_group(store: SqliteStore, database: Database) -> None:
    await accept(store, a_chain(1), a_cascade(chain_id=2))
    wishes = (Cancellation(number, NOW) for number in (2, 1, 3, 2))
    told = await asyncio.gather(*(store.write(cancel_chains, wish) for wish in wishes))
    assert [one and new(one) for one in told] == [[0, 1], [0], None, []]
    assert (database.states(1), database.states(2)) == ([S.CANCELLED], [S.CANCELLED] * 2)


async def test_who_did_it_is_written_with_it(store: SqliteStore) -> None:
    await accept(store, a_chain())
    entry = AuditEntry(NOW, "ann", "", "message.cancel", "1")
    operation = audited(cancel_chains)
    await store.write(operation, Audited(Cancellation(1, NOW), entry))
    [deed] = await store.read(list_deeds, AuditWish(1 << 60, "", 9))
    assert deed[2:6] == ("ann", "", "message.cancel", "1")


# At the same moment


async def test_among_many_claims_each_message_goes_or_is_called_off(
    store: SqliteStore, database: Database
) -> None:
    """Both at once, on both engines: whoever is first has it, and nobody has it twice."""
    count = 60
    await accept(store, *(a_chain(number) for number in range(1, count + 1)))
    claims = [store.write(claim_links, Claim(LANE, 3, NOW, NOW + MINUTE)) for _ in range(count)]
    cancels = [
        store.write(cancel_chains, Cancellation(number, NOW)) for number in range(count, 0, -1)
    ]
    mixed = [one for pair in zip(claims, cancels, strict=True) for one in pair]
    outcomes = await asyncio.gather(*mixed)
    went = {link.link_id >> 4 for links in outcomes[::2] for link in links}
    ended = {one.link_id >> 4 for told in outcomes[1::2] for one in told or () if one.is_new}
    assert went | ended == set(range(1, count + 1))
    assert not went & ended
    states = dict(database.rows("SELECT chain_id, state FROM links"))
    assert {number for number, state in states.items() if state == S.CANCELLED} == ended


@pytest.mark.parametrize("database", ["postgres"], indirect=True)
async def test_a_claim_that_is_first_keeps_what_it_took(
    store: SqliteStore, database: PostgresDatabase
) -> None:
    await accept(store, a_cascade())
    other = await database.open()
    try:
        async with meeting(database) as held:
            claimed = store.write(
                stopping_after(claim_links, chains._CLAIM), Claim(LANE, 1, NOW, NOW + MINUTE)
            )
            await held.holds(claimed)
            told = other.write(cancel_chains, Cancellation(1, NOW))
            await held.after(told)
            assert not told.done()
        assert [one.link_id for one in await claimed] == [link_id(1, 0)]
        assert new(await told or []) == [1]
    finally:
        await other.close()
    assert database.states() == [S.SUBMITTING, S.CANCELLED]


@pytest.mark.parametrize("database", ["postgres"], indirect=True)
async def test_a_claim_that_is_second_finds_nothing_and_does_not_wait(
    store: SqliteStore, database: PostgresDatabase
) -> None:
    await accept(store, a_cascade())
    other = await database.open()
    try:
        async with meeting(database) as held:
            told = store.write(stopping_after(cancel_chains, links._LOAD), Cancellation(1, NOW))
            await held.holds(told)
            assert await other.write(claim_links, Claim(LANE, 1, NOW, NOW + MINUTE)) == []
        assert new(await told or []) == [0, 1]
        assert await other.write(claim_links, Claim(LANE, 1, NOW, NOW + MINUTE)) == []
    finally:
        await other.close()
    assert database.states() == [S.CANCELLED] * 2
