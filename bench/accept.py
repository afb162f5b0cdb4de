"""How fast requests are accepted: `python -m bench.accept`.

Rounds alternate between the bare server and the whole gateway, each a fresh process (the gateway
with an empty store), under the same load on the same cores. The sender's throughput is set to next
to nothing, so that links wait and only accepting is measured. At the end of each round the store
must hold what was answered 200, no more and no less.
"""

import argparse
import sys
import tempfile
from pathlib import Path
from statistics import median

import msgspec
from msgspec import Struct

from bench import profiled
from bench.gateway import Gateway
from bench.load import LoadResult
from bench.processes import (
    ANYWHERE,
    Cores,
    ProcessFailed,
    free_ports,
    peak_mib,
    run,
    running,
)

BARE, WHIMBREL = "bare", "whimbrel"
SHORTENING = {WHIMBREL: "off", "own": "per-subscriber", "shared": "shared"}
"""The servers but the bare one, and their Partner's mode."""
_LONG_URL = "https://shop.example/orders/8770100?utm_source=whatsapp&utm_campaign=ready"
GOAL_RATIO, GOAL_P99 = 0.5, 10.0
_HARDLY_ANY = 0.001  # messages a second: one in a quarter of an hour
_SPARE_SECONDS = 60.0


class Plan(Struct):
    """How each round goes."""

    connections: int
    warm_up: float
    seconds: float
    server_cores: Cores
    load_cores: Cores
    url: str = ""
    """Stands in each text."""


class Round(Struct):
    """One server, measured once."""

    server: str
    load: LoadResult
    peak_mib: float
    faults: list[str]


def measure(server: str, plan: Plan, profile: Path | None = None) -> Round:
    """Start a server, put it under load, end it, and look at what it has kept."""
    with tempfile.TemporaryDirectory(prefix="whimbrel-bench-") as name:
        folder = Path(name)
        port, nobody = free_ports(2)
        gateway = None
        command = ["bench.bare", str(port)]
        if server in SHORTENING:
            gateway = Gateway(
                folder,
                port=port,
                sandbox_port=nobody,
                throughput=_HARDLY_ANY,
                short_urls=SHORTENING[server],
            )
            command = gateway.serve(profile)
        with running(server, command, log_folder=folder, cores=plan.server_cores) as process:
            load = _put_under_load(port, process.pid, plan)
            peak = peak_mib(process.pid)
        faults = [f"{count} answers {status}" for status, count in load.errors.items()]
        if gateway is not None:
            kept, links = gateway.count("chains"), gateway.count("links")
            if not kept == links == load.accepted:
                faults.append(f"{load.accepted} accepted, {kept} chains and {links} links kept")
            faults += _short_url_faults(gateway, server, load.accepted)
        return Round(server, load, peak, faults)


def _short_url_faults(gateway: Gateway, server: str, accepted: int) -> list[str]:
    """Compare how many short URLs there are with how many there should be."""
    right = {WHIMBREL: 0, "own": accepted, "shared": 1}[server]
    kept = gateway.count("short_urls")
    return [] if kept == right else [f"{kept} short URLs kept, not {right}"]


def _put_under_load(port: int, pid: int, plan: Plan) -> LoadResult:
    output = run(
        [
            "bench.load", "--port", str(port), "--watch", str(pid),
            "--connections", str(plan.connections),
            "--warm-up", str(plan.warm_up), "--seconds", str(plan.seconds), "--url", plan.url,
        ],
        cores=plan.load_cores, limit=plan.warm_up + plan.seconds + _SPARE_SECONDS,
    )  # fmt: skip
    return msgspec.json.decode(output, type=LoadResult)


_TITLES = (
    f"{'server':<10}{'answers/s':>11}{'p50 ms':>9}{'p95 ms':>9}{'p99 ms':>9}{'max ms':>9}"
    f"{'CPU us':>9}{'load us':>9}{'peak MiB':>10}{'others':>8}"
)


def _line(one: Round) -> str:
    load = one.load
    return (
        f"{one.server:<10}{load.rate:>11,.0f}{load.p50:>9.2f}{load.p95:>9.2f}{load.p99:>9.2f}"
        f"{load.longest:>9.1f}{load.server_cpu_us:>9.1f}{load.load_cpu_us:>9.1f}"
        f"{one.peak_mib:>10.0f}{load.others:>8.2f}"
    )


def _summary(rounds: list[Round]) -> str:
    """Compare the medians with each other and with the goals."""

    bare = median(one.load.rate for one in rounds if one.server == BARE)
    ours = [one.load for one in rounds if one.server == WHIMBREL]
    rate, p99 = median(load.rate for load in ours), median(load.p99 for load in ours)
    ratio = rate / bare
    shortened = {
        server: median(one.load.rate for one in rounds if one.server == server) / rate
        for server in dict.fromkeys(one.server for one in rounds)
        if server not in {BARE, WHIMBREL}
    }
    return (
        f"medians: bare {bare:,.0f}/s, whimbrel {rate:,.0f}/s\n"
        f"ratio {ratio:.2f} (goal {GOAL_RATIO}: {_met(ratio >= GOAL_RATIO)}), "
        f"p99 {p99:.1f} ms (goal {GOAL_P99:g}: {_met(p99 < GOAL_P99)})"
        + "".join(
            f"\n{server} against leaving it: {part:.2f}" for server, part in shortened.items()
        )
    )


def _met(is_met: bool) -> str:
    return "met" if is_met else "missed"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.accept",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rounds", type=int, default=3, help="of each server")
    parser.add_argument("--seconds", type=float, default=6.0, help="measured in each round")
    parser.add_argument("--warm-up", type=float, default=1.5, help="seconds")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument(
        "--no-pin", action="store_true", help="let the system place the processes; otherwise the "
        "server has the first core for itself, and the load the second"
    )  # fmt: skip
    parser.add_argument(
        "--short-urls", action="store_true", help="texts with a long URL, which is shortened or not"
    )
    parser.add_argument("--profile", action="store_true", help="one round under cProfile instead")
    parser.add_argument("--json", type=Path, help="also write the rounds to this file")
    return parser.parse_args()


def main() -> None:
    """Measure by the arguments, print, and end with 1 if the books do not balance."""
    given = _arguments()
    cores = sorted(ANYWHERE)
    pinned = len(cores) > 1 and not given.no_pin
    plan = Plan(
        given.connections,
        given.warm_up,
        given.seconds,
        frozenset(cores[:1]) if pinned else ANYWHERE,
        frozenset(cores[1:2]) if pinned else ANYWHERE,
        _LONG_URL if given.short_urls else "",
    )
    servers = [BARE, *(SHORTENING if given.short_urls else [WHIMBREL])]
    placed = f"server on core {cores[0]}, load on core {cores[1]}" if pinned else "not pinned"
    print(f"{given.connections} connections, {given.seconds:g} s a round, {placed}")
    try:
        rounds = _profile(plan) if given.profile else _alternate(plan, given.rounds, servers)
    except ProcessFailed as error:
        sys.exit(f"bench.accept: {error}")
    if given.json:
        given.json.write_bytes(msgspec.json.format(msgspec.json.encode(rounds)))
    faults = [f"{one.server}: {fault}" for one in rounds for fault in one.faults]
    sys.exit("\n".join(faults) or None)


def _alternate(plan: Plan, rounds: int, servers: list[str]) -> list[Round]:
    print(_TITLES)
    measured = []
    for _ in range(rounds):
        for server in servers:
            measured.append(measure(server, plan))
            print(_line(measured[-1]), flush=True)
    print(_summary(measured))
    return measured


def _profile(plan: Plan) -> list[Round]:
    with tempfile.TemporaryDirectory(prefix="whimbrel-bench-") as name:
        path = Path(name) / "profile"
        one = measure(WHIMBREL, plan, path)
        print(_TITLES, _line(one), "(under the profiler)", "", sep="\n")
        print(profiled.report(path, one.load.accepted))
    return [one]


if __name__ == "__main__":
    main()
