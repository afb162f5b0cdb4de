"""`whimbrel db`: the store itself: its schema, its condition, and its move to PostgreSQL."""

import asyncio
import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from whimbrel.app import AlreadyRunning, locked
from whimbrel.cli.db_check import check
from whimbrel.cli.db_progress import CopyProgress, show_copied
from whimbrel.cli.terminal import ConfigOption, console, fail, read_settings
from whimbrel.clock import SystemClock
from whimbrel.settings import Settings
from whimbrel.store.copy.copying import Compared, compare_tables, copy_tables
from whimbrel.store.copy.source import SqliteSource
from whimbrel.store.copy.target import CopyRefused, PostgresTarget
from whimbrel.store.migrate import upgrade, upgrade_postgres
from whimbrel.store.opening import store_name
from whimbrel.store.postgres.connecting import revision_at
from whimbrel.store.postgres.refusals import REFUSALS, refusal
from whimbrel.store.revisions import newest_revision, revision_fault, revision_of_file

app = typer.Typer(
    name="db", help="The store: its schema, its condition, its move.", no_args_is_help=True
)
app.command("check")(check)


@app.command("upgrade")
def upgrade_command(config: ConfigOption = None) -> None:
    """Bring the store's tables to what this version needs. Harmless if they are so already.

    On PostgreSQL nothing else does: run it before nodes of a new version are started.
    """
    settings, needed = read_settings(config), newest_revision()
    found = _upgrade_postgres(settings) if settings.store.url else _upgrade_sqlite(settings)
    name = escape(store_name(settings.store))
    if found == needed:
        console.print(f"{name}: the tables are of revision {needed} already; nothing to do.")
    elif found is None:
        console.print(f"{name}: the tables were made, of revision {needed}.")
    else:
        console.print(f"{name}: the tables were brought from revision {found} to {needed}.")


def _upgrade_sqlite(settings: Settings) -> str | None:
    path = Path(settings.store.path)
    if not path.parent.is_dir():
        fail(f"store.path: there is no folder {path.parent}")
    found = revision_of_file(path)
    if found != newest_revision():
        with _alone(path):
            upgrade(path)
    return found


def _upgrade_postgres(settings: Settings) -> str | None:
    async def upgraded() -> str | None:
        found = await revision_at(settings.store.url)
        await upgrade_postgres(settings.store.url)
        return found

    return asyncio.run(upgraded())


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    try:
        with locked(path):
            yield
    except AlreadyRunning:
        fail(f"{path} is in use by a gateway: stop it first")


@app.command("copy")
def copy(
    source: Annotated[
        Path | None,
        typer.Option(
            "--from",
            help="The SQLite file; else `store.path` of the settings.",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
    config: ConfigOption = None,
    verify_only: Annotated[
        bool, typer.Option("--verify-only", help="Copy nothing; compare both sides again.")
    ] = False,
) -> None:
    """Copy a SQLite store into the PostgreSQL database of the settings (store.url).

    A copy that was interrupted goes on when it is run again. In the end all values are compared.
    The file's tables are brought to this version's schema first; else it is only read.
    """
    settings = read_settings(config)
    path = source or Path(settings.store.path)
    if not settings.store.url:
        fail("store.url: it is empty: it names the PostgreSQL database to copy into")
    if settings.store.pgbouncer:
        fail("store.pgbouncer: a copy needs a store.url that leads to PostgreSQL itself")
    if not path.is_file():
        fail(f"{path}: there is no such file; name it with --from")
    with _alone(path):
        upgrade(path)
        try:
            reader = SqliteSource(path)
        except sqlite3.OperationalError as error:
            fail(f"{path}: {error}: is another command at work?")
        try:
            asyncio.run(_copy(settings, reader, path.absolute(), verify_only=verify_only))
        except CopyRefused as error:
            fail(f"store.url: {error}")
        except REFUSALS as error:
            fail(f"store.url: {refusal(error)}; run it again to go on")
        finally:
            reader.close()


async def _copy(settings: Settings, source: SqliteSource, path: Path, *, verify_only: bool) -> None:
    clock = SystemClock()
    began = clock.elapsed()
    fault = revision_fault(await revision_at(settings.store.url))
    if fault:
        fail(f"store.url: {fault}")
    target = await PostgresTarget.open(settings.store.url)
    try:
        copied = 0
        if not verify_only:
            if await target.begin(str(path)):
                console.print("Going on with the copy that was begun before.")
            with CopyProgress("copying", clock) as progress:
                copied = await copy_tables(source, target, progress)
            await target.analyze()
        copied_at = clock.elapsed()
        with CopyProgress("verifying", clock) as progress:
            compared = await compare_tables(source, target, progress)
        _refuse_differences(compared)
        if not verify_only:
            await target.finish()
        show_copied(compared, copied, copied_at - began, clock.elapsed() - copied_at)
    finally:
        await target.close()


def _refuse_differences(compared: list[Compared]) -> None:
    faults = [f"{one.table}: {text}" for one in compared for text in one.differences]
    if not faults:
        return
    for fault in faults:
        console.print(f"[red]differs[/] {escape(fault)}")
    fail(
        "the database does not hold what the file holds, and no gateway starts on it; make the "
        "database anew, run whimbrel db upgrade, and copy again"
    )
