"""The load of `bench.journey`: sends requests, takes their reports and measures whole journeys.

A process of its own that plays the Partner, both ends of it. A journey begins with its POST and
ends when its last report has been acknowledged. Closed loop: a bounded number of journeys is under
way, and each that ends lets another begin. Open loop (`--rate`): they begin by the clock, and a
journey that has to wait for a connection has begun all the same.

Run as `python -m bench.travel --port PORT --receiver-port PORT ...`; the result is written to
standard output as JSON.
"""

import argparse
import asyncio
import time
from array import array
from collections import Counter, deque

import msgspec
import uvloop
from msgspec import Struct

from bench.load import percentile
from bench.processes import cpu_seconds, machine_seconds
from bench.wire import CHANNELS, Connection, Receiving, Requests, senders

LIVES = {"whatsapp": bytes((0, 2, 9)), "sms": bytes((0, 2))}
"""The statuses of a journey in their order: sent, delivered, and read where that is told."""
_UNDELIVERED = 5
_FIRST_SECONDS = 15.0  # the first answer waits for a password to be checked in earnest
_QUIET_SECONDS = 0.3  # for doubles of the last reports
_TICK_SECONDS = 0.002  # of the open loop's clock


class Latency(Struct):
    """Milliseconds."""

    p50: float
    p95: float
    p99: float
    longest: float


class TravelResult(Struct):
    """What was measured. The warm-up counts for the books (`sent`, `accepted`...) alone."""

    sent: int
    accepted: int
    errors: dict[str, int]
    """Answers to POSTs other than an `mtNum`, by status; `lost` are connections that ended."""
    unfinished: int
    doubled: int
    """Journeys with a report that came more than once."""
    disordered: int
    """Journeys whose reports came in another order than these."""
    strange: int
    """Reports for nobody, or with another `mtNum` than the answer's."""
    distinct: int
    """How many different `mtNum` were answered."""
    journeys: int
    seconds: float
    """From the first POST to the last acknowledgement."""
    rate: float
    steady_rate: float
    """From the first tenth of the journeys to the last tenth."""
    most_under_way: int
    answer: Latency
    """From POST to `mtNum`."""
    first_report: Latency
    last_report: Latency
    cpu_us: dict[str, float]
    """CPU of each watched process and of this one (`partner`), in microseconds a journey."""
    others: float
    """How many cores somebody else kept busy meanwhile; beyond 0.1 the figures are in doubt."""


class _Report(Struct, rename="camel"):
    id: str
    mt_num: str
    status: int


class Partner:
    """Sends, receives, and keeps the books of every journey by its number."""

    def __init__(
        self, port: int, total: int, watch: dict[str, int], channel: str, *, senders_count: int = 1
    ) -> None:
        self._port = port
        self._requests = Requests(port, channel=channel, senders=senders(senders_count))
        self._life = LIVES[channel]
        self._last = {_UNDELIVERED, self._life[-1]}  # no report follows
        self._watch = watch
        self._decode = msgspec.json.Decoder(_Report).decode
        self._began = array("d", bytes(8 * total))
        self._answered = array("d", bytes(8 * total))
        self._told = array("d", bytes(8 * total))
        self._ended = array("d", bytes(8 * total))
        self._mt_nums = array("q", bytes(8 * total))
        self._reported_as = array("q", bytes(8 * total))
        self._reports = [b""] * total
        self._errors: Counter[str] = Counter()
        self._strange = 0
        self._next = self._until = 0
        self._finished = self._most_under_way = self._most_allowed = 0
        self._free: deque[Connection] = deque()
        self._all: list[Connection] = []
        self._waiting: deque[int] = deque()
        self._done = asyncio.Event()
        self._closing = False

    async def travel(
        self, connections: int, receiver_port: int, *, warm_up: int, under_way: int, rate: float,
        limit: float,
    ) -> TravelResult:  # fmt: skip
        """Make all journeys, and return what came of them. `limit` is in seconds."""
        loop = asyncio.get_running_loop()
        receiver = await loop.create_server(
            lambda: Receiving(self._take_report), "127.0.0.1", receiver_port, backlog=1_024
        )
        for _ in range(connections):
            _, connection = await loop.create_connection(
                lambda: Connection(self._take_answer, self._lost), "127.0.0.1", self._port
            )
            self._all.append(connection)
        self._free.extend(self._all)
        await self._journeys(1, 1, 0.0, _FIRST_SECONDS)
        await self._journeys(warm_up, under_way, rate, limit)
        first, self._most_under_way = self._next, 0
        before, machine = self._cpu(), machine_seconds()
        await self._journeys(len(self._began) - first, under_way, rate, limit)
        cpu = {name: used - before[name] for name, used in self._cpu().items()}
        others = machine_seconds() - machine - sum(cpu.values())
        await asyncio.sleep(_QUIET_SECONDS)
        self._closing = True
        receiver.close()
        for connection in self._all:
            connection.close()
        return self._result(first, cpu, others)

    async def _journeys(self, count: int, under_way: int, rate: float, limit: float) -> None:
        """Make so many journeys, within a time."""
        self._until += count
        self._most_allowed = 0 if rate else under_way  # by the clock, no end begins another
        self._done.clear()
        if self._next == self._until:
            return
        try:
            async with asyncio.timeout(limit):
                if rate:
                    await self._begin_by_the_clock(rate)
                else:
                    self._begin_more()
                await self._done.wait()
        except TimeoutError:
            self._until = self._next

    async def _begin_by_the_clock(self, rate: float) -> None:
        started, first = time.perf_counter(), self._next
        while self._next < self._until:
            now = time.perf_counter()
            due = min(first + int((now - started) * rate), self._until)
            while self._next < due:
                self._begin(started + (self._next - first) / rate)
            await asyncio.sleep(_TICK_SECONDS)

    def _begin_more(self) -> None:
        while self._next < self._until and self._next - self._finished < self._most_allowed:
            self._begin(time.perf_counter())

    def _begin(self, at: float) -> None:
        number = self._next
        self._next += 1
        self._began[number] = at
        self._most_under_way = max(self._most_under_way, self._next - self._finished)
        if self._free:
            self._send(self._free.pop(), number)
        else:
            self._waiting.append(number)

    def _send(self, connection: Connection, number: int) -> None:
        connection.number = number
        connection.send(self._requests.one(number))

    def _take_answer(self, connection: Connection, status: bytes, body: bytes) -> None:
        number = connection.number
        self._answered[number] = time.perf_counter()
        if self._waiting:
            self._send(connection, self._waiting.popleft())
        else:
            self._free.append(connection)
        if status == b"200" and body.startswith(b'{"mtNum":"'):
            self._mt_nums[number] = int(body[10 : body.index(b'"', 10)])
        else:
            self._errors[status.decode()] += 1
            self._finish()

    def _lost(self, connection: Connection) -> None:
        if self._closing:
            return
        self._errors["lost"] += 1
        if connection in self._free:
            self._free.remove(connection)
        else:
            self._finish()

    def _take_report(self, body: bytes) -> None:
        now = time.perf_counter()
        report = self._decode(body)
        number = int(report.id)
        if not 0 <= number < self._next:
            self._strange += 1
            return
        known = self._reported_as[number]
        if known and known != int(report.mt_num):
            self._strange += 1
        self._reported_as[number] = int(report.mt_num)
        self._reports[number] += bytes((report.status,))
        if not self._told[number]:
            self._told[number] = now
        if report.status in self._last and not self._ended[number]:
            self._ended[number] = now
            self._finish()

    def _finish(self) -> None:
        self._finished += 1
        if self._finished == self._until:
            self._done.set()
        elif not self._waiting:
            self._begin_more()

    def _cpu(self) -> dict[str, float]:
        used = {name: cpu_seconds(pid) for name, pid in self._watch.items()}
        return used | {"partner": time.process_time()}

    def _result(self, first: int, cpu: dict[str, float], others: float) -> TravelResult:
        numbers = [n for n in range(first, self._next) if self._ended[n]]
        ends = sorted(self._ended[n] for n in numbers) or [0.0]
        began = self._began[first] if numbers else 0.0
        tenth = len(ends) // 10
        steady = ends[-tenth - 1] - ends[tenth]
        sent = range(self._next)
        return TravelResult(
            sent=self._next,
            accepted=sum(1 for n in sent if self._mt_nums[n]),
            errors=dict(self._errors),
            unfinished=sum(1 for n in sent if not self._ended[n]),
            doubled=sum(1 for n in sent if len(set(self._reports[n])) < len(self._reports[n])),
            disordered=sum(1 for n in sent if self._reports[n] != self._life),
            strange=self._strange
            + sum(1 for n in sent if self._reported_as[n] not in {0, self._mt_nums[n]}),
            distinct=len({self._mt_nums[n] for n in sent} - {0}),
            journeys=len(numbers),
            seconds=ends[-1] - began,
            rate=len(numbers) / (ends[-1] - began) if numbers else 0.0,
            steady_rate=(len(ends) - 2 * tenth - 1) / steady if steady else 0.0,
            most_under_way=self._most_under_way,
            answer=self._latency(numbers, self._answered),
            first_report=self._latency(numbers, self._told),
            last_report=self._latency(numbers, self._ended),
            cpu_us={name: used / (len(numbers) or 1) * 1e6 for name, used in cpu.items()},
            others=others / (ends[-1] - began) if numbers else 0.0,
        )

    def _latency(self, numbers: list[int], moments: "array[float]") -> Latency:
        ordered = sorted(moments[n] - self._began[n] for n in numbers)
        return Latency(*(percentile(ordered, percent) for percent in (50, 95, 99, 100)))


def main() -> None:
    """Run by the arguments, and print the result."""
    parser = argparse.ArgumentParser(prog="python -m bench.travel", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--receiver-port", type=int, required=True)
    parser.add_argument("--watch", action="append", default=[], help="NAME=PID; repeatable")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--journeys", type=int, default=20_000)
    parser.add_argument("--warm-up", type=int, default=1_000, help="journeys")
    parser.add_argument("--under-way", type=int, default=512)
    parser.add_argument("--rate", type=float, default=0.0, help="journeys a second; 0: closed loop")
    parser.add_argument("--limit", type=float, default=120.0, help="seconds, at most")
    parser.add_argument("--channel", choices=CHANNELS, default="whatsapp")
    parser.add_argument("--senders", type=int, default=1, help="that take turns")
    given = parser.parse_args()
    watch = {name: int(pid) for name, _, pid in (one.partition("=") for one in given.watch)}

    async def work() -> TravelResult:
        total = 1 + given.warm_up + given.journeys
        partner = Partner(given.port, total, watch, given.channel, senders_count=given.senders)
        return await partner.travel(
            given.connections,
            given.receiver_port,
            warm_up=given.warm_up,
            under_way=given.under_way,
            rate=given.rate,
            limit=given.limit,
        )

    print(msgspec.json.encode(uvloop.run(work())).decode())


if __name__ == "__main__":
    main()
