"""A million messages in SQLite, copied into PostgreSQL: `python -m bench.copying --url URL`.

Fills a file with messages as they are after some weeks (most are settled, each with its attempt,
two receipts and three reports; a tenth has a short URL that was visited; the last thousandth is on
its way), makes the tables in the database and runs `whimbrel db copy` and `whimbrel db check` as an
operator does. The database must be empty; it is left as it is afterwards.
"""

import argparse
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from whimbrel.clock import DAY, SystemClock
from whimbrel.domain.chain_id import ChainIds, link_id
from whimbrel.store.migrate import upgrade
from whimbrel.store.schema import metadata

_WHIMBREL = (sys.executable, "-m", "whimbrel")
_TEXT = "Ваш заказ 8770100 готов к выдаче. Ждём вас до 20:00."
_LANE, _SENDER = "WHATSAPP/1/WHIMBREL", "WHIMBREL"
_GROUP = 20_000
_OPEN_SHARE = 1_000  # one in so many messages is on its way: the last ones
_SHORT_SHARE = 10
Rows = dict[str, list[tuple[Any, ...]]]


def fill(path: Path, count: int) -> None:
    """Make a store of `count` messages."""
    upgrade(path)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA synchronous = OFF")
    now = SystemClock().now()
    connection.execute(
        "INSERT INTO partners VALUES (1, 'shop', 'no hash', '{}', 0, NULL, ?, ?)", (now, now)
    )
    messages = _messages(count, now - 30 * DAY)
    while group := list(islice(messages, _GROUP)):
        connection.execute("BEGIN")
        for table in metadata.tables:
            rows = [row for message in group for row in message.get(table, [])]
            marks = ", ".join("?" * len(metadata.tables[table].columns))
            if rows:
                connection.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)
        connection.execute("COMMIT")
    connection.execute("INSERT INTO uid_spaces SELECT 8, count(*) FROM short_urls")
    connection.close()


def _messages(count: int, begin: int) -> Iterator[Rows]:
    ids, report_id = ChainIds(0, 0), 0
    pause = 30 * DAY // count
    for n in range(count):
        at = begin + n * pause
        chain_id = ids.next(at)
        settled = n < count - count // _OPEN_SHARE
        yield _message(n, chain_id, link_id(chain_id, 0), at, report_id, settled=settled)
        report_id += 3 if settled else 0


def _message(n: int, chain: int, link: int, at: int, report: int, *, settled: bool) -> Rows:
    ref, uid = f"{n:012}", f"{n:08x}"
    rows: Rows = {
        "chains": [(chain, 1, ref, ref, None, str(79_000_000_000 + n), 1, None, None, None, at,
                    f"bench-{n}")],
        "links": [(link, chain, _LANE, "WHATSAPP", _SENDER, _TEXT, None, DAY, 80 if settled else 0,
                   9 if settled else -1, int(settled), at if settled else None, at, None, at + DAY,
                   at if settled else None, at + 2 if settled else None,
                   f"wamid.{ref}" if settled else None, 0, None, None)],
    }  # fmt: skip
    if n % _SHORT_SHARE == 0:
        rows["short_urls"] = [(uid, 1, f"https://shop.example/orders/{ref}?from=whatsapp", None,
                               str(79_000_000_000 + n), chain, link, at, None, None, 1, 1, at,
                               at)]  # fmt: skip
        rows["clicks"] = [(n + 1, uid, at, "mobile", 1)]
    if settled:
        rows["submits"] = [(link, 1, at, at + 80, "submitted", f"wamid.{ref}", None, None)]
        rows["receipts"] = [(link, 1, state, at, at + 90, None, None) for state in (70, 80)]
        told = list(enumerate((0, 2, 9), report + 1))
        rows["reports"] = [
            (r, chain, link, status, "1/", 2, at, 1, 0, at, at if status else None, at, 0)
            for r, status in told
        ]
        rows["report_attempts"] = [(r, 1, at, 12, 200, "") for r, _ in told]
    return rows


def main() -> None:
    """Measure by the arguments, and print."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.copying",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--url", required=True, help="an empty PostgreSQL database")
    parser.add_argument("--chains", type=int, default=1_000_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="whimbrel-bench-") as name:
        folder = Path(name)
        began = time.perf_counter()
        fill(folder / "whimbrel.db", given.chains)
        size = (folder / "whimbrel.db").stat().st_size / 2**20
        took = time.perf_counter() - began
        print(f"{given.chains:,} messages, {size:,.0f} MiB, made in {took:.0f} s", flush=True)
        (folder / "whimbrel.toml").write_text(f"[store]\nurl = {json.dumps(given.url)}\n")
        for command in ("upgrade", "copy", "check", "check --full"):
            began = time.perf_counter()
            done = subprocess.run(
                [*_WHIMBREL, "db", *command.split()], cwd=folder, check=False, env=dict(os.environ)
            )
            print(f"whimbrel db {command}: {time.perf_counter() - began:.1f} s", flush=True)
            if done.returncode:
                sys.exit(f"bench.copying: whimbrel db {command} ended with {done.returncode}")


if __name__ == "__main__":
    main()
