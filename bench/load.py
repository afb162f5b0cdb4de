"""The load of `bench.accept`: each connection sends its next request when the last is answered.

A process of its own. It sends for the time of the warm-up, then measures, and writes its result to
standard output as JSON. Run as `python -m bench.load --port PORT ...`.
"""

import argparse
import asyncio
import time
from collections import Counter
from itertools import count
from typing import Protocol

import msgspec
import uvloop
from msgspec import Struct

from bench.processes import cpu_seconds, machine_seconds
from bench.wire import Connection, Requests

_FIRST_SECONDS = 10.0  # the first answer waits for a password to be checked in earnest


class LoadResult(Struct):
    """What was measured; latencies are in milliseconds."""

    sent: int
    """All requests, the warm-up's among them."""
    accepted: int
    """All that were answered as they should be, the warm-up's among them."""
    errors: dict[str, int]
    """All others, by status; `lost` are connections that ended."""
    answers: int
    """Answers in the measured time; what follows is about them alone."""
    seconds: float
    rate: float
    p50: float
    p95: float
    p99: float
    longest: float
    server_cpu_us: float
    """CPU of the watched process, in microseconds an answer."""
    load_cpu_us: float
    others: float
    """How many cores somebody else kept busy meanwhile; beyond 0.1 the figures are in doubt."""


class Sendable(Protocol):
    """What is sent, and how a good answer to it looks."""

    def one(self, number: int) -> bytes:
        """Return a whole request; the numbers rise from the first."""
        ...

    def is_good(self, status: bytes, body: bytes) -> bool:
        """Tell whether an answer is the one that was wanted."""
        ...


class Load:
    """One run against one server."""

    def __init__(
        self,
        port: int,
        requests: Sendable,
        *,
        limit: int,
        watch: int,
        first: int = 0,
        pause: float = 0.0,
    ) -> None:
        """Send `limit` requests at most, from the number `first` on. `watch`: the server's pid.

        A connection waits `pause` seconds between an answer and its next request.
        """
        self._port = port
        self._requests = requests
        self._numbers = count(first)
        self._limit = limit
        self._watch = watch
        self._pause = pause
        self._sent = self._accepted = 0
        self._errors: Counter[str] = Counter()
        self._latencies: list[float] = []
        self._connections: list[Connection] = []
        self._under_way = 0
        self._stopping = False
        self._first = asyncio.Event()
        self._idle = asyncio.Event()

    async def run(self, connections: int, warm_up: float, seconds: float) -> LoadResult:
        """Warm up, measure, let what is under way be answered, and return the result."""
        await self._connect(connections)
        self._send(self._connections[0])
        async with asyncio.timeout(_FIRST_SECONDS):
            await self._first.wait()
        for connection in self._connections[1:]:
            self._send(connection)
        await self._idle_for(warm_up)
        self._latencies = []
        began, server, own = time.perf_counter(), cpu_seconds(self._watch), time.process_time()
        machine = machine_seconds()
        await self._idle_for(seconds)
        measured, self._latencies = sorted(self._latencies), []
        lasted = time.perf_counter() - began
        server, own = cpu_seconds(self._watch) - server, time.process_time() - own
        others = machine_seconds() - machine - server - own
        self._stopping = True
        await self._idle_for(_FIRST_SECONDS)
        for connection in self._connections:
            connection.close()
        answers = len(measured) or 1
        return LoadResult(
            sent=self._sent,
            accepted=self._accepted,
            errors=dict(self._errors),
            answers=len(measured),
            seconds=lasted,
            rate=len(measured) / lasted,
            p50=percentile(measured, 50),
            p95=percentile(measured, 95),
            p99=percentile(measured, 99),
            longest=percentile(measured, 100),
            server_cpu_us=server / answers * 1e6,
            load_cpu_us=own / answers * 1e6,
            others=others / lasted,
        )

    async def _connect(self, connections: int) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(connections):
            _, connection = await loop.create_connection(
                lambda: Connection(self._answered, self._lost), "127.0.0.1", self._port
            )
            self._connections.append(connection)

    async def _idle_for(self, seconds: float) -> None:
        """Let the connections work for so long, or until there is nothing under way."""
        try:
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        except TimeoutError:
            pass

    def _send(self, connection: Connection) -> None:
        if self._stopping or self._sent >= self._limit:
            if not self._under_way:
                self._idle.set()
            return
        self._sent += 1
        self._under_way += 1
        request = self._requests.one(next(self._numbers))
        connection.sent_at = time.perf_counter()
        connection.send(request)

    def _answered(self, connection: Connection, status: bytes, body: bytes) -> None:
        self._latencies.append(time.perf_counter() - connection.sent_at)
        self._under_way -= 1
        if self._requests.is_good(status, body):
            self._accepted += 1
        else:
            self._errors[status.decode()] += 1
        if not self._first.is_set():
            self._first.set()
        elif self._pause:
            asyncio.get_running_loop().call_later(self._pause, self._send, connection)
        else:
            self._send(connection)

    def _lost(self, _: Connection) -> None:
        if not self._stopping:
            self._errors["lost"] += 1


def percentile(ordered: list[float], percent: float) -> float:
    """Return the value below which so many percent lie, seconds as milliseconds; 0 of nothing."""
    if not ordered:
        return 0.0
    return ordered[min(int(len(ordered) * percent / 100), len(ordered) - 1)] * 1e3


def load_parser(program: str, description: str | None) -> argparse.ArgumentParser:
    """Return the options that every load has."""
    parser = argparse.ArgumentParser(prog=program, description=description)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--watch", type=int, required=True, help="the server's process")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--warm-up", type=float, default=1.0, help="seconds")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--pause", type=float, default=0.0, help="seconds before the next request")
    parser.add_argument("--limit", type=int, default=1_000_000, help="requests at most")
    return parser


def run_load(given: argparse.Namespace, requests: Sendable, *, first: int = 0) -> None:
    """Send requests by the arguments, and print the result as JSON."""

    async def work() -> LoadResult:
        load = Load(
            given.port, requests, limit=given.limit, watch=given.watch, first=first,
            pause=given.pause,
        )  # fmt: skip
        return await load.run(given.connections, given.warm_up, given.seconds)

    print(msgspec.json.encode(uvloop.run(work())).decode())


def main() -> None:
    """Run by the arguments, and print the result."""
    parser = load_parser("python -m bench.load", __doc__)
    parser.add_argument("--first", type=int, default=0, help="id of the first request")
    parser.add_argument("--url", default="", help="stands in each text")
    given = parser.parse_args()
    run_load(given, Requests(given.port, url=given.url), first=given.first)


if __name__ == "__main__":
    main()
