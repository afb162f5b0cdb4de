"""What a command brings with it: a start costs what is imported."""

import pkgutil
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Cli
from tests.support.builders import Database
from tests.support.processes import Installation, finished, running
from whimbrel import cli as command_line

_TOLD = (sys.executable, "-X", "importtime", "-m", "whimbrel")
_HEAVY = {"aiohttp", "alembic", "sqlalchemy", "uvicorn", "whimbrel.app", "whimbrel.sandbox"}


def test_help_names_every_noun(cli: Cli) -> None:
    shown = cli.good("--help").output
    for noun in command_line.NOUNS:
        assert f"│ {noun} " in shown
        assert f"{noun} [OPTIONS]" in cli.good(noun, "--help").output


def test_every_noun_s_file_is_named() -> None:
    beside = {
        "terminal",
        "demo_config",
        "partner_options",
        "sending_hours",
        "db_check",
        "db_progress",
        "message_resend",
        "message_story",
    }
    files = {module.name for module in pkgutil.iter_modules(command_line.__path__)}
    assert files - beside == set(command_line.NOUNS)


def test_a_noun_that_is_none_is_told_the_nearest(cli: Cli) -> None:
    assert "Did you mean 'partner'?" in cli.misused("partne")


@pytest.mark.parametrize(
    "command", [("partner", "list"), ("status",), ("message", "show", "1"), ("version",)]
)
async def test_a_command_does_without_servers_and_migrations(
    command: tuple[str, ...], tmp_path: Path
) -> None:
    Database(tmp_path / "whimbrel.db")  # its schema is this version's
    (tmp_path / "whimbrel.toml").touch()
    done = await finished(*command, folder=tmp_path, program=_TOLD)
    assert _HEAVY.isdisjoint(_imported(done.errors)), done.errors


async def test_a_gateway_starts_again_without_migrations_and_the_sandbox(tmp_path: Path) -> None:
    installation = Installation(tmp_path)
    Database(tmp_path / "whimbrel.db")
    async with running(
        "serve", "-c", installation.config, ready="is ready on", folder=tmp_path, program=_TOLD
    ) as gateway:
        assert await gateway.stop() == 0
    assert _HEAVY & _imported(gateway.error_output) == {"aiohttp", "uvicorn", "whimbrel.app"}


def _imported(told: str) -> set[str]:
    lines = (line.split("|") for line in told.splitlines() if line.startswith("import time:"))
    return {line[-1].strip() for line in lines}
