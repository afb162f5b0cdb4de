"""One account of what became of a message, for the command line and the console alike.

Made of what the store tells, in the order in which it happened, and of what is next. Pure, and
without presentation: no words, no dates as texts, nothing hidden. Who shows it decides what its
reader may see. Moments are milliseconds UTC.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from whimbrel.domain.chain import CANCELLABLE, Named
from whimbrel.domain.chain_id import position_of
from whimbrel.domain.content import Channel
from whimbrel.domain.schedule import Schedule, opening
from whimbrel.domain.segments import part_count
from whimbrel.domain.status import FIRST_SETTLED, ErrorCode, LinkState
from whimbrel.flow.happenings import Event, happenings
from whimbrel.flow.next_steps import (
    Outlook,
    link_outlook,
)
from whimbrel.store.history import MOST_CLICKS, Story
from whimbrel.store.reports import ReportState

Accounts = Mapping[tuple[str, str], str]
"""By channel and sender, the account that sends for it, where that has another name."""


class ShortUrl(NamedTuple):
    """A short URL in a text."""

    uid: str
    target: str | None
    """None: it was removed."""
    clicks: int = 0
    visits: int = 0
    visits_removed: int = 0
    """Visits that are counted, and not in the history any more."""


class Part(NamedTuple):
    """One part of a long message that the channel took."""

    part: int
    parts: int
    state: LinkState
    happened_at: int | None
    provider_id: str
    code: str | None
    detail: str | None


class Step(NamedTuple):
    """One link: what was asked and decided, where it is, and what is next."""

    position: int
    channel: Channel
    sender: str
    named: Named | None
    """What the request named; the rest is the Partner's default. None: not known."""
    lifetime: int
    """Milliseconds."""
    text: str | None
    image_url: str | None
    parts_needed: int
    """How many parts the text has; 0 where that means nothing or is not known."""
    state: LinkState
    error_code: ErrorCode
    attempts: int
    due_at: int
    expires_at: int
    goal: LinkState | None
    """What keeps the link behind it from its turn."""
    submitted_at: int | None
    outlook: Outlook
    short_urls: tuple[ShortUrl, ...]
    parts: tuple[Part, ...]


class Hours(NamedTuple):
    """The sending hours as they were read, and the first opening that this made."""

    schedule: Schedule
    stored: str
    opened_at: int | None
    """None: not before the deadline."""


class Narrative(NamedTuple):
    """A message from its request to now."""

    chain: Mapping[str, Any]
    """The columns of its request."""
    hours: Hours | None
    steps: tuple[Step, ...]
    events: tuple[Event, ...]
    can_cancel: bool
    """Whether anything has not been sent yet."""
    dead_reports: int
    settled_reports: int
    """Those that could be sent once more: dead or acknowledged."""
    is_over: bool
    """Nothing is under way any more: no link, and no report."""

    @property
    def standing(self) -> LinkState:
        """Where the message is as a whole: what arrived, else what is under way, else the end."""
        states = [step.state for step in self.steps]
        arrived = [one for one in states if one >= LinkState.DELIVERED]
        if arrived:
            return max(arrived)
        under_way = [one for one in states if LinkState.HELD < one < FIRST_SETTLED]
        if under_way:
            return under_way[0]
        ends = [one for one in states if one not in {LinkState.HELD, LinkState.SPARED}]
        return (ends or states)[-1]

    @property
    def content_removed_at(self) -> int | None:
        """When retention removed the texts; None: they are there."""
        removed: int | None = self.chain["content_removed_at"]
        return removed


def narrate(story: Story, now: int, accounts: Accounts | None = None) -> Narrative:
    """Tell a story. `accounts` names the accounts of SMS senders, whose pauses bear that name."""
    chain = story.chain
    states = [ReportState(one["state"]) for one in story.reports]
    links = [LinkState(one["state"]) for one in story.links]
    dead = states.count(ReportState.DEAD)
    open_reports = states.count(ReportState.DUE) + states.count(ReportState.HELD)
    return Narrative(
        chain=chain,
        hours=_hours(chain),
        steps=tuple(_step(link, story, now, accounts or {}) for link in story.links),
        events=tuple(sorted(happenings(story), key=lambda event: event.at)),
        can_cancel=not CANCELLABLE.isdisjoint(links),
        dead_reports=dead,
        settled_reports=dead + states.count(ReportState.ACKNOWLEDGED),
        is_over=not open_reports and all(state >= FIRST_SETTLED for state in links),
    )


def _hours(chain: Mapping[str, Any]) -> Hours | None:
    stored = chain["schedule"]
    if stored is None:
        return None
    opened_at, _ = opening(stored, chain["accepted_at"])
    return Hours(Schedule.from_json(stored), stored, opened_at)


def _step(link: dict[str, Any], story: Story, now: int, accounts: Accounts) -> Step:
    account = accounts.get((link["channel"], link["sender"]), link["sender"])
    paused = (
        one for one in story.pauses if (one.channel, one.sender) == (link["channel"], account)
    )
    goal = link["satisfied_by"]
    is_sms = link["channel"] == Channel.SMS and link["text"] is not None
    return Step(
        position=position_of(link["link_id"]),
        channel=Channel(link["channel"]),
        sender=link["sender"],
        named=None if link["named"] is None else Named(link["named"]),
        lifetime=link["ttl"],
        text=link["text"],
        image_url=link["image_url"],
        parts_needed=part_count(link["text"]) if is_sms else 0,
        state=LinkState(link["state"]),
        error_code=ErrorCode(link["error_code"]),
        attempts=link["attempt"],
        due_at=link["due_at"],
        expires_at=link["expires_at"],
        goal=None if goal is None else LinkState(goal),
        submitted_at=link["submitted_at"],
        outlook=link_outlook(link, story, now, next(paused, None)),
        short_urls=tuple(_short_urls(link, story)),
        parts=tuple(_parts(link, story)),
    )


def _parts(link: dict[str, Any], story: Story) -> Iterator[Part]:
    for one in story.parts:
        if one["link_id"] == link["link_id"]:
            yield Part(
                one["part"],
                one["parts"],
                LinkState(one["state"]),
                one["happened_at"],
                one["provider_id"],
                one["code"],
                one["detail"],
            )


def _short_urls(link: dict[str, Any], story: Story) -> Iterator[ShortUrl]:
    kept = {one["uid"]: one for one in story.short_urls}
    for uid in (link["short_uids"] or "").split():
        one = kept.get(uid)
        if one is None:
            yield ShortUrl(uid, None)
        else:
            removed = _visits_removed(one, story)
            yield ShortUrl(uid, one["target"], one["clicks"], one["visits"], removed)


def _visits_removed(short_url: dict[str, Any], story: Story) -> int:
    """Tell how many visits of a message's own short URL are not in its history any more."""
    told = sum(1 for one in story.clicks if one["uid"] == short_url["uid"])
    is_own = short_url["chain_id"] == story.chain["chain_id"]
    if not is_own or len(story.clicks) == MOST_CLICKS:
        return 0
    return int(short_url["visits"]) - told
