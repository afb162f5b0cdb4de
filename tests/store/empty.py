"""Databases with nothing in them, for the tests of migrations."""

import itertools
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.ext.asyncio import create_async_engine

from tests.support import postgres
from tests.support.builders import Database
from tests.support.postgres import PostgresDatabase
from tests.support.runner import runner
from whimbrel.store.migrate import upgrade, upgrade_postgres
from whimbrel.store.schema import metadata
from whimbrel.store.sqlite import SqliteStore

_numbers = itertools.count(1)


def _differences(connection: sa.Connection) -> list[Any]:
    return list(compare_metadata(MigrationContext.configure(connection), metadata))


def _contents(connection: sa.Connection) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of all tables by column name, in the order of their keys."""
    found = sa.MetaData()
    found.reflect(connection)
    return {
        table.name: [
            dict(row._mapping)
            for row in connection.execute(sa.select(table).order_by(*table.primary_key.columns))
        ]
        for table in found.sorted_tables
        if table.name != "alembic_version"
    }


class EmptyFile(Database):
    """A file that is not there yet."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.program = f"from whimbrel.store.migrate import upgrade; upgrade({str(path)!r})"

    def upgrade(self, revision: str | None = None) -> None:
        upgrade(self.path, revision)

    def create_all(self) -> None:
        self._run(metadata.create_all)

    def differences(self) -> list[Any]:
        return self._run(_differences)

    def contents(self) -> dict[str, list[dict[str, Any]]]:
        return self._run(_contents)

    def indexes(self) -> dict[str, str]:
        made = self.rows("SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND sql <> ''")
        return {name: sql.partition(" ON ")[2] for name, sql in made}

    def description(self) -> list[Any]:
        return self.rows("SELECT name, sql FROM sqlite_schema ORDER BY name")

    async def open(self) -> SqliteStore:
        return SqliteStore(self.path)

    def close(self) -> None:
        """Do nothing: pytest removes the file."""

    def _run(self, work: Any) -> Any:
        engine = sa.create_engine(f"sqlite:///{self.path}")
        try:
            with engine.begin() as connection:
                return work(connection)
        finally:
            engine.dispose()


class EmptyPostgres(PostgresDatabase):
    """A new database."""

    def __init__(self) -> None:
        super().__init__(postgres.new_database(f"empty{next(_numbers)}"))
        self.program = (
            "import asyncio; from whimbrel.store.migrate import upgrade_postgres; "
            f"asyncio.run(upgrade_postgres({self.url!r}))"
        )

    def upgrade(self, revision: str | None = None) -> None:
        runner().run(upgrade_postgres(self.url, revision))

    def create_all(self) -> None:
        self._run(metadata.create_all)

    def differences(self) -> list[Any]:
        return self._run(_differences)

    def contents(self) -> dict[str, list[dict[str, Any]]]:
        return self._run(_contents)

    def indexes(self) -> dict[str, str]:
        made = self.rows(
            "SELECT indexname, indexdef FROM pg_indexes"
            " WHERE schemaname = 'public' AND tablename <> 'alembic_version'"
        )
        return {name: definition.partition(" ON ")[2] for name, definition in made}

    def description(self) -> list[Any]:
        columns = self.rows(
            "SELECT table_name::text, column_name::text, data_type::text, is_nullable::text,"
            " column_default::text FROM information_schema.columns WHERE table_schema = 'public'"
            " ORDER BY 1, 2"
        )
        return [columns, self.indexes()]

    def _run(self, work: Any) -> Any:
        async def run() -> Any:
            engine = create_async_engine(f"postgresql+asyncpg://{self.url.partition('://')[2]}")
            try:
                async with engine.begin() as connection:
                    return await connection.run_sync(work)
            finally:
                await engine.dispose()

        return runner().run(run())
