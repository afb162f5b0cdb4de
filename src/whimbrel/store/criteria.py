"""What is looked for, what is found, and how the one is asked of the other."""

from typing import NamedTuple

from whimbrel.domain.content import Channel
from whimbrel.domain.extra_param import render
from whimbrel.domain.status import LinkState
from whimbrel.store.engine import Params, Row
from whimbrel.store.extra_pairs import has_pair

BEYOND = 1 << 53
"""Greater than all chains' numbers."""


class Span(NamedTuple):
    """Chains by their numbers, from `since` on and below `before`."""

    since: int = 0
    before: int = BEYOND

    @property
    def is_empty(self) -> bool:
        """Tell whether no number is in it."""
        return self.since >= self.before


class Criteria(NamedTuple):
    """What is looked for. None, and what else a member begins with, means any."""

    span: Span = Span()
    """A number, or a time: see `domain/chain_id.py`."""
    dest_addr: str | None = None
    partner_ref: str | None = None
    provider_ids: tuple[str, ...] = ()
    """The channel's number in every spelling in which it may be kept."""
    login: str | None = None
    """Of the Partner, removed ones too."""
    pair: tuple[str, str | None] | None = None
    """Of `extraParam`; with None for the value, the name alone."""
    channel: Channel | None = None
    sender: str | None = None
    states: tuple[int, int] | None = None
    """From one rank to another, both included."""
    error_code: int | None = None

    @property
    def of_link(self) -> bool:
        """Tell whether something is asked of a link; one link must meet it all."""
        asked = (self.channel, self.sender, self.states, self.error_code)
        return any(one is not None for one in asked)


class FoundLink(NamedTuple):
    """A step of a chain."""

    link_id: int
    channel: Channel
    sender: str
    text: str | None
    image_url: str | None
    state: LinkState
    attempt: int
    submitted_at: int | None
    done_at: int | None
    provider_id: str | None
    error_code: int


class FoundChain(NamedTuple):
    """A chain as a list shows it."""

    chain_id: int
    login: str
    partner_ref: str | None
    dest_addr: str
    accepted_at: int
    extra_param: str | None
    content_removed_at: int | None
    links: tuple[FoundLink, ...] = ()


_ANY_RANK = 32_767


def wanted_params(wanted: Criteria) -> Params:
    """Return the parameters behind the numbers in `search_roads.JUDGED`."""
    lowest, highest = wanted.states or (-_ANY_RANK, _ANY_RANK)
    return (
        wanted.login,
        wanted.dest_addr,
        wanted.partner_ref,
        None if wanted.pair is None else _pattern(*wanted.pair),
        int(wanted.of_link),
        lowest,
        highest,
        wanted.channel,
        wanted.sender,
        -1 if wanted.error_code is None else wanted.error_code,
    )


def _pattern(name: str, value: str | None) -> str:
    """Return what an `extraParam` with this pair is like."""
    text = f"{name}=" if value is None else render([(name, value)])
    for sign in "!%_":
        text = text.replace(sign, f"!{sign}")
    return f"%{text}%"


def verified(wanted: Criteria, rows: list[Row]) -> list[FoundChain]:
    """Return the chains of rows, but those that only look as if they had the pair."""
    chains = [FoundChain(*row) for row in rows]
    if wanted.pair is None:
        return chains
    return [one for one in chains if has_pair(one.extra_param, *wanted.pair)]
