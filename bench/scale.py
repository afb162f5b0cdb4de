"""Whether more processes carry more: `python -m bench.scale`.

Journeys a second with one process on SQLite, and with one and two worker processes on PostgreSQL,
in turns on the same machine. Four WhatsApp numbers take turns, so that two nodes share them. What
is measured, and the books, are those of `bench.journey`; nothing is pinned to a core. On a machine
whose cores are all busy with one process, the second one can only show what it costs.
"""

import argparse
import contextlib
import os
import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
from msgspec import Struct

from bench import database
from bench.gateway import Gateway
from bench.journey import audit, spread, taken
from bench.processes import ANYWHERE, ProcessFailed, cpu_seconds, free_ports, run, running
from bench.travel import TravelResult

NUMBERS = 4
_SPARE_SECONDS = 60.0


class Setting(Struct, frozen=True):
    """What is compared."""

    name: str
    workers: int
    on_postgres: bool


SETTINGS = (
    Setting("SQLite, 1 process", 1, on_postgres=False),
    Setting("PostgreSQL, 1 process", 1, on_postgres=True),
    Setting("PostgreSQL, 2 processes", 2, on_postgres=True),
)


class Outcome(Struct):
    """One round of one setting."""

    setting: str
    travel: TravelResult
    gateway_cpu_us: float
    """Of all its processes, in microseconds a journey."""
    faults: list[str]


def measure(setting: Setting, given: argparse.Namespace) -> Outcome:
    """Start everything, make the journeys, audit, end everything."""
    with tempfile.TemporaryDirectory(prefix="whimbrel-bench-") as name, _url(setting, given) as url:
        folder = Path(name)
        port, sandbox_port, receiver_port = free_ports(3)
        gateway = Gateway(
            folder,
            port=port,
            sandbox_port=sandbox_port,
            report_url=f"http://127.0.0.1:{receiver_port}/reports",
            speed=given.speed,
            numbers=NUMBERS,
            url=url,
        )
        serve = gateway.serve(workers=setting.workers)
        with (
            running("gateway", serve, log_folder=folder, cores=ANYWHERE) as parent,
            running("sandbox", gateway.sandbox(), log_folder=folder, cores=ANYWHERE) as sandbox,
        ):
            pids = [parent.pid, *_children(parent.pid)]
            before = sum(map(cpu_seconds, pids))
            travel = _travel(port, receiver_port, sandbox.pid, given)
            used = sum(map(cpu_seconds, pids)) - before
            came = taken(sandbox_port, "whatsapp")
        faults = audit(travel, came, gateway)
        return Outcome(setting.name, travel, used / max(travel.sent, 1) * 1e6, faults)


@contextlib.contextmanager
def _url(setting: Setting, given: argparse.Namespace) -> Iterator[str]:
    if not setting.on_postgres:
        yield ""
        return
    with database.database(given.postgres, "scale") as url:
        yield url


def _children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(word) for word in text.split()]


def _travel(port: int, receiver_port: int, sandbox: int, given: argparse.Namespace) -> TravelResult:
    output = run(
        [
            "bench.travel", "--port", str(port), "--receiver-port", str(receiver_port),
            "--watch", f"sandbox={sandbox}", "--connections", str(given.connections),
            "--journeys", str(given.journeys), "--warm-up", str(given.warm_up),
            "--under-way", str(given.under_way), "--limit", str(given.limit),
            "--senders", str(NUMBERS),
        ],
        cores=ANYWHERE, limit=2 * given.limit + _SPARE_SECONDS,
    )  # fmt: skip
    return msgspec.json.decode(output, type=TravelResult)


def _shown(outcome: Outcome) -> str:
    travel = outcome.travel
    return f"""\
{outcome.setting}
  journeys a second     {travel.rate:,.0f}; {travel.journeys:,} in {travel.seconds:.1f} s
  CPU us a journey      gateway {outcome.gateway_cpu_us:,.0f}  \
sandbox {travel.cpu_us["sandbox"]:,.0f}  Partner {travel.cpu_us["partner"]:,.0f}
  POST to answer        {spread(travel.answer)}
  POST to last report   {spread(travel.last_report)}
  audit                 {"; ".join(outcome.faults) or "the books balance"}"""


def _ratios(outcomes: list[Outcome]) -> str:
    """Compare the medians of all rounds with that of SQLite."""
    rates = {
        setting.name: statistics.median(
            one.travel.rate for one in outcomes if one.setting == setting.name
        )
        for setting in SETTINGS
    }
    base = rates[SETTINGS[0].name]
    lines = [f"  {name:24} {rate:8,.0f}  {rate / base:.2f}" for name, rate in rates.items()]
    return "\n".join(["medians of journeys a second, and beside SQLite", *lines])


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.scale",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--postgres", default=database.LOCAL, help="a server, by any database")
    parser.add_argument("--journeys", type=int, default=10_000)
    parser.add_argument("--warm-up", type=int, default=1_000, help="journeys before them")
    parser.add_argument("--under-way", type=int, default=512, help="journeys at once")
    parser.add_argument("--connections", type=int, default=64, help="that send")
    parser.add_argument("--speed", type=float, default=20.0, help="of the sandbox's delays")
    parser.add_argument("--limit", type=float, default=180.0, help="seconds, at most")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--json", type=Path, help="also write the outcomes to this file")
    return parser.parse_args()


def main() -> None:
    """Measure by the arguments, print, and end with 1 if the books do not balance."""
    given = _arguments()
    print(f"{given.journeys:,} journeys from {NUMBERS} numbers on {os.cpu_count()} cores")
    outcomes: list[Outcome] = []
    try:
        for setting in SETTINGS * given.rounds:
            outcomes.append(measure(setting, given))
            print(_shown(outcomes[-1]), flush=True)
    except ProcessFailed as error:
        sys.exit(f"bench.scale: {error}")
    print(_ratios(outcomes))
    if given.json:
        given.json.write_bytes(msgspec.json.format(msgspec.json.encode(outcomes)))
    sys.exit("\n".join(fault for one in outcomes for fault in one.faults) or None)


if __name__ == "__main__":
    main()
