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
    Steps,
    StoreClosed,
    StoreUnavailable,
)
from whimbrel.store.postgres.faults import (
    LOST,
    TOO_LONG,
    UNDONE,
    is_of_item,
    unavailable,
    words,
)
from whimbrel.store.postgres.marks import Mark, Marks, is_there
from whimbrel.store.postgres.refusals import refusal
from whimbrel.store.postgres.server import check_server, session_settings, transaction_start
from whimbrel.store.postgres.steps import Connection, Stepper, without_nuls

_log = structlog.get_logger(__name__)
_Waiting = tuple[Any, "asyncio.Future[Any]"]

_GROUP_LIMIT = 256  # items a transaction: it holds its rows for some tens of milliseconds at most
_READERS = 2  # connections that writers leave to readers
_TRIES = 5  # of a transaction that others undo
_CONNECTIONS_TRIED = 2  # the first may have died long ago; the other one is new
_CONNECT_SECONDS = 3.0  # a server that takes longer is not there for a client who waits
_CLIENT_MARGIN = 2.0  # beyond the server's own limit: then the network is what hangs
_SLOW_FAILURE_SECONDS = 1.0  # what waits behind one that took longer fails with it
_COMMIT_QUESTION_SECONDS = 10.0  # a restart of PostgreSQL takes some seconds; clients wait longer
_COMMIT_QUESTION_PAUSE = 0.1
_CLOSE_SECONDS = 10.0
_STATEMENTS_KEPT = 500  # prepared ones a connection: all that there are


class PostgresStore:
    """The `Store` on a PostgreSQL database whose schema is up to date."""

    def __init__(self, pool: Any, limits: PoolLimits) -> None:
        self._pool = pool
        self._pooled = limits.pooled
        self._begin = transaction_start(limits)
        self._room = asyncio.Semaphore(max(1, limits.size - _READERS))
        self._pending: dict[Any, list[_Waiting]] = {}
        self._writing: dict[Any, asyncio.Task[None]] = {}
        self._steps = Stepper()
        self._marks = Marks()
        self._waiting = 0
        self._closing = False
        self.risk: str | None = None
        """What an operator should know of the server."""

    @classmethod
    async def open(cls, url: str, limits: PoolLimits) -> "PostgresStore":
        """Connect. Raises `StoreUnavailable` if the server is not there, too old or not durable."""
        pool = asyncpg.create_pool(
            url,
            min_size=0,  # else asyncpg would try, beside us, to keep it while the server is away
            max_size=limits.size,
            timeout=_CONNECT_SECONDS,
            command_timeout=limits.statement + _CLIENT_MARGIN,
            statement_cache_size=0 if limits.pooled else _STATEMENTS_KEPT,
            max_cached_statement_lifetime=0,
            server_settings=session_settings(limits),
            reset=_nothing,  # a transaction leaves nothing behind that the next one would see
        )
        store = cls(await pool, limits)
        try:
            async with store._looking() as connection:
                store.risk = await check_server(connection)
        except (asyncpg.PostgresError, *LOST) as error:
            pool.terminate()
            raise unavailable(error) from error
        except BaseException:
            pool.terminate()
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
        return (await self._again(self._look, operation, [item]))[0]  # type: ignore[no-any-return]

    async def close(self) -> None:
        """Write what waits, then close."""
        self._closing = True
        while self._writing:
            await asyncio.gather(*self._writing.values())
        with contextlib.suppress(StoreUnavailable, asyncpg.PostgresError, *LOST):
            async with asyncio.timeout(_CLOSE_SECONDS):
                async with self._looking() as connection:
                    await self._marks.forget(connection)
                await self._pool.close()
        self._pool.terminate()

    # Groups

    async def _write_groups(self, operation: Any) -> None:
        """Write what waits for an operation, until nothing does."""
        loop = asyncio.get_running_loop()
        try:
            while operation in self._pending:
                async with self._room:
                    group, began_at = self._next_group(operation, _GROUP_LIMIT), loop.time()
                    outcomes = await self._outcomes(operation, group)
                for future, failed, result in outcomes:
                    _settle(future, failed, result)
                away = outcomes[0][1]
                if (
                    isinstance(away, StoreUnavailable)
                    and loop.time() - began_at > _SLOW_FAILURE_SECONDS
                ):
                    for _, future in self._next_group(operation, None):
                        _settle(future, away, None)
        finally:
            del self._writing[operation]

    def _next_group(self, operation: Any, limit: int | None) -> list[_Waiting]:
        waiting = self._pending.pop(operation, [])
        group = waiting[:limit]
        if len(group) < len(waiting):
            self._pending[operation] = waiting[limit:]
        self._waiting -= len(group)
        return group

    async def _outcomes(
        self, operation: Any, group: list[_Waiting]
    ) -> list[tuple["asyncio.Future[Any]", Exception | None, Any]]:
        """Run an operation for all its items; if it fails, for each half: one bad item is one."""
        try:
            results = await self._again(self._attempt, operation, [item for item, _ in group])
        except StoreUnavailable as error:
            return [(future, error, None) for _, future in group]
        except Exception as error:  # noqa: BLE001 - whatever it is, nobody may wait for ever
            if len(group) > 1:
                middle = len(group) // 2
                first = await self._outcomes(operation, group[:middle])
                return first + await self._outcomes(operation, group[middle:])
            return [(group[0][1], error, None)]
        return [(future, None, result) for (_, future), result in zip(group, results, strict=True)]

    # Transactions

    async def _again(self, attempt: Any, operation: Any, items: list[Any]) -> list[Any]:
        """Attempt an operation, again where that is right and may help.

        Raises `StoreUnavailable`, or what the operation itself or an item is to blame for.
        """
        meant, lost = operation, 0
        for _ in range(_TRIES):
            try:
                return await attempt(operation, meant(items))  # type: ignore[no-any-return]
            except UNDONE as error:
                failure: Exception = error
                _log.info("transaction_runs_again", why=words(error))
            except asyncpg.CharacterNotInRepertoireError as error:
                # It holds no NUL in a text, as SQLite does. Nothing that we keep means one.
                meant, failure = without_nuls(operation), error
            except TOO_LONG as error:
                raise unavailable(error) from error
            except LOST as error:
                failure, lost = error, lost + 1
                if lost == _CONNECTIONS_TRIED:
                    break
            except asyncpg.PostgresError as error:
                if is_of_item(error):
                    raise
                raise unavailable(error) from error
        raise unavailable(failure) from failure

    async def _look(self, _: Any, steps: Steps[list[Any]]) -> list[Any]:
        async with self._looking() as connection:
            return await self._steps.run(connection, steps)

    async def _attempt(self, operation: Any, steps: Steps[list[Any]]) -> list[Any]:
        """Run steps in a transaction; if nobody answers its COMMIT, find out what became of it."""
        async with self._connection() as connection:
            async with self._undone_by_errors(connection):
                results = await self._steps.run(connection, steps)
                mark = await self._marks.leave(connection, operation)
            try:
                await _commit(connection)
            except LOST as error:
                lost = error
                _drop(connection)
            else:
                return results
        # The connection has been given back: to ask takes another one.
        if mark.transaction is not None:
            if not await self._was_committed(mark):
                raise lost
            _log.warning("commit_was_interrupted", committed=True, why=words(lost))
        return results

    async def _was_committed(self, mark: Mark) -> bool:
        """Ask what became of a transaction whose COMMIT had no answer. Raises `OutcomeUnknown`."""
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + _COMMIT_QUESTION_SECONDS
        while loop.time() < give_up_at:
            with contextlib.suppress(StoreUnavailable, asyncpg.PostgresError, *LOST):
                async with self._looking() as connection:
                    answer = await is_there(connection, mark)
                if answer is not None:
                    return answer
            await asyncio.sleep(_COMMIT_QUESTION_PAUSE)
        raise OutcomeUnknown("PostgreSQL went away during a COMMIT and did not come back in time")

    # Connections

    @contextlib.asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        """Lend a connection. Raises `StoreUnavailable` if there is none."""
        try:
            connection = await self._pool.acquire(timeout=_CONNECT_SECONDS)
        except (asyncpg.PostgresError, ValueError, OverflowError, *LOST) as error:
            raise StoreUnavailable(f"store.url: {refusal(error)}") from None
        try:
            yield connection
        except TOO_LONG:
            raise
        except LOST:
            _drop(connection)  # also where it was the network that hung
            await self._pool.expire_connections()  # the others are as old
            raise
        finally:
            await self._pool.release(connection)

    @contextlib.asynccontextmanager
    async def _looking(self) -> AsyncIterator[Connection]:
        """Lend a connection for single statements.

        Behind PgBouncer they are a transaction: a statement is prepared and run in two journeys,
        and outside of one these may end at two servers.
        """
        async with self._connection() as connection:
            if not self._pooled:
                yield connection
                return
            async with self._undone_by_errors(connection):
                yield connection
            await _commit(connection)

    @contextlib.asynccontextmanager
    async def _undone_by_errors(self, connection: Connection) -> AsyncIterator[None]:
        """Begin a transaction, and undo it if anything fails in the block."""
        await connection.execute(self._begin)
        try:
            yield
        except BaseException:
            try:
                await connection.execute("ROLLBACK")
            except (asyncpg.PostgresError, *LOST):
                _drop(connection)
            raise


async def _commit(connection: Connection) -> None:
    done = await connection.execute("COMMIT")
    if done != "COMMIT":  # it says ROLLBACK if a statement had failed, which we would have heard
        raise asyncpg.InterfaceError(f"COMMIT was answered by {done}")


def _drop(connection: Connection) -> None:
    """End a connection that is no good, if it has not ended by itself."""
    with contextlib.suppress(asyncpg.InterfaceError):
        connection.terminate()


def _settle(future: "asyncio.Future[Any]", failed: Exception | None, result: Any) -> None:
    if future.done():
        return  # its caller has gone; the write stands
    if failed is None:
        future.set_result(result)
    else:
        future.set_exception(failed)


async def _nothing(_: Any) -> None:
    """Reset nothing."""
