"""The stages of the journey on one store and one clock, with connectors that follow a script."""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping

from tests.support.builders import SENDER, Database
from tests.support.clock import FakeClock
from whimbrel.channels.connector import Submission, SubmitError, SubmitFault
from whimbrel.domain.chain import PartsTaken
from whimbrel.domain.content import Channel, Content
from whimbrel.domain.receipt import Receipt
from whimbrel.domain.status import ErrorCode
from whimbrel.domain.unanswered import Unanswered
from whimbrel.flow.cascade import Cascade
from whimbrel.flow.dispatch import Dispatcher, DispatchRules
from whimbrel.flow.ingest import Ingest
from whimbrel.flow.membership import Member, Membership
from whimbrel.flow.sender_lines import SenderLine, unheard
from whimbrel.flow.tallies import Tallies
from whimbrel.flow.timers import Timers
from whimbrel.metrics import Metrics
from whimbrel.store.sqlite import SqliteStore

TIMEOUT = 30_000
GRACE = 60_000
LEASE = TIMEOUT + 30_000
PATIENCE = 60_000


def a_fault(fault: SubmitFault, **how: object) -> SubmitError:
    members = {"code": "131000", "error_code": ErrorCode.FILTERED, **how}
    return SubmitError(fault, "in words", **members)  # type: ignore[arg-type]


class ScriptedConnector:
    """Takes every submit, unless `script` holds what the next ones come to.

    With a `gate`, a submit waits until it is set. `watch` is called as each submit begins.
    """

    def __init__(self, name: str = SENDER, prefix: str = "wamid") -> None:
        self.name = name
        self.prefix = prefix
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
        provider_id = f"{self.prefix}.{len(self.submissions)}"
        self.watch(submission)
        if self.gate is not None:
            await self.gate.wait()
        fault = self.script.popleft() if self.script else self.usual_fault
        if fault is not None:
            raise fault
        return PartsTaken({1: provider_id})


class Journey:
    """Dispatch, ingest, timers and cascade, stepped by hand.

    `connector` and `line` are WhatsApp's, which the keywords pace; `sms` is an account at an SMSC.
    """

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
        connectors: tuple[ScriptedConnector, ScriptedConnector] | None = None,
    ) -> None:
        """`connectors` are those of WhatsApp and SMS, which outlive a restart."""
        self.store, self.database, self.clock = store, database, clock
        self.metrics = Metrics()
        self.tallies = Tallies(store, clock, self.metrics)
        self.connector, self.sms = connectors or (
            ScriptedConnector(),
            ScriptedConnector("smsc", "sms"),
        )
        self.line = SenderLine(
            Channel.WHATSAPP,
            self.connector,
            throughput=throughput,
            pair_pacing=pair_pacing,
            concurrency=concurrency,
        )
        self.sms_line = SenderLine(
            Channel.SMS, self.sms, throughput=0.0, pair_pacing=False, concurrency=64
        )
        self.lines = {(Channel.WHATSAPP, SENDER): self.line, (Channel.SMS, SENDER): self.sms_line}
        self.rules: Mapping[int, Unanswered] = {}
        """What Partners want of unanswered submits; AUTO for those that are not in it."""
        self.woken: Counter[str] = Counter()
        self.blamed: list[Receipt] = []
        self.dispatcher = Dispatcher(
            store,
            clock,
            self.lines,
            self.metrics,
            DispatchRules(submit_timeout=TIMEOUT, grace=GRACE),
            tallies=self.tallies,
            wake=self._waker("dispatch"),
            wake_reports=self._waker("reports"),
            chance=chance,
        )
        self.timers = Timers(
            store,
            clock,
            self.metrics,
            tallies=self.tallies,
            grace=GRACE,
            rules=lambda: self.rules,
            unheard=lambda: unheard(self.lines),
            wake_dispatch=self._waker("dispatch"),
            wake_reports=self._waker("reports"),
        )
        self.ingest = Ingest(
            store,
            clock,
            self.metrics,
            tallies=self.tallies,
            wake_dispatch=self._waker("dispatch"),
            wake_reports=self._waker("reports"),
            sender_broken=self.blamed.append,
        )

        self.cascade = Cascade(
            store,
            clock,
            self.lines,
            self.metrics,
            tallies=self.tallies,
            patience=PATIENCE,
            wake_dispatch=self._waker("dispatch"),
            wake_reports=self._waker("reports"),
        )

    async def recover(self) -> None:
        """Take over what a process of the same number has left behind, as a start does."""
        self.database.rows(  # the stages here have claimed without a place of their own
            "INSERT INTO nodes VALUES (0, 'dead', 'test', '', '', 0, 0, 0, 0)"
            " ON CONFLICT (node_id) DO UPDATE SET token = 'dead'"
        )
        member = Member("test", ("dispatch", "smpp"), alone=True)
        await Membership(self.store, self.clock, self.metrics, member, grace=GRACE).join()

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

    async def live_until(self, moment: int) -> None:
        """Let all stages run at each moment at which one has something to do, up to the last."""
        while True:
            await self.timers.step()
            await self.cascade.release()
            await self.cascade.bypass()
            next_at = await self.dispatch() or await self.dispatch()  # it was woken meanwhile
            moments = [moment, *self._moments(), *([] if next_at is None else [next_at])]
            if self.clock.moment >= moment:
                return
            self.clock.moment = min(one for one in moments if one > self.clock.moment)

    def _moments(self) -> Iterator[int]:
        """Yield the moments of which links and lines tell, past ones too."""
        for due_at, expires_at in self.database.rows(
            "SELECT due_at, expires_at FROM links WHERE state < 50"
        ):
            yield from (due_at, due_at + PATIENCE, expires_at)
        for line in self.lines.values():
            if line.blocked_since is not None:
                yield line.blocked_since + PATIENCE

    def count(self, name: str, **labels: str) -> float:
        """Return a metric's value."""
        return self.metrics.registry.get_sample_value(f"whimbrel_{name}", labels) or 0.0

    def _waker(self, stage: str) -> Callable[[], None]:
        return lambda: self.woken.update([stage])
