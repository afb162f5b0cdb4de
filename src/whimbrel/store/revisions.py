"""Which revisions there are, and which one the tables of a store have: read, and never changed."""

import contextlib
import sqlite3
from pathlib import Path
from typing import Any

_VERSIONS = Path(__file__).parent / "migrations" / "versions"


def revisions() -> list[str]:
    """Return the names of all revisions in their order, as the files are named after them."""
    return sorted(file.name.partition("_")[0] for file in _VERSIONS.glob("r*.py"))


def newest_revision() -> str:
    """Return the revision that this version needs."""
    return revisions()[-1]


def revision_of_file(path: Path) -> str | None:
    """Return the revision of a SQLite file; None: it has no tables, or there is no file.

    Raises `sqlite3.Error` if it is no database.
    """
    if not path.exists():
        return None
    with contextlib.closing(sqlite3.connect(path)) as connection:
        named = "SELECT 1 FROM sqlite_schema WHERE name = 'alembic_version'"
        if connection.execute(named).fetchone() is None:
            return None
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        return None if row is None else str(row[0])


async def revision_of_database(connection: Any) -> str | None:
    """Return the revision of a PostgreSQL database; None: it has no tables.

    In a transaction: outside of one, PgBouncer may change the server between two steps.
    """
    async with connection.transaction():
        if await connection.fetchval("SELECT to_regclass('alembic_version')") is None:
            return None
        revision = await connection.fetchval("SELECT version_num FROM alembic_version")
    return None if revision is None else str(revision)


def revision_fault(found: str | None) -> str | None:
    """Say what an operator can do about tables of another version; None: they are as needed."""
    needed = newest_revision()
    if found is None:
        return "there are no tables yet: run whimbrel db upgrade"
    if found < needed:
        return (
            f"the tables are of revision {found}, and {needed} is needed: run whimbrel db upgrade"
        )
    if found > needed:
        return (
            f"the tables are of revision {found}, this Whimbrel knows {needed} at most: "
            "it is older than another one that uses them"
        )
    return None
