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

from bench import profiled
from bench.gateway import HARDLY_ANY, Gateway
from bench.processes import ProcessFailed, free_ports, peak_mib, running
from bench.rounds import (
    LoadPlan,
    Round,
    add_arguments,
    bad_answers,
    finish,
    line,
    placement,
    put_under_load,
    titles,
)

BARE, WHIMBREL = "bare", "whimbrel"
SHORTENING = {WHIMBREL: "off", "own": "per-subscriber", "shared": "shared"}
"""The servers but the bare one, and their Partner's mode."""
_LONG_URL = "https://shop.example/orders/8770100?utm_source=whatsapp&utm_campaign=ready"
GOAL_RATIO, GOAL_P99 = 0.5, 10.0
_TITLES = titles("server")


class Plan(LoadPlan):
    """How each round goes, and with which texts."""

    url: str = ""
    """Stands in each text."""


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
                throughput=HARDLY_ANY,
                short_urls=SHORTENING[server],
            )
            command = gateway.serve(profile)
        with running(server, command, log_folder=folder, cores=plan.server_cores) as process:
            load = put_under_load("bench.load", port, process.pid, plan, "--url", plan.url)
            peak = peak_mib(process.pid)
        faults = bad_answers(load)
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
    add_arguments(parser, rounds=3, seconds=6.0)
    parser.add_argument(
        "--short-urls", action="store_true", help="texts with a long URL, which is shortened or not"
    )
    parser.add_argument("--profile", action="store_true", help="one round under cProfile instead")
    return parser.parse_args()


def main() -> None:
    """Measure by the arguments, print, and end with 1 if the books do not balance."""
    given = _arguments()
    placed, server_cores, load_cores = placement(pinned=not given.no_pin)
    plan = Plan(
        given.connections,
        given.warm_up,
        given.seconds,
        server_cores,
        load_cores,
        _LONG_URL if given.short_urls else "",
    )
    servers = [BARE, *(SHORTENING if given.short_urls else [WHIMBREL])]
    print(f"{given.connections} connections, {given.seconds:g} s a round, {placed}")
    try:
        rounds = _profile(plan) if given.profile else _alternate(plan, given.rounds, servers)
    except ProcessFailed as error:
        sys.exit(f"bench.accept: {error}")
    finish(rounds, given.json)


def _alternate(plan: Plan, rounds: int, servers: list[str]) -> list[Round]:
    print(_TITLES)
    measured = []
    for _ in range(rounds):
        for server in servers:
            measured.append(measure(server, plan))
            print(line(measured[-1]), flush=True)
    print(_summary(measured))
    return measured


def _profile(plan: Plan) -> list[Round]:
    with tempfile.TemporaryDirectory(prefix="whimbrel-bench-") as name:
        path = Path(name) / "profile"
        one = measure(WHIMBREL, plan, path)
        print(_TITLES, line(one), "(under the profiler)", "", sep="\n")
        print(profiled.report(path, one.load.accepted))
    return [one]


if __name__ == "__main__":
    main()
