"""A whole run: load and harm, healing, settling, audit."""

import asyncio
import contextlib
import shutil
import tempfile
import time
from pathlib import Path

from tests.chaos import told
from tests.chaos.audit import Audit, audit_end, audit_places
from tests.chaos.books import gather
from tests.chaos.harm import Hand, tell_sandbox
from tests.chaos.load import Load
from tests.chaos.options import Options
from tests.chaos.place import Place
from tests.chaos.watch import Sample, until_settled, watch_binds

_REFUSED = {"http": 400, "code": 131026}
_BROKEN_NUMBER = "200000000000005"


async def run(options: Options) -> bool:
    """Run, print, and tell whether every promise was kept. A bad run's folder is kept."""
    folder = options.keep or Path(tempfile.mkdtemp(prefix="whimbrel-chaos-"))
    folder.mkdir(parents=True, exist_ok=True)
    kept = False
    try:
        kept = await _run(options, folder)
    finally:
        if kept and options.keep is None:
            shutil.rmtree(folder, ignore_errors=True)
        else:
            told.console.print(f"kept: {folder}")
    return kept


async def _run(options: Options, folder: Path) -> bool:
    place = Place(folder, options)
    load = Load(place.urls, options.seed, options.messages)
    hand = Hand(place, options, time.time)
    binds: list[Sample] = []
    async with place.up():
        number = {"phone_number_id": _BROKEN_NUMBER, "error": _REFUSED}
        await tell_sandbox(place, "faults", number)
        watching = asyncio.create_task(watch_binds(place, time.time, binds))
        await _load_and_harm(load, hand, options)
        settled, _ = await until_settled(place, options.settle)
        await _end(watching)
        audit = Audit(load.orders, await gather(place))
        audit.run(binds, hand.downs)
        await audit_places(place, audit)
        codes = {node.name: await node.stop() for node in place.nodes}
        await audit_end(place, codes, audit)
        (folder / "harm.txt").write_text("\n".join(hand.told) + "\n")
        told.console.print(f"{options}\n")
        told.print_counts(load, hand, audit, place, settled)
        told.print_logs(place)
        await told.show_evidence(place, audit.violations)
    return not audit.violations


async def _load_and_harm(load: Load, hand: Hand, options: Options) -> None:
    """Send everything while harm is done; then heal, and let the last ones be accepted."""
    loading = asyncio.create_task(load.run(options.seconds, options.clients))
    harming = asyncio.create_task(hand.harm())
    done, _ = await asyncio.wait(
        (loading, harming), timeout=2 * options.seconds, return_when=asyncio.FIRST_COMPLETED
    )
    if harming in done:
        await harming  # it never ends by itself
    await _end(harming)
    await hand.heal()
    try:
        async with asyncio.timeout(options.settle):
            await asyncio.shield(loading)
    except TimeoutError:
        load.give_up()
        await loading


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
