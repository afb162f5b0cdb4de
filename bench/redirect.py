"""How fast short URLs lead on: `python -m bench.redirect`.

Rounds alternate between the bare server, which leads everybody to the same place, and the whole
gateway with a store of a million short URLs: with visits of hot ones, of hot and cold ones mixed,
and of cold ones alone, which nobody remembers. Every visit is written to the store meanwhile; at
the end of each round it must hold as many clicks as visitors were led on, no more and no less.
"""

import argparse
import sqlite3
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from bench.follow import uid_of
from bench.gateway import Gateway
from bench.load import LoadResult
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

BARE = "bare"
MIXES = {"hot": 0.0, "mixed": 0.1, "cold": 1.0}
"""The share of visits that are of any of the short URLs; the rest is of a thousand hot ones."""
GOAL_RATIO, GOAL_P99 = 0.5, 10.0
_DAY = 86_400_000
_AT_ONCE = 20_000


class Plan(LoadPlan):
    """How each round goes, and how many short URLs there are."""

    stored: int


def fill(store: Path, stored: int) -> None:
    """Put short URLs of Partner 1 into a store, as acceptance would have made them."""
    now = time.time_ns() // 1_000_000
    connection = sqlite3.connect(store)
    try:
        for first in range(0, stored, _AT_ONCE):
            connection.executemany(
                "INSERT INTO short_urls (uid, partner_id, target, subscriber, chain_id, link_id, "
                "created_at, idle_until, visits, clicks) VALUES (?, 1, ?, ?, ?, ?, ?, ?, 0, 0)",
                (
                    (
                        uid_of(number),
                        f"https://shop.example/orders/{number}?utm_source=whatsapp",
                        f"{79_100_000_000 + number}",
                        number + 1,
                        number + 1 << 4,
                        now,
                        now + _DAY + number,
                    )
                    for number in range(first, min(first + _AT_ONCE, stored))
                ),
            )
        connection.execute("INSERT INTO uid_spaces VALUES (8, ?)", (stored,))
        connection.commit()
    finally:
        connection.close()


def measure_bare(plan: Plan, folder: Path) -> Round:
    """Put the bare server under load."""
    [port] = free_ports(1)
    command = ["bench.bare", str(port)]
    with running(BARE, command, log_folder=folder, cores=plan.server_cores) as process:
        load = _follow(port, process.pid, plan, "mixed")
        peak = peak_mib(process.pid)
    return Round(BARE, load, peak, bad_answers(load))


def measure_gateway(plan: Plan, gateway: Gateway, folder: Path, mix: str) -> Round:
    """Put the gateway under load, end it, and look at what it has kept."""
    before = _kept(gateway)
    with running(mix, gateway.serve(), log_folder=folder, cores=plan.server_cores) as process:
        load = _follow(gateway.port, process.pid, plan, mix)
        peak = peak_mib(process.pid)
    faults = bad_answers(load)
    kept = tuple(now - then for now, then in zip(_kept(gateway), before, strict=True))
    if set(kept) != {load.accepted}:
        faults.append(f"{load.accepted} led on; {kept} visits, clicks and rows kept")
    return Round(mix, load, peak, faults)


def _kept(gateway: Gateway) -> tuple[int, ...]:
    connection = sqlite3.connect(gateway.store)
    try:
        query = "SELECT sum(visits), sum(clicks), (SELECT count(*) FROM clicks) FROM short_urls"
        return tuple(connection.execute(query).fetchone())
    finally:
        connection.close()


def _follow(port: int, pid: int, plan: Plan, mix: str) -> LoadResult:
    visits = ("--stored", str(plan.stored), "--cold", str(MIXES[mix]))
    return put_under_load("bench.follow", port, pid, plan, *visits)


def _summary(rounds: list[Round]) -> str:
    """Compare the medians with the bare server's and with the goals."""
    lines = []
    bare = median(one.load.rate for one in rounds if one.server == BARE)
    for mix in MIXES:
        loads = [one.load for one in rounds if one.server == mix]
        ratio = median(load.rate for load in loads) / bare
        p99 = median(load.p99 for load in loads)
        met = "met" if ratio >= GOAL_RATIO and p99 < GOAL_P99 else "missed"
        lines.append(f"{mix}: ratio {ratio:.2f}, p99 {p99:.1f} ms: {met}")
    return "\n".join([f"goals: ratio {GOAL_RATIO}, p99 {GOAL_P99:g} ms", *lines])


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.redirect",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--stored", type=int, default=1_000_000, help="short URLs in the store")
    add_arguments(parser, rounds=2, seconds=5.0)
    return parser.parse_args()


def main() -> None:
    """Measure by the arguments, print, and end with 1 if the books do not balance."""
    given = _arguments()
    _, server_cores, load_cores = placement(pinned=not given.no_pin)
    plan = Plan(
        given.connections, given.warm_up, given.seconds, server_cores, load_cores, given.stored
    )
    try:
        rounds = _alternate(plan, given.rounds)
    except ProcessFailed as error:
        sys.exit(f"bench.redirect: {error}")
    finish(rounds, given.json)


def _alternate(plan: Plan, rounds: int) -> list[Round]:
    with tempfile.TemporaryDirectory(prefix="whimbrel-bench-") as name:
        folder = Path(name)
        port, nobody = free_ports(2)
        gateway = Gateway(folder, port=port, sandbox_port=nobody, short_urls="per-subscriber")
        began = time.perf_counter()
        fill(gateway.store, plan.stored)
        print(f"{plan.stored:,} short URLs stored in {time.perf_counter() - began:.0f} s")
        print(titles("visits"))
        measured = []
        for _ in range(rounds):
            measured.append(measure_bare(plan, folder))
            print(line(measured[-1]), flush=True)
            for mix in MIXES:
                measured.append(measure_gateway(plan, gateway, folder, mix))
                print(line(measured[-1]), flush=True)
        print(_summary(measured))
        return measured


if __name__ == "__main__":
    main()
