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
Rows = dict[str, list[dict[str, Any]]]


def fill(path: Path, count: int) -> None:
    """Make a store of `count` messages."""
    upgrade(path)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA synchronous = OFF")
    now = SystemClock().now()
    partner = {"partner_id": 1, "login": "shop", "password_hash": "none", "profile": "{}",
               "disabled": 0, "created_at": now, "changed_at": now}  # fmt: skip
    _insert(connection, "partners", [partner])
    messages = _messages(count, now - 30 * DAY)
    while group := list(islice(messages, _GROUP)):
        connection.execute("BEGIN")
        for table in metadata.tables:
            _insert(connection, table, [row for one in group for row in one.get(table, [])])
        connection.execute("COMMIT")
    connection.execute("INSERT INTO uid_spaces SELECT 8, count(*) FROM short_urls")
    connection.close()


def _insert(connection: sqlite3.Connection, table: str, rows: list[dict[str, Any]]) -> None:
    if rows:
        names = ", ".join(rows[0])
        values = ", ".join(f":{name}" for name in rows[0])
        connection.executemany(f"INSERT INTO {table} ({names}) VALUES ({values})", rows)


def _messages(count: int, begin: int) -> Iterator[Rows]:
    ids, report_id = ChainIds(0), 0
    pause = 30 * DAY // count
    for n in range(count):
        at = begin + n * pause
        chain_id = ids.next(at)
        settled = n < count - count // _OPEN_SHARE
        yield _message(n, chain_id, link_id(chain_id, 0), at, report_id, settled=settled)
        report_id += 3 if settled else 0


def _message(n: int, chain: int, link: int, at: int, report: int, *, settled: bool) -> Rows:
    ref, subscriber = f"{n:012}", str(79_000_000_000 + n)
    chain_row = {
        "chain_id": chain, "partner_id": 1, "partner_ref": ref, "dedupe_ref": ref,
        "dest_addr": subscriber, "registered_delivery": 1, "accepted_at": at,
        "request_id": f"bench-{n}",
    }  # fmt: skip
    link_row = {
        "link_id": link, "chain_id": chain, "lane": _LANE, "channel": "WHATSAPP",
        "sender": _SENDER, "text": _TEXT, "ttl": DAY, "state": 80 if settled else 0,
        "told": 9 if settled else -1, "attempt": int(settled),
        "attempted_at": at if settled else None, "due_at": at, "expires_at": at + DAY,
        "submitted_at": at if settled else None, "done_at": at + 2 if settled else None,
        "provider_id": f"wamid.{ref}" if settled else None, "error_code": 0,
    }  # fmt: skip
    rows: Rows = {"chains": [chain_row], "links": [link_row]}
    if n % _SHORT_SHARE == 0:
        rows |= _short_url(n, f"{n:08x}", subscriber, chain, at)
    return rows | _told(ref, chain, link, at, report) if settled else rows


def _short_url(n: int, uid: str, subscriber: str, chain: int, at: int) -> Rows:
    target = f"https://shop.example/orders/{n:012}?from=whatsapp"
    short_url = {
        "uid": uid, "partner_id": 1, "target": target, "subscriber": subscriber,
        "chain_id": chain, "link_id": link_id(chain, 0), "created_at": at, "visits": 1,
        "clicks": 1, "first_click_at": at, "last_click_at": at,
    }  # fmt: skip
    click = {"click_id": n + 1, "uid": uid, "at": at, "agent": "mobile", "counted": 1}
    return {"short_urls": [short_url], "clicks": [click]}


def _told(ref: str, chain: int, link: int, at: int, report: int) -> Rows:
    """Return what comes of a message that was read."""
    submit = {"link_id": link, "attempt": 1, "started_at": at, "ended_at": at + 80,
              "outcome": "submitted", "provider_id": f"wamid.{ref}"}  # fmt: skip
    receipts = [
        {"link_id": link, "attempt": 1, "state": state, "happened_at": at, "received_at": at + 90}
        for state in (70, 80)
    ]
    told = list(enumerate((0, 2, 9), report + 1))
    reports = [
        {"report_id": number, "chain_id": chain, "link_id": link, "status": status, "lane": "1/",
         "state": 2, "next_at": at, "attempts": 1, "failures": 0, "created_at": at,
         "done_at": at if status else None, "submitted_at": at, "error_code": 0}
        for number, status in told
    ]  # fmt: skip
    attempts = [
        {"report_id": number, "attempt": 1, "ended_at": at, "latency": 12, "http_status": 200,
         "answer": ""}
        for number, _ in told
    ]  # fmt: skip
    return {
        "submits": [submit], "receipts": receipts, "reports": reports, "report_attempts": attempts
    }  # fmt: skip


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
