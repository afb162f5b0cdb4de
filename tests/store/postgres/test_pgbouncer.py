"""A good part of the conformance suite, through PgBouncer in transaction mode.

It has fewer connections to the server than the store has to it, so that whatever depended on a
connection's own memory (a setting, a prepared statement, a lock) would be lost or be another's.
"""

import asyncio
from collections.abc import Iterator
from types import ModuleType

import pytest

from tests.store import test_accept, test_claims, test_groups, test_reports, test_timers
from tests.store.postgres.conftest import unless_excluded
from tests.store.test_groups import look, note
from tests.support import pgbouncer, postgres
from tests.support.postgres import LIMITS, PostgresDatabase
from tests.support.runner import runner
from whimbrel.settings import StoreSettings
from whimbrel.store.engine import Ask, Statement, Steps, StoreUnavailable
from whimbrel.store.migrate import upgrade_postgres
from whimbrel.store.opening import open_store
from whimbrel.store.postgres.connecting import revision_at
from whimbrel.store.postgres.store import PostgresStore
from whimbrel.store.revisions import newest_revision

_CONNECTIONS = 2
_SETTINGS = Statement("""
SELECT current_setting('statement_timeout'), current_setting('lock_timeout'), pg_backend_pid()
""")

pytestmark = pytest.mark.skipif(
    pgbouncer.PROGRAM is None, reason="PgBouncer is not installed: the store is NOT tested with it"
)


def _take_tests_of(*modules: ModuleType) -> None:
    for module in modules:
        globals().update({n: one for n, one in vars(module).items() if n.startswith("test_")})


_take_tests_of(test_accept, test_claims, test_groups, test_reports, test_timers)


class PooledDatabase(PostgresDatabase):
    """Its stores come through PgBouncer, its tests' own questions do not."""

    def __init__(self, url: str, through: str) -> None:
        super().__init__(url)
        self.through = through

    async def open(self) -> PostgresStore:
        return await PostgresStore.open(self.through, LIMITS._replace(pooled=True))


@pytest.fixture(scope="module")
def pooled() -> Iterator[PooledDatabase]:
    unless_excluded()
    shared = postgres.migrated()
    with pgbouncer.pooled(shared.url, size=_CONNECTIONS) as through:
        database = PooledDatabase(shared.url, through)
        yield database
        database.close()


@pytest.fixture
def database(pooled: PooledDatabase) -> PooledDatabase:
    pooled.clear()
    return pooled


async def test_each_transaction_has_its_limits_whichever_connection_it_gets(
    database: PooledDatabase,
) -> None:
    def tell(items: list[None]) -> Steps[list[tuple[str, str, int]]]:
        rows = yield Ask(_SETTINGS, [()] * len(items))
        return [one[0] for one in rows]  # type: ignore[misc]

    stores = [
        await PostgresStore.open(
            database.through, LIMITS._replace(pooled=True, statement=seconds, lock=seconds / 2)
        )
        for seconds in (4.0, 6.0)
    ]
    pids: set[int] = set()
    for _ in range(20):
        told = await asyncio.gather(
            *(one.write(tell, None) for one in stores), *(one.read(tell, None) for one in stores)
        )
        assert [one[:2] for one in told] == [("4s", "2s"), ("6s", "3s")] * 2
        pids |= {one[2] for one in told}
    assert 1 <= len(pids) <= _CONNECTIONS
    for store in stores:
        await store.close()


async def test_many_readers_and_writers_share_few_connections(database: PooledDatabase) -> None:
    stores = [await database.open() for _ in range(3)]
    await asyncio.gather(
        *(store.write(note, f"{n} {i}") for n, store in enumerate(stores) for i in range(100)),
        *(store.read(look, None) for store in stores for _ in range(30)),
    )
    assert len(await stores[0].read(look, None)) == 300
    for store in stores:
        await store.close()


async def test_a_server_connection_that_dies_behind_it_costs_nobody_an_answer(
    database: PooledDatabase,
) -> None:
    store = await database.open()
    await store.write(note, "before")
    # The one that PgBouncer will lend first. It may still be dying then; of several that are, a
    # second could be lent in its place, and no more than two connections are tried.
    database.rows(
        "SELECT pg_terminate_backend((SELECT pid FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        " ORDER BY state_change DESC LIMIT 1))"
    )
    assert await store.write(note, "after") == "noted after"
    assert await store.read(look, None) == {"before", "after"}
    await store.close()


async def test_an_upgrade_may_go_through_it_too() -> None:
    unless_excluded()
    with pgbouncer.pooled(postgres.new_database("bounced"), size=1) as through:
        runner().run(upgrade_postgres(through, "r0001"))
        with pytest.raises(StoreUnavailable, match="run whimbrel db upgrade"):
            await open_store(StoreSettings(url=through, pgbouncer=True))
        runner().run(upgrade_postgres(through))
        assert await revision_at(through) == newest_revision()
        store = await open_store(StoreSettings(url=through, pgbouncer=True))
        await store.close()
