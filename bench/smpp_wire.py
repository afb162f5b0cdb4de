"""How fast submits go over one bind, and at what cost: `python -m bench.smpp_wire`.

Our session and smpp34's own client, in turn, submit to smpp34's server: client and server are
processes of their own on this machine, over loopback. That server is the slower end, so our session
also meets a bare one, which answers and does nothing else. As many submits are under way as the
submit window allows, and each that is answered lets another begin; each answer must have a number
of its own. Nothing is stored: this is the wire alone.
"""

import argparse
import asyncio
import gc
import struct
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import cast

import msgspec
import smpp34
import uvloop
from msgspec import Struct

from bench.processes import ANYWHERE, ProcessFailed, cpu_seconds, free_ports, run, running
from whimbrel.channels.sms.pdu import DeliverSm, SubmitSm
from whimbrel.channels.sms.session import Session
from whimbrel.clock import SystemClock
from whimbrel.logs import configure_logs
from whimbrel.settings import SmppAccount

_TEXT = "Ваш заказ 8770100 готов к выдаче. Ждём вас до 20:00.".encode("utf-16-be")
_SPARE_SECONDS = 30.0
_WARM_UP = 2_000
_RUNS = (("whimbrel", "bare"), ("whimbrel", "smpp34"), ("smpp34", "smpp34"))
"""Client and server."""
_HEADER = struct.Struct("!4I")

Submit = Callable[[int], Awaitable[str | None]]


class Result(Struct):
    """What one client measured of itself; all its threads count."""

    client: str
    submits: int
    seconds: float
    cpu_seconds: float
    server: str = ""
    server_cpu_seconds: float = 0.0

    def line(self) -> str:
        """Return a line of the table."""
        each = 1e6 / self.submits
        rate = self.submits / self.seconds
        cores, theirs = self.cpu_seconds / self.seconds, self.server_cpu_seconds / self.seconds
        return (
            f"{self.client:>9} {self.server:>7} {rate:>9,.0f}"
            f" {self.cpu_seconds * each:>8.1f} {cores:>6.2f}"
            f" {self.server_cpu_seconds * each:>8.1f} {theirs:>6.2f}"
        )


class _Bare(asyncio.Protocol):
    """Answers a bind, submits and an unbind, all of one read in one write."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._rest = b""
        self._taken = 0

    def data_received(self, data: bytes) -> None:
        data = self._rest + data
        at, answers = 0, []
        while len(data) - at >= _HEADER.size:
            length, command, _, sequence = _HEADER.unpack_from(data, at)
            if len(data) - at < length:
                break
            at += length
            self._taken += 1
            body = b"%X\0" % self._taken
            answers += [_HEADER.pack(16 + len(body), command | 0x8000_0000, 0, sequence), body]
        self._rest = data[at:]
        self._transport.write(b"".join(answers))


async def _serve_bare(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(_Bare, "127.0.0.1", port)
    print("The SMSC is ready", flush=True)
    await server.serve_forever()


async def _serve_smpp34(port: int) -> None:
    """Accept every submit, until the process is ended."""
    server = smpp34.Server(host="127.0.0.1", port=port, system_id="bench", inbound_capacity=4_096)
    await server.start()
    print("The SMSC is ready", flush=True)
    taken = 0
    while True:
        event = await server.next()
        if isinstance(event, smpp34.SubmitSmEvent):
            taken += 1
            event.accept(f"{taken:X}")


async def _whimbrel(port: int, window: int, seconds: float) -> Result:
    async def store(pdus: list[DeliverSm]) -> list[bool]:
        return [True] * len(pdus)

    account = SmppAccount(
        senders=["SHOP"],
        host="127.0.0.1",
        port=port,
        system_id="bench",
        password="secret",
        submit_window=window,
    )
    bound = asyncio.Event()
    session = Session(
        "bench", account, SystemClock(), deliver=store, changed=bound.set, response_timeout=30.0
    )
    running_ = asyncio.create_task(session.run())
    await bound.wait()

    def submit(number: int) -> Awaitable[str]:
        return session.submit(
            SubmitSm(
                source_addr="SHOP",
                source_ton=5,
                dest_addr=f"{79_100_000_000 + number}",
                dest_ton=1,
                dest_npi=1,
                data_coding=8,
                registered_delivery=1,
                short_message=_TEXT,
            )
        )

    result = await _measured("whimbrel", submit, window, seconds)
    await session.stop()
    await running_
    return result


async def _smpp34(port: int, window: int, seconds: float) -> Result:
    client = smpp34.Client(
        host="127.0.0.1",
        port=port,
        system_id="bench",
        password="secret",
        bind_type="TRX",
        window_size=window,
    )
    smsc = await client.connect()

    async def submit(number: int) -> str | None:
        answer = await smsc.submit_sm(
            f"{79_100_000_000 + number}",
            _TEXT,
            source_addr="SHOP",
            source_addr_ton=5,
            dest_addr_ton=1,
            dest_addr_npi=1,
            data_coding=8,
            registered_delivery=1,
        )
        return answer.message_id

    result = await _measured("smpp34", submit, window, seconds)
    await smsc.unbind()
    return result


async def _measured(client: str, submit: Submit, window: int, seconds: float) -> Result:
    """Submit for so many seconds, after a warm-up."""
    ids: list[str | None] = []

    async def one_lane(lane: int, until: float, most: int) -> None:
        number = lane
        while number < most and time.perf_counter() < until:
            ids.append(await submit(number))
            number += window

    async def all_lanes(until: float, most: int) -> None:
        await asyncio.gather(*(one_lane(lane, until, most) for lane in range(window)))

    await all_lanes(time.perf_counter() + seconds, _WARM_UP)
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)  # as the gateway has it
    warm, cpu, begun = len(ids), time.process_time(), time.perf_counter()
    await all_lanes(begun + seconds, sys.maxsize)
    spent, lasted = time.process_time() - cpu, time.perf_counter() - begun
    if None in ids or len(set(ids)) != len(ids):
        raise ProcessFailed(f"{client}: a submit was not taken, or two got one answer")
    return Result(client, len(ids) - warm, lasted, spent)


def _run(client: str, server: str, options: argparse.Namespace, folder: Path) -> Result:
    [port] = free_ports(1)
    serve = ["bench.smpp_wire", "--server", server, "--to", str(port)]
    with running("smsc", serve, log_folder=folder, cores=ANYWHERE) as smsc:
        before = cpu_seconds(smsc.pid)
        output = run(
            [
                *("bench.smpp_wire", "--client", client, "--to", str(port)),
                *("--window", str(options.window), "--seconds", str(options.seconds)),
            ],
            cores=ANYWHERE,
            limit=2 * options.seconds + _SPARE_SECONDS,
        )
        result = msgspec.json.decode(output, type=Result)
        result.server = server
        result.server_cpu_seconds = cpu_seconds(smsc.pid) - before
    return result


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.smpp_wire", description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0, help="measured, a run")
    parser.add_argument("--rounds", type=int, default=2, help="runs of each client, in turn")
    parser.add_argument("--window", type=int, default=100, help="submits under way at once")
    parser.add_argument("--json", type=Path, help="keep the figures in this file")
    for internal in ("--client", "--server"):
        parser.add_argument(internal, help=argparse.SUPPRESS)
    parser.add_argument("--to", type=int, help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> int:
    """Run what the options say."""
    options = _options()
    if options.server:
        uvloop.run({"bare": _serve_bare, "smpp34": _serve_smpp34}[options.server](options.to))
    if options.client:
        configure_logs("error")
        measure = {"whimbrel": _whimbrel, "smpp34": _smpp34}[options.client]
        result = uvloop.run(measure(options.to, options.window, options.seconds))
        print(msgspec.json.encode(result).decode())
        return 0
    print("   client  server submits/s   CPU us  cores   server's CPU us, cores")
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(options.rounds):
            for client, server in _RUNS:
                results.append(_run(client, server, options, Path(folder)))
                print(results[-1].line(), flush=True)
    if options.json:
        options.json.write_bytes(msgspec.json.encode(results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
