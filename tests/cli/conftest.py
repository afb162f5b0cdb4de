"""The command line in the test's own process: its arguments in, its code and words out."""

import asyncio
import io
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.support.builders import Database
from tests.support.passwords import QUICK
from tests.support.processes import write_settings
from whimbrel.cli import main
from whimbrel.domain import password
from whimbrel.store.sqlite import SqliteStore

ACCOUNT = {
    "sender": "WHIMBREL",
    "phone_number_id": "200000000000001",
    "token": "very-secret-token",
    "app_secret": "very-secret-app-secret",
    "verify_token": "very-secret+verify&token#1",
    "base_url": "http://127.0.0.1:9",
}


class Outcome(NamedTuple):
    """What a command came to."""

    code: int
    output: str
    errors: str

    def row(self, word: str) -> str:
        """Return the only line of the output that holds `word`."""
        [line] = [line for line in self.output.splitlines() if word in line]
        return line


class Cli:
    """Runs commands in a folder with a `whimbrel.toml`."""

    def __init__(
        self,
        folder: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        self.folder = folder
        self._monkeypatch = monkeypatch
        self._capsys = capsys
        self.configure({"whatsapp.main": ACCOUNT})

    def configure(self, sections: dict[str, dict[str, Any]]) -> None:
        write_settings(self.folder / "whimbrel.toml", sections)

    def __call__(self, *arguments: object, stdin: str = "") -> Outcome:
        self._capsys.readouterr()
        self._monkeypatch.setattr(sys, "argv", ["whimbrel", *map(str, arguments)])
        self._monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        with pytest.raises(SystemExit) as ended:
            main()
        code = ended.value.code or 0
        assert isinstance(code, int), "an exit code, not a text for the interpreter to print"
        return Outcome(code, *self._capsys.readouterr())

    def good(self, *arguments: object, stdin: str = "") -> Outcome:
        """Run a command that must succeed, without a word of complaint."""
        outcome = self(*arguments, stdin=stdin)
        assert (outcome.code, outcome.errors) == (0, "")
        return outcome

    def refused(self, *arguments: object, stdin: str = "") -> str:
        """Run a command that must fail in one line, and return that line."""
        outcome = self(*arguments, stdin=stdin)
        assert outcome.code == 1, outcome
        assert outcome.errors.startswith("whimbrel: ")
        assert outcome.errors.count("\n") == 1, outcome.errors
        assert outcome.output == ""
        return outcome.errors

    def misused(self, *arguments: object) -> str:
        """Run a command whose arguments are refused, and return what is told."""
        outcome = self(*arguments)
        assert outcome.code == 2, outcome
        return outcome.errors


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """Commands in a folder without a store; passwords cost less than they should."""
    monkeypatch.setattr(password, "_HASHER", QUICK)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "250")
    return Cli(tmp_path, monkeypatch, capsys)


@pytest.fixture
def made(cli: Cli) -> None:
    """The store is there already: migrations would take more time than all the commands."""
    Database(cli.folder / "whimbrel.db")


Keep = Callable[[Callable[[SqliteStore], Awaitable[object]]], None]


@pytest.fixture
def keep(cli: Cli) -> Keep:
    """Put something into the store by what the gateway itself would call."""
    database = Database(cli.folder / "whimbrel.db")

    def run(work: Callable[[SqliteStore], Awaitable[object]]) -> None:
        async def with_store() -> None:
            store = SqliteStore(database.path)
            try:
                await work(store)
            finally:
                await store.close()

        asyncio.run(with_store())

    return run
