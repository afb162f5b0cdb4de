"""Brings a store's schema up to date."""

from pathlib import Path

import asyncpg
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, event
from sqlalchemy.engine import Connection
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

_VERSIONS = Path(__file__).parent / "migrations" / "versions"
_UPGRADE_LOCK = 0x57_48_49_4D  # "WHIM"; nobody else's, and no hash of a content key
_CONNECT_SECONDS = 10.0  # nobody but an operator waits
_TABLE_LOCK_SECONDS = 10  # whoever waits for a table makes all others wait behind him


def upgrade(path: Path | str, revision: str = "head") -> None:
    """Create the SQLite file, or bring it to `revision`; does nothing to one that is there already.

    Raises `alembic.util.CommandError` if the file was written by a newer Whimbrel.
    """
    engine = create_engine(f"sqlite:///{path}")
    event.listen(engine, "connect", _own_transactions)
    event.listen(engine, "begin", _begin)
    try:
        with engine.begin() as connection:
            command.upgrade(_config(connection), revision)
    finally:
        engine.dispose()


async def upgrade_postgres(url: str, revision: str = "head") -> None:
    """Make the tables in a PostgreSQL database, or bring them to `revision`.

    All or nothing; of several processes that try it at once, one does it and the others wait.
    Raises `alembic.util.CommandError` if the database was written by a newer Whimbrel, and
    `sqlalchemy.exc.DBAPIError`, `asyncpg.PostgresError` or `OSError` if it cannot be reached or
    refuses.
    """
    engine = create_async_engine(
        "postgresql+asyncpg://",
        poolclass=NullPool,
        # asyncpg reads the URL, as it does for the store: it knows more forms than SQLAlchemy.
        async_creator=lambda: asyncpg.connect(
            url, timeout=_CONNECT_SECONDS, server_settings={"application_name": "whimbrel db"}
        ),
    )
    try:
        async with engine.begin() as connection:
            await connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
            await connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_UPGRADE_LOCK})")
            await connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_TABLE_LOCK_SECONDS}s'")
            await connection.run_sync(lambda one: command.upgrade(_config(one), revision))
    finally:
        await engine.dispose()


async def postgres_revision(url: str) -> str | None:
    """Return the revision of the tables there; None: there are none.

    Raises `asyncpg.PostgresError` or `OSError` if the database cannot be reached.
    """
    connection = await asyncpg.connect(url, statement_cache_size=0)
    try:
        if await connection.fetchval("SELECT to_regclass('alembic_version')") is None:
            return None
        revision = await connection.fetchval("SELECT version_num FROM alembic_version")
        return None if revision is None else str(revision)
    finally:
        await connection.close()


def newest_revision() -> str:
    """Return the revision that this version needs: they are numbered in their order."""
    return max(path.name for path in _VERSIONS.glob("r*.py")).partition("_")[0]


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    return config


def _own_transactions(connection: object, _record: object) -> None:
    """Stop the driver from committing before DDL, so that a migration is all or nothing."""
    connection.isolation_level = None  # type: ignore[attr-defined]


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
