"""A million messages that wait for tomorrow's hours: `python -m bench.waiting`.

Fills a store with chains whose sending hours open at one moment, starts the gateway over it, and
asks what that costs: how long it takes to start, how much memory it holds, how late the first
messages go when the hours open, and how late a message goes that another Partner sends into that
very crowd. Loopback only; ends by itself when a sample has gone.
"""

import argparse
import asyncio
import sqlite3
import sys
import tempfile
import time
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
from msgspec import Struct

from bench.gateway import Gateway
from bench.load import percentile
from bench.processes import ANYWHERE, ProcessFailed, free_ports, peak_mib, running
from bench.wire import FIRST_NUMBER, PASSWORD, SENDER
from whimbrel.clock import MINUTE, SECOND, SystemClock
from whimbrel.domain.chain import Chain, NewLink
from whimbrel.domain.chain_id import ChainIds, link_id
from whimbrel.domain.content import Channel, Text
from whimbrel.domain.partner import Partner, Profile
from whimbrel.domain.password import hash_password
from whimbrel.domain.schedule import Schedule, next_opening, parse
from whimbrel.domain.zones import MOSCOW
from whimbrel.store.chains import accept_chains
from whimbrel.store.partners import PartnerChange, add_partners
from whimbrel.store.sqlite import SqliteStore

_TTL = 1_440 * MINUTE
_GROUP = 2_000
_FILL_RATE = 7_000  # chains a second, on a slow day: the hours must not open before the end
_TEXT = "Ваш заказ 8770100 готов к выдаче. Ждём вас до 20:00."
_OTHER_LOGIN = "codes"
_PROBES = 20
_PROBE_PAUSE = 0.25  # seconds between the other Partner's messages
_SETTLE_SECONDS = 3.0  # after the start, before its memory is read
_NOBODY = 9  # the discard port


class Outcome(Struct):
    """What was measured, in seconds."""

    chains: int
    fill_seconds: float
    store_mib: float
    start_seconds: float
    started_mib: float
    crowd: list[float]
    """Delay from the opening to the submit, of the first messages of the crowd."""
    others: list[float]
    """Delay from the POST to the submit, of messages sent by another Partner meanwhile."""
    peak_mib: float


def measure(chains: int, sample: int, margin: float, limit: float) -> Outcome:
    """Fill, start, wait for the hours, and take the sample."""
    with tempfile.TemporaryDirectory(prefix="whimbrel-bench-") as name:
        folder = Path(name)
        port, sandbox_port = free_ports(2)
        gateway = Gateway(
            folder,
            port=port,
            sandbox_port=sandbox_port,
            report_url=f"http://127.0.0.1:{_NOBODY}/",
            speed=20.0,
        )
        path = folder / "whimbrel.db"
        began = time.perf_counter()
        hours = asyncio.run(_fill(path, chains, opening_in=chains / _FILL_RATE + margin))
        filled = time.perf_counter() - began
        opens_at = next_opening(hours, SystemClock().now(), MOSCOW) or 0
        size = path.stat().st_size / 2**20
        began = time.perf_counter()
        with running("gateway", gateway.serve(), log_folder=folder, cores=ANYWHERE) as serve:
            started = time.perf_counter() - began
            with running("sandbox", gateway.sandbox(), log_folder=folder, cores=ANYWHERE):
                time.sleep(_SETTLE_SECONDS)
                memory = _resident_mib(serve.pid)
                if SystemClock().now() >= opens_at:
                    raise ProcessFailed("the hours opened before the gateway was there: --margin")
                _sleep_until(opens_at)
                numbers = _send_meanwhile(port)
                _await_sample(path, sample, time.perf_counter() + limit)
                peak = peak_mib(serve.pid)
        return Outcome(
            chains,
            filled,
            size,
            started,
            memory,
            _delays(path, opens_at, sample),
            [_delay_of(path, number) for number in numbers],
            peak,
        )


async def _fill(path: Path, count: int, *, opening_in: float) -> Schedule:
    """Accept `count` chains of one Partner; their hours open once all that is done."""
    store = SqliteStore(path)
    other = Profile(senders=[SENDER], default_sender=SENDER, report_url="")
    partner = Partner(0, _OTHER_LOGIN, hash_password(PASSWORD), False, other)
    await store.write(add_partners, PartnerChange(partner, SystemClock().now()))
    now = SystemClock().now()
    opening = datetime.fromtimestamp(now / SECOND, UTC) + timedelta(seconds=opening_in)
    begin = f"{opening.astimezone(MOSCOW):%H:%M:%S}"
    end = f"{opening.astimezone(MOSCOW) + timedelta(hours=8):%H:%M:%S}"
    hours = parse(time_begin=begin, time_end=end, weekdays=None, deadline=None)
    assert hours is not None
    due_at = next_opening(hours, now, MOSCOW)
    assert due_at is not None
    ids, stored = ChainIds(0), hours.to_json()
    for first in range(0, count, _GROUP):
        group = [
            _chain(ids.next(now), first + n, now, due_at, stored)
            for n in range(min(_GROUP, count - first))
        ]
        await asyncio.gather(*(store.write(accept_chains, chain) for chain in group))
    await store.close()
    return hours


def _chain(chain_id: int, number: int, now: int, due_at: int, hours: str) -> Chain:
    link = NewLink(
        link_id=link_id(chain_id, 0), position=0, channel=Channel.WHATSAPP, sender=SENDER,
        content=Text(_TEXT), ttl=_TTL, due_at=due_at, closes_at=due_at + 480 * MINUTE,
        expires_at=due_at + _TTL,
    )  # fmt: skip
    return Chain(
        chain_id=chain_id, partner_id=1, partner_ref=f"{number:012}", dedupe_ref=f"{number:012}",
        content_key=None, content_window=0, dest_addr=str(FIRST_NUMBER + number),
        registered_delivery=0, notify_url=None, extra_param=None, schedule=hours,
        accepted_at=now, request_id=f"bench-{number}", links=(link,),
    )  # fmt: skip


def _send_meanwhile(port: int) -> list[int]:
    """Send the other Partner's messages, one after the other; return their numbers."""
    numbers = []
    for index in range(_PROBES):
        body = {
            "login": _OTHER_LOGIN,
            "password": PASSWORD,
            "destAddr": str(79_500_000_000 + index),
            "message": {
                "type": "WHATSAPP",
                "data": {"instantContent": {"type": "TEXT", "data": {"text": "Код 4711"}}},
            },
            "registeredDelivery": 0,
        }
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/send", data=msgspec.json.encode(body), method="POST"
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            numbers.append(int(msgspec.json.decode(answer.read())["mtNum"]))
        time.sleep(_PROBE_PAUSE)
    return numbers


def _query(path: Path, sql: str, *params: int) -> list[tuple[int, ...]]:
    connection = sqlite3.connect(path, timeout=30)
    try:
        return connection.execute(sql, params).fetchall()
    finally:
        connection.close()


def _await_sample(path: Path, sample: int, until: float) -> None:
    while _query(path, "SELECT count(*) FROM submits")[0][0] < sample + _PROBES:
        if time.perf_counter() > until:
            raise ProcessFailed("the sample did not go in time")
        time.sleep(0.2)


def _delays(path: Path, opens_at: int, sample: int) -> list[float]:
    rows = _query(
        path,
        """SELECT s.started_at - ? FROM submits s JOIN chains c ON c.chain_id = s.link_id >> 4
        WHERE c.partner_id = 1 AND s.attempt = 1 ORDER BY s.started_at LIMIT ?""",
        opens_at,
        sample,
    )
    return [delay / SECOND for (delay,) in rows]


def _delay_of(path: Path, chain_id: int) -> float:
    rows = _query(
        path,
        """SELECT s.started_at - c.accepted_at FROM submits s
        JOIN chains c ON c.chain_id = s.link_id >> 4 WHERE c.chain_id = ? AND s.attempt = 1""",
        chain_id,
    )
    if not rows:
        raise ProcessFailed(f"message {chain_id} of the other Partner has not gone")
    return rows[0][0] / SECOND


def _sleep_until(moment: int) -> None:
    time.sleep(max(0.0, (moment - SystemClock().now()) / SECOND))


def _resident_mib(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * 4_096 / 2**20


def _shown(outcome: Outcome) -> str:
    crowd, others = sorted(outcome.crowd), sorted(outcome.others)
    filled = f"{outcome.fill_seconds:.0f} s, {outcome.store_mib:,.0f} MiB"
    memory = f"{outcome.started_mib:.0f} MiB, {outcome.peak_mib:.0f} at most by the sample's end"
    rate = f"{len(crowd) / crowd[-1]:,.0f}/s" if crowd[-1] else "at once"
    spread = f"p50 {percentile(crowd, 50):,.0f}, last {crowd[-1] * 1e3:,.0f} ms ({rate})"
    meanwhile = f"p50 {percentile(others, 50):.0f}, max {others[-1] * 1e3:.0f} ms"
    return f"""\
{outcome.chains:,} chains wait (stored in {filled})
  start to readiness    {outcome.start_seconds:.2f} s
  memory after it       {memory}
  opening to submit     first {crowd[0] * 1e3:.0f} ms; of the first {len(crowd):,}: {spread}
  another Partner's     POST to submit {meanwhile} ({len(others)} messages meanwhile)"""


def main() -> None:
    """Measure by the arguments, and print."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.waiting",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--chains", type=int, default=1_000_000)
    parser.add_argument("--sample", type=int, default=5_000, help="messages of the crowd")
    parser.add_argument(
        "--margin", type=float, default=30.0, help="seconds between the filling and the opening"
    )
    parser.add_argument("--limit", type=float, default=120.0, help="seconds for the sample")
    given = parser.parse_args()
    try:
        outcome = measure(given.chains, given.sample, given.margin, given.limit)
    except ProcessFailed as error:
        sys.exit(f"bench.waiting: {error}")
    print(_shown(outcome))


if __name__ == "__main__":
    main()
