"""What comes next for a link and for a report, and when: one answer for each state there is.

Pure, and without a word of presentation; `narrative.py` brings it together with what has happened.
Moments are milliseconds UTC.
"""

from enum import Enum, auto
from typing import Any, NamedTuple, assert_never

from whimbrel.domain.cascade import NEVER
from whimbrel.domain.retry import report_attempts_left
from whimbrel.domain.status import CLICKED, LinkState
from whimbrel.domain.unanswered import Verdict, judge
from whimbrel.store.history import Story
from whimbrel.store.reports import ReportState
from whimbrel.store.senders import SenderPause


class Next(Enum):
    """What a link waits for."""

    OPENING = auto()
    """Its first moment, at `at`."""
    ATTEMPT = auto()
    """Another attempt, at `at`."""
    ROOM = auto()
    """Nothing but room: it goes as soon as its sender has some."""
    SENDER = auto()
    """Its sender, which rests (`pause`)."""
    END = auto()
    """Its end at `at`, unsent: it may not go any more before."""
    TURN = auto()
    """Its turn: when the one before it has failed, or at `at` if that has no goal by then."""
    ANSWER = auto()
    """The channel's answer to an attempt, until `at`; then it counts as unanswered."""
    RECEIPT_OR_VERDICT = auto()
    """A receipt about an attempt without an answer, until `at`; then `verdict` is carried out."""
    RECEIPT = auto()
    """A receipt, until its lifetime ends at `at`."""
    READER = auto()
    """The subscriber: not read by `at`, the next message goes."""
    NEWS = auto()
    """Nothing; that it was read may still be told."""
    NOTHING_BUT_TRUTH = auto()
    """Nothing; a delivery that comes to light would be told all the same."""
    NOTHING = auto()
    """Nothing at all."""


class Outlook(NamedTuple):
    """What is next for a link."""

    next: Next
    at: int | None = None
    ends_at: int | None = None
    """Until when it may be sent, where it waits to be."""
    verdict: Verdict | None = None
    pause: SenderPause | None = None
    lets_next_go: bool = False
    """Whether another link gets its turn when this one misses its goal."""


def link_outlook(  # noqa: PLR0911 - one return a state
    link: dict[str, Any], story: Story, now: int, pause: SenderPause | None
) -> Outlook:
    """Say what is next for one link of a story; `pause` is its sender's, if that rests."""
    state = LinkState(link["state"])
    has_next = _has_held_behind(link, story)
    match state:
        case LinkState.HELD:
            turn = link["due_at"]
            return Outlook(Next.TURN, None if turn == NEVER else turn, lets_next_go=has_next)
        case LinkState.QUEUED:
            return _queued(link, now, pause)._replace(lets_next_go=has_next)
        case LinkState.SUBMITTING:
            return Outlook(Next.ANSWER, link["due_at"], lets_next_go=has_next)
        case LinkState.UNSURE:
            verdict = _verdict(link, story)
            return Outlook(
                Next.RECEIPT_OR_VERDICT, link["due_at"], verdict=verdict, lets_next_go=has_next
            )
        case LinkState.SUBMITTED | LinkState.SENT:
            return Outlook(Next.RECEIPT, link["expires_at"], lets_next_go=has_next)
        case LinkState.DELIVERED:
            if has_next and link["satisfied_by"] == LinkState.READ:
                return Outlook(Next.READER, link["expires_at"], lets_next_go=True)
            return Outlook(Next.NEWS)
        case LinkState.FAILED | LinkState.SPARED | LinkState.CANCELLED | LinkState.EXPIRED:
            tried = link["attempt"] > 0
            return Outlook(Next.NOTHING_BUT_TRUTH if tried else Next.NOTHING)
        case LinkState.READ:
            return Outlook(Next.NOTHING)
        case _:
            assert_never(state)


def _queued(link: dict[str, Any], now: int, pause: SenderPause | None) -> Outlook:
    due_at, ends_at = link["due_at"], link["expires_at"]
    if ends_at <= max(due_at, now):
        return Outlook(Next.END, ends_at)
    if due_at > now:
        next_one = Next.ATTEMPT if link["attempt"] else Next.OPENING
        return Outlook(next_one, due_at, ends_at, pause=pause)
    return Outlook(Next.SENDER if pause else Next.ROOM, due_at, ends_at, pause=pause)


def _verdict(link: dict[str, Any], story: Story) -> Verdict:
    """Tell what its Partner's rule will make of a link of which nothing is heard."""
    silent, needless = story.silent(link["link_id"]), story.has_arrived_before(link["link_id"])
    return judge(story.unanswered, link["ttl"], silent, needless=needless)


def _has_held_behind(link: dict[str, Any], story: Story) -> bool:
    return any(
        other["link_id"] == link["link_id"] + 1 and other["state"] == LinkState.HELD
        for other in story.links
    )


class ReportNext(Enum):
    """What a report waits for."""

    ATTEMPT = auto()
    """Its next attempt, at `at`."""
    IN_HAND = auto()
    """The answer of its receiver; whoever sends it holds it until `at`."""
    BEHIND = auto()
    """An earlier report of the same message."""
    NOTHING = auto()
    """Nothing: it was acknowledged."""
    A_PERSON = auto()
    """It was given up, and goes again when somebody wants it."""


class ReportOutlook(NamedTuple):
    """What is next for a report."""

    next: ReportNext
    at: int | None = None
    attempts_left: int = 0
    """How many there will be at the most, the next one included, before it is given up."""
    last_at: int | None = None
    """When the last of them will be, at the soonest; pauses grow by up to a fifth at random."""
    behind: int | None = None
    """The number of the report before it."""


def report_outlook(report: dict[str, Any], story: Story) -> ReportOutlook:
    """Say what is next for one report of a story."""
    state = ReportState(report["state"])
    match state:
        case ReportState.DUE:
            left, last_at = report_attempts_left(report["failures"], report["next_at"])
            kind = ReportNext.ATTEMPT if report["node_id"] is None else ReportNext.IN_HAND
            return ReportOutlook(kind, report["next_at"], left, last_at)
        case ReportState.HELD:
            return ReportOutlook(ReportNext.BEHIND, behind=_open_before(report, story))
        case ReportState.ACKNOWLEDGED:
            return ReportOutlook(ReportNext.NOTHING)
        case ReportState.DEAD:
            return ReportOutlook(ReportNext.A_PERSON)
        case _:
            assert_never(state)


def _open_before(report: dict[str, Any], story: Story) -> int | None:
    """Return the oldest open report, behind which the others of a chain wait."""
    return next(
        (
            one["report_id"]
            for one in story.reports
            if one["state"] in {ReportState.HELD, ReportState.DUE}
            and one["report_id"] < report["report_id"]
            and one["status"] != CLICKED
        ),
        None,
    )
