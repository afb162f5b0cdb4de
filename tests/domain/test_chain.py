"""What each event makes of a link: `protocol.md`, section 6, and design, section 5."""

from collections.abc import Iterable
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.support.builders import a_link_on_its_way
from tests.support.clock import START
from whimbrel.clock import DAY, MINUTE
from whimbrel.domain.chain import (
    Again,
    Bypassed,
    Cancelled,
    Event,
    GraceOver,
    LifetimeOver,
    Link,
    NoAnswer,
    PutBack,
    Refused,
    Seen,
    Taken,
    move,
)
from whimbrel.domain.status import (
    FIRST_SETTLED,
    MOVES,
    ErrorCode,
    LinkState,
    statuses_to_tell,
)
from whimbrel.domain.unanswered import Verdict

S = LinkState
NOW = START + DAY  # the builder's link expires at this moment
LATER = NOW + MINUTE
ATTEMPT = 2
EARLIER = ATTEMPT - 1

UNSETTLED = [state for state in S if S.HELD < state < FIRST_SETTLED]
UNDELIVERED = [S.FAILED, S.SPARED, S.CANCELLED, S.EXPIRED]
IN_FLIGHT = [S.SUBMITTING, S.UNSURE]


def becoming(target: LinkState, states: Iterable[LinkState]) -> dict[LinkState, LinkState]:
    return dict.fromkeys(states, target)


FAILED_FOR_GOOD = {"error_code": ErrorCode.CALL_BARRED}
GIVEN_BACK = {"retry_at": LATER}
V = Verdict
DECIDED = {
    V.SHORT: S.QUEUED,
    V.WANTED: S.QUEUED,
    V.LONG: S.FAILED,
    V.UNWANTED: S.FAILED,
    V.SPENT: S.FAILED,
    V.NEEDLESS: S.SPARED,
}
EVENTS: dict[str, tuple[Event, dict[LinkState, LinkState]]] = {
    "taken": (Taken(ATTEMPT, NOW, "wamid.2"), becoming(S.SUBMITTED, IN_FLIGHT)),
    "taken after all": (
        Taken(ATTEMPT, NOW, "wamid.2", late=True),
        becoming(S.SUBMITTED, [S.QUEUED, *IN_FLIGHT]),
    ),
    "taken, an earlier attempt": (Taken(EARLIER, NOW, "wamid.1"), {}),
    "refused": (
        Refused(ATTEMPT, NOW, ErrorCode.FILTERED),
        becoming(S.FAILED, IN_FLIGHT),
    ),
    "refused, an earlier attempt": (Refused(EARLIER, NOW, ErrorCode.FILTERED), {}),
    "again": (Again(ATTEMPT, NOW, LATER), becoming(S.QUEUED, IN_FLIGHT)),
    "again, an earlier attempt": (Again(EARLIER, NOW, LATER), {}),
    "put back": (PutBack(ATTEMPT, NOW, LATER), becoming(S.QUEUED, IN_FLIGHT)),
    "put back, an earlier attempt": (PutBack(EARLIER, NOW, LATER), {}),
    "no answer": (NoAnswer(ATTEMPT, NOW, LATER), {S.SUBMITTING: S.UNSURE}),
    "no answer, an earlier attempt": (NoAnswer(EARLIER, NOW, LATER), {}),
    **{
        f"grace over, {verdict.name}": (GraceOver(NOW, verdict), {S.UNSURE: target})
        for verdict, target in DECIDED.items()
    },
    "lifetime over": (
        LifetimeOver(NOW),
        becoming(S.EXPIRED, [state for state in UNSETTLED if state is not S.SUBMITTING]),
    ),
    "bypassed": (Bypassed(NOW), {S.QUEUED: S.FAILED}),
    "cancelled": (Cancelled(NOW), becoming(S.CANCELLED, [S.HELD, S.QUEUED])),
    "lifetime over, a millisecond early": (LifetimeOver(NOW - 1), {}),
    "sent": (
        Seen(ATTEMPT, S.SENT, NOW),
        becoming(S.SENT, [S.QUEUED, S.SUBMITTING, S.UNSURE, S.SUBMITTED]),
    ),
    "sent, an earlier attempt": (
        Seen(EARLIER, S.SENT, NOW),
        becoming(S.SENT, [S.QUEUED, S.SUBMITTING, S.UNSURE, S.SUBMITTED]),
    ),
    "failed": (
        Seen(ATTEMPT, S.FAILED, NOW, **FAILED_FOR_GOOD),
        becoming(S.FAILED, UNSETTLED),
    ),
    "failed, an earlier attempt": (Seen(EARLIER, S.FAILED, NOW, **FAILED_FOR_GOOD), {}),
    "given back": (
        Seen(ATTEMPT, S.FAILED, NOW, **GIVEN_BACK),
        becoming(S.QUEUED, [state for state in UNSETTLED if state is not S.QUEUED]),
    ),
    "given back, an earlier attempt": (Seen(EARLIER, S.FAILED, NOW, **GIVEN_BACK), {}),
    "delivered": (
        Seen(ATTEMPT, S.DELIVERED, NOW),
        becoming(S.DELIVERED, [*UNSETTLED, *UNDELIVERED]),
    ),
    "delivered, an earlier attempt": (
        Seen(EARLIER, S.DELIVERED, NOW),
        becoming(S.DELIVERED, [*UNSETTLED, *UNDELIVERED]),
    ),
    "read": (
        Seen(ATTEMPT, S.READ, NOW),
        becoming(S.READ, [*UNSETTLED, *UNDELIVERED, S.DELIVERED]),
    ),
}


def in_state(state: LinkState, **changes: Any) -> Link:
    return a_link_on_its_way(state, attempt=ATTEMPT, **changes)


@pytest.mark.parametrize("state", S)
@pytest.mark.parametrize("name", EVENTS)
def test_an_event_moves_a_link_as_the_table_says(name: str, state: LinkState) -> None:
    event, targets = EVENTS[name]
    assert move(in_state(state), event).state is targets.get(state, state)


def test_every_verdict_is_in_the_table() -> None:
    assert set(DECIDED) == set(Verdict)


def test_each_move_of_the_picture_is_made_by_some_event() -> None:
    made = {(state, target) for _, row in EVENTS.values() for state, target in row.items()}
    claimed = {(S.QUEUED, S.SUBMITTING)}  # the claim's own statement writes it
    claimed |= {(S.HELD, S.QUEUED), (S.HELD, S.SPARED), (S.QUEUED, S.SPARED)}  # cascade.py's
    assert made | claimed == {(state, target) for state, row in MOVES.items() for target in row}


# What a move writes beside the state


def test_a_taken_submit_starts_the_lifetime() -> None:
    link = move(in_state(S.SUBMITTING), Taken(ATTEMPT, LATER, "wamid.2"))
    assert (link.submitted_at, link.provider_id) == (LATER, "wamid.2")
    assert link.expires_at == LATER + link.ttl


def test_an_answer_after_the_receipt_still_brings_the_number() -> None:
    link = move(in_state(S.DELIVERED, done_at=NOW), Taken(ATTEMPT, LATER, "wamid.2"))
    assert (link.state, link.provider_id, link.done_at) == (S.DELIVERED, "wamid.2", NOW)


def test_a_receipt_before_the_answer_starts_the_lifetime_at_the_attempt() -> None:
    link = move(in_state(S.SUBMITTING, attempted_at=START), Seen(ATTEMPT, S.SENT, NOW))
    assert (link.submitted_at, link.expires_at) == (START, START + link.ttl)


def test_a_receipt_after_the_answer_leaves_the_lifetime_alone() -> None:
    before = in_state(S.SUBMITTED, submitted_at=START + 1, expires_at=START + DAY + 1)
    after = move(before, Seen(ATTEMPT, S.SENT, NOW))
    assert after == replace(before, state=S.SENT)


@pytest.mark.parametrize("state", [S.DELIVERED, S.READ])
def test_the_channels_own_moment_is_kept(state: LinkState) -> None:
    assert move(in_state(S.SENT), Seen(ATTEMPT, state, NOW)).done_at == NOW


def test_a_delivery_after_a_failure_takes_the_failure_back() -> None:
    failed = in_state(S.EXPIRED, error_code=ErrorCode.TIMEOUT, done_at=NOW)
    link = move(failed, Seen(ATTEMPT, S.DELIVERED, LATER))
    assert (link.error_code, link.done_at) == (ErrorCode.NONE, LATER)


@pytest.mark.parametrize(
    ("event", "code"),
    [
        (Refused(ATTEMPT, NOW, ErrorCode.FILTERED), ErrorCode.FILTERED),
        (Seen(ATTEMPT, S.FAILED, NOW, ErrorCode.CALL_BARRED), ErrorCode.CALL_BARRED),
    ],
)
def test_a_failure_keeps_its_reason(event: Event, code: ErrorCode) -> None:
    link = move(in_state(S.SUBMITTING), event)
    assert (link.error_code, link.done_at) == (code, NOW)


def test_a_lifetime_that_ran_out_is_a_timeout() -> None:
    link = move(in_state(S.SENT), LifetimeOver(LATER))
    assert (link.error_code, link.done_at) == (ErrorCode.TIMEOUT, LATER)


@pytest.mark.parametrize("state", [S.HELD, S.QUEUED])
def test_what_is_called_off_ends_as_filtered(state: LinkState) -> None:
    link = move(in_state(state), Cancelled(LATER))
    assert (link.error_code, link.done_at) == (ErrorCode.FILTERED, LATER)


@pytest.mark.parametrize("verdict", [V.LONG, V.UNWANTED, V.SPENT])
def test_what_may_have_gone_ends_as_unknown(verdict: Verdict) -> None:
    link = move(in_state(S.UNSURE), GraceOver(NOW, verdict))
    assert (link.error_code, link.done_at) == (ErrorCode.UNKNOWN, NOW)


@pytest.mark.parametrize(
    ("state", "event", "due_at"),
    [
        (S.SUBMITTING, Again(ATTEMPT, NOW, LATER), LATER),
        (S.SUBMITTING, NoAnswer(ATTEMPT, NOW, LATER), LATER),
        (S.UNSURE, GraceOver(NOW, Verdict.SHORT), NOW),
        (S.SENT, Seen(ATTEMPT, S.FAILED, NOW, **GIVEN_BACK), LATER),
    ],
)
def test_another_attempt_has_its_moment(state: LinkState, event: Event, due_at: int) -> None:
    link = move(in_state(state), event)
    assert (link.due_at, link.attempt) == (due_at, ATTEMPT)


def test_an_attempt_that_was_not_begun_does_not_count() -> None:
    link = move(in_state(S.SUBMITTING), PutBack(ATTEMPT, NOW, LATER))
    assert (link.due_at, link.attempt) == (LATER, EARLIER)


# Whatever comes, in whatever order

ORDER = [0, 5, 2, 9]
WORDS = [S.SENT, S.DELIVERED, S.READ, S.FAILED]
FALLING = {"Again", "PutBack", "GraceOver"}
moments = st.integers(START, START + 2 * DAY)


class Journey:
    """A link with its claims, and what its Partner was told."""

    def __init__(self) -> None:
        self.link = a_link_on_its_way(S.QUEUED, attempt=0, attempted_at=None)
        self.told: list[int] = []

    def claim(self) -> None:
        if self.link.state is S.QUEUED:
            link = self.link
            self.link = replace(link, state=S.SUBMITTING, attempt=link.attempt + 1)

    def see(self, event: Event) -> None:
        link = move(self.link, event)
        statuses = statuses_to_tell(link.state, link.told)
        if statuses:
            self.told += statuses
            link = replace(link, told=statuses[-1])
        self.link = link


@st.composite
def happenings(draw: st.DrawFn) -> list[tuple[str, int, Any]]:
    """Claims, answers, timers and receipts of this attempt or of one before it."""
    kinds = ["claim", "taken", "refused", "again", "put back", "no answer", "grace", "lifetime"]
    kinds += ["cancelled"]
    one = st.tuples(
        st.sampled_from([*kinds, *(["seen"] * 6)]),
        st.integers(0, 2),
        st.tuples(moments, st.sampled_from(WORDS), st.booleans()),
    )
    return draw(st.lists(one, max_size=25))


def event_of(kind: str, attempt: int, at: int, word: LinkState, again: bool) -> Event:
    retry_at = at + 1 if again and word is S.FAILED else None
    events: dict[str, Event] = {
        "taken": Taken(attempt, at, f"wamid.{attempt}"),
        "refused": Refused(attempt, at, ErrorCode.FILTERED),
        "again": Again(attempt, at, at + 1),
        "put back": PutBack(attempt, at, at + 1),
        "no answer": NoAnswer(attempt, at, at + 1),
        "grace": GraceOver(at, V.SHORT if again else V.LONG),
        "lifetime": LifetimeOver(at),
        "cancelled": Cancelled(at),
        "seen": Seen(attempt, word, at, retry_at=retry_at),
    }
    return events[kind]


@given(happenings())
def test_a_link_never_falls_and_a_partner_never_hears_it_fall(
    story: list[tuple[str, int, Any]],
) -> None:
    journey = Journey()
    for kind, back, (at, word, again) in story:
        if kind == "claim":
            journey.claim()
            continue
        before = journey.link
        event = event_of(kind, max(before.attempt - back, 0), at, word, again)
        journey.see(event)
        after = journey.link
        if after.state < before.state:
            given_back = isinstance(event, Seen) and event.retry_at is not None
            assert after.state is S.QUEUED
            assert type(event).__name__ in FALLING or given_back
        if after.state is not before.state:
            assert after.state in MOVES[before.state]
    ranks = [ORDER.index(status) for status in journey.told]
    assert ranks == sorted(set(ranks))


def test_every_order_of_doubled_receipts_and_the_answer_ends_in_read() -> None:
    seen = [Seen(1, state, START) for state in (S.SENT, S.DELIVERED, S.READ)]
    for order in set(permutations([*seen, *seen, Taken(1, START, "wamid.1")])):
        journey = Journey()
        journey.claim()
        for event in order:
            journey.see(event)
        assert (journey.link.state, journey.told) == (S.READ, [0, 2, 9]), order


@pytest.mark.parametrize("last", [S.DELIVERED, S.READ])
def test_every_order_of_receipts_with_a_failure_ends_with_the_truth(last: LinkState) -> None:
    words = [S.SENT, S.FAILED, *([S.DELIVERED, S.READ] if last is S.READ else [S.DELIVERED])]
    for order in permutations(words):
        journey = Journey()
        journey.claim()
        for word in order:
            journey.see(Seen(1, word, START))
        assert journey.link.state is last, order
        assert journey.link.error_code is ErrorCode.NONE
        assert [status for status in journey.told if status not in {0, 5}][-1] in {2, 9}
