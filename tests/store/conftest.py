from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support import postgres
from tests.support.builders import Database, opened
from tests.support.postgres import PostgresDatabase
from whimbrel.store.engine import Store


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Database | PostgresDatabase:
    """An empty database of each engine: this folder is the suite that both must pass."""
    if request.param == "sqlite":
        return Database(tmp_path / "whimbrel.db")
    if postgres.is_excluded():
        pytest.skip(f"{postgres.ENVIRONMENT}=none: PostgreSQL is NOT tested")
    shared = postgres.migrated()
    shared.clear()
    return shared


@pytest.fixture
async def store(database: Database) -> AsyncIterator[Store]:
    """A store that knows Partners 1 and 2 and nothing else."""
    async with opened(database) as store:
        yield store
