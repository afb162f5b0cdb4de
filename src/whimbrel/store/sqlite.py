"""SQLite as the store: one file, one writing process, every answer fsynced.

The statements of a group run on the event loop's own thread and only the COMMIT, which waits for
the disk, runs on another: a write takes microseconds, while handing each one to a thread would cost
a fight for the interpreter's lock (docs/decisions/0002-commit-thread.md).
"""

import asyncio
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import NoneType
from typing import Any, TypeVar

from whimbrel.domain.chain import Named
from whimbrel.domain.content import Channel
from whimbrel.domain.status import ErrorCode, LinkState, Status
from whimbrel.domain.tally import What
from whimbrel.store.engine import (
    Do,
    Hold,
    HoldKeys,
    Item,
    Operation,
    Result,
    Row,
    Statement,
    Step,
    Steps,
    StoreClosed,
    StoreUnavailable,
)
from whimbrel.store.reports import ReportState

OLDEST_SQLITE = (3, 35, 0)  # the first with RETURNING
_BUSY_PAUSE = 0.002  # another process (the CLI) holds the lock for about as long
_BUSY_LIMIT = 2.0  # longer than commands of ours write; clients do not wait longer
_GROUP_LIMIT = 256  # items an operation a group: keeps the loop's longest stop near 5 ms
_CACHE_KIB = 65_536
_STATEMENTS = 512  # more than there are: none is prepared twice
# After a group of some size the next one gathers for a moment: each COMMIT costs a walk to another
# thread and writes hot pages again, so that larger groups carry nearly twice as much.
_GATHER_SECONDS = 0.003
_GATHER_FROM = 8  # items; a quiet gateway answers without delay
T = TypeVar("T")
_Waiting = tuple[Any, "asyncio.Future[Any]"]


def _as_it_is(value: T) -> T:
    return value


# Python looks for an adapter of each value that is not exactly an int, a float or a str. Finding
# none takes longer than binding the value, and a new chain alone has a dozen of these.
for _kind in (NoneType, bytes, Channel, ErrorCode, LinkState, Named, ReportState, Status, What):
    sqlite3.register_adapter(_kind, _as_it_is)


def connect(path: Path | str, *, busy_timeout: float = 0.0) -> sqlite3.Connection:
    """Open the database with the pragmas that the promises need.

    WAL lets readers and the CLI work beside the writer; `synchronous=FULL` makes each commit
    survive a power cut. `secure_delete` overwrites what retention removes (Debian's SQLite does so
    anyway).
    """
    connection = sqlite3.connect(
        path,
        isolation_level=None,
        check_same_thread=False,
        timeout=busy_timeout,
        cached_statements=_STATEMENTS,
    )
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        f"cache_size=-{_CACHE_KIB}",
        "temp_store=MEMORY",
        "secure_delete=ON",
    ):
        connection.execute(f"PRAGMA {pragma}")
    return connection


class SqliteStore:
    """The `Store` on a SQLite file whose schema is up to date."""

    def __init__(self, path: Path | str) -> None:
        if sqlite3.sqlite_version_info < OLDEST_SQLITE:
            raise StoreUnavailable(f"SQLite {sqlite3.sqlite_version} is too old: 3.35 is needed")
        self._writer = connect(path)
        self._reader = connect(path, busy_timeout=_BUSY_LIMIT)
        self._texts: dict[Statement, str] = {}
        self._pending: dict[Any, list[_Waiting]] = {}
        self._waiting = 0
        self._work = asyncio.Event()
        self._committer = ThreadPoolExecutor(1, thread_name_prefix="commit")
        self._closing = False
        self._task = asyncio.create_task(self._write_groups(), name="store")

    @property
    def waiting(self) -> int:
        """Items that wait for the next group."""
        return self._waiting

    def write(self, operation: Operation[Item, Result], item: Item) -> "asyncio.Future[Result]":
        """Queue an item for the next group; the future is done when it is on disk.

        It raises `StoreUnavailable` if the store is closed or another process locks it too long,
        and whatever the operation itself raised for this item.
        """
        if self._closing:
            raise StoreClosed("the store is closed")
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._pending.setdefault(operation, []).append((item, future))
        self._waiting += 1
        self._work.set()
        return future

    async def read(self, operation: Operation[Item, Result], item: Item) -> Result:
        """Run an operation that changes nothing; it sees what has been committed."""
        try:
            return self._run(self._reader, operation([item]))[0]
        except sqlite3.Error as error:
            raise StoreUnavailable(str(error)) from error

    async def close(self) -> None:
        """Write what waits, then close."""
        self._closing = True
        self._work.set()
        await self._task
        self._committer.shutdown()
        self._reader.close()
        self._writer.close()

    async def _write_groups(self) -> None:
        while not (self._closing and not self._pending):
            await self._work.wait()
            self._work.clear()
            while self._pending:
                group = self._next_group()
                await self._write_group(group)
                if sum(map(len, group.values())) >= _GATHER_FROM and not self._closing:
                    await asyncio.sleep(_GATHER_SECONDS)

    def _next_group(self) -> dict[Any, list[_Waiting]]:
        """Take up to `_GROUP_LIMIT` items of each operation; the rest keeps its order."""
        group, rest = {}, {}
        for operation, waiting in self._pending.items():
            group[operation] = waiting[:_GROUP_LIMIT]
            if len(waiting) > _GROUP_LIMIT:
                rest[operation] = waiting[_GROUP_LIMIT:]
        self._pending = rest
        self._waiting = sum(map(len, rest.values()))
        return group

    async def _write_group(self, group: dict[Any, list[_Waiting]]) -> None:
        try:
            await self._begin()
            outcomes = [
                outcome
                for operation, waiting in group.items()
                for outcome in self._outcomes(operation, waiting)
            ]
            await asyncio.get_running_loop().run_in_executor(self._committer, self._commit)
        except Exception as error:  # noqa: BLE001 - whatever it is, nobody may wait for ever
            if self._writer.in_transaction:
                self._writer.rollback()
            failure = StoreUnavailable(str(error))
            outcomes = [
                (future, failure, None) for waiting in group.values() for _, future in waiting
            ]
        for future, failed, result in outcomes:
            if future.done():
                continue  # its caller has gone; the write stands
            if failed is None:
                future.set_result(result)
            else:
                future.set_exception(failed)

    async def _begin(self) -> None:
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + _BUSY_LIMIT
        while True:
            try:
                self._writer.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
                if not busy or loop.time() > give_up_at:
                    raise
                await asyncio.sleep(_BUSY_PAUSE)
            else:
                return

    def _commit(self) -> None:
        self._writer.execute("COMMIT")

    def _outcomes(
        self, operation: Operation[Any, Any], waiting: list[_Waiting]
    ) -> list[tuple["asyncio.Future[Any]", Exception | None, Any]]:
        """Run an operation for all its items; if it fails, for each alone: one bad item is one."""
        try:
            results = self._attempt(operation, [item for item, _ in waiting])
        except Exception as error:
            if not self._writer.in_transaction:  # disk full or worse: SQLite has undone the group
                raise StoreUnavailable(str(error)) from error
            if isinstance(error, sqlite3.OperationalError):
                error = StoreUnavailable(str(error))
            if len(waiting) == 1:
                return [(waiting[0][1], error, None)]
            return [outcome for one in waiting for outcome in self._outcomes(operation, [one])]
        return [
            (future, None, result) for (_, future), result in zip(waiting, results, strict=True)
        ]

    def _attempt(self, operation: Operation[Any, T], items: list[Any]) -> list[T]:
        self._writer.execute("SAVEPOINT operation")
        try:
            results = self._run(self._writer, operation(items))
        except BaseException:
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK TO operation")
                self._writer.execute("RELEASE operation")
            raise
        self._writer.execute("RELEASE operation")
        return results

    def _run(self, connection: sqlite3.Connection, steps: Steps[T]) -> T:
        answer: list[list[Row]] | None = None
        while True:
            try:
                step = steps.send(answer)  # type: ignore[arg-type]  # None starts a generator
            except StopIteration as stop:
                return stop.value  # type: ignore[no-any-return]
            answer = self._step(connection, step)

    def _step(self, connection: sqlite3.Connection, step: Step) -> list[list[Row]]:
        if isinstance(step, Hold | HoldKeys):
            return []  # nobody else writes
        text = self._texts.get(step.statement)
        if text is None:
            text = self._texts[step.statement] = step.statement.numbered("?")
        if isinstance(step, Do):
            if step.params:
                connection.executemany(text, step.params)
            return []
        return [connection.execute(text, params).fetchall() for params in step.params]
