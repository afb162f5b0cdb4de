"""What a request costs beside another version: `python -m bench.beside CHECKOUT`.

Both gateways run at once, on one core, and short slices of the load of `bench.accept` go to one and
to the other in turns, so that both meet the same machine within a second; a slow minute, which
makes whole rounds incomparable, is in both. A third gateway, this version once more, says how much
of a difference is none. `git worktree add` makes another checkout.
"""

import argparse
import os
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from statistics import median, quantiles
from typing import NamedTuple

import uvloop

from bench.gateway import HARDLY_ANY, Gateway
from bench.load import Load
from bench.processes import (
    ROOT,
    Process,
    ProcessFailed,
    cpu_seconds,
    free_ports,
    running,
)
from bench.rounds import placement
from bench.wire import Requests

_CONNECTIONS = 64


class Server(NamedTuple):
    """A gateway at work."""

    name: str
    process: Process
    port: int
    costs: list[float]
    """CPU microseconds a request, of each slice."""


async def measure(servers: list[Server], slices: int, seconds: float) -> None:
    """Give each its slices; the first of each is a warm-up."""
    sent = dict.fromkeys((one.name for one in servers), 0)
    for number in range(slices + 1):
        for one in servers if number % 2 else reversed(servers):
            before = cpu_seconds(one.process.pid)
            load = Load(
                one.port, Requests(one.port), limit=sys.maxsize, watch=one.process.pid,
                first=sent[one.name],
            )  # fmt: skip
            result = await load.run(_CONNECTIONS, 0.0, seconds)
            if result.errors:
                raise ProcessFailed(f"{one.name} answered {result.errors}")
            sent[one.name] += result.sent
            if number:
                spent = cpu_seconds(one.process.pid) - before
                one.costs.append(spent / result.sent * 1e6)


def _compare(one: Server, other: Server) -> str:
    ratios = [a / b for a, b in zip(one.costs, other.costs, strict=True)]
    low, middle, high = quantiles(ratios, n=4)
    return f"{one.name} / {other.name}: {middle:.3f} (half of the slices {low:.3f} to {high:.3f})"


def main() -> None:
    """Measure by the arguments and print."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.beside",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("checkout", type=Path, help="of the other version")
    parser.add_argument("--slices", type=int, default=50, help="of each gateway")
    parser.add_argument("--seconds", type=float, default=0.4, help="of each slice")
    given = parser.parse_args()
    placed, server_cores, load_cores = placement(pinned=True)
    roots = {"this": ROOT, "other": given.checkout.resolve(), "this again": ROOT}
    print(f"{_CONNECTIONS} connections, {given.slices} slices of {given.seconds:g} s, {placed}")
    with tempfile.TemporaryDirectory(prefix="whimbrel-bench-") as folder, ExitStack() as stack:
        servers = []
        for name, root in roots.items():
            own = Path(folder, name)
            own.mkdir()
            port, nobody = free_ports(2)
            gateway = Gateway(own, port=port, sandbox_port=nobody, throughput=HARDLY_ANY, root=root)
            process = stack.enter_context(
                running(name, gateway.serve(), log_folder=own, cores=server_cores, root=root)
            )
            servers.append(Server(name, process, port, []))
        os.sched_setaffinity(0, load_cores)
        uvloop.run(measure(servers, given.slices, given.seconds))
    for one in servers:
        print(f"{one.name:<12}{median(one.costs):>8.1f} us a request, least {min(one.costs):.1f}")
    this, other, again = servers
    print(_compare(this, other), _compare(again, this), sep="\n")


if __name__ == "__main__":
    main()
