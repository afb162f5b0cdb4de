"""Brings a store's schema up to date."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, event
from sqlalchemy.engine import Connection


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
