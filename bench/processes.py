"""Processes under measurement: started, placed on cores, read from /proc, ended by their number.

Knows nothing of what they do. Linux only.
"""

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

Cores = frozenset[int]
ANYWHERE: Cores = frozenset(os.sched_getaffinity(0))

ROOT = Path(__file__).resolve().parent.parent
"""This checkout."""
_START_SECONDS = 30.0
_STOP_SECONDS = 40.0  # longer than the gateway may take to finish what is in flight
_GOOD_ENDS = {0, -signal.SIGTERM}  # uvicorn passes the signal on
_TICKS = os.sysconf("SC_CLK_TCK")


class ProcessFailed(Exception):
    """A process did not start, did not end, or said that something went wrong."""


class Process:
    """A server that runs until it is told to stop; its log is a file."""

    def __init__(self, popen: "subprocess.Popen[bytes]", name: str, log: Path) -> None:
        self.name = name
        self.pid = popen.pid
        self._popen = popen
        self._log = log

    def log_tail(self) -> str:
        """Return the last of what it has logged; empty where all was well."""
        return self._log.read_text(errors="replace")[-2_000:]

    def stop(self) -> int:
        """End it and return its exit code."""
        if self._popen.poll() is None:
            self._popen.send_signal(signal.SIGTERM)
        try:
            return self._popen.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()
            raise ProcessFailed(f"{self.name} did not end in {_STOP_SECONDS:g} s") from None


@contextlib.contextmanager
def running(
    name: str, arguments: Sequence[str], *, log_folder: Path, cores: Cores, root: Path = ROOT
) -> Iterator[Process]:
    """Run a Python module as a server. It is ready when it has written a line to its output.

    `root` is the checkout whose module it is. Leaving ends it. Raises `ProcessFailed` if it does
    not start, or logged or ended badly.
    """
    log = log_folder / f"{name}.log"
    with log.open("wb") as errors:
        popen = subprocess.Popen(
            [sys.executable, "-m", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            cwd=root,
            env=_environment(root),
        )
    os.sched_setaffinity(popen.pid, cores)  # its threads, none of which has begun, inherit it
    process = Process(popen, name, log)
    try:
        _await_readiness(popen, process)
        yield process
    except BaseException:
        popen.kill()
        popen.wait()
        raise
    finally:
        if popen.stdout:
            popen.stdout.close()
    code = process.stop()
    if code not in _GOOD_ENDS or process.log_tail():
        raise ProcessFailed(f"{name} ended with {code} and logged:\n{process.log_tail()}")


def _await_readiness(popen: "subprocess.Popen[bytes]", process: Process) -> None:
    assert popen.stdout is not None
    ready, _, _ = select.select([popen.stdout], [], [], _START_SECONDS)
    if not ready or not popen.stdout.readline():
        raise ProcessFailed(f"{process.name} did not start:\n{process.log_tail()}")


def _environment(root: Path) -> dict[str, str]:
    """Return the environment in which Python finds the modules of a checkout."""
    path = {} if root == ROOT else {"PYTHONPATH": f"{root / 'src'}:{root}"}
    return {**os.environ, **path}


def run(
    arguments: Sequence[str], *, cores: Cores, stdin: str = "", limit: float, root: Path = ROOT
) -> str:
    """Run a Python module to its end, `limit` seconds at most, and return its output."""
    popen = subprocess.Popen(
        [sys.executable, "-m", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=root,
        env=_environment(root),
    )
    os.sched_setaffinity(popen.pid, cores)
    try:
        output, _ = popen.communicate(stdin, timeout=limit)
    except subprocess.TimeoutExpired:
        raise ProcessFailed(f"{arguments[0]} took longer than {limit:g} s") from None
    finally:
        if popen.poll() is None:
            popen.kill()
            popen.wait()
    if popen.returncode:
        raise ProcessFailed(f"{arguments[0]} ended with {popen.returncode}")
    return output


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process so far, user and system, all threads; exact to 10 ms."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def peak_mib(pid: int) -> float:
    """Return the largest resident memory that a process ever had."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1_024
    raise ProcessFailed(f"no process {pid}")


def free_ports(count: int) -> list[int]:
    """Return ports of the loopback interface on which nobody listens now."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]


def machine_seconds() -> float:
    """Return the CPU time of everybody on this machine so far, stolen time included."""
    words = Path("/proc/stat").read_text().split("\n", 1)[0].split()
    user, nice, system, _idle, _waiting, irq, softirq, steal = map(int, words[1:9])
    return (user + nice + system + irq + softirq + steal) / _TICKS
