from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.flow.rig import Journey
from tests.support.builders import Database, opened
from tests.support.clock import FakeClock
from whimbrel.store.sqlite import SqliteStore


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database(tmp_path / "whimbrel.db")


@pytest.fixture
async def store(database: Database) -> AsyncIterator[SqliteStore]:
    """A store that knows Partners 1 and 2 and nothing else."""
    async with opened(database) as store:
        yield store


@pytest.fixture
async def journey(store: SqliteStore, database: Database, clock: FakeClock) -> Journey:
    """The stages, with one sender that is paced by nothing."""
    return Journey(store, database, clock)
