"""The condition of a SQLite file."""

import shutil
import sqlite3
from pathlib import Path

from whimbrel.store.condition import Fact, Fault, Size, mib, needed_indexes
from whimbrel.store.engine import Row, Statement
from whimbrel.store.revisions import newest_revision, revision_fault, revision_of_file
from whimbrel.store.schema import metadata

_GIB = 2**30
_QUICK_BYTES = _GIB  # a file up to here is read whole in a few seconds
_LEAST_FREE_BYTES = _GIB
_SHOWN = 10  # faults that SQLite itself finds


class SqliteInspector:
    """A SQLite file."""

    def __init__(self, path: Path) -> None:
        """Open it. Raises `sqlite3.Error` if it is none."""
        self._path = path
        self._connection = sqlite3.connect(path)
        self._connection.execute("PRAGMA query_only = ON")

    async def rows(self, statement: Statement, **params: int) -> list[Row]:
        """Answer a question."""
        given = tuple(params[name] for name in statement.names)
        return self._connection.execute(statement.numbered("?"), given).fetchall()

    async def facts(self) -> list[Fact]:
        """Return the version, the schema, the journal, the sizes of the files."""
        wal = self._path.with_name(self._path.name + "-wal")
        free = shutil.disk_usage(self._path.parent).free
        return [
            Fact("engine", f"SQLite {sqlite3.sqlite_version}"),
            Fact("schema", f"{revision_of_file(self._path)}; {newest_revision()} is needed"),
            Fact("durable", f"journal {self._journal()}, synchronous FULL by every connection"),
            Fact(
                "size",
                f"{mib(self._path.stat().st_size)}, WAL "
                f"{mib(wal.stat().st_size if wal.exists() else 0)}, {mib(free)} free on its disk",
            ),
        ]

    async def schema_fault(self) -> str | None:
        """Say what is wrong with the tables."""
        return revision_fault(revision_of_file(self._path))

    async def sizes(self) -> list[Size]:
        """Count the rows, unless the file is so large that it takes long."""
        large = self._path.stat().st_size > _QUICK_BYTES
        return [
            Size(table, None if large else self._count(table), None) for table in metadata.tables
        ]

    async def faults(self, *, full: bool) -> list[Fault]:
        """Ask SQLite to check itself, and look at the disk."""
        faults = [
            Fault("index-missing", f"there is no index {name}")
            for name in sorted(needed_indexes() - self._names("index"))
        ]
        if self._journal() != "wal":
            text = "the journal is no WAL yet: a start of the gateway makes it one"
            faults.append(Fault("journal", text, grave=False))
        if shutil.disk_usage(self._path.parent).free < _LEAST_FREE_BYTES:
            faults.append(Fault("disk", "its disk is nearly full", grave=False))
        if full:
            faults += self._pragma("integrity_check", "ok")
            faults += self._pragma("foreign_key_check", None)
        elif self._path.stat().st_size <= _QUICK_BYTES:
            faults += self._pragma("quick_check", "ok")
        else:
            text = f"larger than {mib(_QUICK_BYTES)}: SQLite's own check is left to --full"
            faults.append(Fault("unchecked", text, grave=False))
        return faults

    async def close(self) -> None:
        """Close it."""
        self._connection.close()

    def _pragma(self, name: str, well: str | None) -> list[Fault]:
        rows = self._connection.execute(f"PRAGMA {name}").fetchmany(_SHOWN)
        return [Fault(name, " ".join(map(str, row))) for row in rows if row[0] != well]

    def _journal(self) -> str:
        return str(self._connection.execute("PRAGMA journal_mode").fetchone()[0])

    def _names(self, kind: str) -> set[str]:
        rows = self._connection.execute("SELECT name FROM sqlite_schema WHERE type = ?", (kind,))
        return {name for (name,) in rows}

    def _count(self, table: str) -> int:
        return int(self._connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])
