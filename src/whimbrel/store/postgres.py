"""PostgreSQL as the store: many writing processes, each with a few connections.

Each operation has a queue of its own and at most one transaction under way, so that whatever comes
meanwhile gathers for the next one; different operations run beside each other. The steps of a
transaction are pipelined: a statement with a thousand parameters is one journey to the server.

A transaction that another one has undone (a deadlock) is run again. One whose connection was lost
before its COMMIT is run again on another; one that was lost within its COMMIT asks the server what
became of it, so that a restart of PostgreSQL neither loses what was answered nor doubles what was
not (docs/decisions/0019-postgresql.md).
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import structlog

from whimbrel.store.engine import (
    Item,
    Operation,
    OutcomeUnknown,
    PoolLimits,
    Result,
    StoreClosed,
    StoreUnavailable,
)
from whimbrel.store.postgres_steps import Connection, Stepper, without_nuls

OLDEST_POSTGRES = 14  # `pg_xact_status` is older; what is older is not maintained any more
_log = structlog.get_logger(__name__)
_Waiting = tuple[Any, "asyncio.Future[Any]"]

_GROUP_LIMIT = 256  # items a transaction: it holds its rows for some tens of milliseconds at most
_READERS = 2  # connections that writers leave to readers
_TRIES = 5  # of a transaction that others undo or whose connection is lost
_CONNECT_SECONDS = 3.0  # a server that takes longer is not there for a client who waits
_CLIENT_MARGIN = 2.0  # beyond the server's own limit: then the network is what hangs
_COMMIT_QUESTION_SECONDS = 10.0  # a restart of PostgreSQL takes some seconds; clients wait longer
_COMMIT_QUESTION_PAUSE = 0.1
_CLOSE_SECONDS = 10.0
_STATEMENTS_KEPT = 500  # prepared ones a connection: all that there are

_OWN_NUMBER = "SELECT pg_current_xact_id_if_assigned()::text"
_OUTCOME = "SELECT pg_xact_status($1::text::xid8)"

_UNDONE = (asyncpg.SerializationError, asyncpg.DeadlockDetectedError)
_LOST = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # shut down, crashed, not up yet
    asyncpg.ReadOnlySQLTransactionError,  # this server is not the primary any more
    asyncpg.TooManyConnectionsError,
    asyncpg.InterfaceError,  # the connection is closed
    asyncpg.InternalClientError,  # it has had the server's last word, and its end not yet
    OSError,
    TimeoutError,
)


class PostgresStore:
    """The `Store` on a PostgreSQL database whose schema is up to date."""

    def __init__(self, pool: Any, limits: PoolLimits) -> None:
        self._pool = pool
        self._begin = _begin(limits)
        self._room = asyncio.Semaphore(max(1, limits.size - _READERS))
        self._pending: dict[Any, list[_Waiting]] = {}
        self._writing: dict[Any, asyncio.Task[None]] = {}
        self._steps = Stepper()
        self._waiting = 0
        self._closing = False

    @classmethod
    async def open(cls, url: str, limits: PoolLimits) -> "PostgresStore":
        """Connect. Raises `StoreUnavailable` if the server is not there, too old or not durable."""
        try:
            pool = await asyncpg.create_pool(
                url,
                min_size=1,
                max_size=limits.size,
                timeout=_CONNECT_SECONDS,
                command_timeout=limits.statement + _CLIENT_MARGIN,
                statement_cache_size=0 if limits.pooled else _STATEMENTS_KEPT,
                max_cached_statement_lifetime=0,
                server_settings=_session(limits),
                reset=_nothing,  # a transaction leaves nothing behind that the next one would see
            )
        except (asyncpg.PostgresError, ValueError, *_LOST) as error:
            raise StoreUnavailable(f"PostgreSQL: {_words(error)}") from error
        store = cls(pool, limits)
        try:
            await store._check_server()
        except BaseException:
            await pool.close()
            raise
        return store

    @property
    def waiting(self) -> int:
        """Items that wait for the next group."""
        return self._waiting

    def write(self, operation: Operation[Item, Result], item: Item) -> "asyncio.Future[Result]":
        """Queue an item for the next group; the future is done when it is on disk.

        It raises `StoreUnavailable` if the store is closed or PostgreSQL cannot be reached or does
        not answer in time, its subclass `OutcomeUnknown` if nobody can say whether it was written,
        and whatever the operation itself raised for this item.
        """
        if self._closing:
            raise StoreClosed("the store is closed")
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._pending.setdefault(operation, []).append((item, future))
        self._waiting += 1
        if operation not in self._writing:
            self._writing[operation] = asyncio.create_task(self._write_groups(operation))
        return future

    async def read(self, operation: Operation[Item, Result], item: Item) -> Result:
        """Run an operation that changes nothing; it sees what has been committed."""
        try:
            async with self._connection() as connection:
                return (await self._steps.run(connection, operation([item])))[0]
        except (asyncpg.PostgresError, *_LOST) as error:
            raise StoreUnavailable(f"PostgreSQL: {_words(error)}") from error

    async def close(self) -> None:
        """Write what waits, then close."""
        self._closing = True
        while self._writing:
            await asyncio.gather(*self._writing.values())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_SECONDS):
                await self._pool.close()

    async def _check_server(self) -> None:
        try:
            async with self._connection() as connection:
                version = connection.get_server_version()
                durable = {
                    name: await connection.fetchval("SELECT current_setting($1)", name)
                    for name in ("fsync", "synchronous_commit")
                }
        except (asyncpg.PostgresError, *_LOST) as error:
            raise StoreUnavailable(f"PostgreSQL: {_words(error)}") from error
        if version.major < OLDEST_POSTGRES:
            raise StoreUnavailable(
                f"PostgreSQL {version.major} is too old: {OLDEST_POSTGRES} is needed"
            )
        if durable["synchronous_commit"] == "off":
            raise StoreUnavailable(
                "PostgreSQL: synchronous_commit is off, so that a crash loses what was answered; "
                "set it to on for this database or user"
            )
        if durable["fsync"] == "off":
            _log.warning("postgres_fsync_is_off", risk="a power cut loses what was answered")

    # Groups

    async def _write_groups(self, operation: Any) -> None:
        """Write what waits for an operation, until nothing does."""
        try:
            while operation in self._pending:
                async with self._room:
                    group = self._next_group(operation)
                    for future, failed, result in await self._outcomes(operation, group):
                        _settle(future, failed, result)
        finally:
            del self._writing[operation]

    def _next_group(self, operation: Any) -> list[_Waiting]:
        waiting = self._pending.pop(operation)
        group, rest = waiting[:_GROUP_LIMIT], waiting[_GROUP_LIMIT:]
        if rest:
            self._pending[operation] = rest
        self._waiting -= len(group)
        return group

    async def _outcomes(
        self, operation: Any, group: list[_Waiting]
    ) -> list[tuple["asyncio.Future[Any]", Exception | None, Any]]:
        """Run an operation for all its items; if it fails, for each alone: one bad item is one."""
        try:
            results = await self._transaction(operation, [item for item, _ in group])
        except StoreUnavailable as error:
            return [(future, error, None) for _, future in group]
        except Exception as error:  # noqa: BLE001 - whatever it is, nobody may wait for ever
            if len(group) > 1:
                alone = [await self._outcomes(operation, [one]) for one in group]
                return [outcome for outcomes in alone for outcome in outcomes]
            return [(group[0][1], error, None)]
        return [(future, None, result) for (_, future), result in zip(group, results, strict=True)]

    async def _transaction(self, operation: Any, items: list[Any]) -> list[Any]:
        """Run an operation in a transaction of its own, again where that is right and may help."""
        for tries in range(1, _TRIES + 1):
            try:
                async with self._connection() as connection:
                    return await self._attempt(connection, operation, items)
            except _UNDONE as error:
                failure: Exception = error
            except asyncpg.CharacterNotInRepertoireError:
                # It holds no NUL in a text, as SQLite does. Nothing that we keep means one.
                operation = without_nuls(operation)
            except (asyncpg.LockNotAvailableError, asyncpg.QueryCanceledError) as error:
                raise StoreUnavailable(f"PostgreSQL: {_words(error)}") from error
            except _LOST as error:
                failure = error
                if tries > 1:  # once on a new connection: the old one may have died long ago
                    break
        raise StoreUnavailable(f"PostgreSQL: {_words(failure)}") from failure

    async def _attempt(self, connection: Connection, operation: Any, items: list[Any]) -> list[Any]:
        await connection.execute(self._begin)
        try:
            results = await self._steps.run(connection, operation(items))
            number = await connection.fetchval(_OWN_NUMBER)
        except BaseException:
            if not connection.is_closed():
                await connection.execute("ROLLBACK")
            raise
        try:
            await connection.execute("COMMIT")
        except _LOST as error:
            if number is not None and not await self._was_committed(number):
                raise
            _log.warning("commit_was_interrupted", committed=True, why=_words(error))
        return results  # type: ignore[no-any-return]

    async def _was_committed(self, number: str) -> bool:
        """Ask what became of a transaction whose COMMIT had no answer. Raises `OutcomeUnknown`."""
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + _COMMIT_QUESTION_SECONDS
        while loop.time() < give_up_at:
            try:
                async with self._connection() as connection:
                    status = await connection.fetchval(_OUTCOME, number)
            except asyncpg.InvalidParameterValueError:  # "in the future": it never reached the disk
                status = "aborted"
            except (asyncpg.PostgresError, *_LOST):
                status = "in progress"  # it is not up yet
            if status != "in progress":
                return bool(status == "committed")
            await asyncio.sleep(_COMMIT_QUESTION_PAUSE)
        raise OutcomeUnknown("PostgreSQL went away during a COMMIT and did not come back in time")

    @contextlib.asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        connection = await self._pool.acquire(timeout=_CONNECT_SECONDS)
        try:
            yield connection
        except _LOST:
            with contextlib.suppress(asyncpg.InterfaceError):  # the pool knows already
                connection.terminate()  # also where it was the network that hung
            raise
        finally:
            await self._pool.release(connection)


def _session(limits: PoolLimits) -> dict[str, str]:
    """Return what each connection is set to; PgBouncer lets nothing but the name through."""
    named = {"application_name": "whimbrel"}
    return named if limits.pooled else named | _limits(limits)


def _begin(limits: PoolLimits) -> str:
    """Return how a transaction begins: every statement is to see what is committed by then."""
    begin = ["BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"]
    if limits.pooled:
        begin += [f"SET LOCAL {name} = '{value}'" for name, value in _limits(limits).items()]
    return "; ".join(begin)


def _limits(limits: PoolLimits) -> dict[str, str]:
    """Return the server's own limits: what is beyond them is undone there, whatever we do.

    A transaction that stays idle belongs to a process that hangs, and holds rows that others need.
    Compiling a statement (JIT) costs more than any of ours takes.
    """
    return {
        "statement_timeout": f"{round(limits.statement * 1_000)}",
        "lock_timeout": f"{round(limits.lock * 1_000)}",
        "idle_in_transaction_session_timeout": f"{round(limits.statement * 1_000)}",
        "jit": "off",
    }


def _settle(future: "asyncio.Future[Any]", failed: Exception | None, result: Any) -> None:
    if future.done():
        return  # its caller has gone; the write stands
    if failed is None:
        future.set_result(result)
    else:
        future.set_exception(failed)


def _words(error: BaseException) -> str:
    return str(error) or type(error).__name__


async def _nothing(_: Any) -> None:
    """Reset nothing."""
