"""How fast the numbering registry is read and asked: `python -m bench.numbering FILE...`.

It imports files of the official Russian registry into an empty store, loads the look-up as a
gateway does, and asks it for numbers spread over the ranges, beside libphonenumber's own look-up of
zones in the same run. Then it measures what a request pays for its sending hours.
"""

import argparse
import asyncio
import random
import sys
import tempfile
import tracemalloc
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

import phonenumbers
from phonenumbers.timezone import time_zones_for_number

from whimbrel.clock import SystemClock
from whimbrel.domain.numbering import NumberRange, NumberRanges
from whimbrel.domain.registry_file import Assignment, RegistryFile, assign, read_registry
from whimbrel.domain.schedule import opening, parse
from whimbrel.domain.subscriber_zones import in_subscriber_zones
from whimbrel.flow.numbering_directory import NumberingDirectory
from whimbrel.store.migrate import upgrade
from whimbrel.store.numbering import NumberingImport, import_ranges
from whimbrel.store.sqlite import SqliteStore

_SEED = 9
_LIBRARY_SHARE = 50  # libphonenumber is asked for one number in so many


class Imported(NamedTuple):
    """One file, and how long each step took."""

    path: Path
    file: RegistryFile
    assignment: Assignment
    read_seconds: float
    store_seconds: float


async def import_file(store: SqliteStore, path: Path) -> Imported:
    """Read a file, place its rows and store them."""
    began = perf_counter()
    with path.open(encoding="utf-8-sig") as lines:
        file = read_registry(lines)
    assignment = assign(file)
    read = perf_counter()
    digits = tuple(int(digit) for digit in file.first_digits)
    what = NumberingImport(
        digits, path.name, len(file.rows), assignment.ranges, SystemClock().now()
    )
    await store.write(import_ranges, what)
    return Imported(path, file, assignment, read - began, perf_counter() - read)


def tell_import(one: Imported) -> None:
    """Print what a file holds and what it cost."""
    _, file, assignment, read_seconds, store_seconds = one
    known = {place.region for place in assignment.ranges if place.zones}
    print(
        f"{one.path.name}: {len(file.rows):,} rows, {len(file.faults)} bad, "
        f"{len(assignment.ranges):,} ranges stored\n"
        f"  regions, and lists of them: {len(known)} mapped, "
        f"{len(assignment.unknown_regions)} unmapped\n"
        f"  import: {read_seconds:.2f} s to read, {store_seconds:.2f} s in one transaction"
    )


async def load(store: SqliteStore) -> NumberRanges:
    """Load the look-up twice: once for the time, once for its memory."""
    began = perf_counter()
    directory = NumberingDirectory(store)
    await directory.refresh()
    seconds = perf_counter() - began
    tracemalloc.start()
    again = NumberingDirectory(store)
    await again.refresh()
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    ranges = directory.ranges
    print(
        f"look-up: {len(ranges):,} stretches, {ranges.size / 1024:,.0f} KiB of columns, "
        f"{held / 1024:,.0f} KiB allocated in all, loaded in {seconds * 1_000:.0f} ms"
    )
    return ranges


def numbers_in(ranges: Sequence[NumberRange], count: int) -> list[str]:
    """Return numbers of subscribers, spread evenly over what is assigned."""
    chance = random.Random(_SEED)
    weights = [one.last - one.first + 1 for one in ranges]
    return [
        f"7{chance.randint(one.first, one.last)}"
        for one in chance.choices(ranges, weights, k=count)
    ]


def rate(ask: Callable[[str], object], numbers: Sequence[str]) -> float:
    """Return how often `ask` answers in a second."""
    began = perf_counter()
    for number in numbers:
        ask(number)
    return len(numbers) / (perf_counter() - began)


def tell_rates(ranges: NumberRanges, numbers: Sequence[str]) -> None:
    """Print look-ups a second, ours and the library's, and what sending hours cost."""
    few = numbers[: max(len(numbers) // _LIBRARY_SHARE, 1)]
    hours = parse(time_begin="10:00", time_end="20:00", weekdays="12345", deadline=None)
    assert hours is not None
    now = SystemClock().now()

    def by_library(number: str) -> object:
        return time_zones_for_number(phonenumbers.parse(f"+{number}"))

    def with_hours(number: str) -> object:
        return opening(in_subscriber_zones(hours, number, ranges, now).to_json(), now)

    def without_registry(number: str) -> object:
        return opening(in_subscriber_zones(hours, number, nothing, now).to_json(), now)

    nothing = NumberRanges()
    for ask in (by_library, with_hours, without_registry):
        rate(ask, few)  # warm: the library reads its metadata at the first question
    ours, library = rate(ranges.look_up, numbers), rate(by_library, few)
    print(
        f"look-ups/s: {ours:,.0f} ({1e6 / ours:.2f} us each); "
        f"libphonenumber {library:,.0f} ({1e6 / library:.0f} us each); {ours / library:,.0f} times"
    )
    for name, ask in (("registry", with_hours), ("prefix data", without_registry)):
        print(f"sending hours by the {name}: {1e6 / rate(ask, few):.0f} us a request")
    many = sum(len(time_zones_for_number(phonenumbers.parse(f"+{one}"))) > 1 for one in few)
    ours_many = sum(len(found.zones) > 1 for one in few if (found := ranges.look_up(one)))
    print(
        f"numbers with more than one zone: {ours_many / len(few):.1%} by the registry, "
        f"{many / len(few):.1%} by the prefix data"
    )
    networks = sum(bool(found.mcc_mnc) for one in numbers if (found := ranges.look_up(one)))
    print(f"numbers whose network is known: {networks / len(numbers):.1%}")


async def measure(files: Sequence[Path], count: int) -> bool:
    """Import, load and ask; tell whether every row was good and every place is mapped."""
    with tempfile.TemporaryDirectory(prefix="whimbrel-bench-") as folder:
        path = Path(folder) / "whimbrel.db"
        upgrade(path)
        store = SqliteStore(path)
        try:
            imports = [await import_file(store, file) for file in files]
            for one in imports:
                tell_import(one)
            ranges = await load(store)
        finally:
            await store.close()
    assigned = [place for one in imports for place in one.assignment.ranges]
    tell_rates(ranges, numbers_in(assigned, count))
    return not any(one.file.faults or one.assignment.unknown_regions for one in imports)


def main() -> None:
    """Measure by the arguments, print, and end with 1 if something of a file was left out."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.numbering",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE")
    parser.add_argument("--numbers", type=int, default=200_000, help="how many to look up")
    given = parser.parse_args()
    if not asyncio.run(measure(given.files, given.numbers)):
        sys.exit("bench.numbering: bad rows, or regions without a zone")


if __name__ == "__main__":
    main()
