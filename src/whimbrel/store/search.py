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
from whimbrel.domain.status import FIRST_SETTLED, ErrorCode, LinkState
from whimbrel.store import search_roads as roads
from whimbrel.store.criteria import (
    Criteria,
    FoundChain,
    FoundLink,
    Span,
    verified,
    wanted_params,
)
from whimbrel.store.engine import Ask, Params, Row, Statement, Steps, ask_one
from whimbrel.store.extra_pairs import pair_key

_UNDELIVERED = frozenset(
    {LinkState.FAILED, LinkState.CANCELLED, LinkState.EXPIRED}
)  # as `search_roads.ERROR` has them
_COMMON_ERRORS = 4  # of all that there are
BUDGET = 500
"""How many chains are looked at in one go: a few milliseconds, for which SQLite stops the rest."""


class Look(NamedTuple):
    """One stretch of a search: where in the span, which way, and how many chains are wanted."""

    criteria: Criteria
    span: Span
    room: int
    older: bool = True
    """The newest first."""
    budget: int = BUDGET
    """How many chains may be looked at, not more than that."""
    may_list: bool = True
    """Whether it is worth finding out if few links are unsettled: not where it was not before."""


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


class _Candidates(NamedTuple):
    """All chains of a span that may be wanted, in the order of the search."""

    numbers: list[int]
    span: Span


def _look(look: Look) -> Steps[Looked]:
    wanted = look.criteria
    if wanted.provider_ids:
        answers = yield Ask(roads.BY_PROVIDER_ID, [(one,) for one in wanted.provider_ids])
        numbers = {row[0] for rows in answers for row in rows}
        return (yield from _judge(look, _listed(look, numbers)))
    candidates = yield from _furthest(look)
    if look.may_list and candidates.span != look.span:
        unsettled = yield from _unsettled(wanted)
        if unsettled is not None:
            candidates = _listed(look, unsettled)
    return (yield from _judge(look, candidates))


def _judge(look: Look, candidates: _Candidates) -> Steps[Looked]:
    """Find those of the candidates that are wanted; the first few are often all that it takes."""
    found: list[FoundChain] = []
    begin, size = 0, roads.JUDGED_AT_ONCE
    while begin < len(candidates.numbers):
        batch = candidates.numbers[begin : begin + size]
        found += yield from _wanted_of(batch, look)
        if len(found) >= look.room:
            chains = found[: look.room]
            return Looked(chains, _behind(look, chains[-1].chain_id))
        begin, size = begin + size, look.budget
    return Looked(found, _beyond(look, candidates.span))


def _wanted_of(numbers: list[int], look: Look) -> Steps[list[FoundChain]]:
    """Return the chains among these that are wanted, in the order of the search."""
    criteria, size = wanted_params(look.criteria), roads.JUDGED_AT_ONCE
    groups = [numbers[begin : begin + size] for begin in range(0, len(numbers), size)]
    answers = yield Ask(
        roads.JUDGED, [(*one, *one[-1:] * (size - len(one)), *criteria) for one in groups]
    )
    rows = sorted((row for rows in answers for row in rows), reverse=look.older, key=_number)
    return verified(look.criteria, rows)


def _number(row: Row) -> int:
    return row[0]  # type: ignore[no-any-return]


def _beyond(look: Look, done: Span) -> Span:
    """Return what is left of a search when it has gone through a span."""
    if look.older:
        return Span(look.span.since, done.since)
    return Span(done.before, look.span.before)


def _behind(look: Look, number: int) -> Span:
    """Return what is left of a search behind a chain."""
    return _beyond(look, Span(number, number + 1))


# What is listed as a whole


def _listed(look: Look, numbers: set[int]) -> _Candidates:
    inside = [one for one in numbers if look.span.since <= one < look.span.before]
    return _Candidates(sorted(inside, reverse=look.older), look.span)


def _unsettled(wanted: Criteria) -> Steps[set[int] | None]:
    """Return the chains with links in the states that are wanted; None: they are too many."""
    if wanted.states is None or wanted.states[1] >= FIRST_SETTLED:
        return None
    lowest, highest = wanted.states
    rows = yield from ask_one(_list_of(lowest, highest))
    if len(rows) > roads.MOST_LISTED:
        return None
    return {chain_id for chain_id, state in rows if lowest <= state <= highest}


def _list_of(lowest: int, highest: int) -> Statement:
    if highest == LinkState.HELD:
        return roads.HELD
    in_limbo = lowest >= LinkState.SUBMITTING and highest <= LinkState.UNSURE
    return roads.LIMBO if in_limbo else roads.UNSETTLED


# What lies on a road


def _furthest(look: Look) -> Steps[_Candidates]:
    """Return the candidates on the road that gets furthest with as many as may be looked at."""
    best: _Candidates | None = None
    for road, keys, others in (yield from _roads(look.criteria)):
        candidates = yield from _along(look, road, keys, others)
        if best is None or _length(candidates.span) > _length(best.span):
            best = candidates
        if candidates.span == look.span:
            break
    assert best is not None  # noqa: S101 - there is always the road of all
    return best


def _length(span: Span) -> int:
    return span.before - span.since


class _Way(NamedTuple):
    """A road, its keys, and what does not lie on it but belongs there."""

    road: roads.Road
    keys: list[Params]
    others: frozenset[int] = frozenset()


def _roads(wanted: Criteria) -> Steps[list[_Way]]:
    """Return the roads that lead to what is wanted, those first that are often the shortest."""
    found: list[_Way] = []
    if _length(wanted.span) == 1:
        found.append(_Way(roads.ALL, [()]))
    if wanted.partner_ref is not None:
        rows = yield from ask_one(roads.BY_DEDUPE_REF, wanted.partner_ref)
        compared = frozenset(row[0] for row in rows)
        found.append(_Way(roads.PARTNER_REF, [(wanted.partner_ref,)], compared))
    if wanted.dest_addr is not None:
        found.append(_Way(roads.PHONE, [(wanted.dest_addr,)]))
    if wanted.pair is not None and wanted.pair[1] is not None:
        found.append(_Way(roads.PAIR, [(pair_key(*wanted.pair),)]))  # type: ignore[arg-type]
    if errors := _errors(wanted):
        found.append(_Way(roads.ERROR, [(code,) for code in errors]))
    if wanted.login is not None:
        found.append(_Way(roads.PARTNER, (yield from ask_one(roads.PARTNERS, wanted.login))))
    return [*found, _Way(roads.ALL, [()])]


def _errors(wanted: Criteria) -> list[int]:
    """Return the error codes that undelivered links may have which are wanted; none: no matter."""
    if wanted.error_code:
        return [wanted.error_code]
    if wanted.states is None or wanted.states[0] != wanted.states[1]:
        return []
    return list(ErrorCode) if wanted.states[0] in _UNDELIVERED else []


def _along(
    look: Look, road: roads.Road, keys: list[Params], others: frozenset[int]
) -> Steps[_Candidates]:
    """Go along a road: up to where the first of its keys has to stop."""
    most = max(look.budget // min(max(len(keys), 1), _COMMON_ERRORS), 1)
    statement = road.older if look.older else road.newer
    answers = yield Ask(statement, [(*key, *look.span, most) for key in keys])
    inside = {one for one in others if look.span.since <= one < look.span.before}
    inside.update(row[0] for rows in answers for row in rows)
    numbers = sorted(inside, reverse=look.older)
    stops = [rows[-1][0] for rows in answers if len(rows) == most]
    stops += numbers[look.budget - 1 : look.budget]
    if not stops:
        return _Candidates(numbers, look.span)
    stop = max(stops) if look.older else min(stops)
    seen = [one for one in numbers if (one >= stop if look.older else one <= stop)]
    rest = _behind(look, stop)
    span = Span(rest.before, look.span.before) if look.older else Span(look.span.since, rest.since)
    return _Candidates(seen, span)
