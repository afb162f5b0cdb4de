"""Says which engines and which browser tests ran on, whichever process ran them."""

import sqlite3
import sys
from typing import Any

import pytest

_KEYS = ("store engines", "browser")
_of_workers: dict[str, set[str]] = {key: set() for key in _KEYS}


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
