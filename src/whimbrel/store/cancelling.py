"""Calls off what has not been sent of a chain, and nothing else.

One transaction that holds the chain: a claim that is made at the same moment is either before it,
and what it took is left alone, or after it, and finds nothing to take. Reports are written with it
(`docs/decisions/0026-cancelling.md`).
"""

from typing import NamedTuple

from whimbrel.domain.chain import Cancelled
from whimbrel.domain.chain_id import links_of
from whimbrel.domain.status import LinkState
from whimbrel.store.engine import Hold, Statement, Steps, ask_one
from whimbrel.store.links import LinkEvent, News, move_links

_LINKS = Statement("""
SELECT link_id, attempt FROM links WHERE link_id >= :first AND link_id <= :last ORDER BY link_id
""")


class Cancellation(NamedTuple):
    """A chain of which nothing more is to be sent, and the moment."""

    chain_id: int
    now: int


class CalledOff(NamedTuple):
    """What became of one link."""

    link_id: int
    state: LinkState
    """CANCELLED if it was called off just now, else where it was and is."""
    attempts: int
    """How often it had been tried: of one that was called off, a part may have gone."""
    is_new: bool
    """Whether this call did it."""
    news: tuple[News, ...] = ()
    """What is to be counted of it."""


def cancel_chains(wishes: list[Cancellation]) -> Steps[list[list[CalledOff] | None]]:
    """End every link that waits, and tell of each in the chain's order; None: no such chain."""
    yield Hold(wish.chain_id for wish in wishes)
    answers: list[list[CalledOff] | None] = []
    for chain_id, now in wishes:
        links = yield from ask_one(_LINKS, *links_of(chain_id))
        moves = yield from move_links(
            [LinkEvent(link_id, Cancelled(now), now) for link_id, _ in links]
        )
        told = [
            CalledOff(one.link_id, one.after, attempts, one.before is not one.after, one.news)
            for one, (_, attempts) in zip(moves, links, strict=True)
            if one is not None
        ]
        answers.append(told or None)
    return answers
