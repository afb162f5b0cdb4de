"""What benches have in common that put one server after another under the same load.

A round is one server, measured once. The load is a process of its own (`load`, `follow`); server
and load each have a core, where the machine has two and nobody objects.
"""

import argparse
import sys
from pathlib import Path

import msgspec
from msgspec import Struct

from bench.load import LoadResult
from bench.processes import ANYWHERE, Cores, run

_SPARE_SECONDS = 60.0


class LoadPlan(Struct):
    """How each round goes."""

    connections: int
    warm_up: float
    seconds: float
    server_cores: Cores
    load_cores: Cores


class Round(Struct):
    """One server, measured once."""

    server: str
    load: LoadResult
    peak_mib: float
    faults: list[str]


def put_under_load(module: str, port: int, pid: int, plan: LoadPlan, *own: str) -> LoadResult:
    """Run a module that makes load, with arguments of its `own`, against the server `pid`."""
    output = run(
        [
            module, "--port", str(port), "--watch", str(pid),
            "--connections", str(plan.connections),
            "--warm-up", str(plan.warm_up), "--seconds", str(plan.seconds), *own,
        ],
        cores=plan.load_cores, limit=plan.warm_up + plan.seconds + _SPARE_SECONDS,
    )  # fmt: skip
    return msgspec.json.decode(output, type=LoadResult)


def bad_answers(load: LoadResult) -> list[str]:
    """Return what was answered that should not have been."""
    return [f"{count} answers {status}" for status, count in load.errors.items()]


def titles(first: str) -> str:
    """Return the head of the table; `first` says what its rows are."""
    return (
        f"{first:<10}{'answers/s':>11}{'p50 ms':>9}{'p95 ms':>9}{'p99 ms':>9}{'max ms':>9}"
        f"{'CPU us':>9}{'load us':>9}{'peak MiB':>10}{'others':>8}"
    )


def line(one: Round) -> str:
    """Return a round's row."""
    load = one.load
    return (
        f"{one.server:<10}{load.rate:>11,.0f}{load.p50:>9.2f}{load.p95:>9.2f}{load.p99:>9.2f}"
        f"{load.longest:>9.1f}{load.server_cpu_us:>9.1f}{load.load_cpu_us:>9.1f}"
        f"{one.peak_mib:>10.0f}{load.others:>8.2f}"
    )


def add_arguments(parser: argparse.ArgumentParser, *, rounds: int, seconds: float) -> None:
    """Add the options that all such benches have; `rounds` and `seconds` are the usual ones."""
    parser.add_argument("--rounds", type=int, default=rounds, help="of each server")
    parser.add_argument("--seconds", type=float, default=seconds, help="measured in each round")
    parser.add_argument("--warm-up", type=float, default=1.5, help="seconds")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument(
        "--no-pin", action="store_true", help="let the system place the processes; otherwise the "
        "server has the first core for itself, and the load the second"
    )  # fmt: skip
    parser.add_argument("--json", type=Path, help="also write the rounds to this file")


def placement(*, pinned: bool) -> tuple[str, Cores, Cores]:
    """Return where server and load run, in words and as cores."""
    cores = sorted(ANYWHERE)
    if not pinned or len(cores) == 1:
        return "not pinned", ANYWHERE, ANYWHERE
    words = f"server on core {cores[0]}, load on core {cores[1]}"
    return words, frozenset(cores[:1]), frozenset(cores[1:2])


def finish(rounds: list[Round], json: Path | None) -> None:
    """Write the rounds down if that is wanted, and end with 1 if the books do not balance."""
    if json:
        json.write_bytes(msgspec.json.format(msgspec.json.encode(rounds)))
    sys.exit("\n".join(f"{one.server}: {fault}" for one in rounds for fault in one.faults) or None)
