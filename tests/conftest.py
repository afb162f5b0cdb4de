"""How many processes run the tests, in which order, and what they ran on."""

import os
import sqlite3
import sys
from pathlib import Path
from typing import Any

import pytest

_TESTS = Path(__file__).parent
_FIRST = (
    "chaos/test_chaos.py",
    "flow/test_model.py",
    "journeys/test_journey_unanswered.py",
    "browser/",
    "journeys/",
    "simulation/",
    "store/test_migrations.py",
)
"""Folders and files of `tests` that take long: who gets one last would still be at it when the
others have ended."""

_KEYS = ("store engines", "browser")
_of_workers: dict[str, set[str]] = {key: set() for key in _KEYS}


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Return two more than there are cores: tests of processes and pages wait a good deal."""
    return (os.cpu_count() or 1) + 2


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put what takes long first; else files stay as they are, and tests in a file do."""
    items.sort(key=_place)


def _place(item: pytest.Item) -> int:
    path = item.path.relative_to(_TESTS).as_posix()
    return next((n for n, first in enumerate(_FIRST) if path.startswith(first)), len(_FIRST))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Tell whoever started this process, if anybody, and end what was made for the tests.

    A worker of pytest-xdist has no other end: it is not unconfigured, and no `atexit` runs.
    """
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output.update(_own())
    if postgres := _postgres():
        postgres.end()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    for key, names in _of_workers.items():
        names.update(getattr(node, "workeroutput", {}).get(key, ()))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    for key, own in _own().items():
        if names := sorted({*own, *_of_workers[key]}, reverse=True):
            terminalreporter.write_line(f"{key}: {', '.join(names)}", bold=True)


def _own() -> dict[str, list[str]]:
    """Return what the tests of this process ran on."""
    engines, browsers = [], []
    if postgres := _postgres():
        left_out = ["PostgreSQL NOT TESTED"] if postgres.is_excluded() else []
        engines = [f"SQLite {sqlite3.sqlite_version}", *postgres.engines(), *left_out]
    if chromium := sys.modules.get("tests.browser.chromium"):
        browsers = [chromium.chromium_path() or "NOT TESTED, no Chromium is installed"]
    return dict(zip(_KEYS, (engines, browsers), strict=True))


def _postgres() -> Any:
    """Return the module if a test has needed it."""
    return sys.modules.get("tests.support.postgres")
