"""What tests need of npm's: strangers' programs, pinned by `tests/strangers/package-lock.json`.

They are installed into `.strangers`, once a lock file. Where that cannot be, tests that need them
are skipped, unless this is CI.
"""

import fcntl
import functools
import hashlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple, NoReturn

import pytest

_ROOT = Path(__file__).parents[2]
SOURCE = _ROOT / "tests" / "strangers"
_INSTALLED = _ROOT / ".strangers"
_INSTALL_SECONDS = 180


class Strangers(NamedTuple):
    """Where they are, and what runs them."""

    folder: Path
    node: str


def strangers(needed_for: str) -> Strangers:
    """Return the strangers, installed now if they never were."""
    installed = _installed()
    if isinstance(installed, str):
        do_without(needed_for, installed)
    return installed


def do_without(what: str, reason: str) -> NoReturn:
    """Skip a test for want of `what`, or fail it where nothing may be left out."""
    if os.environ.get("CI"):
        pytest.fail(f"{what} cannot run, and in CI it must: {reason}")
    pytest.skip(f"{what} cannot run: {reason}")


@functools.cache
def _installed() -> Strangers | str:
    """Install the strangers once a lock file; return them, or what is wrong."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        return "node and npm are not installed"
    wanted = (SOURCE / "package-lock.json").read_bytes()
    folder = _INSTALLED / hashlib.sha256(wanted).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests run in several processes at once
        return _install(folder, npm) or Strangers(folder, node)


def _install(folder: Path, npm: str) -> str | None:
    """Install the strangers into a folder that may have them; return what went wrong."""
    if (folder / "complete").exists():
        return None
    for name in ("package.json", "package-lock.json"):
        shutil.copy(SOURCE / name, folder / name)
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            check=False,
            capture_output=True,
            text=True,
            timeout=_INSTALL_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return f"npm ci took longer than {_INSTALL_SECONDS} s"
    if done.returncode:
        return f"npm ci failed: {done.stderr[-500:]}"
    (folder / "complete").touch()
    return None
