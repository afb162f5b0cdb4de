"""Group commit: design, section 5, "commit, then answer"."""

import asyncio

import pytest

from tests.support.builders import Database, a_chain, accept, opened
from whimbrel.store.chains import accept_chains, last_chain_id
from whimbrel.store.engine import Ask, Do, Statement, Steps, StoreUnavailable
from whimbrel.store.partners import partners_revision
from whimbrel.store.sqlite import SqliteStore

_NOTE = Statement("""
INSERT INTO senders (sender, channel, paused_since, paused_until, holds, reason, changed_at)
VALUES (:name, 'WHATSAPP', 0, 0, 0, '', 0)
""")
_NOTED = Statement("SELECT sender FROM senders")


class Broken(Exception):
    pass


def note(items: list[str]) -> Steps[list[str]]:
    """Write each item; one that is called `bad` breaks the operation after a write."""
    for item in items:
        yield Do(_NOTE, [(item,)])
        if item == "bad":
            raise Broken
    return [f"noted {item}" for item in items]


def count_group(items: list[None]) -> Steps[list[int]]:
    yield Do(_NOTE, [])
    return [len(items)] * len(items)


def look(items: list[None]) -> Steps[list[set[str]]]:
    rows = yield Ask(_NOTED, [()])
    return [{name for (name,) in rows[0]}] * len(items)


def noted(database: Database) -> set[str]:
    return {name for (name,) in database.rows("SELECT sender FROM senders")}


async def test_each_caller_gets_its_own_answer(store: SqliteStore) -> None:
    items = [str(number) for number in range(1_000)]
    answers = await asyncio.gather(*(store.write(note, item) for item in items))
    assert answers == [f"noted {item}" for item in items]


async def test_what_waits_together_is_written_together(store: SqliteStore) -> None:
    assert await asyncio.gather(*(store.write(count_group, None) for _ in range(5))) == [5] * 5


async def test_a_group_has_a_greatest_size(store: SqliteStore) -> None:
    sizes = await asyncio.gather(*(store.write(count_group, None) for _ in range(300)))
    assert sizes == [256] * 256 + [44] * 44


@pytest.mark.parametrize("place", [0, 1, 4])
async def test_one_bad_item_spoils_none_of_the_others(
    store: SqliteStore, database: Database, place: int
) -> None:
    good = ["one", "two", "three", "four"]
    items = [*good[:place], "bad", *good[place:]]
    answers = await asyncio.gather(
        *(store.write(note, item) for item in items), return_exceptions=True
    )
    assert isinstance(answers.pop(place), Broken)
    assert answers == [f"noted {item}" for item in good]
    assert noted(database) == set(good)


async def test_so_it_is_with_many_of_each(store: SqliteStore, database: Database) -> None:
    items = ["bad" if number % 3 == 0 else str(number) for number in range(20)]
    answers = await asyncio.gather(
        *(store.write(note, item) for item in items), return_exceptions=True
    )
    assert [isinstance(one, Broken) for one in answers] == [item == "bad" for item in items]
    assert noted(database) == {item for item in items if item != "bad"}


async def test_one_that_is_there_already_spoils_none(
    store: SqliteStore, database: Database
) -> None:
    answers = await asyncio.gather(
        *(store.write(note, item) for item in ("once", "twice", "twice")), return_exceptions=True
    )
    assert answers[:2] == ["noted once", "noted twice"]
    assert isinstance(answers[2], Exception)
    assert not isinstance(answers[2], StoreUnavailable)  # another time would be no better
    assert noted(database) == {"once", "twice"}


async def test_one_bad_operation_spoils_none_of_the_others(
    store: SqliteStore, database: Database
) -> None:
    bad, good = store.write(note, "bad"), store.write(accept_chains, a_chain())
    with pytest.raises(Broken):
        await bad
    assert (await good).chain_id == 1
    assert database.rows("SELECT chain_id FROM chains") == [(1,)]


@pytest.mark.parametrize("value", ["\ud800", None], ids=["half a pair", "nothing"])
async def test_a_value_that_cannot_be_held_is_one_bad_item(
    store: SqliteStore, database: Database, value: object
) -> None:
    answers = await asyncio.gather(
        store.write(note, value), store.write(note, "good"), return_exceptions=True
    )
    assert isinstance(answers[0], Exception)
    assert not isinstance(answers[0], StoreUnavailable)
    assert answers[1] == "noted good"
    assert noted(database) == {"good"}


async def test_what_was_answered_is_seen_by_everybody(
    store: SqliteStore, database: Database
) -> None:
    await accept(store, a_chain())
    assert database.rows("SELECT chain_id FROM chains") == [(1,)]
    assert await store.read(last_chain_id, None) == 1


async def test_an_operation_sees_what_it_has_written(store: SqliteStore) -> None:
    def note_and_look(items: list[str]) -> Steps[list[set[str]]]:
        seen: list[set[str]] = []
        for item in items:
            yield from note([item])
            seen += yield from look([None])
        return seen

    answers = [store.write(note_and_look, item) for item in ("one", "two")]
    assert await asyncio.gather(*answers) == [{"one"}, {"one", "two"}]


async def test_what_waited_longer_is_written_first(store: SqliteStore) -> None:
    seen: list[str] = []

    async def one(name: str) -> None:
        await store.write(note, name)
        seen.append(name)

    names = [str(number) for number in range(600)]
    await asyncio.gather(*map(one, names))
    assert seen == names


async def test_close_finishes_what_waits(store: SqliteStore, database: Database) -> None:
    answers = [store.write(note, str(number)) for number in range(600)]
    await store.close()
    assert all(answer.done() for answer in answers)
    assert len(noted(database)) == 600


async def test_a_store_that_has_hardly_begun_does_so_too(database: Database) -> None:
    store = await database.open()
    answer = store.write(note, "first and last")
    await store.close()
    assert answer.done()
    assert noted(database) == {"first and last"}


async def test_a_closed_store_takes_nothing(store: SqliteStore) -> None:
    await store.close()
    with pytest.raises(StoreUnavailable):
        store.write(note, "late")


async def test_a_caller_that_has_gone_harms_nobody(store: SqliteStore, database: Database) -> None:
    gone, stays = store.write(note, "gone"), store.write(note, "stays")
    gone.cancel()
    assert await stays == "noted stays"
    assert "stays" in noted(database)


async def test_waiting_counts_what_the_next_group_will_take(store: SqliteStore) -> None:
    answers = [store.write(note, str(number)) for number in range(3)]
    assert store.waiting == 3
    await asyncio.gather(*answers)
    assert store.waiting == 0


async def test_a_database_that_fails_is_unavailable_and_recovers(
    store: SqliteStore, database: Database
) -> None:
    database.script("ALTER TABLE senders RENAME TO away")
    try:
        with pytest.raises(StoreUnavailable, match=r"no such table|does not exist"):
            await store.write(note, "lost")
        with pytest.raises(StoreUnavailable, match=r"no such table|does not exist"):
            await store.read(look, None)
    finally:
        database.script("ALTER TABLE away RENAME TO senders")
    assert await store.write(note, "found") == "noted found"
    assert await store.read(look, None) == {"found"}


async def test_reading_goes_on_beside_writers(store: SqliteStore) -> None:
    answers = [store.write(note, str(number)) for number in range(1_000)]
    counts = [await store.read(partners_revision, None) for _ in range(5)]
    assert {count for count, *_ in counts} == {2}
    await asyncio.gather(*answers)


async def test_a_store_reopens_with_what_it_had(database: Database) -> None:
    async with opened(database) as store:
        await accept(store, a_chain())
    store = await database.open()
    assert await store.read(last_chain_id, None) == 1
    await store.close()
