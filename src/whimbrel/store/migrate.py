"""Brings a store's schema up to date.

Every start and every command asks for that, and nearly always there is nothing to do. So the file
is asked first, in a fraction of a millisecond; Alembic and SQLAlchemy, which take longer to import
than all the rest of a command, are there only for the work itself.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

from whimbrel.store.engine import StoreUnavailable

_VERSIONS = Path(__file__).parent / "migrations" / "versions"


def upgrade(path: Path | str, revision: str | None = None) -> None:
    """Create the SQLite file, or bring it to `revision`, the newest unless told otherwise.

    Does nothing to a file that is there already. Raises `StoreUnavailable` if the file was written
    by a newer Whimbrel, and `sqlite3.Error` if it cannot be read or changed.
    """
    known = revisions()
    present = _revision_of(path)
    if present == (revision or known[-1]):
        return
    if present is not None and present not in known:
        raise StoreUnavailable(
            f"store.path: {path} is of revision {present}, which this version does not know:"
            " was the file written by a newer Whimbrel?"
        )
    from whimbrel.store.migrations.run import run  # noqa: PLC0415 - see the module's docstring

    run(path, revision or known[-1])


async def upgrade_postgres(url: str, revision: str | None = None) -> None:
    """Make the tables in a PostgreSQL database, or bring them to `revision`.

    All or nothing; of several processes that try it at once, one does it and the others wait.
    Raises `StoreUnavailable` if the database was written by a newer Whimbrel, cannot be reached or
    refuses.
    """
    from whimbrel.store.migrations.run import run_postgres  # noqa: PLC0415 - the same

    await run_postgres(url, revision or newest_revision())


async def postgres_revision(url: str) -> str | None:
    """Return the revision of the tables there; None: there are none.

    Raises `asyncpg.PostgresError` or `OSError` if the database cannot be reached.
    """
    import asyncpg  # noqa: PLC0415 - only where PostgreSQL is

    connection = await asyncpg.connect(url, statement_cache_size=0)
    try:
        async with connection.transaction():  # PgBouncer may change the server outside of one
            if await connection.fetchval("SELECT to_regclass('alembic_version')") is None:
                return None
            revision = await connection.fetchval("SELECT version_num FROM alembic_version")
            return None if revision is None else str(revision)
    finally:
        await connection.close()


def newest_revision() -> str:
    """Return the revision that this version needs."""
    return revisions()[-1]


def revisions() -> list[str]:
    """Return the names of all revisions in their order, as the files are named after them."""
    return sorted(file.name.partition("_")[0] for file in _VERSIONS.glob("r*.py"))


def _revision_of(path: Path | str) -> str | None:
    """Return the revision of a file; None if it is new."""
    with closing(sqlite3.connect(path)) as connection:
        if not connection.execute(_IS_MIGRATED).fetchone():
            return None
        row: tuple[str] | None = connection.execute(_REVISION).fetchone()
        return row and row[0]


_IS_MIGRATED = "SELECT 1 FROM sqlite_schema WHERE name = 'alembic_version'"
_REVISION = "SELECT version_num FROM alembic_version"
