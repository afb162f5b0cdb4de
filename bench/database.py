"""A database of one's own on a PostgreSQL server that is there: made, given its tables, dropped."""

import asyncio
import contextlib
import os
import re
from collections.abc import Awaitable, Iterator
from typing import Any, TypeVar

import asyncpg

from whimbrel.store.migrate import upgrade_postgres

T = TypeVar("T")
LOCAL = "postgresql://postgres@127.0.0.1:5432/postgres"


@contextlib.contextmanager
def database(server: str, purpose: str) -> Iterator[str]:
    """Make a database on the server with this URL, and yield its own; drop it in the end."""
    name = f"whimbrel_bench_{purpose}_{os.getpid()}"
    url = re.sub(r"(?<=[^/])/[^/?]*(?=\?|$)", f"/{name}", server)
    run(_execute(server, f"CREATE DATABASE {name}"))
    try:
        run(upgrade_postgres(url))
        yield url
    finally:
        run(_execute(server, f"DROP DATABASE {name} WITH (FORCE)"))


def total(url: str, table: str, column: str, condition: str) -> int:
    """Add up a column; `1` counts rows."""
    query = f"SELECT coalesce(sum({column}), 0) FROM {table} WHERE {condition}"
    return int(run(_value(url, query)))


def run(work: Awaitable[T]) -> T:
    """Do it in a loop of its own."""

    async def awaited() -> T:
        return await work

    return asyncio.run(awaited())


async def _execute(url: str, sql: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(sql)
    finally:
        await connection.close()


async def _value(url: str, sql: str) -> Any:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()
