"""What PostgreSQL's and asyncpg's errors mean to a store."""

import asyncpg

from whimbrel.store.engine import StoreUnavailable

UNDONE = (
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.InvalidCachedStatementError,  # a table was changed since the statement was prepared
    asyncpg.OutdatedSchemaCacheError,
)
"""The transaction was undone for a reason that is gone when it is run again."""
LOST = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # shut down, crashed, not up yet
    asyncpg.IdleInTransactionSessionTimeoutError,  # this process was stopped for too long
    asyncpg.ReadOnlySQLTransactionError,  # this server is not the primary any more
    asyncpg.TooManyConnectionsError,
    asyncpg.InterfaceError,  # the connection is closed
    asyncpg.InternalClientError,  # no host is the primary; the answer is no protocol
    OSError,
    TimeoutError,
)
"""The connection is no good any more, or there is none to be had."""
TOO_LONG = (asyncpg.LockNotAvailableError, asyncpg.QueryCanceledError)
"""The server gave up one of ours: of these, `LOST` holds the second."""
_OF_ITEM = ("22", "23")  # data exceptions; violated constraints


def is_of_item(error: asyncpg.PostgresError) -> bool:
    """Tell whether an item is to blame, which would fail alone and at any time."""
    return str(error.sqlstate or "")[:2] in _OF_ITEM


def unavailable(error: BaseException) -> StoreUnavailable:
    """Say what PostgreSQL said."""
    return StoreUnavailable(f"PostgreSQL: {words(error)}")


def words(error: BaseException) -> str:
    """Return an error's text, or its name if it has none."""
    return str(error) or type(error).__name__
