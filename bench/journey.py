"""How fast messages travel: `python -m bench.journey`, or with `--channel sms`.

A gateway, a sandbox in the place of Meta and of an SMSC, and a Partner that sends and takes the
reports, each a process of its own on this machine. A journey is one accept, one submit, three
receipts and three reports (by SMS one receipt and two reports), every one of them stored before it
is answered. At the end the books must balance: each message got
its reports once and in order, and the sandbox has taken each message once.
"""

import argparse
import sys
import tempfile
import urllib.request
from pathlib import Path

import msgspec
from msgspec import Struct

from bench import accept, profiled
from bench.gateway import Gateway
from bench.processes import (
    ANYWHERE,
    Cores,
    ProcessFailed,
    free_ports,
    peak_mib,
    run,
    running,
)
from bench.travel import Latency, TravelResult
from bench.wire import CHANNELS

GOAL_RATES = {"whatsapp": 1_300.0, "sms": 1_270.0}
"""Journeys a second. An SMS's is what Kannel carries on two cores with its spool, unsynced."""
KANNEL_RATIO = 0.066
"""That rate beside a bare server of the same run, which other machines can be compared by."""
_BARE_SECONDS = 2.0
_SPARE_SECONDS = 60.0


class Plan(Struct):
    """How the journeys are made, and where the processes run."""

    journeys: int
    warm_up: int
    under_way: int
    rate: float
    connections: int
    speed: float
    limit: float
    channel: str
    placed: str
    gateway_cores: Cores
    others_cores: Cores


class Outcome(Struct):
    """What was measured, and what is wrong with it."""

    channel: str
    placed: str
    travel: TravelResult
    peak_mib: dict[str, float]
    faults: list[str]


class Count(Struct):
    """How many messages came to the sandbox, and how many different ones."""

    total: int
    distinct: int


def measure(plan: Plan, profile: Path | None = None) -> Outcome:
    """Start all processes, make the journeys, end the processes, and audit."""
    with tempfile.TemporaryDirectory(prefix="whimbrel-bench-") as name:
        folder = Path(name)
        port, sandbox_port, receiver_port, smsc_port = free_ports(4)
        gateway = Gateway(
            folder,
            port=port,
            sandbox_port=sandbox_port,
            smsc_port=smsc_port if plan.channel == "sms" else None,
            report_url=f"http://127.0.0.1:{receiver_port}/reports",
            speed=plan.speed,
        )
        with (
            running(
                "gateway", gateway.serve(profile), log_folder=folder, cores=plan.gateway_cores
            ) as serve,
            running(
                "sandbox", gateway.sandbox(), log_folder=folder, cores=plan.others_cores
            ) as sandbox,
        ):
            pids = {"gateway": serve.pid, "sandbox": sandbox.pid}
            travel = _travel(port, receiver_port, pids, plan)
            peak = {name: peak_mib(pid) for name, pid in pids.items()}
            came = taken(sandbox_port, plan.channel)
        return Outcome(plan.channel, plan.placed, travel, peak, audit(travel, came, gateway))


def _travel(port: int, receiver_port: int, pids: dict[str, int], plan: Plan) -> TravelResult:
    watch = [word for name, pid in pids.items() for word in ("--watch", f"{name}={pid}")]
    output = run(
        [
            "bench.travel", "--port", str(port), "--receiver-port", str(receiver_port), *watch,
            "--connections", str(plan.connections), "--journeys", str(plan.journeys),
            "--warm-up", str(plan.warm_up), "--under-way", str(plan.under_way),
            "--rate", str(plan.rate), "--limit", str(plan.limit), "--channel", plan.channel,
        ],
        cores=plan.others_cores, limit=2 * plan.limit + _SPARE_SECONDS,
    )  # fmt: skip
    return msgspec.json.decode(output, type=TravelResult)


def taken(sandbox_port: int, channel: str) -> Count:
    """Ask the sandbox what came to it by a channel."""
    url = f"http://127.0.0.1:{sandbox_port}/sandbox/messages/count"
    with urllib.request.urlopen(url, timeout=10) as answer:
        counts = msgspec.json.decode(answer.read())
    return msgspec.convert(counts["sms"] if channel == "sms" else counts, Count)


def audit(travel: TravelResult, came: Count, gateway: Gateway) -> list[str]:
    """Return what does not balance."""
    faults = [f"{count} answers {status}" for status, count in travel.errors.items()]
    wrong = {
        "journeys without their last report": travel.unfinished,
        "journeys with a report that came twice": travel.doubled,
        "journeys with other reports, or in another order": travel.disordered,
        "reports for nobody": travel.strange,
        "reports that the gateway still holds": gateway.count("reports", "state <> 2"),
    }
    faults += [f"{count} {what}" for what, count in wrong.items() if count]
    books = {
        "accepted": travel.accepted,
        "different mtNum": travel.distinct,
        "taken by the sandbox": came.total,
        "different ones taken by the sandbox": came.distinct,
        "chains in the store": gateway.count("chains"),
    }
    if set(books.values()) != {travel.sent}:
        faults.append(", ".join(f"{what}: {count}" for what, count in books.items()))
    return faults


def _shown(outcome: Outcome) -> str:
    travel, peak = outcome.travel, outcome.peak_mib
    cpu = "  ".join(f"{name} {used:,.0f}" for name, used in travel.cpu_us.items())
    memory = "  ".join(f"{name} {mib:.0f}" for name, mib in peak.items())
    goal = GOAL_RATES[outcome.channel]
    met = "met" if travel.rate > goal else "missed"
    rate = (
        f"{travel.rate:,.0f} (goal {goal:,.0f}: {met}), steady {travel.steady_rate:,.0f}; "
        f"{travel.journeys:,} in {travel.seconds:.1f} s, {travel.most_under_way} at once at most"
    )
    return f"""\
{outcome.placed}
  journeys a second     {rate}
  CPU us a journey      {cpu}  together {sum(travel.cpu_us.values()):,.0f}
  others                {travel.others:.2f} cores
  peak MiB              {memory}
  POST to answer        {spread(travel.answer)}
  POST to first report  {spread(travel.first_report)}
  POST to last report   {spread(travel.last_report)}
  audit                 {"; ".join(outcome.faults) or "the books balance"}"""


def spread(latency: Latency) -> str:
    """Write a latency out."""
    return (
        f"p50 {latency.p50:.1f}  p95 {latency.p95:.1f}  p99 {latency.p99:.1f}  "
        f"max {latency.longest:.1f} ms"
    )


def _bare_rate(plan: Plan) -> float:
    """Return how many requests a second a server answers that does nothing, in this very minute."""
    load = accept.Plan(
        plan.connections, _BARE_SECONDS, _BARE_SECONDS, plan.gateway_cores, plan.others_cores
    )
    return accept.measure(accept.BARE, load).load.rate


def _beside(outcome: Outcome, bare: float) -> str:
    kannel = f" (Kannel: {KANNEL_RATIO})" if outcome.channel == "sms" else ""
    return f"  beside a bare server  {outcome.travel.rate / bare:.3f} of its {bare:,.0f}/s{kannel}"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.journey",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--journeys", type=int, default=20_000)
    parser.add_argument("--warm-up", type=int, default=1_000, help="journeys before them")
    parser.add_argument("--under-way", type=int, default=512, help="journeys at once")
    parser.add_argument("--rate", type=float, default=0.0, help="begin so many a second instead")
    parser.add_argument("--connections", type=int, default=64, help="that send")
    parser.add_argument("--speed", type=float, default=20.0, help="of the sandbox's delays")
    parser.add_argument("--limit", type=float, default=120.0, help="seconds, at most")
    parser.add_argument("--channel", choices=CHANNELS, default="whatsapp")
    parser.add_argument(
        "--pin", choices=("none", "split", "both"), default="both",
        help="split: the gateway has the first core for itself, all others share the second",
    )  # fmt: skip
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--profile", action="store_true", help="one round under cProfile instead")
    parser.add_argument("--json", type=Path, help="also write the outcomes to this file")
    return parser.parse_args()


def _plans(given: argparse.Namespace) -> list[Plan]:
    cores = sorted(ANYWHERE)
    placements = {"none": ("not pinned", ANYWHERE, ANYWHERE)}
    if len(cores) > 1:
        first, second = frozenset(cores[:1]), frozenset(cores[1:2])
        text = f"gateway on core {cores[0]}, sandbox and Partner on core {cores[1]}"
        placements["split"] = (text, first, second)
    return [
        Plan(
            given.journeys,
            given.warm_up,
            given.under_way,
            given.rate,
            given.connections,
            given.speed,
            given.limit,
            given.channel,
            *placement,
        )
        for name, placement in placements.items()
        if given.pin in {name, "both"} or len(placements) == 1
    ]


def main() -> None:
    """Measure by the arguments, print, and end with 1 if the books do not balance."""
    given = _arguments()
    plans = _plans(given)
    loop = f"{given.rate:g}/s by the clock" if given.rate else f"{given.under_way} under way"
    world = f"sandbox {given.speed:g} times as fast as life"
    print(f"{given.journeys:,} journeys by {given.channel}, {loop}, {world}")
    outcomes = []
    try:
        if given.profile:
            outcomes.append(_profile(plans[-1]))
        else:
            for plan in plans * given.rounds:
                bare = _bare_rate(plan)
                outcomes.append(measure(plan))
                print(_shown(outcomes[-1]), _beside(outcomes[-1], bare), sep="\n", flush=True)
    except ProcessFailed as error:
        sys.exit(f"bench.journey: {error}")
    if given.json:
        given.json.write_bytes(msgspec.json.format(msgspec.json.encode(outcomes)))
    faults = [fault for outcome in outcomes for fault in outcome.faults]
    sys.exit("\n".join(faults) or None)


def _profile(plan: Plan) -> Outcome:
    with tempfile.TemporaryDirectory(prefix="whimbrel-bench-") as name:
        path = Path(name) / "profile"
        outcome = measure(plan, path)
        print(_shown(outcome), "(under the profiler)", "", sep="\n")
        print(profiled.report(path, outcome.travel.sent))
    return outcome


if __name__ == "__main__":
    main()
