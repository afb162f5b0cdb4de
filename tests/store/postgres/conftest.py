from collections.abc import AsyncIterator, Iterator

import pytest

from tests.support import postgres
from tests.support.builders import opened
from tests.support.own_postgres import OwnPostgres
from tests.support.postgres import PostgresDatabase, on
from tests.support.runner import runner
from whimbrel.store.migrate import upgrade_postgres
from whimbrel.store.postgres import PostgresStore


def unless_excluded() -> None:
    if postgres.is_excluded():
        pytest.skip(f"{postgres.ENVIRONMENT}=none: PostgreSQL is NOT tested")


@pytest.fixture
def database() -> PostgresDatabase:
    """An empty database on the tests' server."""
    unless_excluded()
    shared = postgres.migrated()
    shared.clear()
    return shared


@pytest.fixture
async def store(database: PostgresDatabase) -> AsyncIterator[PostgresStore]:
    async with opened(database) as store:
        yield store


@pytest.fixture(scope="package")
def _own() -> Iterator[tuple[OwnPostgres, PostgresDatabase]]:
    unless_excluded()
    with OwnPostgres(durable=False) as own:
        postgres.noted(own.url, "one to stop and start")
        runner().run(upgrade_postgres(own.url))
        database = PostgresDatabase(on(own.url, "postgres"))
        yield own, database
        database.close()


@pytest.fixture
def own(_own: tuple[OwnPostgres, PostgresDatabase]) -> Iterator[OwnPostgres]:
    """A server that a test may stop; it runs when the test begins, and again when it ends."""
    server, database = _own
    database.clear()
    yield server
    if not server.is_up:
        server.start()


@pytest.fixture
def its_database(own: OwnPostgres, _own: tuple[OwnPostgres, PostgresDatabase]) -> PostgresDatabase:
    return _own[1]
