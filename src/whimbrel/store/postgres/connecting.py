"""Single connections to PostgreSQL: an operator's, and that of a start that looks at the tables."""

from typing import Any

import asyncpg

from whimbrel.store.engine import StoreUnavailable
from whimbrel.store.postgres.refusals import REFUSALS, refusal
from whimbrel.store.revisions import revision_fault, revision_of_database

UNFINISHED_COPY = "unfinished_copy"
"""A table that is there while a copy into the database has begun and not ended."""
_CONNECT_SECONDS = 10.0  # nobody but an operator waits


async def connected(url: str) -> Any:
    """Connect; it is no node of a gateway, and no part of its pool.

    Raises `StoreUnavailable` in words that hold no secret.
    """
    try:
        return await asyncpg.connect(
            url,
            timeout=_CONNECT_SECONDS,
            statement_cache_size=0,  # PgBouncer may be between
            server_settings={"application_name": "whimbrel db"},
        )
    except REFUSALS as error:
        raise StoreUnavailable(f"store.url: {refusal(error)}") from error


async def revision_at(url: str) -> str | None:
    """Return the revision of the tables there; None: there are none. Raises `StoreUnavailable`."""
    connection = await connected(url)
    try:
        return await revision_of_database(connection)
    finally:
        await connection.close()


async def check_tables(url: str) -> None:
    """See that the tables are what this version needs, and whole. Raises `StoreUnavailable`."""
    connection = await connected(url)
    try:
        async with connection.transaction():
            fault = revision_fault(await revision_of_database(connection))
            half = await connection.fetchval(f"SELECT to_regclass('{UNFINISHED_COPY}')")
    finally:
        await connection.close()
    if fault:
        raise StoreUnavailable(f"store.url: {fault}")
    if half is not None:
        raise StoreUnavailable(
            "store.url: a copy into this database has not ended: run whimbrel db copy again"
        )
