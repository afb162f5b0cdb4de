"""A SQLite store as it is copied out of: read in the order of keys, and kept still meanwhile."""

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import LargeBinary, Table

from whimbrel.store.engine import Params, Row
from whimbrel.store.schema import metadata
from whimbrel.store.sqlite import connect

COPIED = tuple(metadata.sorted_tables)
"""Every table, each behind those that it refers to: what tells of a process of the gateway, too. It
is gone or dead by then, and whoever takes over needs to know how far it had come."""

NUL, NO_CHARACTER = "\0", "\ufffd"
"""What PostgreSQL cannot hold in a text, and what stands for it there."""
_SEPARATOR = "\x1f"
_BUSY_SECONDS = 5.0  # a command that writes is done by then
_REPORT_EVERY = 10_000  # rows
Counted = Callable[[int], None]


class Digest(NamedTuple):
    """What all values of a table come to, in whatever order they are read."""

    rows: int
    total: int


class SqliteSource:
    """A SQLite store to which nobody writes while it is open here. Closing lets others again."""

    def __init__(self, path: Path) -> None:
        """Open it, with the schema of this version. Raises `sqlite3.Error` while others write."""
        self._connection = connect(path, busy_timeout=_BUSY_SECONDS)
        self._connection.execute("BEGIN IMMEDIATE")  # one state of it, and no other writer
        self._connection.execute("PRAGMA query_only = ON")

    def close(self) -> None:
        """Let others write again."""
        self._connection.close()

    def interrupt(self) -> None:
        """End what another thread is reading."""
        self._connection.interrupt()

    def count(self, table: Table) -> int:
        """Return how many rows a table has."""
        found = self._connection.execute(f"SELECT count(*) FROM {table.name}").fetchone()
        return int(found[0])

    def key_at(self, table: Table, place: int) -> Params:
        """Return the key of a row by its place in the order of keys, 0 for the first."""
        keys = names_of(key_of(table))
        sql = f"SELECT {keys} FROM {table.name} ORDER BY {keys} LIMIT 1 OFFSET ?"
        return tuple(self._connection.execute(sql, (place,)).fetchone())

    def batch(self, table: Table, after: Params | None, size: int) -> list[Row]:
        """Return the rows that follow a key (None: from the first), with all their columns."""
        keys, columns = names_of(key_of(table)), names_of(columns_of(table))
        marks = ", ".join("?" * len(key_of(table)))
        where = f"WHERE ({keys}) > ({marks})" if after is not None else ""
        sql = f"SELECT {columns} FROM {table.name} {where} ORDER BY {keys} LIMIT {size}"
        return self._connection.execute(sql, after or ()).fetchall()

    def digest(self, table: Table, counted: Counted) -> tuple[Digest, int]:
        """Return what a table's values come to, and how many of its texts hold a NUL."""
        rows = total = with_nul = 0
        sql = f"SELECT {_spelled(table)} FROM {table.name}"
        for (text,) in self._connection.execute(sql):
            rows += 1
            if NUL in text:
                with_nul += sum(NUL in one for one in text.split(_SEPARATOR))
            total += _number(text)
            if rows % _REPORT_EVERY == 0:
                counted(_REPORT_EVERY)
        counted(rows % _REPORT_EVERY)
        return Digest(rows, total), with_nul

    def digests_of_rows(self, table: Table, after: Params | None, size: int) -> dict[Params, int]:
        """Return the same of single rows that follow a key, by their keys."""
        keys = names_of(key_of(table))
        marks = ", ".join("?" * len(key_of(table)))
        where = f"WHERE ({keys}) > ({marks})" if after is not None else ""
        sql = f"""SELECT {_spelled(table)}, {keys} FROM {table.name} {where}
            ORDER BY {keys} LIMIT {size}"""
        rows = self._connection.execute(sql, after or ())
        return {tuple(key): _number(text) for text, *key in rows}

    def digest_of_row(self, table: Table, key: Params) -> int:
        """Return the same of one row."""
        marks = ", ".join("?" * len(key))
        sql = f"""SELECT {_spelled(table)} FROM {table.name}
            WHERE ({names_of(key_of(table))}) = ({marks})"""
        return _number(self._connection.execute(sql, key).fetchone()[0])


def columns_of(table: Table) -> list[str]:
    """Return the names of a table's columns."""
    return [column.name for column in table.columns]


def key_of(table: Table) -> list[str]:
    """Return the names of the columns that tell its rows apart."""
    return [column.name for column in table.primary_key.columns]


def names_of(columns: list[str]) -> str:
    """Write names of columns into a statement."""
    return ", ".join(f'"{name}"' for name in columns)


def without_nul(value: object) -> object:
    """Return a value as PostgreSQL can hold it."""
    return value.replace(NUL, NO_CHARACTER) if isinstance(value, str) else value


def _spelled(table: Table) -> str:
    """Write how a row is spelled as one text: NULL as `n`, a value as `v` and itself."""
    return f" || char({ord(_SEPARATOR)}) || ".join(
        f"""CASE WHEN "{one.name}" IS NULL THEN 'n' ELSE 'v' || lower(hex("{one.name}")) END"""
        if isinstance(one.type, LargeBinary)
        else f"""coalesce('v' || "{one.name}", 'n')"""
        for one in table.columns
    )


def spelled_by_postgres(table: Table) -> str:
    """Write the same for PostgreSQL, up to the number that is made of the text."""
    columns = ", ".join(
        f"""coalesce('v' || encode("{one.name}", 'hex'), 'n')"""
        if isinstance(one.type, LargeBinary)
        else f"""coalesce('v' || CAST("{one.name}" AS text), 'n')"""
        for one in table.columns
    )
    text = f"concat_ws(chr({ord(_SEPARATOR)}), {columns})"
    digest = f"substr(sha256(convert_to({text}, 'UTF8')), 1, {_DIGEST_BYTES})"
    return f"('x' || encode({digest}, 'hex'))::bit({8 * _DIGEST_BYTES})::bigint"


_DIGEST_BYTES = 8


def _number(text: str) -> int:
    digest = sha256(text.replace(NUL, NO_CHARACTER).encode()).digest()
    return int.from_bytes(digest[:_DIGEST_BYTES], "big", signed=True)
