from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.builders import Database, opened
from whimbrel.store.sqlite import SqliteStore


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database(tmp_path / "whimbrel.db")


@pytest.fixture
async def store(database: Database) -> AsyncIterator[SqliteStore]:
    """A store that knows Partners 1 and 2 and nothing else."""
    async with opened(database) as store:
        yield store
