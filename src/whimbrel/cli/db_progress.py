"""How far a copy is, and what came of it: a bar where somebody looks, else a line now and then."""

import sys
from types import TracebackType
from typing import Self

from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from whimbrel.cli.terminal import console
from whimbrel.clock import Clock
from whimbrel.store.copying import Compared

_LINE_EVERY = 10.0  # seconds, where there is no terminal


class CopyProgress:
    """Tells of each table: rows done, rows a second, time left."""

    def __init__(self, doing: str, clock: Clock) -> None:
        self._doing = doing
        self._clock = clock
        self._bars = _bars() if sys.stdout.isatty() else None
        self._bar: TaskID | None = None
        self._table = ""
        self._first = self._done = self._total = 0
        self._began = self._told = 0.0

    def __enter__(self) -> Self:
        if self._bars:
            self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bars:
            self._bars.stop()

    def began(self, table: str, done: int, total: int) -> None:
        """Tell of another table."""
        self._table, self._first, self._done, self._total = table, done, done, total
        self._began = self._told = self._clock.elapsed()
        if self._bars:
            self._bar = self._bars.add_task(
                f"{self._doing} {table}", total=total, completed=done, rate=""
            )

    def went_on(self, rows: int) -> None:
        """Count rows; this may come from another thread."""
        self._done += rows
        if self._bars and self._bar is not None:
            self._bars.update(self._bar, completed=self._done, rate=f"{self._rate():,.0f} rows/s")
        elif self._clock.elapsed() - self._told >= _LINE_EVERY:
            self._told = self._clock.elapsed()
            left = (self._total - self._done) / (self._rate() or 1)
            self._say(f"{self._done:,} of {self._total:,}", f", about {left:,.0f} s left")

    def ended(self) -> None:
        """Tell that the table is done."""
        if not self._bars and self._total:
            self._say(f"{self._done:,}")

    def _say(self, rows: str, more: str = "") -> None:
        console.print(f"{self._doing} {self._table}: {rows} rows ({self._rate():,.0f}/s){more}")

    def _rate(self) -> float:
        return (self._done - self._first) / max(self._clock.elapsed() - self._began, 1e-3)


def _bars() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.completed:,} rows"),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        console=console,
    )


def show_copied(compared: list[Compared], copied: int, copying: float, verifying: float) -> None:
    """Show what is there now."""
    table = Table("table", "rows", "texts with a NUL")
    for one in compared:
        table.add_row(one.table, f"{one.rows:,}", f"{one.texts_with_nul:,}")
    console.print(table)
    rows = sum(one.rows for one in compared)
    if copied:
        console.print(f"{copied:,} rows copied in {copying:,.1f} s.")
    console.print(f"{rows:,} rows compared in {verifying:,.1f} s: the same on both sides.")
    if any(one.texts_with_nul for one in compared):
        console.print("PostgreSQL holds no NUL in a text: each became U+FFFD there.")
