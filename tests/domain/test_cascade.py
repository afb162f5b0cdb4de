"""What a link's move means to the links behind it: `protocol.md`, section 6."""

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.support.builders import a_link_on_its_way
from tests.support.clock import START
from whimbrel.clock import DAY, HOUR, MINUTE, SECOND
from whimbrel.domain.cascade import NEVER, follow, sent_behind
from whimbrel.domain.chain import Link
from whimbrel.domain.chain_id import link_id
from whimbrel.domain.schedule import opening, parse
from whimbrel.domain.status import MOVES, NOTHING_TOLD, LinkState

S = LinkState
ENDS = START + HOUR  # of every unsettled link's lifetime here
NOW = START + MINUTE
MISSED = [S.FAILED, S.EXPIRED]
UNSENT = [S.HELD, S.QUEUED]
SENT = [state for state in S if state not in {S.HELD, S.QUEUED, S.SPARED, S.CANCELLED}]


def a_chain_of(*states: LinkState, goal: LinkState = S.DELIVERED) -> list[Link]:
    """Links in these states, each of which but the last must reach `goal`."""
    return [
        a_link_on_its_way(
            state,
            link_id=link_id(1, position),
            satisfied_by=goal if position < len(states) - 1 else None,
            attempt=0 if state is S.HELD else 1,
            due_at=NEVER if state is S.HELD else START,
            expires_at=NEVER if state is S.HELD else ENDS,
            ttl=10 * MINUTE,
        )
        for position, state in enumerate(states)
    ]


def after(links: Sequence[Link], schedule: str | None = None, now: int = NOW) -> list[Link]:
    """All links once the chain has gone on."""
    changed = {link.link_id: link for link in follow(links, schedule, now)}
    return [changed.get(link.link_id, link) for link in links]


def states_after(links: Sequence[Link], schedule: str | None = None, now: int = NOW) -> list[S]:
    return [link.state for link in after(links, schedule, now)]


# Who goes, who waits, who is spared

FIRST = {
    # The first link's state: what becomes of a held link behind it, by the goal and the moment.
    S.QUEUED: (S.HELD, S.HELD, S.HELD),
    S.SUBMITTING: (S.HELD, S.HELD, S.HELD),
    S.UNSURE: (S.HELD, S.HELD, S.HELD),
    S.SUBMITTED: (S.HELD, S.HELD, S.HELD),
    S.SENT: (S.HELD, S.HELD, S.HELD),
    S.FAILED: (S.QUEUED, S.QUEUED, S.QUEUED),
    S.CANCELLED: (S.HELD, S.HELD, S.HELD),
    S.EXPIRED: (S.QUEUED, S.QUEUED, S.QUEUED),
    S.DELIVERED: (S.SPARED, S.HELD, S.QUEUED),
    S.READ: (S.SPARED, S.SPARED, S.SPARED),
}
CASES = [(S.DELIVERED, NOW), (S.READ, ENDS - 1), (S.READ, ENDS)]


def test_the_table_is_whole() -> None:
    """A first link is never held and never spared."""
    assert set(FIRST) == set(S) - {S.HELD, S.SPARED}


@pytest.mark.parametrize("case", range(3), ids=["delivered", "read, in time", "read, too late"])
@pytest.mark.parametrize("first", FIRST)
def test_a_held_link_does_what_the_table_says(first: LinkState, case: int) -> None:
    goal, now = CASES[case]
    links = a_chain_of(first, S.HELD, goal=goal)
    assert states_after(links, now=now)[1] is FIRST[first][case]


@pytest.mark.parametrize("goal", [S.DELIVERED, S.READ])
@pytest.mark.parametrize("state", SENT)
@pytest.mark.parametrize("first", FIRST)
def test_what_has_been_sent_is_left_alone(
    first: LinkState, state: LinkState, goal: LinkState
) -> None:
    links = a_chain_of(first, state, goal=goal)
    assert list(follow(links, None, ENDS)) == []


@pytest.mark.parametrize("state", [S.DELIVERED, S.READ])
def test_a_late_success_spares_all_that_is_unsent_behind_it(state: LinkState) -> None:
    links = a_chain_of(state, S.EXPIRED, S.SENT, S.QUEUED, S.HELD)
    assert states_after(links) == [state, S.EXPIRED, S.SENT, S.SPARED, S.SPARED]


def test_a_success_spares_nobody_before_it() -> None:
    links = a_chain_of(S.EXPIRED, S.QUEUED, S.DELIVERED, S.HELD)
    assert states_after(links) == [S.EXPIRED, S.QUEUED, S.DELIVERED, S.SPARED]


def test_a_late_delivery_is_no_success_where_read_was_asked() -> None:
    links = a_chain_of(S.DELIVERED, S.QUEUED, S.HELD, goal=S.READ)
    assert states_after(links, now=ENDS) == [S.DELIVERED, S.QUEUED, S.HELD]


def test_a_spared_link_lets_nobody_go() -> None:
    assert states_after(a_chain_of(S.READ, S.SPARED, S.HELD)) == [S.READ, S.SPARED, S.SPARED]


def test_the_last_links_end_is_the_chains() -> None:
    assert list(follow(a_chain_of(S.FAILED, S.FAILED), None, NOW)) == []


def test_a_chain_of_one_link_has_nothing_behind_it() -> None:
    assert list(follow(a_chain_of(S.FAILED), None, NOW)) == []


# When


def test_a_released_link_goes_at_once_and_may_live_as_long_as_it_asked() -> None:
    released = after(a_chain_of(S.FAILED, S.HELD))[1]
    assert (released.due_at, released.closes_at) == (NOW, None)
    assert released.expires_at == NOW + 10 * MINUTE


def test_the_link_behind_it_notes_when_it_would_go() -> None:
    links = after(a_chain_of(S.FAILED, S.HELD, S.HELD, S.HELD))
    assert [link.due_at for link in links[2:]] == [NOW + 10 * MINUTE, NEVER]


@pytest.mark.parametrize("state", [S.QUEUED, S.SUBMITTED, S.SENT])
def test_a_held_link_mirrors_the_end_of_the_one_before_it(state: LinkState) -> None:
    links = a_chain_of(state, S.HELD, S.HELD)
    links[0] = replace(links[0], expires_at=ENDS + SECOND)
    assert [link.due_at for link in after(links)[1:]] == [ENDS + SECOND, NEVER]


def test_a_delivered_links_end_is_when_the_next_one_goes_unless_it_is_read() -> None:
    [delivered, held] = after(a_chain_of(S.DELIVERED, S.HELD, goal=S.READ))
    assert held.due_at == delivered.expires_at == ENDS


def hours(begin: str | None, end: str | None, deadline: str | None = None) -> str:
    asked = parse(time_begin=begin, time_end=end, weekdays=None, deadline=deadline)
    assert asked is not None
    return asked.to_json()


# It is 05:13:20 in Moscow at START.
IN_HALF_AN_HOUR = START + 1_600 * SECOND  # 05:40
AT_SIX = START + 2_800 * SECOND


def test_a_link_released_outside_the_sending_hours_waits_for_them() -> None:
    released = after(a_chain_of(S.FAILED, S.HELD), hours("05:40", "06:00"))[1]
    assert (released.due_at, released.closes_at) == (IN_HALF_AN_HOUR, AT_SIX)
    assert released.expires_at == IN_HALF_AN_HOUR + 10 * MINUTE


def test_one_released_inside_them_notes_when_they_close() -> None:
    released = after(a_chain_of(S.FAILED, S.HELD), hours("05:00", "06:00"))[1]
    assert (released.due_at, released.closes_at) == (NOW, AT_SIX)


DEADLINE = hours(None, None, "2026-11-23T05:18:20+0300")
DEADLINE_AT = START + 5 * MINUTE


def test_a_released_link_that_never_goes_ends_with_the_deadline() -> None:
    released = after(a_chain_of(S.FAILED, S.HELD), DEADLINE, DEADLINE_AT - 1)[1]
    assert (released.due_at, released.closes_at) == (DEADLINE_AT - 1, DEADLINE_AT)
    assert released.expires_at == DEADLINE_AT


@pytest.mark.parametrize(
    ("schedule", "now"),
    [(DEADLINE, DEADLINE_AT), (hours("05:00", "05:15", "2026-11-23T06:00:00+0300"), AT_SIX - 1)],
    ids=["past the deadline", "past the last opening"],
)
def test_a_link_that_may_not_go_any_more_ends_at_once(schedule: str, now: int) -> None:
    """It is over before anybody can claim it; the timers tell so, and the next one follows."""
    released = after(a_chain_of(S.FAILED, S.HELD), schedule, now)[1]
    assert (released.state, released.due_at, released.expires_at) == (S.QUEUED, now, now)


# Overlaps


@pytest.mark.parametrize(
    ("state", "submitted_at", "counts"),
    [
        (S.HELD, None, 0),
        (S.QUEUED, None, 0),  # what it tried surely did not go
        (S.SUBMITTING, None, 1),
        (S.UNSURE, None, 1),
        (S.SUBMITTED, START, 1),
        (S.SENT, START, 1),
        (S.FAILED, None, 0),  # refused
        (S.FAILED, START, 1),
        (S.SPARED, None, 0),
        (S.EXPIRED, None, 0),
        (S.EXPIRED, START, 1),
        (S.DELIVERED, START, 1),
    ],
)
def test_what_counts_as_sent_behind_a_link(
    state: LinkState, submitted_at: int | None, counts: int
) -> None:
    links = a_chain_of(S.DELIVERED, state)
    links[1] = replace(links[1], submitted_at=submitted_at)
    assert sent_behind(links, links[0].link_id) == counts
    assert sent_behind(links, links[1].link_id) == 0


# Whatever the links of a chain are in

moments = st.integers(START, START + 2 * DAY)
schedules = st.sampled_from([None, DEADLINE, hours("10:00", "11:30"), hours("23:00", "05:30")])


@st.composite
def chains(draw: st.DrawFn) -> list[Link]:
    """Up to ten links in any states, whether they can be in them together or not."""
    states = draw(st.lists(st.sampled_from(S), min_size=1, max_size=10))
    goal = st.sampled_from([S.DELIVERED, S.READ])
    return [
        replace(
            link,
            satisfied_by=None if link.satisfied_by is None else draw(goal),
            expires_at=link.expires_at if link.state is S.HELD else draw(moments),
            ttl=draw(st.integers(MINUTE, DAY)),
        )
        for link in a_chain_of(*states)
    ]


@given(chains(), schedules, moments)
def test_only_what_has_not_been_sent_moves_and_by_legal_moves(
    links: list[Link], schedule: str | None, now: int
) -> None:
    for link, moved in zip(links, after(links, schedule, now), strict=True):
        if moved.state is not link.state:
            assert link.state in UNSENT
            assert moved.state in MOVES[link.state]
        elif link.state is not S.HELD:
            assert moved == link
        assert moved.link_id == link.link_id
        assert (moved.told, moved.attempt, moved.submitted_at) == (NOTHING_TOLD, link.attempt, None)


@given(chains(), schedules, moments)
def test_to_follow_twice_is_to_follow_once(
    links: list[Link], schedule: str | None, now: int
) -> None:
    once = after(links, schedule, now)
    assert list(follow(once, schedule, now)) == []


@given(chains(), schedules, moments)
def test_a_link_goes_only_behind_one_that_missed_its_goal(
    links: list[Link], schedule: str | None, now: int
) -> None:
    moved = after(links, schedule, now)
    released = [
        (before, link)
        for (before, was), link in zip(pairwise(links), moved[1:], strict=True)
        if was.state is S.HELD and link.state is S.QUEUED
    ]
    for before, link in released:
        assert not before.satisfied
        unread = before.state is S.DELIVERED and before.expires_at <= now
        assert before.state in MISSED or unread
        assert link.due_at >= now
        opens_at, _ = opening(schedule, now)
        assert link.due_at == (now if opens_at is None else opens_at)
        assert link.expires_at <= link.due_at + link.ttl


@given(chains(), schedules, moments)
def test_nothing_unsent_stays_behind_a_success_and_nothing_else_is_spared(
    links: list[Link], schedule: str | None, now: int
) -> None:
    succeeded = False
    for link, moved in zip(links, after(links, schedule, now), strict=True):
        if link.state in UNSENT:
            assert (moved.state is S.SPARED) == succeeded
        succeeded = succeeded or link.satisfied


# A whole chain, link by link


@pytest.mark.parametrize("missed", MISSED)
def test_ten_links_have_their_turns_one_after_the_other(missed: LinkState) -> None:
    links = a_chain_of(S.QUEUED, *[S.HELD] * 9)
    for turn in range(10):
        states = [link.state for link in links]
        assert states == [missed] * turn + [S.QUEUED] + [S.HELD] * (9 - turn)
        links[turn] = replace(links[turn], state=missed)
        links = after(links, now=NOW + turn)
    assert [link.state for link in links] == [missed] * 10


@pytest.mark.parametrize("turn", range(9))
def test_and_the_first_success_ends_them(turn: int) -> None:
    links = a_chain_of(*[S.FAILED] * turn, S.DELIVERED, *[S.HELD] * (9 - turn))
    assert states_after(links) == [S.FAILED] * turn + [S.DELIVERED] + [S.SPARED] * (9 - turn)
