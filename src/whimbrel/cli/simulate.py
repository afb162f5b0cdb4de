"""`whimbrel simulate`: the whole gateway on made time, in a troubled world that a seed drives."""

import os
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from itertools import islice
from typing import Annotated

import typer

from whimbrel.cli.terminal import fail
from whimbrel.simulation import Fault, Outcome, UnknownFault, parse_faults, simulate, spell_faults

app = typer.Typer()
_DAY = 86_400.0
_SEED_BYTES = 4


@app.command("simulate")
def run(
    seed: Annotated[
        int | None, typer.Option(help="The first seed; without it, a new one is drawn.", min=0)
    ] = None,
    seeds: Annotated[int, typer.Option(help="How many seeds, counted from the first.", min=1)] = 1,
    days: Annotated[
        float,
        typer.Option(help="Days of load and faults; each run then goes on until all has ended."),
    ] = 1.0,
    faults: Annotated[
        str, typer.Option(help=f"Which faults: {', '.join(Fault)}; or all, or none.")
    ] = "all",
    jobs: Annotated[int, typer.Option(help="How many processes share the seeds.", min=1)] = 1,
    seconds: Annotated[
        float | None, typer.Option(help="Begin no other seed after so many seconds of real time.")
    ] = None,
    trace: Annotated[bool, typer.Option(help="Print all that could be seen from outside.")] = False,
) -> None:
    """Run the gateway through simulated days and check what it promises.

    The same seed, days and faults give the same trace, and so the same hash. Exits with 1 if a
    promise was broken, and prints the command that repeats the run.
    """
    try:
        chosen = parse_faults(faults)
    except UnknownFault as error:
        fail(f"--faults: {error}")
    first = int.from_bytes(os.urandom(_SEED_BYTES)) if seed is None else seed
    print(f"seeds from {first}, up to {seeds}; {days:g} days each; faults: {spell_faults(chosen)}")
    total = _Total()
    for outcome in _outcomes(range(first, first + seeds), days, chosen, jobs, seconds):
        if trace:
            print("\n".join(outcome.lines))
        _print_run(outcome)
        if outcome.violations:
            print(f"  again: {command(outcome.seed, days, chosen)}", flush=True)
        total.add(outcome)
    print(total)
    if total.broken:
        raise typer.Exit(1)


def command(seed: int, days: float, faults: frozenset[Fault]) -> str:
    """Return the line that repeats a run."""
    return f"whimbrel simulate --seed {seed} --days {days:g} --faults {spell_faults(faults)}"


def _outcomes(
    seeds: range, days: float, faults: frozenset[Fault], jobs: int, seconds: float | None
) -> Iterator[Outcome]:
    """Run seeds, in their order, as long as there is time."""
    give_up_at = float("inf") if seconds is None else time.monotonic() + seconds
    if jobs == 1:
        for seed in seeds:
            if time.monotonic() < give_up_at:
                yield simulate(seed, days, faults)
        return
    waiting: deque[Future[Outcome]] = deque()
    left = iter(seeds)
    with ProcessPoolExecutor(jobs) as pool:
        while True:
            room = 2 * jobs - len(waiting) if time.monotonic() < give_up_at else 0
            waiting.extend(pool.submit(simulate, one, days, faults) for one in islice(left, room))
            if not waiting:
                return
            yield waiting.popleft().result()


class _Total:
    """What all runs come to."""

    def __init__(self) -> None:
        self.broken = 0
        self._runs = self._accepted = self._submits = self._faults = self._kills = 0
        self._resent = self._doubled = 0
        self._days = 0.0

    def add(self, outcome: Outcome) -> None:
        self._runs += 1
        self.broken += bool(outcome.violations)
        self._days += outcome.simulated / _DAY
        self._accepted += outcome.accepted
        self._submits += outcome.submits
        self._resent += outcome.resent
        self._doubled += outcome.doubled
        self._faults += outcome.faults
        self._kills += outcome.counts["kill"]

    def __str__(self) -> str:
        return (
            f"{self._runs} runs, {self._days:.0f} simulated days, {self._accepted} accepted,"
            f" {self._submits} submits ({self._resent} again without an answer to the first,"
            f" of which {self._doubled} had gone), {self._kills} kills, {self._faults} faults,"
            f" {self.broken} broken"
        )


def _print_run(outcome: Outcome) -> None:
    print(
        f"seed {outcome.seed}: {outcome.hash}  {outcome.simulated / _DAY:.1f} days,"
        f" {outcome.accepted} accepted, {outcome.submits} submits ({outcome.resent} again,"
        f" {outcome.doubled} had gone), {outcome.counts['report']} reports,"
        f" {outcome.counts['kill']} kills, {outcome.faults} faults",
        flush=True,
    )
    for violation in outcome.violations:
        print(f"  BROKEN {violation}")
