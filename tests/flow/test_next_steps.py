"""What comes next, for every state that there is."""

from typing import Any

import pytest

from tests.support import builders
from tests.support.builders import SENDER, Database
from tests.support.clock import START
from whimbrel.clock import DAY, HOUR, MINUTE, SECOND
from whimbrel.domain.cascade import NEVER
from whimbrel.domain.retry import REPORT_PAUSES, report_attempts_left, report_pause
from whimbrel.domain.status import LinkState
from whimbrel.domain.unanswered import Unanswered, Verdict
from whimbrel.flow.next_steps import (
    Next,
    Outlook,
    ReportNext,
    ReportOutlook,
    link_outlook,
    report_outlook,
)
from whimbrel.store.history import Story, tell_stories
from whimbrel.store.reports import ReportState
from whimbrel.store.senders import SenderPause

S, N = LinkState, Next
NOW = START + MINUTE
ENDS = START + DAY
PAUSE = SenderPause("WHATSAPP", SENDER, START, NOW + HOUR, 1, "190 expired", START)


def a_row(state: LinkState, position: int = 0, **changes: Any) -> dict[str, Any]:
    row = {
        "link_id": 1 << 4 | position,
        "state": state,
        "attempt": 1 if state > S.QUEUED else 0,
        "due_at": START,
        "expires_at": ENDS,
        "ttl": DAY,
        "satisfied_by": None,
    }
    return {**row, **changes}


def a_story(*links: dict[str, Any], **changes: Any) -> Story:
    members: dict[str, Any] = {
        "chain": {},
        "links": list(links),
        "unanswered": Unanswered.AUTO,
        **changes,
    }
    return Story(**{name: members.get(name, []) for name in Story._fields})


def outlook_of(
    link: dict[str, Any], *others: dict[str, Any], pause: SenderPause | None = None
) -> Outlook:
    return link_outlook(link, a_story(link, *others), NOW, pause)


STATES = {
    S.HELD: Outlook(N.TURN, START),
    S.QUEUED: Outlook(N.ROOM, START, ENDS),
    S.SUBMITTING: Outlook(N.ANSWER, START),
    S.UNSURE: Outlook(N.RECEIPT_OR_VERDICT, START, verdict=Verdict.LONG),
    S.SUBMITTED: Outlook(N.RECEIPT, ENDS),
    S.SENT: Outlook(N.RECEIPT, ENDS),
    S.FAILED: Outlook(N.NOTHING_BUT_TRUTH),
    S.SPARED: Outlook(N.NOTHING_BUT_TRUTH),
    S.CANCELLED: Outlook(N.NOTHING_BUT_TRUTH),
    S.EXPIRED: Outlook(N.NOTHING_BUT_TRUTH),
    S.DELIVERED: Outlook(N.NEWS),
    S.READ: Outlook(N.NOTHING),
}


@pytest.mark.parametrize("state", S)
def test_each_state_has_its_next(state: LinkState) -> None:
    assert outlook_of(a_row(state)) == STATES[state]


@pytest.mark.parametrize("state", [S.FAILED, S.SPARED, S.CANCELLED, S.EXPIRED])
def test_what_was_never_tried_cannot_come_to_light(state: LinkState) -> None:
    assert outlook_of(a_row(state, attempt=0)).next is N.NOTHING


@pytest.mark.parametrize("state", S)
def test_whether_another_message_goes_when_it_misses_its_goal(state: LinkState) -> None:
    link = a_row(state, satisfied_by=S.READ)
    waits = state < S.FAILED or state is S.DELIVERED
    assert outlook_of(link, a_row(S.HELD, 1)).lets_next_go == waits
    assert not outlook_of(link, a_row(S.CANCELLED, 1)).lets_next_go


def test_delivered_and_to_be_read() -> None:
    link = a_row(S.DELIVERED, satisfied_by=S.READ)
    assert outlook_of(link, a_row(S.HELD, 1)) == Outlook(N.READER, ENDS, lets_next_go=True)
    assert outlook_of(link, a_row(S.QUEUED, 1)).next is N.NEWS


def test_a_turn_that_has_no_moment_yet() -> None:
    assert outlook_of(a_row(S.HELD, due_at=NEVER)) == Outlook(N.TURN)


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        ({"due_at": NOW + 1}, Outlook(N.OPENING, NOW + 1, ENDS)),
        ({"due_at": NOW + 1, "attempt": 1}, Outlook(N.ATTEMPT, NOW + 1, ENDS)),
        ({"due_at": NOW}, Outlook(N.ROOM, NOW, ENDS)),
        ({"due_at": ENDS}, Outlook(N.END, ENDS)),
        ({"due_at": START, "expires_at": NOW}, Outlook(N.END, NOW)),
    ],
)
def test_what_waits_to_be_sent(link: dict[str, Any], expected: Outlook) -> None:
    assert outlook_of(a_row(S.QUEUED, **link)) == expected


def test_a_sender_that_rests_is_told() -> None:
    due, later = a_row(S.QUEUED), a_row(S.QUEUED, due_at=NOW + 1)
    assert outlook_of(due, pause=PAUSE) == Outlook(N.SENDER, START, ENDS, pause=PAUSE)
    assert outlook_of(later, pause=PAUSE) == Outlook(N.OPENING, NOW + 1, ENDS, pause=PAUSE)
    assert outlook_of(a_row(S.SENT), pause=PAUSE).pause is None


@pytest.mark.parametrize(
    ("rule", "ttl", "verdict"),
    [
        (Unanswered.AUTO, 15 * MINUTE, Verdict.SHORT),
        (Unanswered.AUTO, HOUR, Verdict.LONG),
        (Unanswered.RESEND, HOUR, Verdict.WANTED),
        (Unanswered.FAIL, MINUTE, Verdict.UNWANTED),
    ],
)
def test_what_its_partners_rule_will_make_of_it(
    rule: Unanswered, ttl: int, verdict: Verdict
) -> None:
    link = a_row(S.UNSURE, ttl=ttl)
    assert link_outlook(link, a_story(link, unanswered=rule), NOW, None).verdict is verdict


# Reports


def a_report(state: ReportState, number: int = 1, **changes: Any) -> dict[str, Any]:
    row = {
        "report_id": number,
        "link_id": 1 << 4,
        "status": 0,
        "state": state,
        "next_at": START,
        "failures": 0,
        "node_id": None,
    }
    return {**row, **changes}


LAST = START + sum(REPORT_PAUSES)


@pytest.mark.parametrize(
    ("report", "expected"),
    [
        (a_report(ReportState.DUE), ReportOutlook(ReportNext.ATTEMPT, START, 11, LAST)),
        (
            a_report(ReportState.DUE, node_id=0),
            ReportOutlook(ReportNext.IN_HAND, START, 11, LAST),
        ),
        (
            a_report(ReportState.DUE, failures=10),
            ReportOutlook(ReportNext.ATTEMPT, START, 1, START),
        ),
        (a_report(ReportState.HELD, 3), ReportOutlook(ReportNext.BEHIND, behind=2)),
        (a_report(ReportState.ACKNOWLEDGED), ReportOutlook(ReportNext.NOTHING)),
        (a_report(ReportState.DEAD), ReportOutlook(ReportNext.A_PERSON)),
    ],
    ids=lambda one: one.next.name if isinstance(one, ReportOutlook) else one["state"].name,
)
def test_each_report_has_its_next(report: dict[str, Any], expected: ReportOutlook) -> None:
    before = [a_report(ReportState.DEAD, 1), a_report(ReportState.DUE, 2)]
    assert report_outlook(report, a_story(reports=[*before, report])) == expected


def test_a_click_keeps_nothing_back() -> None:
    click, held = a_report(ReportState.DUE, 1, status=100), a_report(ReportState.HELD, 2)
    assert report_outlook(held, a_story(reports=[click, held])).behind is None


def test_every_state_of_a_report_is_in_the_table() -> None:
    for state in ReportState:
        assert report_outlook(a_report(state), a_story()).next in ReportNext


def test_attempts_are_counted_as_the_reporter_counts_them() -> None:
    for failures in range(len(REPORT_PAUSES) + 1):
        left, last_at = report_attempts_left(failures, START)
        moment, made, failed = START, 0, failures
        while True:
            made, failed = made + 1, failed + 1
            pause = report_pause(failed, 0.0)
            if pause is None:
                break
            moment += pause
        assert (left, last_at) == (made, moment)


async def test_from_the_store_it_is_the_same(tmp_path: Any) -> None:
    """The rows above are those of a real story."""
    async with builders.opened(Database(tmp_path / "whimbrel.db")) as store:
        await builders.submit(store)
        await builders.receive(store, builders.an_echo(S.DELIVERED, at=START + SECOND))
        story = await store.read(tell_stories, 1)
    assert story
    assert link_outlook(story.links[0], story, NOW, None) == Outlook(N.NEWS)
    assert [report_outlook(one, story).next for one in story.reports] == [
        ReportNext.ATTEMPT,
        ReportNext.BEHIND,
    ]
