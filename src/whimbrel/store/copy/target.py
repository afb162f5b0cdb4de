"""A PostgreSQL database as a store is copied into it.

While a copy has not ended, a table of its own says so, and no gateway starts (`connecting.py`):
on half of a store messages would be lost, and others sent twice.
"""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

import asyncpg
from sqlalchemy import BigInteger, Integer, LargeBinary, SmallInteger, Table, Text
from sqlalchemy.types import TypeEngine

from whimbrel.store.copy.source import (
    COPIED,
    Digest,
    columns_of,
    key_of,
    names_of,
    spelled_by_postgres,
    without_nul,
)
from whimbrel.store.engine import Params, Row
from whimbrel.store.postgres.connecting import UNFINISHED_COPY, connected
from whimbrel.store.schema import SERIALS

_COPY_LOCK = 0x57_48_49_43  # "WHIC"
_LOCK_TRIES = 100  # a copy that was killed lets go when its server process notices: at once
_LOCK_PAUSE = 0.1
_NODES = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND application_name = 'whimbrel' AND pid <> pg_backend_pid()
"""


class CopyRefused(Exception):
    """The copy cannot be made so; the text says what to do."""


class PostgresTarget:
    """The database, held against another copy while it is open here."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    @classmethod
    async def open(cls, url: str) -> "PostgresTarget":
        """Connect. Raises `StoreUnavailable`, or `CopyRefused` if it cannot be copied into."""
        connection = await connected(url)
        target = cls(connection)
        try:
            await connection.execute("SET statement_timeout = 0; SET jit = off")
            await target._hold()
            await target._check()
        except BaseException:
            await target.close()
            raise
        return target

    async def close(self) -> None:
        """Let another copy have it."""
        await self._connection.close()

    async def begin(self, source: str) -> bool:
        """Mark the database as being copied into; return whether a copy was under way before.

        Raises `CopyRefused` if there is something in it, or a gateway at work on it.
        """
        under_way = await self.is_under_way()
        if not under_way:
            await self._mark(source)
        nodes = await self._connection.fetchval(_NODES)
        if nodes:
            if not under_way:
                await self._unmark()
            raise CopyRefused(
                f"{nodes} connections of Whimbrel are open there: stop its nodes, and its commands"
            )
        return under_way

    async def is_under_way(self) -> bool:
        """Tell whether a copy has begun there, and not ended."""
        found = await self._connection.fetchval(f"SELECT to_regclass('{UNFINISHED_COPY}')")
        return found is not None

    async def count(self, table: Table) -> int:
        """Return how many rows a table has."""
        return int(await self._connection.fetchval(f"SELECT count(*) FROM {table.name}"))

    async def take(self, table: Table, rows: Sequence[Row]) -> None:
        """Write rows: all of them, or none. Raises `CopyRefused` for what it cannot hold."""
        try:
            await self._copy(table, rows)
        except asyncpg.CharacterNotInRepertoireError:
            await self._copy(table, [tuple(map(without_nul, row)) for row in rows])

    async def _copy(self, table: Table, rows: Sequence[Row]) -> None:
        try:
            await self._connection.copy_records_to_table(
                table.name, records=rows, columns=columns_of(table)
            )
        except (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError) as error:
            if isinstance(error, asyncpg.CharacterNotInRepertoireError):
                raise
            raise CopyRefused(f"{table.name}: {error}") from error

    async def digest(self, table: Table) -> Digest:
        """Return what a table's values come to."""
        sql = f"SELECT count(*), coalesce(sum({spelled_by_postgres(table)}), 0) FROM {table.name}"
        rows, total = await self._connection.fetchrow(sql)
        return Digest(rows, int(total))

    async def digests_of_rows(self, table: Table, keys: Iterable[Params]) -> dict[Params, int]:
        """Return the same of the rows with these keys, by the keys as the source has them."""
        wanted = {tuple(map(without_nul, key)): key for key in keys}
        names = key_of(table)
        types = [_array(table.columns[name].type) for name in names]
        arrays = ", ".join(f"${n}::{type_}[]" for n, type_ in enumerate(types, 1))
        sql = f"""SELECT {spelled_by_postgres(table)}, {names_of(names)} FROM {table.name}
            JOIN unnest({arrays}) AS wanted({names_of(names)}) USING ({names_of(names)})"""
        columns = list(zip(*wanted, strict=True))
        found = await self._connection.fetch(sql, *columns) if wanted else []
        return {wanted[tuple(key)]: number for number, *key in found}

    async def finish(self) -> None:
        """Number on beyond what was copied, and let gateways in."""
        async with self._connection.transaction():
            for table, column in SERIALS.items():
                if any(one.name == table for one in COPIED):
                    await self._connection.execute(
                        f"SELECT setval(pg_get_serial_sequence('{table}', '{column}'),"
                        f" coalesce(max({column}), 1), max({column}) IS NOT NULL) FROM {table}"
                    )
            await self._connection.execute(f"DROP TABLE {UNFINISHED_COPY}")

    async def analyze(self) -> None:
        """Let the planner know what is there now: it has seen empty tables."""
        for table in COPIED:
            await self._connection.execute(f"ANALYZE {table.name}")

    async def _hold(self) -> None:
        for _ in range(_LOCK_TRIES):
            if await self._connection.fetchval("SELECT pg_try_advisory_lock($1)", _COPY_LOCK):
                return
            await asyncio.sleep(_LOCK_PAUSE)
        raise CopyRefused("another copy into this database is at work")

    async def _check(self) -> None:
        encoding = await self._connection.fetchval("SELECT current_setting('server_encoding')")
        if encoding != "UTF8":
            raise CopyRefused(f"the database has the encoding {encoding}: it must be UTF8")

    async def _mark(self, source: str) -> None:
        async with self._connection.transaction():
            for table in COPIED:
                if await self._connection.fetchval(f"SELECT 1 FROM {table.name} LIMIT 1"):
                    raise CopyRefused(
                        f"the database is not empty (table {table.name}), and no copy into it is "
                        "under way: that has ended, or others use it"
                    )
            await self._connection.execute(f"CREATE TABLE {UNFINISHED_COPY} (source text NOT NULL)")
            await self._connection.execute(f"INSERT INTO {UNFINISHED_COPY} VALUES ($1)", source)

    async def _unmark(self) -> None:
        await self._connection.execute(f"DROP TABLE {UNFINISHED_COPY}")


def _array(kind: TypeEngine[Any]) -> str:
    """Name the type of a key's column."""
    match kind:
        case SmallInteger():
            return "smallint"
        case BigInteger():
            return "bigint"
        case Integer():
            return "integer"
        case Text():
            return "text"
        case LargeBinary():
            return "bytea"
    raise TypeError(f"{kind!r} in a key")
