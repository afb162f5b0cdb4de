"""Searching for chains on behalf of an operator: pages, and everything for an export.

The store goes a stretch at a time (`store/search.py`). A page ends when it is full, or when so much
has been looked at that whoever waits should rather hear how far it got. An export goes on to the
end, and rests between two stretches as long as one has taken: who is accepting meanwhile must not
notice.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import NamedTuple

from whimbrel.domain.chain_id import accepted_about
from whimbrel.store.criteria import Criteria, FoundChain, Span
from whimbrel.store.engine import Store
from whimbrel.store.search import BUDGET, Look, Looked, look_for_chains

_FIRST_BUDGET = 4  # times the room: what is common is found among so many, in a millisecond
_EXPORTED_AT_ONCE = 100  # for a few milliseconds a stretch, too


class Cursor(NamedTuple):
    """Where a page begins: at the chains on one side of a number."""

    number: int
    older: bool = True


class SearchPage(NamedTuple):
    """Some chains, the newest first, and where it goes on."""

    chains: list[FoundChain]
    older: Cursor | None
    """None: there are none that are older."""
    newer: Cursor | None
    """None: there were none that are newer."""
    looked_until: int | None = None
    """The moment up to which was looked in vain for more; None: as far as it was needed."""


class Searcher:
    """Searches a store."""

    def __init__(self, store: Store, *, most: int = 20_000, seconds: float = 0.5) -> None:
        """`most` chains are looked at for a page, unless so many `seconds` have passed before."""
        self._store = store
        self._most = most
        self._seconds = seconds

    async def page(self, wanted: Criteria, cursor: Cursor | None, size: int) -> SearchPage:
        """Return a page of so many chains; without a cursor the one with the newest."""
        if cursor is not None and not cursor.older:
            return await self._newer_page(wanted, cursor.number, size)
        span = wanted.span
        if cursor is not None:
            span = span._replace(before=min(span.before, cursor.number))
        found, rest = await self._gather(wanted, span, size, older=True)
        newer = None
        if cursor is not None:
            newer = Cursor(found[0].chain_id if found else cursor.number - 1, older=False)
        if len(found) > size:
            return SearchPage(found[:size], Cursor(found[size - 1].chain_id), newer)
        if rest.is_empty:
            return SearchPage(found, None, newer)
        return SearchPage(found, Cursor(rest.before), newer, accepted_about(rest.before))

    async def everything(self, wanted: Criteria) -> AsyncIterator[list[FoundChain]]:
        """Yield all chains that are wanted, some at a time, the newest first."""
        look, loop = Look(wanted, wanted.span, _EXPORTED_AT_ONCE), asyncio.get_running_loop()
        while not look.span.is_empty:
            began = loop.time()
            looked = await self._look(look)
            took = loop.time() - began
            if looked.chains:
                yield looked.chains
            look = _next(look, looked)
            await asyncio.sleep(took)

    async def _newer_page(self, wanted: Criteria, number: int, size: int) -> SearchPage:
        """Return the page above a chain; where it would not be full, the one with the newest."""
        span = wanted.span._replace(since=max(wanted.span.since, number + 1))
        found, rest = await self._gather(wanted, span, size, older=False)
        if len(found) > size:
            chains = found[:size][::-1]
            newer = Cursor(chains[0].chain_id, older=False)
            return SearchPage(chains, Cursor(chains[-1].chain_id), newer)
        if rest.is_empty:
            return await self.page(wanted, None, size)
        older = Cursor(found[0].chain_id if found else number + 1)
        newer = Cursor(rest.since - 1, older=False)
        return SearchPage(found[::-1], older, newer, accepted_about(rest.since))

    async def _gather(
        self, wanted: Criteria, span: Span, size: int, *, older: bool
    ) -> tuple[list[FoundChain], Span]:
        """Look for one chain more than a page has; return what was not looked at, too."""
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + self._seconds
        found: list[FoundChain] = []
        look = Look(wanted, span, size + 1, older, min(_FIRST_BUDGET * size, BUDGET))
        seen = 0
        while look.room and not look.span.is_empty:
            if seen >= self._most or (seen and loop.time() > give_up_at):
                break
            looked = await self._look(look)
            found += looked.chains
            seen += look.budget
            left = size + 1 - len(found)
            look = _next(look, looked)._replace(room=left, budget=BUDGET)
        return found, look.span

    async def _look(self, look: Look) -> Looked:
        looked = await self._store.read(look_for_chains, look)
        await asyncio.sleep(0)  # SQLite reads on this thread: whoever waits comes in between
        return looked


def _next(look: Look, looked: Looked) -> Look:
    """Return the next stretch. What was listed as a whole has filled its room, or was all."""
    is_full = len(looked.chains) == look.room
    return look._replace(span=looked.rest, may_list=look.may_list and is_full)
