"""Opens the store that the settings name: SQLite's file, or a database of PostgreSQL.

SQLite's file is brought up to date by whoever opens it, for nobody else has it open. PostgreSQL's
schema is changed by `whimbrel db upgrade` alone: other nodes, perhaps of an older version, may be
at work on it.
"""

from pathlib import Path

from whimbrel.settings import StoreSettings
from whimbrel.store.engine import PoolLimits, Store
from whimbrel.store.migrate import upgrade
from whimbrel.store.sqlite import SqliteStore


async def open_store(settings: StoreSettings) -> Store:
    """Open the store. Raises `StoreUnavailable` with what an operator can do about it."""
    if not settings.url:
        upgrade(settings.path)
        return SqliteStore(settings.path)
    from whimbrel.store.postgres.connecting import check_tables  # noqa: PLC0415 - the same
    from whimbrel.store.postgres.store import PostgresStore  # noqa: PLC0415 - a driver that few need

    store = await PostgresStore.open(settings.url, limits_of(settings))
    try:
        await check_tables(settings.url)
    except BaseException:
        await store.close()
        raise
    return store


def risk_of(store: Store) -> str | None:
    """Return what an operator should know of an open store; None: nothing."""
    return getattr(store, "risk", None)


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
