"""Several gateway processes behind one port, watched by a parent that does nothing else.

The parent listens and its workers accept: when one dies, the others go on with the same port, and a
new one takes its place after a pause. Workers end when their parent does, however it ends.
"""

import asyncio
import contextlib
import socket
import sys
from typing import NamedTuple

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

    @classmethod
    def parse(cls, text: str) -> "Worker":
        """Read what `str` has written. Raises `ValueError`."""
        return cls(*map(int, text.split(",")))

    def __str__(self) -> str:
        return ",".join(map(str, self))

    def distinguish(self, settings: Settings) -> None:
        """Give the worker a name and a port for its watchers that no other has."""
        cluster = settings.cluster
        cluster.name = f"{cluster.name or socket.gethostname()}/{self.number}"
        if cluster.watch_port:
            cluster.watch_port += self.number - 1


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
            async with asyncio.timeout(_START_SECONDS):
                await asyncio.gather(*(post.start() for post in posts))
            on_ready(local_url(settings.server.host, listener.getsockname()[1]))
            await asyncio.gather(*(post.keep() for post in posts))
        except TimeoutError:
            raise OSError(f"a worker did not start within {_START_SECONDS:.0f} s") from None
        finally:
            await asyncio.gather(*(post.end() for post in posts))


class _Post:
    """The place of one worker, in which another is put when it dies."""

    def __init__(
        self, number: int, listener: socket.socket, command: list[str], stop: asyncio.Event
    ) -> None:
        self._number = number
        self._listener = listener
        self._command = command
        self._stop = stop
        self._process: asyncio.subprocess.Process | None = None
        self._pipe: socket.socket | None = None

    async def start(self) -> None:
        """Start a worker and wait until it is ready. Raises `OSError` if it ends before."""
        if self._pipe is not None:
            self._pipe.close()
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        worker = Worker(self._number, self._listener.fileno(), theirs.fileno())
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
        self._pipe = ours
        loop = asyncio.get_running_loop()
        if not await loop.sock_recv(ours, 1):
            raise OSError(f"worker {self._number} could not start; its own message says why")
        _log.info("worker_ready", worker=self._number, pid=self._process.pid)

    async def keep(self) -> None:
        """Put a new worker in the place of one that has died, until all are to stop."""
        pause, loop = _FIRST_PAUSE_SECONDS, asyncio.get_running_loop()
        while not self._stop.is_set():
            began = loop.time()
            await self._until_it_ends_or_is_to_stop()
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

    async def _until_it_ends_or_is_to_stop(self) -> None:
        if self._process is None:
            return
        waits = [
            asyncio.create_task(self._process.wait()),
            asyncio.create_task(self._stop.wait()),
        ]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
