"""Says which engines the store's tests ran on, whichever process ran them."""

import sqlite3
import sys
from typing import Any

import pytest

_KEY = "store_engines"
_of_workers: set[str] = set()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Tell whoever started this process, if anybody, and end what was made for the tests.

    A worker of pytest-xdist has no other end: it is not unconfigured, and no `atexit` runs.
    """
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output[_KEY] = _own()
    if postgres := _postgres():
        postgres.end()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    _of_workers.update(getattr(node, "workeroutput", {}).get(_KEY, ()))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    engines = sorted({*_own(), *_of_workers}, reverse=True)
    if engines:
        terminalreporter.write_line(f"store engines: {', '.join(engines)}", bold=True)


def _own() -> list[str]:
    if postgres := _postgres():
        left_out = ["PostgreSQL NOT TESTED"] if postgres.is_excluded() else []
        return [f"SQLite {sqlite3.sqlite_version}", *postgres.engines(), *left_out]
    return []


def _postgres() -> Any:
    """Return the module if a test has needed it."""
    return sys.modules.get("tests.support.postgres")
