"""The session against smpp34's server, in Rust: the one that the sandbox stands on."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import pytest
import smpp34

from tests.channels.sms.conftest import WITHIN, Start, a_submit, outcomes
from whimbrel.channels.sms.submits import SubmitRefused


class RustSmsc:
    """Takes submits, each answered by `answer`, and remembers who came and went."""

    def __init__(self, server: smpp34.Server, port: int) -> None:
        self.port = port
        self.bound: list[smpp34.Esme] = []
        self.gone = 0
        self.taken: list[smpp34.SubmitSmEvent] = []
        self.answer: Callable[[smpp34.SubmitSmEvent], None] = self._accept
        self._server = server
        self._pulse = asyncio.Event()

    def _accept(self, event: smpp34.SubmitSmEvent) -> None:
        event.accept(f"{len(self.taken):X}")

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(WITHIN):
            while not condition():
                self._pulse.clear()
                await self._pulse.wait()

    async def serve(self) -> None:
        while True:
            match await self._server.next():
                case smpp34.Esme() as esme:
                    self.bound.append(esme)
                case smpp34.SubmitSmEvent() as event:
                    self.taken.append(event)
                    self.answer(event)
                case _:
                    self.gone += 1
            self._pulse.set()


@pytest.fixture
async def rust(port: int) -> AsyncIterator[RustSmsc]:
    server = smpp34.Server(host="127.0.0.1", port=port, system_id="rust")
    await server.start()
    smsc = RustSmsc(server, port)
    serving = asyncio.create_task(smsc.serve())
    yield smsc
    serving.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await serving
    await server.stop()


async def test_it_binds_submits_and_unbinds(rust: RustSmsc, start: Start) -> None:
    rig = await start(rust.port)
    session = await rig.until_bound()
    await rust.until(lambda: bool(rust.bound))
    assert rust.bound[0].system_id == "whimbrel"
    assert rust.bound[0].can_receive

    assert await session.submit(a_submit(7, tlvs={0x1401: b"\x01"})) == "1"

    [event] = rust.taken
    assert (event.source_addr, event.destination_addr) == ("SHOP", "79000000007")
    assert bytes(event.short_message) == b"Order 7"
    assert [(tlv.tag, bytes(tlv.value)) for tlv in event.tlvs] == [(0x1401, b"\x01")]
    await session.stop()
    await rust.until(lambda: rust.gone == 1)


async def test_a_text_in_message_payload(rust: RustSmsc, start: Start) -> None:
    session = await (await start(rust.port)).until_bound()

    await session.submit(a_submit(short_message=b"", tlvs={0x0424: b"x" * 2_000}))

    [event] = rust.taken
    assert bytes(event.short_message) == b""
    assert [(tlv.tag, bytes(tlv.value)) for tlv in event.tlvs] == [(0x0424, b"x" * 2_000)]


@pytest.mark.parametrize(("status", "name"), [(0x58, "ESME_RTHROTTLED"), (0x14, "ESME_RMSGQFUL")])
async def test_a_refusal(rust: RustSmsc, start: Start, status: int, name: str) -> None:
    rust.answer = lambda event: event.reject(status)
    session = await (await start(rust.port)).until_bound()

    with pytest.raises(SubmitRefused, match=name) as raised:
        await session.submit(a_submit())

    assert raised.value.status == status


async def test_a_thousand_submits_at_once_get_each_its_own_answer(
    rust: RustSmsc, start: Start
) -> None:
    session = await (await start(rust.port)).until_bound()

    pdus = [a_submit(n) for n in range(1_000)]
    ended = await outcomes(session, pdus)

    # Its sessions take submits in any order; the number says which of them an answer is for.
    answered = [rust.taken[int(str(end), 16) - 1] for end in ended]
    assert [bytes(event.short_message) for event in answered] == [pdu.short_message for pdu in pdus]
    assert len(rust.taken) == len(pdus)


async def test_deliveries_in_both_forms(rust: RustSmsc, start: Start) -> None:
    rig = await start(rust.port)
    await rig.until_bound()
    await rust.until(lambda: bool(rust.bound))
    [esme] = rust.bound
    receipted_id = smpp34.Tlv(smpp34.TLV_RECEIPTED_MESSAGE_ID, b"1F\0")
    payload = smpp34.Tlv(smpp34.TLV_MESSAGE_PAYLOAD, b"y" * 3_000)

    async with asyncio.timeout(WITHIN):
        answers = await asyncio.gather(
            *(
                esme.deliver_sm("SHOP", b"id:1F", source_addr="7900", esm_class=4, tlvs=tlvs)
                for tlvs in ([receipted_id], [])
            ),
            esme.deliver_sm("SHOP", source_addr="7900", tlvs=[payload]),
        )

    assert [answer.command_status for answer in answers] == [0, 0, 0]
    handed = {pdu.sequence: pdu for pdus in rig.handed for pdu in pdus}
    read = sorted((pdu.esm_class, pdu.short_message, len(pdu.tlvs)) for pdu in handed.values())
    assert read == [(0, b"y" * 3_000, 1), (4, b"id:1F", 0), (4, b"id:1F", 1)]


async def test_a_delivery_that_is_not_on_disk_is_refused(rust: RustSmsc, start: Start) -> None:
    rig = await start(rust.port)
    await rig.until_bound()
    await rust.until(lambda: bool(rust.bound))
    rig.stored = lambda pdus: [False] * len(pdus)

    async with asyncio.timeout(WITHIN):
        answer = await rust.bound[0].deliver_sm("SHOP", b"hi", source_addr="7900")

    assert answer.command_status == 0x64  # ESME_RX_T_APPN


async def test_it_comes_back_after_the_servers_unbind(rust: RustSmsc, start: Start) -> None:
    rig = await start(rust.port)
    await rig.until_bound()
    await rust.until(lambda: bool(rust.bound))

    async with asyncio.timeout(WITHIN):
        await rust.bound[0].unbind()

    await rig.until_down("unbound us")
    await rust.until(lambda: len(rust.bound) == 2)
    await rig.until_bound()
