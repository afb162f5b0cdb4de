"""The numbering registry in memory, read anew whenever the store says that it was imported."""

import asyncio

from whimbrel.domain.numbering import NumberRanges
from whimbrel.store.engine import Store
from whimbrel.store.numbering import number_ranges_after, numbering_revision


class NumberingDirectory:
    """What the registry tells of a number. Refresh it every second or so."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._revision: tuple[int, ...] | None = None
        self.ranges = NumberRanges()
        """All ranges as they were at the last refresh; another object after the next change."""

    async def refresh(self) -> bool:
        """Read the ranges if an import has changed them; tell whether one has."""
        revision = await self._store.read(numbering_revision, None)
        if revision == self._revision:
            return False
        ranges, last = NumberRanges(), -1
        while page := await self._store.read(number_ranges_after, last):
            ranges.extend(page)
            last = page[-1].last
            await asyncio.sleep(0)  # half a million rows must not stop the loop at one go
        # Should an import end between two pages, the revision is older than what was read, and the
        # next refresh reads it all again.
        self.ranges, self._revision = ranges, revision
        return True

    def mcc_mnc(self, dest_addr: str) -> str:
        """Return the network of the operator that a number was first assigned to, or nothing."""
        origin = self.ranges.look_up(dest_addr)
        return origin.mcc_mnc if origin else ""
