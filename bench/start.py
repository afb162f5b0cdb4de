"""How long a start takes: `python -m bench.start`.

Commands on a store whose schema is current, from the start of the process to its end; the gateway
and the sandbox to the line that says they are ready. An empty interpreter, measured in turns with
them, is the gauge of the machine.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from time import perf_counter

from bench.processes import free_ports

_WHIMBREL = (sys.executable, "-m", "whimbrel")
_SETTINGS = """
[server]
port = {}
[sandbox]
port = {}
[log]
level = "warning"
[whatsapp.main]
sender = "WHIMBREL"
phone_number_id = "200000000000001"
token = "token"
app_secret = "app-secret"
verify_token = "verify-token"
base_url = "http://127.0.0.1:{}"
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory(prefix="whimbrel-start-") as name:
        folder = Path(name)
        server, sandbox = free_ports(2)
        (folder / "whimbrel.toml").write_text(_SETTINGS.format(server, sandbox, sandbox))
        _to_end(folder, *_WHIMBREL, "partner", "list")  # makes the store
        starts = list(_starts(folder))
        taken = [[start() for _, start in starts] for _ in range(runs)]
    print(f"{'ms':26}{'median':>8}{'least':>8}")
    for (title, _), seconds in zip(starts, zip(*taken, strict=True), strict=True):
        print(f"{title:26}{median(seconds) * 1_000:8.0f}{min(seconds) * 1_000:8.0f}")


def _starts(folder: Path) -> Iterator[tuple[str, Callable[[], float]]]:
    yield "an empty interpreter", lambda: _to_end(folder, sys.executable, "-c", "pass")
    yield "version", lambda: _to_end(folder, *_WHIMBREL, "version")
    yield "partner list", lambda: _to_end(folder, *_WHIMBREL, "partner", "list")
    yield "status", lambda: _to_end(folder, *_WHIMBREL, "status")
    yield "serve, to readiness", lambda: _to_readiness(folder, *_WHIMBREL, "serve")
    yield "sandbox, to readiness", lambda: _to_readiness(folder, *_WHIMBREL, "sandbox")


def _to_end(folder: Path, *command: str) -> float:
    began = perf_counter()
    subprocess.run(command, cwd=folder, stdout=subprocess.DEVNULL, check=True)
    return perf_counter() - began


def _to_readiness(folder: Path, *command: str) -> float:
    began = perf_counter()
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        line = process.stdout.readline()
        seconds = perf_counter() - began
        process.terminate()
    if "ready" not in line:
        raise SystemExit(f"{command[-1]} did not become ready")
    return seconds


if __name__ == "__main__":
    main()
