"""The session against SMSCs that are broken, hostile, or not there at all."""

import asyncio
import shutil
import socket
import ssl
import struct
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.channels.sms.conftest import WITHIN, Start, a_submit, an_account, outcomes
from tests.support.clock import FakeClock
from tests.support.raw_smsc import (
    BIND_TRANSCEIVER,
    DELIVER_SM,
    ENQUIRE_LINK,
    RESPONSE,
    SUBMIT_SM,
    UNBIND,
    RawSmsc,
    a_pdu,
    raw_smsc,
)
from whimbrel.channels.sms import connection
from whimbrel.channels.sms.connection import MOST_UNACKNOWLEDGED
from whimbrel.channels.sms.pdu import PduError
from whimbrel.channels.sms.session import Session
from whimbrel.channels.sms.submits import NotSubmitted, SubmitRefused, Unanswered

GENERIC_NACK = 0x8000_0000
A_DELIVERY = bytes.fromhex("00 0101 3700 0500 5300 000000 0000 00000000 02 6869".replace(" ", ""))
READ_AT_MOST = 256 * 1024  # asyncio's selector transport


@pytest.fixture
async def raw() -> AsyncIterator[RawSmsc]:
    async with raw_smsc() as server:
        yield server


async def test_nobody_listens(port: int, start: Start) -> None:
    rig = await start(port)

    await rig.until_down("connection refused")

    with pytest.raises(NotSubmitted, match="connection refused"):
        await rig.session.submit(a_submit())


async def test_no_such_name(start: Start) -> None:
    rig = await start(2775, host="smsc.invalid")

    await rig.until_down("name not found")


async def test_a_name_that_cannot_be_one(start: Start) -> None:
    rig = await start(2775, host="smsc" * 20 + ".invalid")

    await rig.until_down("no connection")


async def test_pauses_grow_until_it_is_there(port: int, start: Start) -> None:
    with capture_logs() as logs:
        rig = await start(port, chance=0.001)
        await rig.until(lambda: rig.pauses == 8)

    pauses = [log["pause_ms"] for log in logs if log["event"] == "smpp_down"]
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60]


async def test_stopping_does_not_wait_for_the_pause(port: int, start: Start) -> None:
    rig = await start(port, chance=1.0)  # a second, then two, ...
    await rig.until(lambda: rig.pauses == 1)

    await rig.session.stop()

    assert rig.pauses == 1
    assert rig.session.why == "stopped"


async def test_a_connection_that_is_not_made_in_time(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as deaf:
        address = deaf.getsockname()
        with socket.create_connection(address):  # fills the queue; the kernel drops who comes next
            rig = await start(address[1], response_timeout=0.2)

            await rig.until_down("no connection in time")


async def test_a_bind_that_nobody_answers(raw: RawSmsc, start: Start) -> None:
    del raw.habits[BIND_TRANSCEIVER]
    rig = await start(raw.port, response_timeout=0.1)

    await rig.until_down("no answer to the bind")


async def test_a_silent_smsc_is_noticed_before_the_bind_is_answered(
    raw: RawSmsc, start: Start
) -> None:
    del raw.habits[BIND_TRANSCEIVER], raw.habits[ENQUIRE_LINK]
    rig = await start(raw.port, enquire_link_seconds=0.05)

    await rig.until_down("no answer to enquire_link")


async def test_an_smsc_that_hangs_up_at_once(raw: RawSmsc, start: Start) -> None:
    del raw.habits[BIND_TRANSCEIVER]
    rig = await start(raw.port)
    await raw.until_told(BIND_TRANSCEIVER)

    raw.hang_up()

    await rig.until_down("connection lost: closed by the SMSC")


async def test_a_bind_refused_by_a_nack(raw: RawSmsc, start: Start) -> None:
    raw.habits[BIND_TRANSCEIVER] = lambda n: a_pdu(GENERIC_NACK, 0, n)
    rig = await start(raw.port)

    await rig.until_down("bind refused: ESME_RUNKNOWNERR")


@pytest.mark.parametrize("length", [3, 0xFFFF_FFFF])
async def test_a_stream_that_is_not_smpp(raw: RawSmsc, start: Start, length: int) -> None:
    raw.habits[SUBMIT_SM] = lambda n: (
        a_pdu(SUBMIT_SM | RESPONSE, 0, n, b"first\0") + struct.pack("!4I", length, DELIVER_SM, 0, 1)
    )
    rig = await start(raw.port)
    session = await rig.until_bound()

    first, *others = await outcomes(session, [a_submit(n) for n in range(3)])

    assert first == "first"
    assert {type(one) for one in others} == {Unanswered}
    await rig.until_down("not SMPP: command_length")
    await rig.until_bound()


async def test_responses_that_nobody_waits_for(raw: RawSmsc, start: Start) -> None:
    session = await (await start(raw.port)).until_bound()

    raw.send(a_pdu(SUBMIT_SM | RESPONSE, 0, 0x7FFF_FFFF, b"1\0"))
    raw.send(a_pdu(UNBIND | RESPONSE, 0, 99))
    raw.send(a_pdu(0x8000_0103, 0, 98))  # data_sm_resp
    raw.habits[SUBMIT_SM] = lambda n: a_pdu(SUBMIT_SM | RESPONSE, 0, n, b"7")  # and without NUL

    assert await session.submit(a_submit()) == "7"


async def test_a_response_that_comes_twice(raw: RawSmsc, start: Start) -> None:
    raw.habits[SUBMIT_SM] = lambda n: 2 * a_pdu(SUBMIT_SM | RESPONSE, 0, n, f"{n}\0".encode())
    rig = await start(raw.port)
    session = await rig.until_bound()

    assert await outcomes(session, [a_submit(n) for n in range(3)]) == ["2", "3", "4"]
    assert rig.late == []


async def test_an_error_with_a_body_all_the_same(raw: RawSmsc, start: Start) -> None:
    raw.habits[SUBMIT_SM] = lambda n: a_pdu(SUBMIT_SM | RESPONSE, 0x14, n, b"\0")
    session = await (await start(raw.port)).until_bound()

    with pytest.raises(SubmitRefused, match="ESME_RMSGQFUL"):
        await session.submit(a_submit())


async def test_a_submit_that_cannot_be_a_pdu_harms_nobody(raw: RawSmsc, start: Start) -> None:
    raw.habits[SUBMIT_SM] = lambda n: a_pdu(SUBMIT_SM | RESPONSE, 0, n, b"7\0")
    session = await (await start(raw.port)).until_bound()

    with pytest.raises(PduError, match="short_message"):
        await session.submit(a_submit(short_message=b"x" * 255))

    assert await session.submit(a_submit()) == "7"


async def test_a_late_listener_that_fails_harms_nobody(raw: RawSmsc, start: Start) -> None:
    rig = await start(raw.port, response_timeout=0.7)
    session = await rig.until_bound()
    rig.late = None  # type: ignore[assignment] - so that appending to it raises
    with pytest.raises(Unanswered):
        await session.submit(a_submit())
    [(_, _, sequence, _)] = await raw.until_told(SUBMIT_SM)
    raw.habits[SUBMIT_SM] = lambda n: a_pdu(SUBMIT_SM | RESPONSE, 0, n, b"8\0")

    with capture_logs() as logs:
        raw.send(a_pdu(SUBMIT_SM | RESPONSE, 0, sequence, b"7\0"))
        assert await session.submit(a_submit()) == "8"

    assert [log["event"] for log in logs] == ["smpp_answer_was_late", "smpp_late_answer_not_taken"]


async def test_a_command_that_we_do_not_know(raw: RawSmsc, start: Start) -> None:
    await (await start(raw.port)).until_bound()

    raw.send(a_pdu(0x0103, 0, 5, b"data_sm"))
    raw.send(a_pdu(0x0102, 0, 6, b"alert_notification, which has no response"))
    raw.send(a_pdu(ENQUIRE_LINK, 0, 7))

    await raw.until_told(ENQUIRE_LINK | RESPONSE)
    nacks = [one for one in raw.heard if one[0] == GENERIC_NACK]
    assert nacks == [(GENERIC_NACK, 3, 5, b"")]  # ESME_RINVCMDID


async def test_a_delivery_that_cannot_be_read_is_refused_for_good(
    raw: RawSmsc, start: Start
) -> None:
    rig = await start(raw.port)
    await rig.until_bound()

    raw.send(a_pdu(DELIVER_SM, 0, 5, A_DELIVERY[:9]) + a_pdu(DELIVER_SM, 0, 6, A_DELIVERY))

    answers = await raw.until_told(DELIVER_SM | RESPONSE, 2)
    assert sorted(answers) == [
        (DELIVER_SM | RESPONSE, 0, 6, b"\0"),
        (DELIVER_SM | RESPONSE, 0x66, 5, b""),  # ESME_RX_R_APPN
    ]
    [[delivery]] = rig.handed
    assert delivery.short_message == b"hi"


async def test_reading_pauses_while_too_much_waits_for_the_disk(raw: RawSmsc, start: Start) -> None:
    rig = await start(raw.port)
    await rig.until_bound()
    rig.disk.clear()
    count = 20_000
    raw.send(b"".join(a_pdu(DELIVER_SM, 0, n, A_DELIVERY) for n in range(1, count + 1)))
    line = rig.session._connection
    assert line

    async with asyncio.timeout(WITHIN):
        while line._transport.is_reading():  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0)
    line._heard_at -= 1_000
    line._asked = True
    line._look()  # as long as we do not read, silence is not the SMSC's fault
    rig.disk.set()

    answers = await raw.until_told(DELIVER_SM | RESPONSE, count)
    assert [sequence for _, _, sequence, _ in answers] == list(range(1, count + 1))
    one_read = READ_AT_MOST // (16 + len(A_DELIVERY)) + 1
    assert max(map(len, rig.handed)) <= MOST_UNACKNOWLEDGED + one_read
    assert raw.connections == 1


BULKY = {"short_message": b"", "tlvs": {0x0424: b"x" * 8_000}}
"""Ten thousand of them are more than any socket's buffers."""


async def test_what_an_smsc_does_not_read_is_not_written(raw: RawSmsc, start: Start) -> None:
    del raw.habits[ENQUIRE_LINK]
    rig = await start(raw.port, enquire_link_seconds=0.3, submit_window=10_000)
    session = await rig.until_bound()
    raw.reading.clear()

    ended = await outcomes(session, [a_submit(n, **BULKY) for n in range(10_000)])

    written = [isinstance(one, Unanswered) for one in ended]
    assert 0 < sum(written) < 5_000
    assert {type(one) for one in ended} == {Unanswered, NotSubmitted}
    assert written == sorted(written, reverse=True)
    assert rig.session.why == "no answer to enquire_link"


async def test_an_smsc_that_asks_and_does_not_read_is_given_up(raw: RawSmsc, start: Start) -> None:
    rig = await start(raw.port, submit_window=10_000)
    session = await rig.until_bound()
    raw.reading.clear()
    submits = asyncio.create_task(outcomes(session, [a_submit(n, **BULKY) for n in range(10_000)]))
    await asyncio.sleep(0)

    raw.send(b"".join(a_pdu(ENQUIRE_LINK, 0, n) for n in range(1, 20_001)))

    await rig.until_down("the SMSC does not read")
    assert {type(one) for one in await submits} == {Unanswered, NotSubmitted}


@pytest.mark.parametrize(("status", "name"), [(0, "ESME_RUNKNOWNERR"), (3, "ESME_RINVCMDID")])
async def test_a_submit_refused_by_a_nack(
    raw: RawSmsc, start: Start, status: int, name: str
) -> None:
    raw.habits[SUBMIT_SM] = lambda n: a_pdu(GENERIC_NACK, status, n)
    session = await (await start(raw.port)).until_bound()

    with pytest.raises(SubmitRefused, match=name):
        await session.submit(a_submit())


async def test_a_burst_of_submits_is_few_writes(raw: RawSmsc, start: Start) -> None:
    raw.habits[SUBMIT_SM] = lambda n: a_pdu(SUBMIT_SM | RESPONSE, 0, n, b"7\0")
    rig = await start(raw.port, submit_window=200)
    session = await rig.until_bound()
    line = rig.session._connection
    assert line
    spy = _Writes(line._transport)
    line._transport = spy  # type: ignore[assignment] - the rest goes to the real one

    assert await outcomes(session, [a_submit(n) for n in range(200)]) == ["7"] * 200

    assert len(spy.sizes) == 1


class _Writes:
    """Counts the writes to a real transport."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self.sizes: list[int] = []

    def write(self, data: bytes) -> None:
        self.sizes.append(len(data))
        self._transport.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


async def test_sequence_numbers_begin_anew_only_at_their_end(raw: RawSmsc, start: Start) -> None:
    raw.habits[SUBMIT_SM] = lambda n: a_pdu(SUBMIT_SM | RESPONSE, 0, n, f"{n}\0".encode())
    rig = await start(raw.port)
    session = await rig.until_bound()
    line = rig.session._connection
    assert line
    line._sequence = 0x7FFF_FFFD

    ended = await outcomes(session, [a_submit(n) for n in range(3)])

    assert ended == [str(0x7FFF_FFFE), str(0x7FFF_FFFF), "1"]


async def test_stopping_before_it_ever_ran() -> None:
    async def deliver(_pdus: Any) -> list[bool]:
        return []

    session = Session(
        "main",
        an_account(2775),
        FakeClock(),
        deliver=deliver,
        changed=lambda: None,
        response_timeout=1.0,
    )

    await session.stop()

    with pytest.raises(NotSubmitted, match="not connected yet"):
        await session.submit(a_submit())


async def test_stopping_is_bounded_when_the_smsc_is_mute(
    raw: RawSmsc, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "_SETTLE_SECONDS", 0.2)
    monkeypatch.setattr(connection, "_UNBIND_SECONDS", 0.2)
    del raw.habits[UNBIND]
    rig = await start(raw.port)
    session = await rig.until_bound()
    submit = asyncio.create_task(session.submit(a_submit()))
    await raw.until_told(SUBMIT_SM)

    async with asyncio.timeout(2):
        await session.stop()

    assert len(raw.told(UNBIND)) == 1
    with pytest.raises(Unanswered, match="stopped"):
        await submit


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for 127.0.0.1, with its key, that nobody has signed but itself."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl, which makes the certificate, is not installed")
    key, made = tmp_path / "key.pem", tmp_path / "smsc.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-days", "2", "-subj", "/CN=smsc", "-keyout", key, "-out", made),
            *("-addext", "subjectAltName=IP:127.0.0.1"),
        ],
        check=True,
        stderr=subprocess.DEVNULL,
    )
    made.write_bytes(key.read_bytes() + made.read_bytes())
    return made


async def test_tls_with_a_certificate_that_the_machine_trusts(
    certificate: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    async with raw_smsc(context) as raw:
        raw.habits[SUBMIT_SM] = lambda n: a_pdu(SUBMIT_SM | RESPONSE, 0, n, b"7\0")
        session = await (await start(raw.port, tls=True)).until_bound()

        assert await session.submit(a_submit()) == "7"
        await session.stop()


async def test_tls_with_a_certificate_that_nobody_signed(certificate: Path, start: Start) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    async with raw_smsc(context) as raw:
        rig = await start(raw.port, tls=True, chance=1.0)

        await rig.until_down("certificate refused: self")

        assert not raw.heard


async def test_tls_with_an_smsc_that_does_not_speak_it(raw: RawSmsc, start: Start) -> None:
    rig = await start(raw.port, tls=True, response_timeout=0.3)

    await rig.until_down("no connection in time")

    assert not raw.told(BIND_TRANSCEIVER)
