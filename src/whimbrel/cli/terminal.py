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

from whimbrel.settings import ENVIRONMENT_PREFIX, Settings, load
from whimbrel.store.engine import Store
from whimbrel.store.migrate import upgrade
from whimbrel.store.sqlite import SqliteStore

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


def read_settings(config: Path | None) -> Settings:
    """Load the settings of a command. Raises `SettingsError`."""
    if config is None:
        named = os.environ.get(f"{ENVIRONMENT_PREFIX}CONFIG")
        here = Path(CONFIG_NAME)
        config = Path(named) if named else (here if here.exists() else None)
    return load(config)


def with_store(config: Path | None, work: Callable[[Store], Awaitable[T]]) -> T:
    """Run `work` on the store of the settings, made or brought up to date first."""
    return on_store(read_settings(config), work)


def on_store(settings: Settings, work: Callable[[Store], Awaitable[T]]) -> T:
    """Run `work` on a store, beside a gateway that may have it open."""
    path = Path(settings.store.path)
    if not path.parent.is_dir():
        fail(f"store.path: there is no folder {path.parent}")
    upgrade(path)

    async def run() -> T:
        store = SqliteStore(path)
        try:
            return await work(store)
        finally:
            await store.close()

    return asyncio.run(run())


def fail(text: str) -> Never:
    """End the command with what is wrong."""
    print(f"whimbrel: {text}", file=sys.stderr)
    raise SystemExit(1)


def moment(at: int | None) -> str:
    """Show a moment (milliseconds UTC) to an operator; a dash where there is none."""
    if at is None:
        return "-"
    return datetime.fromtimestamp(at / 1_000, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3] + "Z"
