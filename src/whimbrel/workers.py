"""Several gateway processes behind one port, watched by a parent that does nothing else.

The parent listens and its workers accept: when one dies, the others go on with the same port, and a
new one takes its place after a pause. Workers end when their parent does, however it ends.
"""

import asyncio
import contextlib
import secrets
import socket
import sys
from collections.abc import Coroutine
from typing import Any, NamedTuple

import structlog

from whimbrel.serving import OnReady, listen, signals_set
from whimbrel.settings import Settings, local_url

_log = structlog.get_logger(__name__)
_START_SECONDS = 60.0  # of all workers together, on a machine that has other things to do
_STOP_SECONDS = 40.0  # longer than a worker takes to drain; then it is killed
_FIRST_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 30.0
_STEADY_SECONDS = 60.0  # a worker that lived so long did not die of its start


class Worker(NamedTuple):
    """What a worker is told by its parent, by numbers of file descriptors."""

    number: int
    """1 for the first."""
    listener: int
    parent_pipe: int
    post: str
    """What the one before it in this place was told, and no other process ever: since that one is
    dead for certain, nobody has to wait for the end of its lease."""

    @classmethod
    def parse(cls, text: str) -> "Worker":
        """Read what `str` has written. Raises `ValueError`."""
        number, listener, parent_pipe, post = text.split(",")
        return cls(int(number), int(listener), int(parent_pipe), post)

    def __str__(self) -> str:
        return ",".join(map(str, self))

    def distinguish(self, settings: Settings) -> None:
        """Give the worker a name and ports that no other has; the console's own is the first's."""
        cluster = settings.cluster
        cluster.name = f"{cluster.name or socket.gethostname()}/{self.number}"
        if cluster.watch_port:
            cluster.watch_port += self.number - 1
        if settings.console.port and self.number > 1:
            settings.console.enabled = False


async def run_workers(
    settings: Settings, command: list[str], count: int, *, on_ready: OnReady
) -> None:
    """Run `count` workers until SIGINT or SIGTERM. `command` is what starts one, but for itself.

    Raises `OSError` if the address cannot be listened on or a worker does not start.
    """
    stop = asyncio.Event()
    listener = listen(settings.server.host, settings.server.port)
    with contextlib.closing(listener), signals_set(stop):
        listener.listen()
        posts = [_Post(number, listener, command, stop) for number in range(1, count + 1)]
        try:
            await _start(posts)
            if not stop.is_set():
                on_ready(local_url(settings.server.host, listener.getsockname()[1]))
            await asyncio.gather(*(post.keep() for post in posts))
        finally:
            await asyncio.gather(*(post.end() for post in posts))


async def _start(posts: list["_Post"]) -> None:
    """Start all workers. Raises `OSError` if one does not; then none is being started any more."""
    try:
        async with asyncio.timeout(_START_SECONDS), asyncio.TaskGroup() as starts:
            for post in posts:
                starts.create_task(post.start())
    except TimeoutError:
        raise OSError(f"a worker did not start within {_START_SECONDS:.0f} s") from None
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None


class _Post:
    """The place of one worker, in which another is put when it dies."""

    def __init__(
        self, number: int, listener: socket.socket, command: list[str], stop: asyncio.Event
    ) -> None:
        self._number = number
        self._name = f"{secrets.token_hex(8)}-{number}"
        self._listener = listener
        self._command = command
        self._stop = stop
        self._process: asyncio.subprocess.Process | None = None
        self._pipe: socket.socket | None = None

    async def start(self) -> None:
        """Start a worker and wait until it is ready, or all are to stop.

        Raises `OSError` if it ends before.
        """
        if self._pipe is not None:
            self._pipe.close()
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        self._pipe = ours
        worker = Worker(self._number, self._listener.fileno(), theirs.fileno(), self._name)
        with contextlib.closing(theirs):
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "whimbrel",
                *self._command,
                "--worker",
                str(worker),
                pass_fds=[worker.listener, worker.parent_pipe],
                # Ctrl-C reaches the parent alone, which ends its workers in order.
                start_new_session=True,
                stdin=asyncio.subprocess.DEVNULL,
            )
        is_ready = await self._unless_stopped(asyncio.get_running_loop().sock_recv(ours, 1))
        if is_ready:
            _log.info("worker_ready", worker=self._number, pid=self._process.pid)
        elif not self._stop.is_set():
            raise OSError(f"worker {self._number} could not start; its own message says why")

    async def keep(self) -> None:
        """Put a new worker in the place of one that has died, until all are to stop."""
        pause, loop = _FIRST_PAUSE_SECONDS, asyncio.get_running_loop()
        while not self._stop.is_set():
            began = loop.time()
            if self._process is not None:
                await self._unless_stopped(self._process.wait())
            if self._stop.is_set():
                return
            if loop.time() - began > _STEADY_SECONDS:
                pause = _FIRST_PAUSE_SECONDS
            code = self._process.returncode if self._process else None
            _log.error("worker_died", worker=self._number, code=code, again_in=pause)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._stop.wait()
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
            if not self._stop.is_set():
                with contextlib.suppress(OSError):  # then it has ended, and is seen to
                    await self.start()

    async def end(self) -> None:
        """Close the worker's pipe, which ends it, and insist if it does not end."""
        if self._pipe is not None:
            self._pipe.close()
        if self._process is None:
            return
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()

    async def _unless_stopped(self, wait: Coroutine[Any, Any, Any]) -> Any:
        """Return what is waited for; None if all are to stop before it comes."""
        waiting, stopping = asyncio.create_task(wait), asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait([waiting, stopping], return_when=asyncio.FIRST_COMPLETED)
            return waiting.result() if waiting.done() else None
        finally:
            waiting.cancel()
            stopping.cancel()
