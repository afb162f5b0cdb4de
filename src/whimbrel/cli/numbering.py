"""`whimbrel numbering`: the official Russian numbering registry.

Exit codes of `import`: 0, all is well; 1, nothing was imported; 3, it was imported, but not whole:
bad rows were skipped, or ranges have no zone since their region is not known.
"""

import sys
from pathlib import Path
from typing import Annotated, NamedTuple

import typer
from rich.markup import escape
from rich.table import Table

from whimbrel.cli.terminal import ConfigOption, console, fail, moment, with_store
from whimbrel.clock import SystemClock
from whimbrel.domain.numbering import NumberRange, national_number
from whimbrel.domain.operators import mcc_mnc_of
from whimbrel.domain.phone import BadPhone, normalise
from whimbrel.domain.registry_file import (
    Assignment,
    BadRegistryFile,
    RegistryFile,
    assign,
    read_registry,
)
from whimbrel.store.engine import Store
from whimbrel.store.numbering import (
    NumberingImport,
    find_number_ranges,
    import_ranges,
    numbering_imports,
)

app = typer.Typer(
    name="numbering",
    help="The official Russian numbering registry: where a number is from.",
    no_args_is_help=True,
)
_INCOMPLETE = 3
_MOST_SHOWN = 20  # bad rows of a file; whoever sees these knows what is wrong with it


class _Reading(NamedTuple):
    """A file that was read."""

    path: Path
    file: RegistryFile
    assignment: Assignment


@app.command("import")
def import_command(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...",
            help="Files of the registry (DEF-9xx.csv, ABC-3xx.csv ...), each whole.",
            exists=True,
            dir_okay=False,
            readable=True,
        ),
    ],
    config: ConfigOption = None,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave rows out that break a rule.")
    ] = False,
) -> None:
    """Replace what is known of the numbers with the first digits of each file.

    A running gateway uses it within seconds. Ends with 3 if something was left out: bad rows, or
    zones of regions that are not known.
    """
    readings = [_read(path) for path in files]
    _refuse_rivals(readings)
    faults = sum([_complain(reading) for reading in readings])
    if faults and not skip_bad:
        fail("nothing was imported; --skip-bad leaves bad rows out")

    async def work(store: Store) -> None:
        for path, file, assignment in readings:
            digits = tuple(int(digit) for digit in file.first_digits)
            count, now = len(file.rows), SystemClock().now()
            what = NumberingImport(digits, path.name, count, assignment.ranges, now)
            await store.write(import_ranges, what)

    with_store(config, work)
    for reading in readings:
        _show_import(reading)
    if faults or any(reading.assignment.unknown_regions for reading in readings):
        raise SystemExit(_INCOMPLETE)


def _read(path: Path) -> _Reading:
    try:
        with path.open(encoding="utf-8-sig", newline="\n") as lines:
            file = read_registry(lines)
    except UnicodeDecodeError:
        fail(f"{path}: it is not UTF-8")
    except (BadRegistryFile, OSError) as error:
        fail(f"{path}: {error}")
    if not file.rows and not file.faults:
        fail(f"{path}: it has no rows")
    return _Reading(path, file, assign(file))


def _refuse_rivals(readings: list[_Reading]) -> None:
    """Refuse two files about the same numbers: the second would undo the first."""
    seen: dict[str, Path] = {}
    for reading in readings:
        for digit in reading.file.first_digits:
            other = seen.setdefault(digit, reading.path)
            if other is not reading.path:
                fail(f"{reading.path}: {other} has {digit}xx too, and a file replaces all of them")


def _complain(reading: _Reading) -> int:
    """Tell the bad rows of a file; return how many there are."""
    faults = reading.file.faults
    for line, rule in faults[:_MOST_SHOWN]:
        print(f"{reading.path}:{line}: {rule}", file=sys.stderr)
    if len(faults) > _MOST_SHOWN:
        print(f"{reading.path}: and {len(faults) - _MOST_SHOWN} more bad rows", file=sys.stderr)
    return len(faults)


def _show_import(reading: _Reading) -> None:
    path, file, assignment = reading
    skipped = f", {len(file.faults)} bad ones skipped" if file.faults else ""
    codes = ", ".join(f"{digit}xx" for digit in file.first_digits) or "nothing"
    console.print(
        f"{escape(path.name)}: {codes} replaced, {len(file.rows)} rows{skipped}, "
        f"{len(assignment.ranges)} ranges."
    )
    for name, rows in assignment.unknown_regions.items():
        console.print(f"  region {escape(name)!r} is not known: {rows} rows have no zone")


@app.command("lookup")
def lookup(
    number: Annotated[str, typer.Argument(help="A phone number, as a Partner would write it.")],
    config: ConfigOption = None,
) -> None:
    """Show what the registry says of a Russian number. Ends with 1 if it does not know it."""
    try:
        digits = normalise(number)
    except BadPhone as error:
        fail(f"number: {error}")
    national = national_number(digits)
    if national is None:
        fail(f"number: {digits} is not a number of +7")
    found = with_store(config, lambda store: store.read(find_number_ranges, national))
    if found is None:
        fail(f"number: no range of the registry holds {digits}")
    _show_range(digits, found)


def _show_range(digits: str, found: NumberRange) -> None:
    console.print(f"[bold]{digits}[/] is in {found.first} to {found.last}")
    console.print(f"  operator: {escape(found.operator)}, INN {escape(found.inn)}")
    console.print(f"  mccMnc: {mcc_mnc_of(found.inn) or 'not known'}")
    console.print(f"  region: {escape(found.region)}")
    console.print(f"  zones: {', '.join(found.zones) or 'not known'}")


@app.command("status")
def status(config: ConfigOption = None) -> None:
    """Show what was imported, and when."""
    imports = with_store(config, lambda store: store.read(numbering_imports, None))
    if not imports:
        console.print("Nothing was imported: a Russian mobile number may be anywhere in Russia.")
        return
    table = Table("codes", "file", "rows", "ranges", "without zone", "imported")
    for one in imports:
        table.add_row(
            f"{one.digit}xx", escape(one.source), str(one.source_rows), str(one.ranges),
            str(one.without_zone), moment(one.imported_at),
        )  # fmt: skip
    console.print(table)
