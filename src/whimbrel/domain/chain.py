"""Chains and links: what was accepted, and how each event moves a link.

Pure: the store loads a link, asks `move` what an event makes of it, and writes the answer back, all
within one transaction.
"""

from collections.abc import Mapping
from enum import IntFlag
from types import MappingProxyType
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from whimbrel.domain.content import Channel, Content
from whimbrel.domain.short_url import Draft
from whimbrel.domain.status import FIRST_SETTLED, MOVES, ErrorCode, LinkState
from whimbrel.domain.unanswered import Verdict


class Named(IntFlag):
    """What a request named by itself; the rest is its Partner's default."""

    NOTHING = 0
    SENDER = 1
    LIFETIME = 2


class NewLink(Struct, frozen=True, kw_only=True):
    """One step of a chain as it is accepted."""

    link_id: int
    position: int
    channel: Channel
    sender: str
    content: Content | Draft
    """A draft becomes a text when it is stored."""
    ttl: int
    """Lifetime in milliseconds, counted from the handing over."""
    due_at: int
    closes_at: int | None
    """When the sending hours that `due_at` opens close again; None: never."""
    expires_at: int
    """When it ends if it was never handed over."""
    state: LinkState = LinkState.QUEUED
    """HELD behind another link."""
    satisfied_by: LinkState | None = None
    """DELIVERED or READ: what saves it from falling through; None: no link stands behind it."""
    named: Named | None = None
    """Which of its terms the request named; None: not known."""


class Chain(Struct, frozen=True, kw_only=True):
    """One accepted request."""

    chain_id: int
    partner_id: int
    partner_ref: str | None
    """The Partner's own `id`, to be echoed."""
    dedupe_ref: str | None
    """The same where duplicate control is on, else None."""
    content_key: bytes | None
    """What the content window compares; None where it is off."""
    content_window: int
    """Milliseconds; 0 where it is off."""
    dest_addr: str
    registered_delivery: int
    notify_url: str | None
    extra_param: str | None
    schedule: str | None
    """Sending hours and deadline as `schedule.py` stores them; None: at once."""
    accepted_at: int
    request_id: str
    links: tuple[NewLink, ...]


class Link(Struct, frozen=True):
    """What the journey has made of a link so far; the members are the store's columns, in order."""

    link_id: int
    sender: str
    state: LinkState
    satisfied_by: LinkState | None
    told: int
    attempt: int
    attempted_at: int | None
    ttl: int
    due_at: int
    closes_at: int | None
    expires_at: int
    submitted_at: int | None
    done_at: int | None
    provider_id: str | None
    error_code: int
    channel: str

    @property
    def satisfied(self) -> bool:
        """Tell whether it has reached its goal, so that the links behind it are spared."""
        return self.satisfied_by is not None and self.state >= self.satisfied_by


class PartsTaken(NamedTuple):
    """What the channel has taken of a message."""

    provider_ids: Mapping[int, str]
    """The channel's number of each part, by its place from 1."""
    parts: int = 1
    """How many parts the message has."""
    known_as: tuple[str, ...] = ()
    """Every spelling of these numbers that a receipt may use."""


NOTHING_TAKEN = PartsTaken(MappingProxyType({}))


class Taken(Struct, frozen=True):
    """The channel took the submit and gave it a number."""

    attempt: int
    at: int
    provider_id: str
    late: bool = False
    """It had been given up, and nothing but its silence can have queued the link again."""


class Refused(Struct, frozen=True):
    """The channel refused the submit for good."""

    attempt: int
    at: int
    error_code: ErrorCode


class Again(Struct, frozen=True):
    """The submit surely did not go; it is due again at `due_at`."""

    attempt: int
    at: int
    due_at: int
    closes_at: int | None = None


class PutBack(Struct, frozen=True):
    """It was not this link's time after all; the attempt was not made, and does not count."""

    attempt: int
    at: int
    due_at: int
    closes_at: int | None = None
    claimed_at: int | None = None
    """When the attempt was claimed: the next one has its number again. None: whenever."""


class NoAnswer(Struct, frozen=True):
    """The submit may have gone; a receipt may tell until `until`."""

    attempt: int
    at: int
    until: int


class GraceOver(Struct, frozen=True):
    """No receipt told whether an unanswered submit went: the verdict says what follows."""

    at: int
    verdict: Verdict


class LifetimeOver(Struct, frozen=True):
    """The link's lifetime, or the chain's deadline, has passed."""

    at: int


class Bypassed(Struct, frozen=True):
    """Its sender is blocked for too long, and another link stands behind it."""

    at: int


class Cancelled(Struct, frozen=True):
    """Somebody called off what has not been sent."""

    at: int


class Seen(Struct, frozen=True):
    """A receipt: the channel says what became of an attempt."""

    attempt: int
    state: LinkState
    """SENT, FAILED, DELIVERED or READ."""
    at: int
    """When it happened, by the channel's clock."""
    error_code: ErrorCode = ErrorCode.NONE
    retry_at: int | None = None
    """With FAILED: the channel gave it back, and it is worth another attempt then."""


Event = (
    Taken
    | Refused
    | Again
    | PutBack
    | NoAnswer
    | GraceOver
    | LifetimeOver
    | Bypassed
    | Cancelled
    | Seen
)

CANCELLABLE = frozenset({LinkState.HELD, LinkState.QUEUED})
"""Where a link can still be called off."""
_IN_FLIGHT = frozenset({LinkState.SUBMITTING, LinkState.UNSURE})


def move(link: Link, event: Event) -> Link:  # noqa: PLR0911 - one return an event
    """Return what `event` makes of `link`; the same object where it changes nothing."""
    match event:
        case Taken():
            return _taken(link, event)
        case Seen():
            return _seen(link, event)
        case LifetimeOver(at):
            return _expired(link, at)
        case GraceOver() if link.state is LinkState.UNSURE:
            return _given_up_on(link, event)
        case Bypassed() | Cancelled():
            return _ended_unsent(link, event)
        case NoAnswer(attempt, _, until) if link.state is LinkState.SUBMITTING:
            if attempt == link.attempt:
                return replace(link, state=LinkState.UNSURE, due_at=until)
        case PutBack() if event.claimed_at not in {None, link.attempted_at}:
            return link  # it was put back before, and has been claimed again since
        case Refused() | Again() | PutBack() if _awaits(link, event.attempt):
            return _not_taken(link, event)
    return link


def _not_taken(link: Link, event: Refused | Again | PutBack) -> Link:
    if isinstance(event, Refused):
        error_code = event.error_code
        return replace(link, state=LinkState.FAILED, done_at=event.at, error_code=error_code)
    again = replace(link, state=LinkState.QUEUED, due_at=event.due_at, closes_at=event.closes_at)
    return replace(again, attempt=link.attempt - 1) if isinstance(event, PutBack) else again


def _ended_unsent(link: Link, event: Bypassed | Cancelled) -> Link:
    """End a link that waits; nobody but the channel ends one that is on its way."""
    if isinstance(event, Cancelled) and link.state in CANCELLABLE:
        state, error_code = LinkState.CANCELLED, ErrorCode.FILTERED
    elif isinstance(event, Bypassed) and link.state is LinkState.QUEUED:
        state, error_code = LinkState.FAILED, ErrorCode.UNROUTED
    else:
        return link
    return replace(link, state=state, done_at=event.at, error_code=error_code)


def _given_up_on(link: Link, event: GraceOver) -> Link:
    if event.verdict.fails:
        return replace(link, state=LinkState.FAILED, done_at=event.at, error_code=ErrorCode.UNKNOWN)
    if event.verdict.goes_again:
        return replace(link, state=LinkState.QUEUED, due_at=event.at)
    return replace(link, state=LinkState.SPARED)


def _awaits(link: Link, attempt: int) -> bool:
    """Tell whether the answer to `attempt` is still what this link waits for."""
    return attempt == link.attempt and link.state in _IN_FLIGHT


def _taken(link: Link, event: Taken) -> Link:
    if event.attempt != link.attempt:
        return link
    handed = replace(link, provider_id=event.provider_id, submitted_at=event.at)
    if link.state >= FIRST_SETTLED:
        return handed
    handed = replace(handed, expires_at=event.at + link.ttl)
    called_off = event.late and link.state is LinkState.QUEUED  # another attempt is not needed
    awaited = called_off or _awaits(link, event.attempt)
    return replace(handed, state=LinkState.SUBMITTED) if awaited else handed


def _seen(link: Link, event: Seen) -> Link:
    if event.state not in MOVES[link.state]:
        return link
    if event.state is LinkState.FAILED:
        return _failed(link, event)
    if link.submitted_at is None:  # the receipt is the first word that it was handed over
        at = link.attempted_at if link.attempted_at is not None else event.at
        link = replace(link, submitted_at=at, expires_at=at + link.ttl)
    # The channel's clock may run behind, and an SMSC's dates are often cut to the minute.
    done_at = None if event.state is LinkState.SENT else max(event.at, link.submitted_at or 0)
    return replace(link, state=event.state, done_at=done_at, error_code=ErrorCode.NONE)


def _failed(link: Link, event: Seen) -> Link:
    if event.attempt != link.attempt:
        return link  # an earlier attempt's end says nothing of this one
    if event.retry_at is not None:
        return replace(link, state=LinkState.QUEUED, due_at=event.retry_at)
    return replace(link, state=LinkState.FAILED, done_at=event.at, error_code=event.error_code)


def _expired(link: Link, at: int) -> Link:
    if LinkState.EXPIRED not in MOVES[link.state] or at < link.expires_at:
        return link
    return replace(link, state=LinkState.EXPIRED, done_at=at, error_code=ErrorCode.TIMEOUT)
