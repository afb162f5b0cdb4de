"""The stages of the journey on one store and one clock, with connectors that follow a script."""

import asyncio
from collections import Counter, deque
from collections.abc import Callable

from tests.support.builders import SENDER, Database
from tests.support.clock import FakeClock
from whimbrel.channels.connector import Submission, SubmitError, SubmitFault
from whimbrel.domain.chain import PartsTaken
from whimbrel.domain.content import Channel, Content
from whimbrel.domain.receipt import Receipt
from whimbrel.domain.status import ErrorCode
from whimbrel.flow.dispatch import Dispatcher, DispatchRules
from whimbrel.flow.ingest import Ingest
from whimbrel.flow.sender_lines import SenderLine
from whimbrel.flow.timers import Timers
from whimbrel.metrics import Metrics
from whimbrel.store.sqlite import SqliteStore

TIMEOUT = 30_000
GRACE = 60_000
LEASE = TIMEOUT + 30_000


def a_fault(fault: SubmitFault, **how: object) -> SubmitError:
    members = {"code": "131000", "error_code": ErrorCode.FILTERED, **how}
    return SubmitError(fault, "in words", **members)  # type: ignore[arg-type]


class ScriptedConnector:
    """Takes every submit, unless `script` holds what the next ones come to.

    With a `gate`, a submit waits until it is set. `watch` is called as each submit begins.
    """

    def __init__(self, sender: str = SENDER) -> None:
        self.name = sender
        self.blocked_since: int | None = None
        self.why_blocked = ""
        self.script: deque[SubmitError] = deque()
        self.usual_fault: SubmitError | None = None
        self.gate: asyncio.Event | None = None
        self.watch: Callable[[Submission], None] = lambda _: None
        self.submissions: list[Submission] = []

    @property
    def chains(self) -> list[int]:
        """The chains of all submits, in their order."""
        return [submission.link_id >> 4 for submission in self.submissions]

    def cost(self, content: Content) -> int:
        return 1

    async def submit(self, submission: Submission) -> PartsTaken:
        self.submissions.append(submission)
        provider_id = f"wamid.{len(self.submissions)}"
        self.watch(submission)
        if self.gate is not None:
            await self.gate.wait()
        fault = self.script.popleft() if self.script else self.usual_fault
        if fault is not None:
            raise fault
        return PartsTaken({1: provider_id})


class Journey:
    """Dispatch, ingest and timers, stepped by hand."""

    def __init__(
        self,
        store: SqliteStore,
        database: Database,
        clock: FakeClock,
        *,
        throughput: float = 0.0,
        pair_pacing: bool = False,
        concurrency: int = 64,
        chance: Callable[[], float] = lambda: 1.0,
    ) -> None:
        self.store, self.database, self.clock = store, database, clock
        self.metrics = Metrics()
        self.connector = ScriptedConnector()
        self.line = SenderLine(
            Channel.WHATSAPP,
            self.connector,
            throughput=throughput,
            pair_pacing=pair_pacing,
            concurrency=concurrency,
        )
        self.woken: Counter[str] = Counter()
        self.blamed: list[Receipt] = []
        self.dispatcher = Dispatcher(
            store,
            clock,
            {(Channel.WHATSAPP, SENDER): self.line},
            self.metrics,
            DispatchRules(submit_timeout=TIMEOUT, grace=GRACE),
            wake=self._waker("dispatch"),
            wake_reports=self._waker("reports"),
            chance=chance,
        )
        self.timers = Timers(
            store,
            clock,
            self.metrics,
            grace=GRACE,
            wake_dispatch=self._waker("dispatch"),
            wake_reports=self._waker("reports"),
        )
        self.ingest = Ingest(
            store,
            clock,
            self.metrics,
            wake_dispatch=self._waker("dispatch"),
            wake_reports=self._waker("reports"),
            sender_broken=self.blamed.append,
        )

    async def dispatch(self) -> int | None:
        """Step once and let all submits end; return when the dispatcher wants to look again."""
        next_at = await self.dispatcher.step()
        await self.dispatcher.drain()
        return next_at

    async def dispatch_until(self, moment: int) -> None:
        """Dispatch whenever the dispatcher wants to, up to a moment."""
        while True:
            next_at = await self.dispatch() or await self.dispatch()  # it was woken meanwhile
            if next_at is None or next_at > moment:
                self.clock.moment = moment
                return
            self.clock.moment = max(next_at, self.clock.moment)

    def count(self, name: str, **labels: str) -> float:
        """Return a metric's value."""
        return self.metrics.registry.get_sample_value(f"whimbrel_{name}", labels) or 0.0

    def _waker(self, stage: str) -> Callable[[], None]:
        return lambda: self.woken.update([stage])
