"""Opens the store that the settings name: SQLite's file, or a database of PostgreSQL.

SQLite's file is brought up to date by whoever opens it, for nobody else has it open. PostgreSQL's
schema is changed by `whimbrel db upgrade` alone: other nodes, perhaps of an older version, may be
at work on it.
"""

from pathlib import Path
from typing import Any

import asyncpg

from whimbrel.settings import StoreSettings
from whimbrel.store.engine import Store, StoreUnavailable
from whimbrel.store.migrate import upgrade
from whimbrel.store.postgres import PoolLimits, PostgresStore
from whimbrel.store.refusals import REFUSALS, refusal
from whimbrel.store.revisions import revision_fault, revision_of_database
from whimbrel.store.sqlite import SqliteStore

UNFINISHED_COPY = "unfinished_copy"
"""A table that is there while a copy into the database has begun and not ended."""
_CONNECT_SECONDS = 10.0  # nobody but an operator waits


async def open_store(settings: StoreSettings) -> Store:
    """Open the store. Raises `StoreUnavailable` with what an operator can do about it."""
    if not settings.url:
        upgrade(settings.path)
        return SqliteStore(settings.path)
    store = await PostgresStore.open(settings.url, limits_of(settings))
    try:
        await _check_schema(settings.url)
    except BaseException:
        await store.close()
        raise
    return store


def limits_of(settings: StoreSettings) -> PoolLimits:
    """Return how the settings bound the use of PostgreSQL."""
    return PoolLimits(
        settings.pool_size,
        settings.statement_timeout_seconds,
        settings.lock_timeout_seconds,
        settings.pgbouncer,
    )


def store_name(settings: StoreSettings) -> str:
    """Name the store without its secrets."""
    if not settings.url:
        return str(Path(settings.path))
    return settings.url.partition("?")[0].rpartition("@")[2].removeprefix("postgresql://")


async def connected(url: str) -> Any:
    """Connect to PostgreSQL for a command of an operator; it is no node of a gateway.

    Raises `StoreUnavailable` in words that hold no secret.
    """
    try:
        return await asyncpg.connect(
            url,
            timeout=_CONNECT_SECONDS,
            statement_cache_size=0,  # PgBouncer may be between
            server_settings={"application_name": "whimbrel db"},
        )
    except (*REFUSALS, ValueError) as error:
        raise StoreUnavailable(f"store.url: {refusal(error)}") from error


async def _check_schema(url: str) -> None:
    connection = await connected(url)
    try:
        fault = revision_fault(await revision_of_database(connection))
        half = await connection.fetchval(f"SELECT to_regclass('{UNFINISHED_COPY}')")
    finally:
        await connection.close()
    if fault:
        raise StoreUnavailable(f"store.url: {fault}")
    if half is not None:
        raise StoreUnavailable(
            "store.url: a copy into this database has not ended: run whimbrel db copy again"
        )
