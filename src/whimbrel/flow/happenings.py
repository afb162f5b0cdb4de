"""What has happened to a message: one event after the other, as the store tells it.

Pure, and without presentation; `narrative.py` brings it together with what is next. Moments are
milliseconds UTC.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from whimbrel.domain.chain_id import position_of
from whimbrel.domain.status import ErrorCode, LinkState
from whimbrel.flow.next_steps import ReportOutlook, report_outlook
from whimbrel.store.history import Story
from whimbrel.store.reports import ReportState
from whimbrel.store.submits import REFUSED


class Accepted(NamedTuple):
    """The request was stored and answered."""

    request_id: str


class Submitted(NamedTuple):
    """An attempt came to its end."""

    attempt: int
    outcome: str
    """`submitted`, `refused`, `not sent` or `no answer`."""
    began_at: int | None
    provider_id: str | None
    code: str | None
    detail: str | None


class Received(NamedTuple):
    """A receipt of the channel."""

    attempt: int
    state: LinkState
    happened_at: int
    """By the channel's clock."""
    code: str | None
    detail: str | None


class Ended(NamedTuple):
    """A message ended without a word of its channel: by time, or because somebody called it off.

    FAILED: its sender took nothing for too long (errorCode 11), or nothing was heard of it (1).
    """

    state: LinkState
    error_code: ErrorCode


class Visited(NamedTuple):
    """Somebody, or something, followed a short URL."""

    uid: str
    agent: str
    counted: bool


class Owed(NamedTuple):
    """A report was written."""

    report_id: int
    status: int
    error_code: int
    state: ReportState
    outlook: ReportOutlook


class Told(NamedTuple):
    """A receiver was sent a report."""

    report_id: int
    status: int
    error_code: int
    attempt: int
    http_status: int | None
    """None: there was no answer."""
    latency: int
    """Milliseconds."""
    answer: str
    """An excerpt of what it said, or why it said nothing."""


What = Accepted | Submitted | Received | Ended | Visited | Owed | Told


class Event(NamedTuple):
    """Something that happened."""

    at: int
    what: What
    key: str
    """The same whenever this event is told, and no other's."""
    position: int | None = None
    """The place in its chain of the link that it concerns, from 0; None: the whole chain."""


def happenings(story: Story) -> Iterator[Event]:
    """Yield everything that happened; of one moment, in the order of the journey."""
    chain = story.chain
    yield Event(chain["accepted_at"], Accepted(chain["request_id"]), "accepted")
    yield from _of_channels(story)
    for number, one in enumerate(story.clicks):
        visit = Visited(one["uid"], one["agent"], bool(one["counted"]))
        yield Event(one["at"], visit, f"visit-{number}")
    yield from _of_reports(story)


def _of_channels(story: Story) -> Iterator[Event]:
    for one in story.submits:
        position = position_of(one["link_id"])
        submitted = Submitted(
            one["attempt"],
            one["outcome"],
            one["started_at"],
            one["provider_id"],
            one["code"],
            one["detail"],
        )
        key = f"submit-{position}-{submitted.attempt}"
        yield Event(one["ended_at"], submitted, key, position)
    for one in story.receipts:
        position, state = position_of(one["link_id"]), LinkState(one["state"])
        received = Received(one["attempt"], state, one["happened_at"], one["code"], one["detail"])
        key = f"receipt-{position}-{received.attempt}-{int(state)}"
        yield Event(one["received_at"], received, key, position)
    for one in story.links:
        if _ended_by_itself(one, story):
            position = position_of(one["link_id"])
            ended = Ended(LinkState(one["state"]), ErrorCode(one["error_code"]))
            yield Event(one["done_at"], ended, f"end-{position}", position)


def _ended_by_itself(link: dict[str, Any], story: Story) -> bool:
    """Tell whether a link's end is in no word of its channel."""
    state = LinkState(link["state"])
    if state is not LinkState.FAILED:
        return state in {LinkState.EXPIRED, LinkState.CANCELLED}
    attempt = link["link_id"], link["attempt"]
    refused = any(
        (one["link_id"], one["attempt"]) == attempt and one["outcome"] == REFUSED
        for one in story.submits
    )
    failed = any(
        one["link_id"] == link["link_id"] and one["state"] == LinkState.FAILED
        for one in (*story.receipts, *story.parts)
    )
    return not refused and not failed


def _of_reports(story: Story) -> Iterator[Event]:
    reports = {one["report_id"]: one for one in story.reports}
    for number, one in reports.items():
        owed = Owed(
            number,
            one["status"],
            one["error_code"],
            ReportState(one["state"]),
            report_outlook(one, story),
        )
        yield Event(one["created_at"], owed, f"report-{number}", position_of(one["link_id"]))
    for one in story.report_attempts:
        report = reports[one["report_id"]]
        told = Told(
            one["report_id"],
            report["status"],
            report["error_code"],
            one["attempt"],
            one["http_status"],
            one["latency"],
            one["answer"],
        )
        key = f"told-{told.report_id}-{told.attempt}"
        yield Event(one["ended_at"], told, key, position_of(report["link_id"]))
