"""How fast the sandbox's SMSC is: `python -m bench.smsc`.

It must not be what limits a measurement of the gateway. A client without a library, in this
process, keeps a window of submits full against `whimbrel sandbox`, another process, and answers
the receipts. At the end the books must balance: each submit was answered, and has one receipt.
"""

import argparse
import asyncio
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from struct import Struct
from typing import cast

import msgspec
import uvloop

from bench.processes import ANYWHERE, cpu_seconds, free_ports, running

GOAL_RATE = 2_000.0
_SETTINGS = """\
[sandbox]
port = {port}
smsc_port = {smsc_port}
speed = {speed}

[smpp.bench]
senders = ["BENCH"]
host = "127.0.0.1"
system_id = "bench"
password = "secret"
"""
_HEADER = Struct(">4I")  # command_length, command_id, command_status, sequence_number
_SUBMIT, _DELIVER, _BIND, _ENQUIRE, _ANSWER = 0x04, 0x05, 0x09, 0x15, 0x80000000
_SPARE_SECONDS = 120.0


def _pdu(command: int, sequence: int, body: bytes = b"") -> bytes:
    return _HEADER.pack(16 + len(body), command, 0, sequence) + body


class Client(asyncio.Protocol):
    """Submits `count` messages, `window` of them unanswered at a time."""

    def __init__(self, count: int, window: int, *, receipts: bool) -> None:
        self.began = self.answered_at = self.ended_at = 0.0
        self.answers = self.refusals = self.receipts = 0
        self.done = asyncio.Event()
        self._count = count
        self._window = window
        self._wanted_receipts = count if receipts else 0
        self._submitted = 0
        self._kept = b""
        self._wish = b"\x01" if receipts else b"\0"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Bind."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(_pdu(_BIND, 1, b"bench\0secret\0\0\x34\0\0\0"))

    def data_received(self, data: bytes) -> None:
        """Count answers and receipts, acknowledge the latter, and fill the window."""
        data = self._kept + data
        at, out = 0, []
        while len(data) - at >= 16:
            length, command, status, sequence = _HEADER.unpack_from(data, at)
            if len(data) - at < length:
                break
            at += length
            if command == _DELIVER:
                self.receipts += 1
                out.append(_pdu(_DELIVER | _ANSWER, sequence, b"\0"))
            elif command == _ENQUIRE:
                out.append(_pdu(_ENQUIRE | _ANSWER, sequence))
            elif command == _SUBMIT | _ANSWER:
                self.answers += 1
                self.refusals += bool(status)
                out += self._more(1)
            elif command == _BIND | _ANSWER:
                self.began = time.perf_counter()
                out += self._more(self._window)
        self._kept = data[at:]
        self._transport.write(b"".join(out))
        self._look_at_the_clock()

    def _more(self, count: int) -> list[bytes]:
        first = self._submitted
        self._submitted = min(first + count, self._count)
        return [self._submit(number) for number in range(first, self._submitted)]

    def _submit(self, number: int) -> bytes:
        source, destination = b"\0\x05\0BENCH\0", b"\x01\x01%d\0" % (79_160_000_000 + number)
        text = b"Your code is %06d" % (number % 1_000_000)
        body = source + destination + b"\0\0\0\0\0" + self._wish + b"\0\0\0"
        return _pdu(_SUBMIT, number + 2, body + bytes([len(text)]) + text)

    def _look_at_the_clock(self) -> None:
        if self.answers == self._count and not self.answered_at:
            self.answered_at = time.perf_counter()
        if self.answered_at and self.receipts >= self._wanted_receipts:
            self.ended_at = time.perf_counter()
            self.done.set()


async def _submit_all(port: int, client: Client) -> None:
    transport, _ = await asyncio.get_running_loop().create_connection(
        lambda: client, "127.0.0.1", port
    )
    async with asyncio.timeout(_SPARE_SECONDS):
        await client.done.wait()
    transport.abort()


def _counted(port: int) -> dict[str, int]:
    url = f"http://127.0.0.1:{port}/sandbox/messages/count"
    with urllib.request.urlopen(url, timeout=10) as answer:
        return dict(msgspec.json.decode(answer.read())["sms"])


def measure(count: int, window: int, *, receipts: bool, speed: float) -> bool:
    """Run it once, say what was measured, and tell whether the books balance."""
    port, smsc_port = free_ports(2)
    with tempfile.TemporaryDirectory(prefix="whimbrel-bench-") as name:
        config = Path(name) / "whimbrel.toml"
        config.write_text(_SETTINGS.format(port=port, smsc_port=smsc_port, speed=speed))
        command = ["whimbrel", "sandbox", "--config", str(config)]
        with running("sandbox", command, log_folder=Path(name), cores=ANYWHERE) as sandbox:
            client = Client(count, window, receipts=receipts)
            before = cpu_seconds(sandbox.pid)
            uvloop.run(_submit_all(smsc_port, client))
            used = cpu_seconds(sandbox.pid) - before
            taken = _counted(port)
    rate = count / (client.answered_at - client.began)
    whole = count / (client.ended_at - client.began)
    print(
        f"{'with' if receipts else 'without'} receipts: {rate:,.0f} submits a second "
        f"(goal {GOAL_RATE:,.0f}: {'met' if rate >= GOAL_RATE else 'missed'}), "
        f"{whole:,.0f} with all receipts; sandbox CPU {used / count * 1e6:,.0f} us a submit"
    )
    books = (client.answers, client.refusals, client.receipts, taken["distinct"])
    balanced = books == (count, 0, count if receipts else 0, count)
    if not balanced:
        print(f"answers, refusals, receipts, taken: {books} of {count}")
    return balanced


def main() -> None:
    """Measure both ways, and end with 1 if the books do not balance."""
    parser = argparse.ArgumentParser(prog="python -m bench.smsc", description=__doc__)
    parser.add_argument("--submits", type=int, default=20_000)
    parser.add_argument("--window", type=int, default=50)
    parser.add_argument("--speed", type=float, default=20.0, help="of the sandbox's delays")
    parser.add_argument("--rounds", type=int, default=2)
    given = parser.parse_args()
    good = [
        measure(given.submits, given.window, receipts=receipts, speed=given.speed)
        for _ in range(given.rounds)
        for receipts in (False, True)
    ]
    sys.exit(not all(good))


if __name__ == "__main__":
    main()
