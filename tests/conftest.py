"""Says which engines the store's tests ran on, whichever process ran them."""

import sqlite3
import sys
from typing import Any

import pytest

_KEY = "store_engines"
_of_workers: set[str] = set()


def pytest_sessionfinish(session: pytest.Session) -> None:
    workers = getattr(session.config, "workeroutput", None)
    if workers is not None:
        workers[_KEY] = _own()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    _of_workers.update(getattr(node, "workeroutput", {}).get(_KEY, ()))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    engines = sorted({*_own(), *_of_workers}, reverse=True)
    if engines:
        terminalreporter.write_line(f"store engines: {', '.join(engines)}", bold=True)


def pytest_unconfigure() -> None:
    if postgres := _postgres():
        postgres.end()


def _own() -> list[str]:
    if postgres := _postgres():
        return [f"SQLite {sqlite3.sqlite_version}", *postgres.engines()]
    return []


def _postgres() -> Any:
    """Return the module if a test has needed it."""
    return sys.modules.get("tests.support.postgres")
