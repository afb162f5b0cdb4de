"""What all commands share: where the settings and the store are, and how an operator is told."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Never, TypeVar

import typer
from rich.console import Console

from whimbrel.clock import DAY, SystemClock
from whimbrel.domain.password import new_password
from whimbrel.settings import ENVIRONMENT_PREFIX, Settings, load
from whimbrel.store.engine import Store
from whimbrel.store.opening import open_store

T = TypeVar("T")
CONFIG_NAME = "whimbrel.toml"
GREATEST_MT_NUM = (1 << 53) - 1  # domain/chain_id.py
_WIDE = 200  # columns, where nobody looks but a pipe or a file
console = Console(highlight=False, width=None if sys.stdout.isatty() else _WIDE)

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        help=f"The settings' file; else {ENVIRONMENT_PREFIX}CONFIG, else ./{CONFIG_NAME}.",
    ),
]

PasswordStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input.")
]
FOREVER = 1 << 60
"""A moment that never comes."""
Since = Annotated[
    str | None, typer.Option(help="From this moment on: 2026-11-23T10:00:00+03:00, or 2h, 3d ago.")
]
Before = Annotated[str | None, typer.Option(help="Before this moment, written alike.")]


def read_settings(config: Path | None) -> Settings:
    """Load the settings of a command. Raises `SettingsError`."""
    return load(find_settings(config))


def find_settings(config: Path | None) -> Path | None:
    """Return the settings' file of a command, None if there is none."""
    if config is not None:
        return config
    named = os.environ.get(f"{ENVIRONMENT_PREFIX}CONFIG")
    here = Path(CONFIG_NAME)
    return Path(named) if named else (here if here.exists() else None)


def with_store(
    config: Path | None, work: Callable[[Store], Awaitable[T]], *, create: bool = False
) -> T:
    """Run `work` on the store of the settings, as `on_store` does.

    Without any settings and without a store, the command was given in the wrong folder: unless
    `create`, nothing is made there.
    """
    settings = read_settings(config)
    known = settings.store.url or Path(settings.store.path).exists()
    if not create and find_settings(config) is None and not known:
        fail(f"no {CONFIG_NAME} and no {settings.store.path} here; name the settings with --config")
    return on_store(settings, work)


def on_store(settings: Settings, work: Callable[[Store], Awaitable[T]]) -> T:
    """Run `work` on a store, beside a gateway that may have it open.

    SQLite's file is made or brought up to date first.
    """
    folder = Path(settings.store.path).parent
    if not settings.store.url and not folder.is_dir():
        fail(f"store.path: there is no folder {folder}")

    async def run() -> T:
        store = await open_store(settings.store)
        try:
            return await work(store)
        finally:
            await store.close()

    return asyncio.run(run())


def password_to_set(*, password_stdin: bool) -> tuple[str, bool]:
    """Return the password to set, and whether it was made here and must be shown."""
    if password_stdin:
        return sys.stdin.readline().rstrip("\n"), False
    return new_password(), True


def fail(text: str) -> Never:
    """End the command with what is wrong."""
    print(f"whimbrel: {text}", file=sys.stderr)
    raise SystemExit(1)


def moment(at: int | None) -> str:
    """Show a moment (milliseconds UTC) to an operator; a dash where there is none."""
    if at is None:
        return "-"
    return datetime.fromtimestamp(at / 1_000, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3] + "Z"


def moment_of(option: str, text: str | None, otherwise: int) -> int:
    """Read a moment: ISO 8601 (UTC if it has no offset), or a while ago, such as 90m, 2h, 3d.

    Ends the command with the option's name if it is neither.
    """
    if text is None:
        return otherwise
    units = {"m": DAY // 1_440, "h": DAY // 24, "d": DAY}
    if text[:-1].isdecimal() and text[-1] in units:
        return max(SystemClock().now() - int(text[:-1]) * units[text[-1]], 0)
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        fail(f"{option}: {text!r} is neither a moment (2026-11-23T10:00) nor a while ago (2h)")
    return round((parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp() * 1_000)
