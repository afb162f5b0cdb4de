"""Cascades on disk: a link's end and the next one's turn are one write (`protocol.md`, 6)."""

from collections.abc import Awaitable, Callable, Iterable, Iterator
from itertools import permutations
from typing import Any

import pytest

from tests.support.builders import (
    SMS_LANE,
    Database,
    a_cascade,
    a_chain,
    a_lane,
    a_receipt,
    accept,
    an_echo,
    answer,
    claim,
    receive,
    reopened,
)
from tests.support.clock import START
from whimbrel.clock import DAY, HOUR, MINUTE, SECOND
from whimbrel.domain.chain import Again, GraceOver, NoAnswer, Refused, Taken
from whimbrel.domain.chain_id import link_id
from whimbrel.domain.content import Channel
from whimbrel.domain.schedule import parse
from whimbrel.domain.status import ErrorCode, LinkState
from whimbrel.domain.tally import What
from whimbrel.domain.unanswered import Verdict
from whimbrel.store.links import LinkEvent, Moved, News, move_links
from whimbrel.store.sqlite import SqliteStore
from whimbrel.store.timers import (
    BATCH,
    Blockade,
    Ended,
    Tick,
    bypass_links,
    expire_links,
    release_links,
    settle_limbo,
)

S = LinkState
REFUSED = Refused(1, START, ErrorCode.TELESERVICE_NOT_PROVISIONED)
FAILED = an_echo(S.FAILED, error_code=ErrorCode.FILTERED)
END = START + HOUR  # of the first link's lifetime
FIRST, SECOND_ONE = link_id(1, 0), link_id(1, 1)
SMS_ID = "42"


async def hand_over(store: SqliteStore, *steps: dict[str, Any], **chain: Any) -> None:
    """Accept a cascade and let its first channel take it."""
    await accept(store, a_cascade(*steps, **chain))
    await claim(store)
    await answer(store, Taken(1, START, "wamid.1"), chain.get("chain_id", 1))


def whats(news: Iterable[Iterable[News]]) -> list[What]:
    return [one.what for of_chain in news for one in of_chain]


async def hand_over_the_sms(store: SqliteStore, now: int = START) -> None:
    [link] = await claim(store, lane=SMS_LANE, now=now)
    assert link.attempt == 1
    await answer(store, Taken(1, now, SMS_ID), position=1)


def an_sms_receipt(state: LinkState = S.DELIVERED, **changes: Any) -> Any:
    return a_receipt(state, provider_id=SMS_ID, **changes)


# How a link misses its goal


async def refused(store: SqliteStore) -> Moved | None:
    await accept(store, a_cascade())
    await claim(store)
    return await answer(store, REFUSED)


async def failed(store: SqliteStore) -> Moved | None:
    await hand_over(store)
    return (await receive(store, FAILED))[0].moved


async def expired(store: SqliteStore) -> Moved | None:
    await hand_over(store)
    [moved] = await store.write(expire_links, END)
    return moved


async def failed_before_the_answer(store: SqliteStore) -> Moved | None:
    await accept(store, a_cascade())
    await claim(store)
    await receive(store, a_receipt(S.FAILED, error_code=ErrorCode.FILTERED))
    return await answer(store, Taken(1, START + 1, "wamid.1"))


async def bypassed(store: SqliteStore) -> Moved | None:
    await accept(store, a_cascade())
    [moved] = await store.write(bypass_links, Blockade(a_lane(), START, START + MINUTE))
    return moved


async def unheard(store: SqliteStore) -> Moved | None:
    await accept(store, a_cascade())
    await claim(store)
    await answer(store, NoAnswer(1, START, START + MINUTE))
    settled = await store.write(settle_limbo, Tick(START + MINUTE, START + DAY))
    return settled.moved[0]


Miss = Callable[[SqliteStore], Awaitable[Moved | None]]
MISSES: dict[Miss, tuple[LinkState, ErrorCode, list[tuple[int, int]]]] = {
    # What it ends as, and what the Partner is told.
    refused: (S.FAILED, ErrorCode.TELESERVICE_NOT_PROVISIONED, [(0, 5)]),
    failed: (S.FAILED, ErrorCode.FILTERED, [(0, 0), (0, 5)]),
    expired: (S.EXPIRED, ErrorCode.TIMEOUT, [(0, 0), (0, 5)]),
    failed_before_the_answer: (S.FAILED, ErrorCode.FILTERED, [(0, 0), (0, 5)]),
    bypassed: (S.FAILED, ErrorCode.UNROUTED, [(0, 5)]),
    unheard: (S.FAILED, ErrorCode.UNKNOWN, [(0, 5)]),
}


@pytest.mark.parametrize("miss", MISSES)
async def test_the_next_link_has_its_turn_in_the_same_write(
    store: SqliteStore, database: Database, miss: Miss
) -> None:
    state, code, told = MISSES[miss]
    moved = await miss(store)
    assert moved
    assert (moved.after, moved.fell_through, moved.overlaps) == (state, state, 0)
    assert database.states() == [state, S.QUEUED]
    assert database.link()["error_code"] == code
    assert database.told_by_link() == told


NO_TURN = {
    "sqlite": """
        CREATE TRIGGER no_turn BEFORE UPDATE ON links WHEN OLD.state = -10 AND NEW.state = 0
        BEGIN SELECT RAISE(ABORT, 'power cut'); END
    """,
    "postgres": """
        CREATE FUNCTION no_turn() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'power cut'; END $$;
        CREATE TRIGGER no_turn BEFORE UPDATE ON links FOR EACH ROW
        WHEN (OLD.state = -10 AND NEW.state = 0) EXECUTE FUNCTION no_turn()
    """,
}
TURN_AGAIN = {
    "sqlite": "DROP TRIGGER no_turn",
    "postgres": "DROP FUNCTION no_turn() CASCADE",
}


@pytest.fixture
def no_turn(database: Database) -> Iterator[None]:
    """As if the disk were full between the link's end and the next one's turn."""
    database.script(NO_TURN[database.engine])
    yield
    database.script(TURN_AGAIN[database.engine])


@pytest.mark.usefixtures("no_turn")
@pytest.mark.parametrize("miss", MISSES)
async def test_a_crash_before_the_write_leaves_both_as_they_were(
    store: SqliteStore, database: Database, miss: Miss
) -> None:
    with pytest.raises(Exception, match="power cut"):
        await miss(store)
    assert database.states()[0] not in {S.FAILED, S.EXPIRED}
    assert database.states()[1] is S.HELD
    assert (0, 5) not in database.told_by_link()


async def test_a_failure_that_is_worth_another_attempt_lets_nobody_go(
    store: SqliteStore, database: Database
) -> None:
    await hand_over(store)
    await receive(store, an_echo(S.FAILED, retry_pause=MINUTE))
    assert database.states() == [S.QUEUED, S.HELD]


@pytest.mark.parametrize("event", [Again(1, START, START + MINUTE), NoAnswer(1, START, END)])
async def test_nor_does_an_attempt_that_came_to_nothing(
    store: SqliteStore, database: Database, event: Again | NoAnswer
) -> None:
    await accept(store, a_cascade())
    await claim(store)
    await answer(store, event)
    assert database.states()[1] is S.HELD


async def test_an_unsure_link_that_ends_in_its_grace_lets_the_next_one_go(
    store: SqliteStore, database: Database
) -> None:
    await accept(store, a_cascade({"ttl": 30 * SECOND}, {"channel": Channel.SMS}))
    await claim(store)
    await answer(store, NoAnswer(1, START, START + MINUTE))
    await store.write(expire_links, START + 30 * SECOND)
    assert database.states() == [S.EXPIRED, S.QUEUED]


async def test_chains_of_one_group_go_on_each_for_itself(
    store: SqliteStore, database: Database
) -> None:
    for number in (1, 2, 3):
        await accept(store, a_cascade(chain_id=number))
    await accept(store, a_chain(4))
    await claim(store)
    echoes = [
        an_echo(state, link_id=link_id(number, 0), provider_id=f"wamid.{number}")
        for number, state in enumerate([S.FAILED, S.DELIVERED, S.SENT, S.FAILED], 1)
    ]
    filed = await receive(store, *echoes)
    assert [one.moved and one.moved.fell_through for one in filed] == [S.FAILED, None, None, None]
    assert [database.states(number) for number in (1, 2, 3, 4)] == [
        [S.FAILED, S.QUEUED],
        [S.DELIVERED, S.SPARED],
        [S.SENT, S.HELD],
        [S.FAILED],
    ]


# Doubles


@pytest.mark.parametrize("when", ["before the answer", "after it"])
@pytest.mark.parametrize("together", [True, False], ids=["one group", "ten groups"])
@pytest.mark.parametrize("make", [a_receipt, an_echo])
async def test_ten_doubled_failures_let_the_sms_go_once(
    store: SqliteStore, database: Database, make: Any, together: bool, when: str
) -> None:
    await accept(store, a_cascade())
    await claim(store)
    moves: list[Moved | None] = []
    if when == "after it":
        moves.append(await answer(store, Taken(1, START, "wamid.1")))
    doubles = [make(S.FAILED, error_code=ErrorCode.FILTERED)] * 10
    if together:
        moves += [one.moved for one in await receive(store, *doubles)]
    else:
        moves += [(await receive(store, double))[0].moved for double in doubles]
    if when == "before the answer":
        moves.append(await answer(store, Taken(1, START, "wamid.1")))
    released = [moved.fell_through for moved in moves if moved and moved.fell_through]
    assert released == [S.FAILED]
    assert len(await claim(store, lane=SMS_LANE)) == 1
    await receive(store, *doubles)
    assert await claim(store, lane=SMS_LANE) == []
    assert database.states() == [S.FAILED, S.SUBMITTING]


async def test_nor_do_failures_of_two_kinds_let_two_links_go(
    store: SqliteStore, database: Database
) -> None:
    await hand_over(store, {"ttl": HOUR}, {"channel": Channel.SMS}, {"channel": Channel.SMS})
    await receive(store, FAILED)
    await store.write(expire_links, END)
    await receive(store, FAILED)
    assert database.states() == [S.FAILED, S.QUEUED, S.HELD]


# The lifetime


@pytest.mark.parametrize(
    ("at", "states"),
    [(END - SECOND, [S.DELIVERED, S.SPARED]), (END + SECOND, [S.DELIVERED, S.SUBMITTED])],
    ids=["a second before", "a second after"],
)
async def test_a_delivery_at_the_end_of_the_lifetime(
    store: SqliteStore, database: Database, at: int, states: list[LinkState]
) -> None:
    await hand_over(store)
    for now in (END - SECOND, END, END + SECOND):
        if now == at:
            await receive(store, an_echo(S.DELIVERED, at=at), at=at)
        await store.write(expire_links, now)
        await store.write(release_links, now)
        if database.states()[1] is S.QUEUED:
            await hand_over_the_sms(store, now)
    assert database.states() == states


async def test_a_delivery_that_nobody_had_time_to_miss_is_in_time(
    store: SqliteStore, database: Database
) -> None:
    """The gateway was down at the end of the lifetime; the receipt is its first word after it."""
    await hand_over(store)
    await receive(store, an_echo(S.DELIVERED, at=END - SECOND), at=END + MINUTE)
    await store.write(expire_links, END + MINUTE)
    assert database.states() == [S.DELIVERED, S.SPARED]


@pytest.mark.parametrize(
    ("now", "states"),
    [(END - 1, [S.DELIVERED, S.HELD]), (END, [S.DELIVERED, S.QUEUED])],
    ids=["before", "exactly"],
)
async def test_what_is_delivered_but_not_read_falls_through_at_the_end_of_its_lifetime(
    store: SqliteStore, database: Database, now: int, states: list[LinkState]
) -> None:
    await hand_over(store, goal=S.READ)
    await receive(store, an_echo(S.DELIVERED))
    released = await store.write(release_links, now)
    assert [bool(news) for news in released] == [True] * (states[1] is S.QUEUED)
    assert database.states() == states
    assert await store.write(release_links, now) == []


async def test_a_lifetime_that_runs_from_the_handing_over_moves_the_next_ones_turn(
    store: SqliteStore, database: Database
) -> None:
    await accept(store, a_cascade(goal=S.READ))
    assert database.link(position=1)["due_at"] == END
    await claim(store, now=START + MINUTE)
    await answer(store, Taken(1, START + MINUTE, "wamid.1"))
    assert database.link(position=1)["due_at"] == END + MINUTE
    await receive(store, an_echo(S.DELIVERED))
    assert await store.write(release_links, END + MINUTE - 1) == []
    assert whats(await store.write(release_links, END + MINUTE)) == [What.RELEASED]


async def test_read_in_time_spares_the_next(store: SqliteStore, database: Database) -> None:
    await hand_over(store, goal=S.READ)
    await receive(store, an_echo(S.DELIVERED), an_echo(S.READ))
    await store.write(release_links, END + DAY)
    assert database.states() == [S.READ, S.SPARED]
    assert database.told_by_link() == [(0, 0), (0, 2), (0, 9)]


async def test_a_delivery_after_the_lifetime_does_not_wait_to_be_read(
    store: SqliteStore, database: Database
) -> None:
    """The receipt itself is then what lets the next one go, and it says so."""
    await hand_over(store, goal=S.READ)
    [filed] = await receive(store, an_echo(S.DELIVERED), at=END)
    assert filed.moved
    assert filed.moved.fell_through is S.DELIVERED
    assert database.states() == [S.DELIVERED, S.QUEUED]


async def test_many_unread_links_go_in_batches_and_none_is_in_their_way(
    store: SqliteStore, database: Database
) -> None:
    stuck = range(1, BATCH + 2)
    await accept(store, *(a_cascade({"ttl": MINUTE}, {}, chain_id=number) for number in stuck))
    await claim(store)  # and no answer is recorded
    await accept(store, a_cascade(goal=S.READ, chain_id=1_000))
    await claim(store)
    await receive(store, an_echo(S.DELIVERED, link_id=link_id(1_000, 0)))
    assert whats(await store.write(release_links, END)) == [What.RELEASED]


# A restart between two moments


async def test_a_restart_before_the_fall_through_loses_it_not(
    store: SqliteStore, database: Database
) -> None:
    await hand_over(store)
    async with reopened(store, database) as again:
        await again.write(expire_links, END + MINUTE)
        assert database.states() == [S.EXPIRED, S.QUEUED]
    async with reopened(again, database) as once_more:
        await once_more.write(expire_links, END + MINUTE)
        await once_more.write(release_links, END + MINUTE)
        assert len(await claim(once_more, lane=SMS_LANE, now=END + MINUTE)) == 1
        assert await claim(once_more, lane=SMS_LANE, now=END + MINUTE) == []


async def test_nor_does_one_between_delivered_and_the_end_of_its_lifetime(
    store: SqliteStore, database: Database
) -> None:
    await hand_over(store, goal=S.READ)
    await receive(store, an_echo(S.DELIVERED))
    async with reopened(store, database) as again:
        assert await again.write(release_links, END - 1) == []
        assert whats(await again.write(release_links, END)) == [What.RELEASED]
        assert database.states() == [S.DELIVERED, S.QUEUED]


# Late words of earlier links


async def test_a_late_success_spares_what_is_unsent(store: SqliteStore, database: Database) -> None:
    await hand_over(store, {"ttl": HOUR}, {"channel": Channel.SMS}, {"channel": Channel.SMS})
    await store.write(expire_links, END)
    [filed] = await receive(store, an_echo(S.DELIVERED, at=END + 1), at=END + 1)
    assert filed.moved
    assert filed.moved[:4] == (FIRST, S.EXPIRED, S.DELIVERED, 2)
    assert whats([filed.moved.news]) == [What.DELIVERED, What.LATE, What.SPARED, What.SPARED]
    assert database.states() == [S.DELIVERED, S.SPARED, S.SPARED]
    assert database.told_by_link() == [(0, 0), (0, 5), (0, 2)]
    assert await claim(store, lane=SMS_LANE, now=END + DAY) == []


@pytest.mark.parametrize("late", [S.DELIVERED, S.READ])
async def test_it_does_not_stop_what_has_been_sent(
    store: SqliteStore, database: Database, late: LinkState
) -> None:
    await hand_over(store, {"ttl": HOUR}, {"channel": Channel.SMS}, {"channel": Channel.SMS})
    await receive(store, FAILED)
    await hand_over_the_sms(store)
    [filed] = await receive(store, an_echo(late))
    assert filed.moved
    assert (filed.moved.overlaps, filed.moved.fell_through) == (1, None)
    assert database.states() == [late, S.SUBMITTED, S.SPARED]
    late_words = [(0, 2), (0, 9)] if late is S.READ else [(0, 2)]
    assert database.told_by_link() == [(0, 0), (0, 5), (1, 0), *late_words]
    await receive(store, an_sms_receipt())
    assert database.states() == [late, S.DELIVERED, S.SPARED]
    assert database.told_by_link()[-1] == (1, 2)


async def test_an_overlap_is_counted_once(store: SqliteStore, database: Database) -> None:
    await hand_over(store)
    await receive(store, FAILED)
    await hand_over_the_sms(store)
    filed = await receive(store, an_echo(S.DELIVERED), an_echo(S.DELIVERED), an_echo(S.READ))
    filed += await receive(store, an_echo(S.READ), an_sms_receipt())
    assert [one.moved.overlaps for one in filed if one.moved and one.moved.overlaps] == [1]


async def test_a_late_delivery_where_read_was_asked_spares_nobody(
    store: SqliteStore, database: Database
) -> None:
    await hand_over(store, goal=S.READ)
    await store.write(expire_links, END)
    await receive(store, an_echo(S.DELIVERED), at=END + 1)
    assert database.states() == [S.DELIVERED, S.QUEUED]
    await receive(store, an_echo(S.READ), at=END + 2)
    assert database.states() == [S.READ, S.SPARED]


async def test_a_link_that_comes_back_to_the_queue_behind_a_success_is_spared(
    store: SqliteStore, database: Database
) -> None:
    await hand_over(store)
    await receive(store, FAILED)
    await claim(store, lane=SMS_LANE)
    await receive(store, an_echo(S.DELIVERED))
    assert database.states() == [S.DELIVERED, S.SUBMITTING]
    moved = await answer(store, Again(1, START, START + SECOND), position=1)
    assert moved
    assert moved.after is S.SPARED
    assert database.states() == [S.DELIVERED, S.SPARED]


async def test_an_unsure_link_that_was_spared_may_have_gone_after_all(
    store: SqliteStore, database: Database
) -> None:
    await hand_over(store)
    await receive(store, FAILED)
    await claim(store, lane=SMS_LANE)
    await answer(store, NoAnswer(1, START, START + MINUTE), position=1)
    await receive(store, an_echo(S.DELIVERED))
    assert database.states() == [S.DELIVERED, S.UNSURE]
    settled = await store.write(settle_limbo, Tick(START + MINUTE, START + DAY))
    assert [one.after for one in settled.moved if one] == [S.SPARED]
    assert settled.ended == [Ended(Channel.SMS, Verdict.NEEDLESS)]
    assert await claim(store, lane=SMS_LANE, now=START + MINUTE) == []
    await receive(store, an_echo(S.DELIVERED, link_id=SECOND_ONE))
    assert database.states() == [S.DELIVERED, S.DELIVERED]
    assert database.told_by_link() == [(0, 0), (0, 5), (0, 2), (1, 0), (1, 2)]


@pytest.mark.parametrize("sms", [S.DELIVERED, S.FAILED])
async def test_every_order_of_two_links_receipts_ends_alike(
    store: SqliteStore, database: Database, sms: LinkState
) -> None:
    """The first has failed and its SMS is out; then all is told at once, in any order."""
    orders = list(permutations(range(4)))
    for number, order in enumerate(orders, 1):
        await hand_over(store, chain_id=number)
        echo = {"link_id": link_id(number, 0), "provider_id": f"wamid.{number}"}
        await receive(store, an_echo(S.FAILED, **echo))
        await claim(store, lane=SMS_LANE)
        words = [
            an_echo(S.DELIVERED, **echo),
            an_echo(S.READ, **echo),
            an_echo(S.SENT, **(echo | {"link_id": link_id(number, 1)})),
            an_echo(sms, **(echo | {"link_id": link_id(number, 1)})),
        ]
        for index in order:
            await receive(store, words[index])
        assert database.states(number) == [S.READ, sms], order
        told = database.told_by_link(number)
        assert [status for position, status in told if position == 0] == [0, 5, 2, 9], order
        ends = [status for position, status in told if position == 1]
        assert ends in ([0, 2], [0, 5], [5]), order
        assert ends[-1] == (2 if sms is S.DELIVERED else 5), order


# The schedule holds for every link


def schedule(deadline: str | None = None, **hours: str) -> str:
    asked = parse(
        time_begin=hours.get("begin"), time_end=hours.get("end"), weekdays=None, deadline=deadline
    )
    assert asked is not None
    return asked.to_json()


async def test_a_link_that_falls_through_at_night_waits_for_the_morning(
    store: SqliteStore, database: Database
) -> None:
    await hand_over(store, schedule=schedule(begin="05:00", end="06:00"))
    await store.write(expire_links, END)  # 06:13:20 in Moscow
    sms = database.link(position=1)
    opening = START + DAY - 800 * SECOND  # 05:00 of the next day
    assert (sms["state"], sms["due_at"], sms["closes_at"]) == (S.QUEUED, opening, opening + HOUR)
    assert await claim(store, lane=SMS_LANE, now=opening - 1) == []
    assert len(await claim(store, lane=SMS_LANE, now=opening)) == 1


async def test_past_the_deadline_every_link_ends_with_its_own_report(
    store: SqliteStore, database: Database
) -> None:
    steps = ({"ttl": HOUR}, *[{"channel": Channel.SMS}] * 9)
    await hand_over(store, *steps, schedule=schedule("2026-11-23T05:30:00+0300"))
    for _ in range(10):
        await store.write(expire_links, END)
        assert await claim(store, lane=SMS_LANE, now=END) == []
    assert database.states() == [S.EXPIRED] * 10
    assert database.told_by_link() == [(0, 0), *((position, 5) for position in range(10))]
    assert database.rows("SELECT DISTINCT error_code FROM reports WHERE status = 5") == [
        (ErrorCode.TIMEOUT,)
    ]


# A sender that is blocked


async def test_only_a_link_with_another_behind_it_is_bypassed(
    store: SqliteStore, database: Database
) -> None:
    await accept(store, a_cascade(chain_id=1), a_chain(2), a_cascade(chain_id=3, partner_id=2))
    await accept(store, a_cascade({"due_at": START + 1}, {}, chain_id=4))
    moved = await store.write(bypass_links, Blockade(a_lane(), START, END))
    assert [one.link_id for one in moved if one] == [FIRST]
    assert [database.states(number)[0] for number in (1, 2, 3, 4)] == [
        S.FAILED,
        S.QUEUED,
        S.QUEUED,
        S.QUEUED,
    ]


async def test_a_submit_under_way_is_not_bypassed(store: SqliteStore, database: Database) -> None:
    await accept(store, a_cascade())
    await claim(store)
    assert await store.write(bypass_links, Blockade(a_lane(), END, END)) == []
    assert database.states() == [S.SUBMITTING, S.HELD]


async def test_an_event_of_another_link_does_not_make_a_chain_go_twice(
    store: SqliteStore, database: Database
) -> None:
    """Both in one group: the first one's end, and a word about the second one's unsure attempt."""
    await hand_over(store, {"ttl": HOUR}, {"channel": Channel.SMS}, {"channel": Channel.SMS})
    await receive(store, FAILED)
    await claim(store, lane=SMS_LANE)
    await answer(store, NoAnswer(1, START, START + MINUTE), position=1)
    events = [
        LinkEvent(SECOND_ONE, GraceOver(END, Verdict.SHORT), END),
        LinkEvent(FIRST, GraceOver(END, Verdict.SHORT), END),
    ]
    [queued, _] = [await store.write(move_links, event) for event in events]
    assert queued
    assert (queued.after, queued.fell_through) == (S.QUEUED, None)
    assert database.states() == [S.FAILED, S.QUEUED, S.HELD]
