"""Files receipts: each moves its link, or waits until its link is known. Keeps what was written."""

import asyncio
from collections.abc import Callable

from whimbrel.clock import Clock
from whimbrel.domain.receipt import MoMessage, Receipt
from whimbrel.domain.status import LinkState
from whimbrel.flow.cascade import count_cascades
from whimbrel.flow.tallies import Tallies
from whimbrel.metrics import Metrics
from whimbrel.store.engine import Store
from whimbrel.store.mo_messages import keep_mo_messages
from whimbrel.store.receipts import Filed, ReceivedReceipt, record_receipts

_TOLD_UNDELIVERED = {LinkState.FAILED, LinkState.EXPIRED}


class Ingest:
    """The third stage."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        metrics: Metrics,
        *,
        tallies: Tallies,
        wake_dispatch: Callable[[], None],
        wake_reports: Callable[[], None],
        sender_broken: Callable[[Receipt], None],
    ) -> None:
        """`sender_broken` is told of a receipt that blames the sender."""
        self._store = store
        self._clock = clock
        self._metrics = metrics
        self._tallies = tallies
        self._wake_dispatch = wake_dispatch
        self._wake_reports = wake_reports
        self._sender_broken = sender_broken

    async def file(self, receipts: list[Receipt]) -> None:
        """Keep receipts; they are on disk when this returns. Raises `StoreUnavailable`."""
        now = self._clock.now()
        writes = [
            self._store.write(record_receipts, ReceivedReceipt(receipt, now))
            for receipt in receipts
        ]
        for receipt, filed in zip(receipts, await asyncio.gather(*writes), strict=True):
            self._note(receipt, filed)
        self._wake_reports()

    async def keep(self, messages: list[MoMessage]) -> None:
        """Keep what subscribers wrote; it is on disk when this returns, however often it came.

        Raises `StoreUnavailable`.
        """
        await asyncio.gather(*(self._store.write(keep_mo_messages, one) for one in messages))

    def _note(self, receipt: Receipt, filed: Filed) -> None:
        self._metrics.receipts.labels(receipt.state.name.lower(), filed.verdict).inc()
        if filed.moved is None:
            return
        self._tallies.moved([filed.moved])
        before, after = filed.moved.before, filed.moved.after
        if before in _TOLD_UNDELIVERED and after not in _TOLD_UNDELIVERED:
            self._metrics.late.inc()
        released = count_cascades(self._metrics, [filed.moved])
        if released or after is LinkState.QUEUED is not before:
            self._wake_dispatch()
        if receipt.sender_broken:
            self._sender_broken(receipt)
