"""A scripted SMSC, at the seam of `Connector`: sockets and PDUs are not simulated.

It keeps what it took and what it has to tell, and outlives connections and gateways; the connector
of each life is a connection to it. Like a real one it echoes nothing: a receipt bears the SMSC's
own number and the subscriber's.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from whimbrel.channels.connector import LateAnswer, Submission, SubmitError, SubmitFault
from whimbrel.clock import SECOND, Clock
from whimbrel.domain.chain import PartsTaken
from whimbrel.domain.content import Channel, Content, Image
from whimbrel.domain.receipt import MoMessage, Receipt
from whimbrel.domain.segments import part_count
from whimbrel.domain.status import ErrorCode, LinkState
from whimbrel.settings import SmppAccount
from whimbrel.simulation.ledger import Ledger
from whimbrel.simulation.network import settle
from whimbrel.simulation.world import World

_AGAIN = 5.0  # seconds, before a receipt that was not acknowledged comes again
_FAULTS = (
    (SubmitFault.REFUSED, "11", ErrorCode.UNKNOWN_SUBSCRIBER),
    (SubmitFault.RETRY, "8", ErrorCode.TIMEOUT),
    (SubmitFault.NUMBER_THROTTLED, "88", ErrorCode.TIMEOUT),
)


class Smsc:
    """One account at an SMSC."""

    def __init__(self, world: World, ledger: Ledger) -> None:
        self._world = world
        self._ledger = ledger
        self._count = 0
        self._waiting: list[tuple[int, Receipt]] = []
        self._connection: _Connection | None = None

    def connect(
        self,
        name: str,
        account: SmppAccount,
        clock: Clock,
        *,
        timeout: float,
        file: Callable[[list[Receipt]], Awaitable[None]],
        keep: Callable[[list[MoMessage]], Awaitable[None]],  # noqa: ARG002 - nobody writes to us
        late: Callable[[LateAnswer], None],
        changed: Callable[[], None],
    ) -> "_Connection":
        """Make a connector, as `SmsConnector` is made."""
        return _Connection(
            self, self._world, name, account, clock,
            timeout=timeout, file=file, late=late, changed=changed,
        )  # fmt: skip

    def gateway_died(self) -> None:
        """Notice that the connection is gone."""
        self._connection = None

    def up(self, connection: "_Connection | None") -> None:
        """Have a connection, or none."""
        self._connection = connection
        if connection is not None:
            self._ledger.bound_at = self._world.loop.time()
            self._send()

    def take(self, submission: Submission, parts: list[int], *, taken: bool) -> dict[int, str]:
        """Take parts of a message; return the number of each."""
        seen = self._ledger.submitted(
            submission.link_id, submission.attempt, Channel.SMS, taken=taken
        )
        numbers: dict[int, str] = {}
        for part in parts:
            self._count += 1
            numbers[part] = str(70_000 + self._count)
            for delay, state in self._fate():
                at = self._world.clock.now() + round(delay * SECOND)
                failed = state is LinkState.FAILED
                receipt = Receipt(
                    sender=submission.sender,
                    provider_id=numbers[part],
                    state=state,
                    at=at,
                    error_code=ErrorCode.ABSENT_SUBSCRIBER if failed else ErrorCode.NONE,
                    senders=(submission.sender,),
                    subscriber=submission.dest_addr,
                )
                for late in self._deliveries(delay):
                    self._world.after(late, self._tell, submission.link_id, receipt)
        seen.numbers.update(numbers)
        return numbers

    def _fate(self) -> Iterator[tuple[float, LinkState]]:
        world, random = self._world, self._world.random
        delay = random.uniform(0.02, 4.0)
        if random.random() < 0.2:
            yield delay, LinkState.SENT
        if world.strikes(world.odds.receipts / 3):
            return
        delay += random.choice((0.5, 20.0, 1_800.0)) * random.random()
        failed = world.strikes(world.odds.errors)
        yield delay, LinkState.FAILED if failed else LinkState.DELIVERED

    def _deliveries(self, delay: float) -> Iterator[float]:
        world, random = self._world, self._world.random
        if world.strikes(world.odds.receipts):
            delay = random.choice((0.0, delay + 50.0, delay + 100.0, delay + 5_000.0))
        yield delay
        while world.strikes(world.odds.receipts):
            delay += random.choice((0.0, 2.0, 90.0))
            yield delay

    def _tell(self, link_id: int, receipt: Receipt) -> None:
        self._ledger.said[link_id].add(receipt.state)
        self._waiting.append((link_id, receipt))
        self._send()

    def _send(self) -> None:
        if self._connection is not None and self._waiting:
            sent, self._waiting = self._waiting, []
            self._world.spawn(self._deliver(self._connection, sent))

    async def _deliver(self, connection: "_Connection", sent: list[tuple[int, Receipt]]) -> None:
        taken = await connection.deliver([receipt for _, receipt in sent])
        what = ",".join(f"{one.provider_id}:{one.state.name.lower()}" for _, one in sent)
        self._world.note("deliver", what, "taken" if taken else "not taken")
        if taken:
            self._ledger.sms_filed.update(link_id for link_id, _ in sent)
            return
        self._waiting = sent + self._waiting
        self._world.after(_AGAIN, self._send)


class _Connection:
    """The connector of one life."""

    def __init__(
        self,
        smsc: Smsc,
        world: World,
        name: str,
        account: SmppAccount,
        clock: Clock,
        *,
        timeout: float,
        file: Callable[[list[Receipt]], Awaitable[None]],
        late: Callable[[LateAnswer], None],
        changed: Callable[[], None],
    ) -> None:
        self.name = name
        self.why_blocked = "not connected yet"
        self.blocked_since: int | None = clock.now()
        self._smsc = smsc
        self._world = world
        self._account = account
        self._clock = clock
        self._timeout = timeout
        self._file = file
        self._late = late
        self._changed = changed
        self._under_way: list[asyncio.Future[None]] = []
        self._stopping = asyncio.Event()
        self._cut = asyncio.Event()
        self._binds = 0
        self._life = world.loop.life

    def cost(self, content: Content) -> int:
        """Tell how many parts a message takes."""
        return 1 if isinstance(content, Image) else part_count(content.text)

    async def run(self) -> None:
        """Connect, stay a while, and again."""
        random, odds = self._world.random, self._world.odds
        while not self._stopping.is_set():
            await self._pause(random.choice((0.05, 0.3, 1.0)))
            if self._stopping.is_set():
                break
            self._up()
            troubled = odds.errors and self._world.troubled
            self._cut.clear()
            await self._pause(random.uniform(300.0, 30_000.0) if troubled else 1e9, self._cut)
            self._down("connection lost")
            if troubled and random.random() < 0.5:
                await self._pause(random.choice((5.0, 70.0, 200.0, 3_000.0)))
        self._down("stopped")

    async def stop(self) -> None:
        """Take leave."""
        self._stopping.set()
        self._cut.set()

    async def _pause(self, seconds: float, end: asyncio.Event | None = None) -> None:
        try:
            async with asyncio.timeout(seconds):
                await (end or self._stopping).wait()
        except TimeoutError:
            pass

    def _up(self) -> None:
        self._world.note("smsc", "bound")
        self._binds += 1
        self.blocked_since, self.why_blocked = None, ""
        self._changed()
        self._smsc.up(self)

    def _down(self, why: str) -> None:
        if self.blocked_since is None:
            self._world.note("smsc", why)
            self.blocked_since = self._clock.now()
        self.why_blocked = why
        self._smsc.up(None)
        for waiting in self._under_way:
            if not waiting.done():
                waiting.set_result(None)
        self._changed()

    async def submit(self, submission: Submission) -> PartsTaken:
        """Hand a message over."""
        if self.blocked_since is not None:
            raise SubmitError(SubmitFault.RETRY, "not bound", error_code=ErrorCode.TIMEOUT)
        world, random, began = self._world, self._world.random, self._clock.now()
        parts = self.cost(submission.content)
        missing = [part for part in range(1, parts + 1) if part not in submission.taken]
        lost = world.strikes(world.odds.timeouts)
        refused = not lost and world.strikes(world.odds.errors)
        taken = [] if refused else [one for one in missing if not lost or random.random() < 0.6]
        numbers = self._smsc.take(submission, taken, taken=bool(taken))
        known = dict(submission.taken)
        if not lost:
            known |= numbers
        elif parts > 1:
            known |= {part: one for part, one in numbers.items() if random.random() < 0.5}
        whole = len(known) == parts
        after = random.uniform(0.02, 0.8) if whole or refused else self._timeout
        world.note("sms", submission.link_id, submission.attempt, numbers, f"{after:.3f}", whole)
        bind = self._binds
        if lost and world.odds.errors and random.random() < 0.3:  # a link that is bad may go down
            asyncio.get_running_loop().call_later(random.uniform(0.0, 60.0), self._cut.set)
        if not await self._wait(after):
            known, whole, refused = dict(submission.taken), False, False
        if refused:
            fault, code, error_code = random.choice(_FAULTS)
            raise SubmitError(fault, "simulated", code=code, error_code=error_code)
        names = tuple(number for part, number in known.items() if part in numbers)
        if whole:
            return PartsTaken(known, parts, names)
        if lost and numbers and random.random() < 0.4:
            late = {**submission.taken, **numbers}
            answer = LateAnswer(
                submission.link_id, submission.attempt, began,
                PartsTaken(late, parts, tuple(numbers.values())),
            )  # fmt: skip
            seconds = random.choice((0.5, 20.0, 59.9, 60.1, 400.0))
            asyncio.get_running_loop().call_later(seconds, self._answer_late, answer, bind)
        raise SubmitError(SubmitFault.NO_ANSWER, "simulated", taken=PartsTaken(known, parts, names))

    def _answer_late(self, answer: LateAnswer, bind: int) -> None:
        """Answer after the submit was given up, if the connection is still the same."""
        if bind == self._binds and self.blocked_since is None:
            self._world.note("sms-late", answer.link_id, answer.attempt, answer.whole)
            self._late(answer)

    async def _wait(self, seconds: float) -> bool:
        """Wait for an answer; tell whether the connection has lasted."""
        lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._under_way.append(lost)
        try:
            async with asyncio.timeout(seconds):
                await lost
        except TimeoutError:
            return True
        finally:
            self._under_way.remove(lost)
        return False

    async def deliver(self, receipts: list[Receipt]) -> bool:
        """Bring receipts to the gateway, from outside; tell whether it has taken them."""
        taken: asyncio.Future[bool] = self._world.loop.create_future()
        self._world.spawn(self._bring(receipts, taken), self._life)
        self._world.after(60.0, settle, taken, False)
        return await taken

    async def _bring(self, receipts: list[Receipt], taken: Any) -> None:
        try:
            await self._file(receipts)
        except Exception:  # noqa: BLE001 - whatever it was: it is not on disk
            done = False
        else:
            done = self.blocked_since is None  # else the acknowledgement is lost
        settle(taken, done)
