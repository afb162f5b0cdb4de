"""Searching for chains by what operators know of them.

A search goes through a span of chains' numbers, which are ordered by the time of acceptance, with
the newest or the oldest first. It goes a stretch at a time: each `Look` looks at a bounded number
of chains, whatever is asked for, and tells what is left of the span. Of the roads by which the
criteria can be met it takes the one that gets furthest within that bound: a phone number is seldom
written to a thousand times, and of two common things the rarer one is the quicker way.
"""

from typing import NamedTuple

from whimbrel.domain.chain_id import links_of
from whimbrel.domain.content import Channel
from whimbrel.domain.extra_param import render
from whimbrel.domain.status import FIRST_SETTLED, ErrorCode, LinkState
from whimbrel.store import search_roads as roads
from whimbrel.store.engine import Ask, Params, Row, Statement, Steps, ask_one
from whimbrel.store.extra_pairs import has_pair, pair_key

BEYOND = 1 << 53
"""Greater than all chains' numbers."""
_LISTED = roads.BUDGET  # as the literal limits of the lists have it, save one


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


class Look(NamedTuple):
    """One stretch of a search: where in the span, which way, and how many chains are wanted."""

    criteria: Criteria
    span: Span
    room: int
    older: bool = True
    """The newest first."""
    budget: int = roads.BUDGET
    """How many chains may be looked at, not more than that."""


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


class Looked(NamedTuple):
    """What a stretch came to."""

    chains: list[FoundChain]
    """In the order of the search."""
    rest: Span
    """What has not been looked at; empty: that was all."""


def look_for_chains(looks: list[Look]) -> Steps[list[Looked]]:
    """Go a stretch of each search. It may run beside the writers."""
    looked: list[Looked] = []
    for one in looks:
        found = (yield from _look(one)) if not one.span.is_empty else Looked([], one.span)
        answers = yield Ask(roads.LINKS, [links_of(chain.chain_id) for chain in found.chains])
        chains = [
            chain._replace(links=tuple(map(_link, rows)))
            for chain, rows in zip(found.chains, answers, strict=True)
        ]
        looked.append(found._replace(chains=chains))
    return looked


def _link(row: Row) -> FoundLink:
    link = FoundLink(*row)
    return link._replace(channel=Channel(link.channel), state=LinkState(link.state))


def _look(look: Look) -> Steps[Looked]:
    wanted = look.criteria
    if wanted.provider_ids:
        answers = yield Ask(roads.BY_PROVIDER_ID, [(one,) for one in wanted.provider_ids])
        return (yield from _judge(look, {row[0] for rows in answers for row in rows}))
    way = yield from _furthest(look)
    if way.span != look.span:
        listed = yield from _unsettled(wanted)
        if listed is not None:
            return (yield from _judge(look, listed))
    return (yield from _along(way, look))


# What is listed as a whole


def _unsettled(wanted: Criteria) -> Steps[set[int] | None]:
    """Return the chains with links in the states that are wanted; None: they are too many."""
    if wanted.states is None or wanted.states[1] >= FIRST_SETTLED:
        return None
    lowest, highest = wanted.states
    rows = yield from ask_one(_list_of(lowest, highest))
    if len(rows) > _LISTED:
        return None
    return {chain_id for chain_id, state in rows if lowest <= state <= highest}


def _list_of(lowest: int, highest: int) -> Statement:
    if highest == LinkState.HELD:
        return roads.HELD
    in_limbo = lowest >= LinkState.SUBMITTING and highest <= LinkState.UNSURE
    return roads.LIMBO if in_limbo else roads.UNSETTLED


def _judge(look: Look, listed: set[int]) -> Steps[Looked]:
    """Look at chains one by one, as many at once as there is room for."""
    inside = sorted(one for one in listed if look.span.since <= one < look.span.before)
    if look.older:
        inside.reverse()
    found: list[FoundChain] = []
    for begin in range(0, len(inside), look.room):
        batch = inside[begin : begin + look.room]
        answers = yield Ask(roads.ONE, [(one, *_wanted_params(look.criteria)) for one in batch])
        found += _verified(look.criteria, [row for rows in answers for row in rows])
        if len(found) >= look.room:
            return Looked(found[: look.room], _behind(look, found[: look.room][-1].chain_id))
    return Looked(found, Span(look.span.before, look.span.before))


# What is looked at on a road


class _Way(NamedTuple):
    """A road, its keys, and how far it gets within a budget."""

    road: roads.Road
    keys: list[Params]
    span: Span


def _furthest(look: Look) -> Steps[_Way]:
    """Choose the road that gets furthest."""
    best: _Way | None = None
    for road, keys in (yield from _roads(look.criteria)):
        way = yield from _measured(look, road, keys)
        if best is None or _length(way.span) > _length(best.span):
            best = way
        if way.span == look.span:
            break
    assert best is not None  # noqa: S101 - there is always the road of all
    return best


def _length(span: Span) -> int:
    return span.before - span.since


def _roads(wanted: Criteria) -> Steps[list[tuple[roads.Road, list[Params]]]]:
    """Return the roads that lead to what is wanted, those first that are often the shortest."""
    found: list[tuple[roads.Road, list[Params]]] = []
    if _length(wanted.span) == 1:
        found.append((roads.ALL, [()]))
    if wanted.partner_ref is not None:
        found.append((roads.PARTNER_REF, [(wanted.partner_ref,)]))
    if wanted.dest_addr is not None:
        found.append((roads.PHONE, [(wanted.dest_addr,)]))
    if wanted.pair is not None and wanted.pair[1] is not None:
        found.append((roads.PAIR, [(pair_key(*wanted.pair),)]))  # type: ignore[arg-type]
    if errors := _errors(wanted):
        found.append((roads.ERROR, [(code,) for code in errors]))
    if wanted.login is not None:
        found.append((roads.PARTNER, (yield from ask_one(roads.PARTNERS, wanted.login))))
    return [*found, (roads.ALL, [()])]


def _errors(wanted: Criteria) -> list[int]:
    """Return the error codes that undelivered links may have which are wanted; none: no matter."""
    if wanted.error_code:
        return [wanted.error_code]
    match wanted.states:
        case (LinkState.EXPIRED, LinkState.EXPIRED):
            return [ErrorCode.TIMEOUT]
        case (LinkState.FAILED, LinkState.FAILED):
            return list(ErrorCode)
    return []


def _measured(look: Look, road: roads.Road, keys: list[Params]) -> Steps[_Way]:
    """Find out how much of the span a road gets through: up to where its first key has to stop."""
    since, before = look.span
    skipped = max(look.budget // max(len(keys), 1), 1) - 1
    step = (road.older if look.older else road.newer).step
    answers = yield Ask(step, [(*key, since, before, skipped) for key in keys])
    stops = [row[0] for rows in answers for row in rows]
    if not stops:
        return _Way(road, keys, look.span)
    span = Span(max(stops), before) if look.older else Span(since, min(stops) + 1)
    return _Way(road, keys, span)


def _along(way: _Way, look: Look) -> Steps[Looked]:
    """Look at the chains of a way."""
    statement = (way.road.older if look.older else way.road.newer).wanted
    wanted = (*way.span, *_wanted_params(look.criteria), look.room)
    answers = yield Ask(statement, [(*key, *wanted) for key in way.keys])
    found = {row[0]: row for rows in answers for row in rows}
    numbers = sorted(found, reverse=look.older)
    # A key that has found as many as there is room for has not looked beyond the last of them.
    stops = [rows[-1][0] for rows in answers if len(rows) == look.room]
    if len(numbers) > look.room:
        stops.append(numbers[look.room - 1])
    if not stops:
        return Looked(_verified(look.criteria, [found[one] for one in numbers]), _beyond(way, look))
    stop = max(stops) if look.older else min(stops)
    seen = [one for one in numbers if (one >= stop if look.older else one <= stop)]
    return Looked(_verified(look.criteria, [found[one] for one in seen]), _behind(look, stop))


def _beyond(way: _Way, look: Look) -> Span:
    """Return what is left of a search when a way is at its end."""
    if look.older:
        return Span(look.span.since, way.span.since)
    return Span(way.span.before, look.span.before)


def _behind(look: Look, number: int) -> Span:
    """Return what is left of a search behind a chain."""
    if look.older:
        return Span(look.span.since, number)
    return Span(number + 1, look.span.before)


# What is asked of a chain on every road

_ANY_RANK = 32_767


def _wanted_params(wanted: Criteria) -> Params:
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


def _verified(wanted: Criteria, rows: list[Row]) -> list[FoundChain]:
    """Return the chains of rows, but those that only look as if they had the pair."""
    chains = [FoundChain(*row) for row in rows]
    if wanted.pair is None:
        return chains
    return [one for one in chains if has_pair(one.extra_param, *wanted.pair)]
