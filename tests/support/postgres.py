"""The PostgreSQL that the tests run on, and databases on it.

`WHIMBREL_TEST_POSTGRES` may be a URL, a folder of PostgreSQL's programs to start a server from,
`own` (whichever can be found) or `none`. Without it, what answers on 127.0.0.1 is taken, and else
a server of our own started, which ends with the tests.
"""

import atexit
import contextlib
import functools
import os
import re
import secrets
from pathlib import Path
from typing import Any

import asyncpg

from tests.support.builders import Questions
from tests.support.own_postgres import NoPostgres, OwnPostgres, answers
from tests.support.runner import runner
from whimbrel.domain.chain_id import link_id
from whimbrel.store.engine import PoolLimits
from whimbrel.store.migrate import upgrade_postgres
from whimbrel.store.postgres import PostgresStore
from whimbrel.store.schema import SERIALS, metadata

ENVIRONMENT = "WHIMBREL_TEST_POSTGRES"
LOCAL = "postgresql://postgres@127.0.0.1:5432/postgres"
LIMITS = PoolLimits(size=6, statement=10.0, lock=5.0)
_DATABASES = f"whimbrel_test_{os.getpid()}_{secrets.token_hex(3)}"

_to_close = contextlib.ExitStack()
atexit.register(_to_close.close)
_engines: list[str] = []


def end() -> None:
    """Remove what the tests have made: databases and servers."""
    _to_close.close()


def engines() -> list[str]:
    """Return the names of the servers that were used, for people."""
    return list(_engines)


def is_excluded() -> bool:
    return os.environ.get(ENVIRONMENT) == "none"


def on(url: str, name: str) -> str:
    """Return the URL of another database of the same server."""
    return re.sub(r"(?<=[^/])/[^/?]*(?=\?|$)", f"/{name}", url)


def server() -> str:
    """Return the URL of the server that the tests use; a new one is started if there is none.

    Raises `NoPostgres`, always for the same reason.
    """
    found = _server()
    if isinstance(found, NoPostgres):
        raise NoPostgres(
            f"The store's tests need PostgreSQL: {found}. {ENVIRONMENT}=none leaves them out."
        ) from found
    return found


@functools.cache
def _server() -> str | NoPostgres:
    named = os.environ.get(ENVIRONMENT, "")
    try:
        if "://" in named:
            return noted(named, "named")
        if not named and runner().run(answers(LOCAL)):
            return noted(LOCAL, "found")
        folder = Path(named) if "/" in named else None
        own = OwnPostgres(durable=False, binaries=folder)
        _to_close.enter_context(own)
        return noted(own.url, f"started for the tests from {own.binaries}")
    except NoPostgres as error:
        return error
    except (OSError, asyncpg.PostgresError) as error:
        return NoPostgres(f"{named or LOCAL}: {error}")


def noted(url: str, how: str) -> str:
    """Note a server that is used, for the summary; return its URL."""

    async def ask() -> str:
        connection = await asyncpg.connect(url)
        try:
            return str(await connection.fetchval("SHOW server_version"))
        finally:
            await connection.close()

    place = url.partition("://")[2].rpartition("@")[2].partition("/")[0]
    _engines.append(f"PostgreSQL {runner().run(ask()).split()[0]} at {place} ({how})")
    return url


def new_database(name: str) -> str:
    """Make an empty database on the tests' server; return its URL. It goes with the tests.

    Its name is of this process alone: several may test on one server.
    """
    name, url = f"{_DATABASES}_{name}", server()
    drop = f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"
    _execute(url, drop, f"CREATE DATABASE {name} ENCODING 'UTF8' TEMPLATE template0")
    _to_close.callback(_execute, url, drop)
    return on(url, name)


def _execute(url: str, *statements: str) -> None:
    async def execute() -> None:
        connection = await asyncpg.connect(url)
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    runner().run(execute())


_CLEAR = "; ".join(
    # Quicker than TRUNCATE, which makes new files.
    [
        "SET synchronous_commit = off",
        *(f"DELETE FROM {table.name}" for table in reversed(metadata.sorted_tables)),
        *(
            f"SELECT setval(pg_get_serial_sequence('{table}', '{column}'), 1, false)"
            for table, column in SERIALS.items()
        ),
    ]
)


class PostgresDatabase(Questions):
    """A database with the schema of this version, read and written beside the store."""

    engine = "postgres"

    def __init__(self, url: str, *, size: int = LIMITS.size) -> None:
        self.url = url
        self.limits = LIMITS._replace(size=size)
        self._connection: Any = None

    async def open(self) -> PostgresStore:
        return await PostgresStore.open(self.url, self.limits)

    def rows(self, sql: str, *params: Any) -> list[tuple[Any, ...]]:
        """Return what is committed; `?` stands for a parameter."""
        numbers = iter(range(1, 100))
        text = re.sub(r"\?", lambda _: f"${next(numbers)}", sql)

        async def fetch() -> list[tuple[Any, ...]]:
            connection = await self._connected()
            return [tuple(row) for row in await connection.fetch(text, *params)]

        return runner().run(fetch())

    def script(self, sql: str) -> None:
        """Run several statements without parameters."""

        async def execute() -> None:
            connection = await self._connected()
            await connection.execute(sql)

        runner().run(execute())

    def link(self, chain_id: int = 1, position: int = 0) -> dict[str, Any]:
        async def fetch() -> dict[str, Any]:
            connection = await self._connected()
            number = link_id(chain_id, position)
            return dict(await connection.fetchrow("SELECT * FROM links WHERE link_id = $1", number))

        return runner().run(fetch())

    def clear(self) -> None:
        """Empty all tables, and count from one again."""
        self.script(_CLEAR)

    def close(self) -> None:
        async def end() -> None:
            if self._connection is not None:
                await self._connection.close()
                self._connection = None

        runner().run(end())

    async def _connected(self) -> Any:
        if self._connection is None or self._connection.is_closed():
            self._connection = await asyncpg.connect(self.url)
        return self._connection


@functools.cache
def migrated() -> PostgresDatabase:
    """Return the one database that tests share, each after clearing it."""
    url = new_database("shared")
    runner().run(upgrade_postgres(url))
    database = PostgresDatabase(url)
    _to_close.callback(database.close)
    return database
