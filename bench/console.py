"""What the console costs the accept path: `python -m bench.console`.

Rounds alternate between a gateway without a console (`off`), one with it where nobody looks (`on`),
and one that is looked at (`watched`): some watch the overview live, one opens pages again and again
(`bench.lookers`). The load, the cores and the audit are those of `bench.accept`. What counts is the
difference within a round, whose servers met the same machine within half a minute.
"""

import argparse
import contextlib
import sys
import tempfile
from pathlib import Path
from statistics import median

from bench.gateway import HARDLY_ANY, Gateway
from bench.lookers import LOGIN, PAGES, PASSWORD
from bench.processes import ANYWHERE, ProcessFailed, free_ports, peak_mib, run, running
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

OFF, ON, WATCHED = "off", "on", "watched"
_WITHOUT = "[console]\nenabled = false\n"
_COMMAND_SECONDS = 60.0


class Plan(LoadPlan):
    """How each round goes, and who looks."""

    viewers: int = 5
    pause: float = 1.0
    pages: list[str] = []  # noqa: RUF012 - msgspec copies it


def measure(server: str, plan: Plan) -> Round:
    """Start a gateway, and lookers if they are wanted; put it under load; look at what it kept."""
    with (
        tempfile.TemporaryDirectory(prefix="whimbrel-bench-") as name,
        contextlib.ExitStack() as up,
    ):
        folder = Path(name)
        port, nobody = free_ports(2)
        gateway = Gateway(
            folder,
            port=port,
            sandbox_port=nobody,
            throughput=HARDLY_ANY,
            more=_WITHOUT if server == OFF else "",
        )
        command = ["whimbrel", "operator", "add", LOGIN, "--config", str(gateway.config)]
        run([*command, "--password-stdin"], cores=ANYWHERE, stdin=PASSWORD, limit=_COMMAND_SECONDS)
        process = up.enter_context(
            running(server, gateway.serve(), log_folder=folder, cores=plan.server_cores)
        )
        if server == WATCHED:
            pages = [word for page in plan.pages for word in ("--page", page)]
            command = ["bench.lookers", "--port", str(port), "--viewers", str(plan.viewers)]
            command += ["--pause", str(plan.pause), *pages]
            up.enter_context(running("lookers", command, log_folder=folder, cores=plan.load_cores))
        load = put_under_load("bench.load", port, process.pid, plan)
        peak = peak_mib(process.pid)
        up.close()
        faults = bad_answers(load)
        kept = gateway.count("chains")
        if kept != load.accepted:
            faults.append(f"{load.accepted} accepted, {kept} chains kept")
        faults += _miscounted(gateway, load.accepted)
        return Round(server, load, peak, faults)


def _miscounted(gateway: Gateway, accepted: int) -> list[str]:
    """Compare what the overview counted with what was accepted: a clean stop writes it all."""
    counted = gateway.total("tallies", "number", "what = 'accepted' AND span = 3600000")
    return [] if counted == accepted else [f"{accepted} accepted, {counted} counted"]


def _differences(rounds: list[Round], server: str) -> str:
    """Say how a server differs from the one without a console, round by round."""
    base = [one.load for one in rounds if one.server == OFF]
    other = [one.load for one in rounds if one.server == server]
    rates = [100 * (b.rate / a.rate - 1) for a, b in zip(base, other, strict=True)]
    p50s = [b.p50 - a.p50 for a, b in zip(base, other, strict=True)]
    p99s = [b.p99 - a.p99 for a, b in zip(base, other, strict=True)]
    costs = [b.server_cpu_us - a.server_cpu_us for a, b in zip(base, other, strict=True)]
    return (
        f"{server} against off: answers/s {_spread(rates, '%')}, "
        f"p50 {_spread(p50s, ' ms')}, p99 {_spread(p99s, ' ms')}, CPU {_spread(costs, ' us')}"
    )


def _spread(values: list[float], unit: str) -> str:
    return f"{median(values):+.2f}{unit} ({min(values):+.2f} to {max(values):+.2f})"


def _noise(rounds: list[Round]) -> str:
    """Say how much the server without a console differs from itself."""
    rates = [one.load.rate for one in rounds if one.server == OFF]
    middle = median(rates)
    worst = max(abs(rate / middle - 1) for rate in rates)
    return f"off against itself: answers/s within {100 * worst:.1f} % of {middle:,.0f}"


def main() -> None:
    """Measure by the arguments, print, and end with 1 if the books do not balance."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.console",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_arguments(parser, rounds=5, seconds=6.0)
    parser.add_argument("--viewers", type=int, default=5, help="live streams of the overview")
    parser.add_argument("--pause", type=float, default=1.0, help="seconds between two pages")
    parser.add_argument("--page", action="append", help="a path to open; may be repeated")
    given = parser.parse_args()
    placed, server_cores, load_cores = placement(pinned=not given.no_pin)
    plan = Plan(
        given.connections, given.warm_up, given.seconds, server_cores, load_cores,
        given.viewers, given.pause, given.page or list(PAGES),
    )  # fmt: skip
    print(f"{given.viewers} viewers, a page every {given.pause:g} s, {placed}")
    print(titles("console"))
    rounds = []
    try:
        for number in range(given.rounds):
            servers = [OFF, ON, WATCHED]
            for server in servers[number % 3 :] + servers[: number % 3]:  # none is always first
                rounds.append(measure(server, plan))
                print(line(rounds[-1]), flush=True)
    except ProcessFailed as error:
        sys.exit(f"bench.console: {error}")
    print(_differences(rounds, ON), _differences(rounds, WATCHED), _noise(rounds), sep="\n")
    finish(rounds, given.json)


if __name__ == "__main__":
    main()
