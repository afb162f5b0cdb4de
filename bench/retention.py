"""How fast old messages are removed, and what accepting notices of it: `python -m bench.retention`.

Fills a store with delivered and read chains of the last months, each with its submit, receipts,
reports and attempts. Removes some of them without a pause, in this process, first their content and
then the whole of them. Then a gateway runs over the rest, and accepts with the removal on and off
in turn, under a light load and under as much as it takes. At the end nothing of what was removed
may be left, and nothing else may be gone.
"""

import argparse
import asyncio
import sqlite3
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from statistics import median

from msgspec import Struct

from bench.gateway import HARDLY_ANY, Gateway
from bench.load import percentile
from bench.processes import ANYWHERE, ProcessFailed, free_ports, peak_mib, run, running
from bench.rounds import LoadPlan, Round, bad_answers, line, placement, put_under_load, titles
from bench.wire import LOGIN, SENDER
from whimbrel.clock import DAY, SECOND, SystemClock
from whimbrel.domain.chain_id import accepted_since
from whimbrel.flow.retention import CHAINS_AT_ONCE
from whimbrel.store.purge import (
    OldChains,
    OldContents,
    find_old_chains,
    remove_chains,
    remove_contents,
)
from whimbrel.store.sqlite import SqliteStore

_HISTORY_DAYS = 30
_OLDEST_DAYS = 300
_SETTLE_SECONDS = 2.5  # a changed profile reaches the gateway within a second
_LIGHT_PAUSE = 0.2  # seconds between a connection's requests
_FILL = """
WITH RECURSIVE numbers(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < :count)
INSERT INTO chains SELECT :first + ((n * :step) << 23), 1, printf('%012d', n), printf('%012d', n),
    NULL, CAST(79000000000 + n AS TEXT), 1, NULL, NULL, NULL, :began + n * :step * 1000,
    printf('bench-%d', n), NULL
FROM numbers;
INSERT INTO links SELECT chain_id << 4, chain_id, 'WHATSAPP/1/:sender', 'WHATSAPP', ':sender',
    'Ваш заказ 8770100 готов к выдаче. Ждём вас до 20:00.', NULL, 86400000, 100, 9, 1, accepted_at,
    accepted_at, NULL, accepted_at + 86400000, accepted_at, accepted_at,
    'wamid.HBgLNzkxNjEyMzQ1NjcVAgARGBI' || chain_id, 0, NULL, NULL, NULL, NULL
FROM chains;
INSERT INTO submits SELECT link_id, 1, attempted_at, attempted_at, 'submitted', provider_id, NULL,
    NULL FROM links;
INSERT INTO receipts SELECT link_id, 1, value, attempted_at, attempted_at, NULL, NULL
FROM links, (SELECT 30 AS value UNION ALL SELECT 90 UNION ALL SELECT 100);
INSERT INTO reports (chain_id, link_id, status, lane, state, next_at, attempts, failures,
    created_at, done_at, submitted_at, error_code)
SELECT chain_id, link_id, value, '1/', 2, attempted_at, 1, 0, attempted_at, attempted_at,
    attempted_at, 0
FROM links, (SELECT 0 AS value UNION ALL SELECT 2 UNION ALL SELECT 9);
INSERT INTO report_attempts SELECT report_id, 1, created_at, 12, 200, 'ok' FROM reports;
"""
_OF_EACH = ("receipts", "reports", "report_attempts")
"""Tables with three rows of each old chain."""


class Batches(Struct):
    """What was removed without a pause; times in milliseconds."""

    kind: str
    chains: int
    seconds: float
    p50: float
    p99: float


def _fill(path: Path, count: int) -> None:
    """Write chains that were accepted between `_OLDEST_DAYS` and `_HISTORY_DAYS` days ago."""
    began = SystemClock().now() - _OLDEST_DAYS * DAY
    step = max((_OLDEST_DAYS - _HISTORY_DAYS) * DAY // SECOND // count, 1)
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.execute("PRAGMA synchronous=OFF")
        connection.execute("BEGIN")
        params = {"count": count, "first": accepted_since(began), "step": step, "began": began}
        for text in _FILL.replace(":sender", SENDER).split(";")[:-1]:
            used = {name: value for name, value in params.items() if f":{name}" in text}
            connection.execute(text, used)
        connection.execute("COMMIT")
    finally:
        connection.close()


async def _remove(path: Path, count: int) -> list[Batches]:
    """Remove the content of so many chains, and then those chains."""
    store = SqliteStore(path)
    try:
        return [await _remove_kind(store, kind, count) for kind in ("content", "chains")]
    finally:
        await store.close()


async def _remove_kind(store: SqliteStore, kind: str, count: int) -> Batches:
    before = accepted_since(SystemClock().now() - _HISTORY_DAYS * DAY)
    after, removed, lasted = 0, 0, []
    while removed < count:
        began = time.perf_counter()
        wish = OldChains(1, after, before, CHAINS_AT_ONCE, kind == "content")
        chain_ids = await store.read(find_old_chains, wish)
        if not chain_ids:
            break
        after = chain_ids[-1]
        if kind == "content":
            removed += await store.write(remove_contents, OldContents(chain_ids, 1))
        else:
            removed += await store.write(remove_chains, chain_ids)
        lasted.append(time.perf_counter() - began)
    seconds, ordered = sum(lasted), sorted(lasted)
    return Batches(kind, removed, seconds, percentile(ordered, 50), percentile(ordered, 99))


def _set_history(gateway: Gateway, days: int) -> None:
    options = ["--history-days", str(days), "--content-days", "0"]
    run(
        ["whimbrel", "partner", "set", LOGIN, "--config", str(gateway.config), *options],
        cores=ANYWHERE, limit=60,
    )  # fmt: skip
    time.sleep(_SETTLE_SECONDS)


def _removed(port: int) -> float:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
        text = answer.read().decode()
    name = 'whimbrel_retention_removed_total{kind="chains"}'
    return float(next(one for one in text.splitlines() if one.startswith(name)).split()[-1])


def _under_load(gateway: Gateway, plan: LoadPlan, rounds: int, folder: Path) -> list[Round]:
    """Accept with the removal off and on in turn, lightly and fully loaded."""
    measured, sent = [], 0
    command = gateway.serve()
    with running("gateway", command, log_folder=folder, cores=plan.server_cores) as server:
        for load, pause in (("light", _LIGHT_PAUSE), ("full", 0.0)):
            for index in range(2 * rounds):
                on = bool(index % 2)
                _set_history(gateway, _HISTORY_DAYS if on else 0)
                before, began = _removed(gateway.port), time.perf_counter()
                own = ["--first", str(10_000_000 + sent), "--pause", str(pause)]
                result = put_under_load("bench.load", gateway.port, server.pid, plan, *own)
                rate = (_removed(gateway.port) - before) / (time.perf_counter() - began)
                sent += result.sent
                name = f"{load} {'on' if on else 'off'}"
                one = Round(name, result, peak_mib(server.pid), bad_answers(result))
                measured.append(one)
                print(f"{line(one)}   {rate:,.0f} chains removed/s", flush=True)
    return measured


def _audit(gateway: Gateway, accepted: int) -> list[str]:
    """Compare what is left of each kind of row."""
    young = accepted_since(SystemClock().now() - DAY)
    counts = {name: gateway.count(name) for name in ("chains", "links", *_OF_EACH)}
    old = gateway.count("chains", f"chain_id < {young}")
    wanted = {"chains": old + accepted, "links": old + accepted, **dict.fromkeys(_OF_EACH, 3 * old)}
    return [
        f"{counts[name]} {name}, not {right}"
        for name, right in wanted.items()
        if counts[name] != right
    ]


def _summary(rounds: list[Round]) -> str:
    lines = []
    for load in ("light", "full"):
        off, on = (
            [one.load for one in rounds if one.server == f"{load} {word}"] for word in ("off", "on")
        )
        lines.append(
            f"{load}: p50 {median(one.p50 for one in off):.2f} ms without, "
            f"{median(one.p50 for one in on):.2f} with; "
            f"p99 {median(one.p99 for one in off):.2f} without, "
            f"{median(one.p99 for one in on):.2f} with"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure by the arguments, print, and end with 1 if the books do not balance."""
    parser = argparse.ArgumentParser(prog="python -m bench.retention", description=__doc__)
    parser.add_argument("--chains", type=int, default=1_000_000)
    parser.add_argument("--without-pause", type=int, default=50_000, help="of them, removed first")
    parser.add_argument("--rounds", type=int, default=3, help="of each load, with and without")
    parser.add_argument("--seconds", type=float, default=8.0, help="measured in each round")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--no-pin", action="store_true", help="let the system place the processes")
    given = parser.parse_args()
    placed, server_cores, load_cores = placement(pinned=not given.no_pin)
    plan = LoadPlan(given.connections, 1.5, given.seconds, server_cores, load_cores)
    with tempfile.TemporaryDirectory(prefix="whimbrel-bench-") as name:
        folder = Path(name)
        port, nobody = free_ports(2)
        gateway = Gateway(folder, port=port, sandbox_port=nobody, throughput=HARDLY_ANY)
        began = time.perf_counter()
        _fill(gateway.store, given.chains)
        size = gateway.store.stat().st_size
        print(
            f"{given.chains:,} chains, {size / 2**20:,.0f} MiB, {size / given.chains:,.0f} bytes "
            f"each, filled in {time.perf_counter() - began:.0f} s; {placed}"
        )
        for one in asyncio.run(_remove(gateway.store, given.without_pause)):
            print(
                f"{one.kind}: {one.chains / one.seconds:,.0f} chains/s without a pause, "
                f"{CHAINS_AT_ONCE} a batch in {one.p50:.1f} ms (p99 {one.p99:.1f})"
            )
        print(titles("removal"))
        try:
            rounds = _under_load(gateway, plan, given.rounds, folder)
        except ProcessFailed as error:
            sys.exit(f"bench.retention: {error}")
        print(_summary(rounds))
        faults = _audit(gateway, sum(one.load.accepted for one in rounds))
        faults += [f"{one.server}: {fault}" for one in rounds for fault in one.faults]
    sys.exit("\n".join(faults) or None)


if __name__ == "__main__":
    main()
