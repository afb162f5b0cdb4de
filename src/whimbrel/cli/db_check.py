"""`whimbrel db check`: what an operator wants to know of the store at three in the morning.

Exit codes: 0, all is well, perhaps with something to look at; 1, a promise is broken.
"""

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from whimbrel.cli.terminal import ConfigOption, console, fail, moment, read_settings
from whimbrel.clock import MINUTE, SystemClock
from whimbrel.settings import Settings
from whimbrel.store.condition import Fault, Inspector, Size, mib
from whimbrel.store.connecting import connected
from whimbrel.store.engine import Row
from whimbrel.store.opening import store_name
from whimbrel.store.postgres_condition import PostgresInspector
from whimbrel.store.promises import FIRST_OF_RECENT, LATENESS, PROMISES, SHOWN, Promise
from whimbrel.store.refusals import REFUSALS, refusal
from whimbrel.store.sqlite_condition import SqliteInspector

_SAMPLE = 20_000  # chains: some seconds on any store
_LATE = MINUTE  # a gateway that runs is never so late, unless a sender or a receiver is


def check(
    config: ConfigOption = None,
    full: Annotated[
        bool, typer.Option("--full", help="Look at everything: minutes on a large store.")
    ] = False,
) -> None:
    """Show the store's engine, schema, durability and sizes, and look for broken promises.

    Without --full, settled messages are looked at among the last 20,000 only; open work is always
    looked at as a whole. Ends with 1 if a promise is broken. Harmless beside running gateways.
    """
    settings = read_settings(config)
    if not settings.store.url and not Path(settings.store.path).exists():
        fail(f"store.path: there is no file {settings.store.path}")
    try:
        broken = asyncio.run(_check(settings, full=full))
    except REFUSALS as error:
        fail(f"{_where(settings)}: {refusal(error)}")
    if broken:
        console.print(f"[red]{broken} broken[/]")
        raise SystemExit(1)
    console.print("No promise is broken.")


def _where(settings: Settings) -> str:
    return "store.url" if settings.store.url else settings.store.path


async def _check(settings: Settings, *, full: bool) -> int:
    store = await _inspector(settings)
    try:
        console.print(f"store: {escape(store_name(settings.store))}")
        for what, value in await store.facts():
            console.print(f"{what}: {escape(value)}")
        fault = await store.schema_fault()
        if fault:
            return _show_faults([Fault("schema", fault)])
        _show_sizes(await store.sizes())
        broken = _show_faults(await store.faults(full=full))
        broken += await _show_promises(store, full=full)
        await _show_lateness(store)
    finally:
        await store.close()
    return broken


async def _inspector(settings: Settings) -> Inspector:
    if settings.store.url:
        return PostgresInspector(await connected(settings.store.url))
    return SqliteInspector(Path(settings.store.path))


def _show_sizes(sizes: list[Size]) -> None:
    table = Table("table", "rows", "with indexes")
    for name, rows, size in sizes:
        table.add_row(
            name, "-" if rows is None else f"{rows:,}", "-" if size is None else mib(size)
        )
    console.print(table)


def _show_faults(faults: list[Fault]) -> int:
    for name, text, grave in faults:
        sign = "[red]FAIL[/]" if grave else "[yellow]look[/]"
        console.print(f"{sign} {name}: {escape(text)}", soft_wrap=True)
    return sum(fault.grave for fault in faults)


async def _show_promises(store: Inspector, *, full: bool) -> int:
    [(recent,)] = await store.rows(FIRST_OF_RECENT, chains=_SAMPLE)
    first, broken = 0 if full else int(recent), 0
    for promise in PROMISES:
        if promise.whole and not full:
            continue
        breaches = await store.rows(promise.breaches, first=first)
        broken += bool(breaches)
        _show_promise(promise, breaches)
    left = ", ".join(one.name for one in PROMISES if one.whole)
    if not full:
        console.print(f"Looked at the last {_SAMPLE:,} messages at the most; {left}: --full only.")
    return broken


def _show_promise(promise: Promise, breaches: list[Row]) -> None:
    if not breaches:
        console.print(f"[green]ok  [/] {promise.name}: {promise.says}")
        return
    named = ", ".join(f"{what} {number}" for what, number in breaches[:SHOWN])
    more = " and more" if len(breaches) > SHOWN else ""
    text = f"[red]FAIL[/] {promise.name}: not so that {promise.says}: {named}{more}"
    console.print(text, soft_wrap=True)


async def _show_lateness(store: Inspector) -> None:
    before = SystemClock().now() - _LATE
    for what, since in LATENESS:
        [(count, oldest)] = await store.rows(since, before=before)
        if count:
            console.print(f"[yellow]late[/] {count:,} {what}, the oldest since {moment(oldest)}")
