"""A whole run: load and harm, healing, settling, audit."""

import asyncio
import contextlib
import shutil
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from tests.chaos import told
from tests.chaos.audit import Audit, audit_end, audit_places
from tests.chaos.books import gather
from tests.chaos.harm import Hand, tell_sandbox
from tests.chaos.load import Load
from tests.chaos.options import Options
from tests.chaos.outage import Outage, first_accept, table_of, take_away
from tests.chaos.place import Place
from tests.chaos.watch import Sample, until_in_place, until_settled, watch_binds
from whimbrel.flow.membership import LEASE_SECONDS


class Outcome(NamedTuple):
    """What came of a run."""

    kept: bool
    """Whether every promise was."""
    counts: Counter[str]
    harm: Counter[str]


_REFUSED = {"http": 400, "code": 131026}
_BROKEN_NUMBER = "200000000000005"


async def run(options: Options) -> Outcome:
    """Run, print, and tell what came of it. The folder of a bad run is kept."""
    folder = options.keep or Path(tempfile.mkdtemp(prefix="whimbrel-chaos-"))
    folder.mkdir(parents=True, exist_ok=True)
    place, outcome = Place(folder, options), None
    try:
        outcome = await _run(options, place)
    finally:
        if outcome and outcome.kept and options.keep is None:
            shutil.rmtree(folder, ignore_errors=True)
            place.clear()
        else:
            told.console.print("kept:", folder, place.postgres and place.postgres.folder)
    return outcome


async def _run(options: Options, place: Place) -> Outcome:
    load = Load(place.urls, options.seed, options.messages)
    hand = Hand(place, options, time.time)
    binds: list[Sample] = []
    async with place.up():
        number = {"phone_number_id": _BROKEN_NUMBER, "error": _REFUSED}
        await tell_sandbox(place, "faults", number)
        watching = asyncio.create_task(watch_binds(place, time.time, binds))
        outage = await _load_and_harm(load, hand, place, options)
        settled, _ = await until_settled(place, options.settle)
        await _end(watching)
        audit = Audit(load.orders, await gather(place))
        audit.run(binds, hand.downs)
        await until_in_place(place, 3 * LEASE_SECONDS)
        await audit_places(place, audit)
        codes = {node.name: await node.stop() for node in place.nodes}
        await audit_end(place, codes, audit)
        (place.folder / "harm.txt").write_text("\n".join(hand.told) + "\n")
        told.console.print(f"{options}\n")
        if outage is not None:
            told.console.print(table_of(load, outage))
            first = first_accept(load, outage)
            told.console.print(f"PostgreSQL's return to the first mtNum: {first:.2f} s\n")
        told.print_counts(load, hand, audit, place, settled)
        told.print_logs(place)
        await told.show_evidence(place, audit.violations)
    return Outcome(not audit.violations, audit.counts, hand.done)


async def _load_and_harm(load: Load, hand: Hand, place: Place, options: Options) -> Outage | None:
    """Send everything while harm is done; then heal, and let the last ones be accepted."""
    loading = asyncio.create_task(load.run(options.seconds, options.clients))
    outage = None
    if options.scenario == "outage":
        outage = await take_away(place, options.outage)
        await asyncio.wait((loading,), timeout=2 * options.seconds)
    else:
        harming = asyncio.create_task(hand.harm())
        await asyncio.wait(
            (loading, harming), timeout=2 * options.seconds, return_when=asyncio.FIRST_COMPLETED
        )
        await _end(harming)
        await hand.heal()
    try:
        async with asyncio.timeout(options.settle):
            await asyncio.shield(loading)
    except TimeoutError:
        load.give_up()
        await loading
    return outage


async def _end(task: asyncio.Task[None]) -> None:
    """Cancel a task that never ends by itself. Raises what it failed of, if it has."""
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
