"""`whimbrel simulate`: the whole gateway on made time, in a troubled world that a seed drives."""

import os
from typing import Annotated

import typer

from whimbrel.cli.terminal import fail
from whimbrel.simulation import Fault, Outcome, UnknownFault, parse_faults, simulate, spell_faults

app = typer.Typer()
_DAY = 86_400.0
_SEED_BYTES = 4


@app.command("simulate")
def simulate_command(
    seed: Annotated[
        int | None, typer.Option(help="The first seed; without it, a new one is drawn.", min=0)
    ] = None,
    seeds: Annotated[int, typer.Option(help="How many seeds, counted from the first.", min=1)] = 1,
    days: Annotated[
        float,
        typer.Option(help="Days of load and faults; then each run goes on until all has ended."),
    ] = 1.0,
    faults: Annotated[
        str, typer.Option(help=f"Which faults: {', '.join(Fault)}; or all, or none.")
    ] = "all",
    trace: Annotated[bool, typer.Option(help="Print all that could be seen from outside.")] = False,
) -> None:
    """Run the gateway through simulated days and check what it promises.

    The same seed, days and faults give the same trace, and its hash. Exits with 1 if a promise was
    broken, and prints the command that repeats it.
    """
    try:
        chosen = parse_faults(faults)
    except UnknownFault as error:
        fail(f"--faults: {error}")
    first = int.from_bytes(os.urandom(_SEED_BYTES)) if seed is None else seed
    print(f"{seeds} seed(s) from {first}, {days:g} day(s) each, faults: {spell_faults(chosen)}")
    broken, simulated, injected = [], 0.0, 0
    for number in range(first, first + seeds):
        outcome = simulate(number, days, chosen)
        simulated += outcome.simulated / _DAY
        injected += outcome.faults
        _print_run(outcome, trace=trace)
        if outcome.violations:
            broken.append(number)
            print(f"  again: {command(number, days, chosen)}", flush=True)
    print(
        f"{seeds} run(s), {simulated:.0f} simulated days, {injected} faults,"
        f" {len(broken)} broken"
    )
    if broken:
        raise typer.Exit(1)


def command(seed: int, days: float, faults: frozenset[Fault]) -> str:
    """Return the line that repeats a run."""
    return f"whimbrel simulate --seed {seed} --days {days:g} --faults {spell_faults(faults)}"


def _print_run(outcome: Outcome, *, trace: bool) -> None:
    if trace:
        print("\n".join(outcome.lines))
    count = outcome.counts
    print(
        f"seed {outcome.seed}: {outcome.hash}  {outcome.simulated / _DAY:.1f} days,"
        f" {outcome.accepted} accepted, {count['meta'] + count['sms']} submits"
        f" ({outcome.resent} again, {outcome.doubled} doubled), {count['report']} reports,"
        f" {count['kill']} kills, {outcome.faults} faults",
        flush=True,
    )
    for violation in outcome.violations:
        print(f"  BROKEN {violation}")
