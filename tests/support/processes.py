"""Whimbrel as an operator runs it: commands as real processes over a `whimbrel.toml`."""

import asyncio
import contextlib
import os
import re
import signal
import socket
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, NamedTuple

from tests.support.builders import Database

# Bounds that only end a test which has failed already.
STARTED_WITHIN = 30.0
ENDED_WITHIN = 30.0
_SHOWN_LINES = 60
WHIMBREL = (Path(sys.executable).with_name("whimbrel"),)
_GATEWAY_AHEAD = (sys.executable, Path(__file__).with_name("gateway_ahead.py"))


class Running:
    """A process that was started here: its output line by line, its signals by its own pid."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._changed = asyncio.Condition()
        self._open = 2
        self.lines: list[str] = []
        self.errors: deque[str] = deque(maxlen=20_000)
        assert process.stdout
        assert process.stderr
        self._pumps = [
            asyncio.create_task(self._pump(process.stdout, self.lines.append)),
            asyncio.create_task(self._pump(process.stderr, self.errors.append)),
        ]

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def output(self) -> str:
        return "\n".join(self.lines)

    @property
    def error_output(self) -> str:
        return "\n".join(self.errors)

    async def until_line(self, pattern: str, *, within: float = STARTED_WITHIN) -> re.Match[str]:
        """Wait for a line of standard output that holds `pattern`."""
        await self.until(lambda: self.find(pattern) is not None, within=within)
        found = self.find(pattern)
        assert found, f"the process ended without a line like {pattern!r}"
        return found

    async def until(self, condition: Callable[[], bool], *, within: float) -> None:
        """Wait until the output makes `condition` true, or has ended."""
        async with asyncio.timeout(within), self._changed:
            await self._changed.wait_for(lambda: condition() or not self._open)

    def find(self, pattern: str) -> re.Match[str] | None:
        found = (re.search(pattern, line) for line in self.lines)
        return next((match for match in found if match), None)

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    async def ended(self, *, within: float = ENDED_WITHIN) -> int:
        """Wait until the process, and whoever shares its output, has ended; return its code."""
        async with asyncio.timeout(within):
            code = await self._process.wait()
            await asyncio.gather(*self._pumps)
        return code

    async def kill(self) -> None:
        """End it as a power cut would."""
        self.send(signal.SIGKILL)
        await self.ended()

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to end, make it end if it does not, and return its code."""
        if self._process.returncode is None:
            self.send(number)
        try:
            return await self.ended()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                self.send(signal.SIGKILL)
            await self._process.wait()
            for pump in self._pumps:
                pump.cancel()
            await asyncio.gather(*self._pumps, return_exceptions=True)
            raise

    async def _pump(self, stream: asyncio.StreamReader, keep: Callable[[str], object]) -> None:
        try:
            async for line in stream:
                keep(line.decode(errors="replace").rstrip("\n"))
                async with self._changed:
                    self._changed.notify_all()
        finally:
            self._open -= 1
            async with self._changed:
                self._changed.notify_all()


@contextlib.asynccontextmanager
async def running(
    *arguments: str | Path,
    ready: str,
    folder: Path,
    environment: dict[str, str] | None = None,
    program: tuple[str | Path, ...] = WHIMBREL,
) -> AsyncIterator[Running]:
    """Run `whimbrel` with arguments in `folder`, from its ready line to its end.

    It is ended by SIGTERM if it still runs. If the block fails, its output is shown. `program` is
    another one to run in its place.
    """
    command = (*program, *arguments)
    process = Running(await _spawn(command, folder, environment, stdin=None))
    try:
        await process.until_line(ready)
        yield process
    except BaseException as error:
        last = list(process.errors)[-_SHOWN_LINES:]
        shown = "\n".join(["standard output:", *process.lines[-_SHOWN_LINES:], "errors:", *last])
        error.add_note(f"whimbrel {arguments[0]} (pid {process.pid})\n{shown}")
        raise
    finally:
        await process.stop()


class Finished(NamedTuple):
    """A command that has ended."""

    code: int
    output: str
    errors: str


async def finished(
    *arguments: str | Path,
    folder: Path,
    stdin: str = "",
    environment: dict[str, str] | None = None,
    program: tuple[str | Path, ...] = WHIMBREL,
) -> Finished:
    """Run `whimbrel` with arguments in `folder` until it ends by itself."""
    command = (*program, *arguments)
    process = await _spawn(command, folder, environment, stdin=asyncio.subprocess.PIPE)
    try:
        async with asyncio.timeout(ENDED_WITHIN):
            output, errors = await process.communicate(stdin.encode())
    except TimeoutError:
        process.kill()
        await process.communicate()
        raise
    return Finished(process.returncode or 0, output.decode(), errors.decode())


async def _spawn(
    command: tuple[str | Path, ...],
    folder: Path,
    environment: dict[str, str] | None,
    stdin: int | None,
) -> asyncio.subprocess.Process:
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith("WHIMBREL_")
    }
    return await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        env={**inherited, "COLUMNS": "250", **(environment or {})},
        stdin=asyncio.subprocess.DEVNULL if stdin is None else stdin,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


_claims: list[contextlib.ExitStack] = []


def free_ports(count: int) -> int:
    """Return the first of `count` free ports in a row; nobody else who asks here gets them.

    They are below the range that the system gives to outgoing connections, one of which could
    otherwise take a port while its process is being restarted.
    """
    for first in range(20_000 + os.getpid() * 7 % 8_000, 32_000, count):
        ports = range(first, first + count)
        if all(map(_is_free, ports)) and _claimed(ports):
            return first
    raise OSError("no free ports")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _claimed(ports: range) -> bool:
    """Claim TCP ports by the UDP ports of the same numbers, which nobody needs.

    Tests run in several processes at once, and not only ours: all of them see these, which last as
    long as the process that has them.
    """
    with contextlib.ExitStack() as claims:
        for port in ports:
            claim = claims.enter_context(socket.socket(type=socket.SOCK_DGRAM))
            try:
                claim.bind(("127.0.0.1", port))
            except OSError:
                return False
        _claims.append(claims.pop_all())
    return True


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    return f'"{value}"' if isinstance(value, str) else str(value)


def write_settings(path: Path, sections: dict[str, dict[str, Any]]) -> None:
    """Write sections of scalars and lists as TOML."""
    lines = []
    for name, members in sections.items():
        lines += [f"[{name}]", *(f"{key} = {_toml(value)}" for key, value in members.items()), ""]
    path.write_text("\n".join(lines), encoding="utf-8")


class Installation:
    """A folder with a `whimbrel.toml`, for one gateway and one sandbox on ports of their own.

    `numbers` are the sending numbers by account; with `smpp`, senders by account, the sandbox is an
    SMSC too. `sections` overrule and extend the settings.
    """

    def __init__(
        self,
        folder: Path,
        *,
        numbers: dict[str, str] | None = None,
        smpp: dict[str, list[str]] | None = None,
        sections: dict[str, dict[str, Any]] | None = None,
    ) -> None:
        self.folder = folder
        self.config = folder / "whimbrel.toml"
        Database(folder / "whimbrel.db")  # so that no first command has to make it
        port = free_ports(3 if smpp else 2)
        self.url = f"http://127.0.0.1:{port}"
        self.sandbox_url = f"http://127.0.0.1:{port + 1}"
        settings: dict[str, dict[str, Any]] = {
            "server": {"port": port},
            "store": {"path": "whimbrel.db"},
            "reports": {"allowed_private_subnets": ["127.0.0.0/8"]},
            "log": {"level": "warning"},
            "sandbox": {"port": port + 1, "speed": 50.0, "throughput": 0.0, "pair_limit": False},
        }
        for index, (name, sender) in enumerate((numbers or {"main": "WHIMBREL"}).items(), 1):
            settings[f"whatsapp.{name}"] = {
                "sender": sender,
                "phone_number_id": f"{200000000000000 + index}",
                "token": f"EAA-token-of-{name}",
                "app_secret": f"app-secret-of-{name}",
                "verify_token": f"verify-token-of-{name}",
                "base_url": self.sandbox_url,
                "throughput": 0.0,
            }
        if smpp:
            self.smsc_port = settings["sandbox"]["smsc_port"] = port + 2
        for name, senders in (smpp or {}).items():
            settings[f"smpp.{name}"] = {
                "senders": senders,
                "host": "127.0.0.1",
                "port": port + 2,
                "system_id": f"esme-{name}"[:15],
                "password": "pass-123",
            }
        for name, members in (sections or {}).items():
            settings.setdefault(name, {}).update(members)
        write_settings(self.config, settings)

    def serve(self) -> contextlib.AbstractAsyncContextManager[Running]:
        """Run the gateway."""
        return running("serve", "-c", self.config, ready="is ready on", folder=self.folder)

    def serve_ahead(self, milliseconds: int) -> contextlib.AbstractAsyncContextManager[Running]:
        """Run the gateway by a clock that is so far ahead of the machine's."""
        return running(
            self.config,
            str(milliseconds),
            ready="is ready on",
            folder=self.folder,
            program=_GATEWAY_AHEAD,
        )

    def sandbox(self) -> contextlib.AbstractAsyncContextManager[Running]:
        """Run the sandbox."""
        return running("sandbox", "-c", self.config, ready="is ready", folder=self.folder)

    async def run(self, *arguments: str, stdin: str = "") -> Finished:
        """Run another command of `whimbrel` to its end."""
        return await finished(*arguments, "-c", self.config, folder=self.folder, stdin=stdin)

    async def add_partner(self, login: str, password: str, *options: str) -> str:
        """Make a Partner with `whimbrel partner add`; return what that printed."""
        command = ("partner", "add", login, "--password-stdin", *options)
        done = await self.run(*command, stdin=password + "\n")
        assert done.code == 0, done.errors
        return done.output
