"""Runs migrations: the one module that knows Alembic, and is slow to import."""

from functools import partial
from pathlib import Path
from uuid import uuid4

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import create_engine, event
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from whimbrel.store.connecting import connected
from whimbrel.store.engine import StoreUnavailable
from whimbrel.store.refusals import REFUSALS, refusal

_UPGRADE_LOCK = 0x57_48_49_4D  # "WHIM"
_TABLE_LOCK_SECONDS = 10  # whoever waits for a table makes all others wait behind him


def run(path: Path | str, revision: str) -> None:
    """Bring the file to `revision`, all or nothing. Raises `sqlite3.Error`."""
    engine = create_engine(f"sqlite:///{path}")
    event.listen(engine, "connect", _own_transactions)
    event.listen(engine, "begin", _begin)
    try:
        with engine.begin() as connection:
            command.upgrade(_config(connection), revision)
    except DBAPIError as error:
        if error.orig is None:
            raise
        raise error.orig from error
    finally:
        engine.dispose()


async def run_postgres(url: str, revision: str) -> None:
    """Bring the database to `revision`, all or nothing, one process at a time.

    Raises `StoreUnavailable`.
    """
    engine = create_async_engine(
        "postgresql+asyncpg://",
        poolclass=NullPool,
        connect_args={
            # The driver reads the URL, as for the store: it knows more forms than SQLAlchemy. Our
            # names for statements are not to meet others' behind PgBouncer.
            "async_creator_fn": partial(connected, url),
            "prepared_statement_cache_size": 0,
            "prepared_statement_name_func": lambda: f"whimbrel_{uuid4()}",
        },
    )
    try:
        async with engine.begin() as connection:
            await connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
            await connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_UPGRADE_LOCK})")
            await connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_TABLE_LOCK_SECONDS}s'")
            await connection.run_sync(lambda one: command.upgrade(_config(one), revision))
    except CommandError as error:
        raise StoreUnavailable(
            f"store.url: {error}: were the tables made by a newer Whimbrel?"
        ) from error
    except (*REFUSALS, DBAPIError) as error:
        raise StoreUnavailable(f"store.url: {refusal(error)}") from error
    finally:
        await engine.dispose()


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["connection"] = connection
    return config


def _own_transactions(connection: object, _record: object) -> None:
    """Stop the driver from committing before DDL, so that a migration is all or nothing."""
    connection.isolation_level = None  # type: ignore[attr-defined]


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
