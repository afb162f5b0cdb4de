"""Brings a store's schema up to date.

Every start and every command asks for that, and nearly always there is nothing to do. So the file
is asked first, in a fraction of a millisecond; Alembic and SQLAlchemy, which take longer to import
than all the rest of a command, are there only for the work itself.
"""

from pathlib import Path

from whimbrel.store.engine import StoreUnavailable
from whimbrel.store.revisions import newest_revision, revision_of_file, revisions


def upgrade(path: Path | str, revision: str | None = None) -> None:
    """Create the SQLite file, or bring it to `revision`, the newest unless told otherwise.

    Does nothing to a file that is there already. Raises `StoreUnavailable` if the file was written
    by a newer Whimbrel, and `sqlite3.Error` if it cannot be read or changed.
    """
    known = revisions()
    present = revision_of_file(Path(path))
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
