"""The codec alone: the forms of the book, and those that real SMSCs send."""

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whimbrel.channels.sms import pdu as wire
from whimbrel.channels.sms.pdu import (
    CommandStatus,
    Framer,
    Pdu,
    PduError,
    SubmitSm,
    bind_body,
    pdu_bytes,
    read_deliver_sm,
    read_message_id,
    read_tlvs,
    status_name,
    submit_body,
)


def a_submit(**changes: Any) -> SubmitSm:
    members = {"source_addr": "SHOP", "dest_addr": "79161234567", "short_message": b"Hello"}
    return SubmitSm(**{**members, **changes})


def hexed(*parts: str) -> bytes:
    return bytes.fromhex("".join(parts))


DELIVER_HEAD = hexed(
    "00",  # service_type
    "0101" + b"79161234567".hex() + "00",
    "0500" + b"SHOP".hex() + "00",
    "04 00 00",  # esm_class, protocol_id, priority_flag
    "00 00",  # schedule_delivery_time, validity_period
    "00 00 08 00",  # registered_delivery, replace_if_present_flag, data_coding, sm_default_msg_id
)


def a_delivery(rest: bytes) -> Pdu:
    return Pdu(wire.DELIVER_SM, 0, 7, DELIVER_HEAD + rest)


def test_a_submit_is_what_section_4_4_1_says() -> None:
    body = submit_body(
        a_submit(
            source_ton=5,
            dest_ton=1,
            dest_npi=1,
            esm_class=0x40,
            data_coding=8,
            validity_period="000001000000000R",
            registered_delivery=1,
            tlvs={0x1401: b"\x01\x02"},
        )
    )

    assert body == hexed(
        "00",
        "0500" + b"SHOP".hex() + "00",
        "0101" + b"79161234567".hex() + "00",
        "40 00 00",
        "00",
        b"000001000000000R".hex() + "00",
        "01 00 08 00",
        "05" + b"Hello".hex(),
        "1401 0002 0102",
    )


def test_a_bind_is_what_section_4_1_5_says() -> None:
    assert bind_body("shop", "secret", "SMPP") == b"shop\0secret\0SMPP\0" + hexed("34 00 00 00")


def test_a_header_is_what_section_3_2_says() -> None:
    assert pdu_bytes(wire.ENQUIRE_LINK, 0, 9) == hexed("00000010 00000015 00000000 00000009")


@pytest.mark.parametrize(
    ("changes", "member"),
    [
        ({"short_message": b"x" * 255}, "short_message"),
        ({"source_addr": "x" * 21}, "source_addr"),
        ({"dest_addr": "7" * 21}, "dest_addr"),
        ({"source_addr": "SH\0OP"}, "source_addr"),
        ({"source_addr": "МАГАЗИН"}, "source_addr"),
        ({"validity_period": "0" * 17}, "validity_period"),
        ({"data_coding": 256}, "one byte"),
        ({"esm_class": -1}, "one byte"),
        ({"tlvs": {0x0424: b"x" * 65_536}}, "tlvs"),
        ({"tlvs": {70_000: b""}}, "tlvs"),
    ],
)
def test_what_cannot_be_a_pdu_is_named(changes: dict[str, Any], member: str) -> None:
    with pytest.raises(PduError, match=member):
        submit_body(a_submit(**changes))


@pytest.mark.parametrize("password", ["пароль", "too-long-a-secret"])
def test_a_password_that_cannot_be_sent_is_not_shown(password: str) -> None:
    with pytest.raises(PduError, match="password") as raised:
        bind_body("shop", password, "")

    assert password not in str(raised.value)
    assert raised.value.__suppress_context__ or raised.value.__context__ is None


def test_a_delivery_is_read() -> None:
    delivery = read_deliver_sm(a_delivery(hexed("03", b"abc".hex(), "001e 0003 313200")))

    assert delivery.sequence == 7
    assert delivery.source_addr == "79161234567"
    assert delivery.dest_addr == "SHOP"
    assert delivery.esm_class == 4
    assert delivery.data_coding == 8
    assert delivery.short_message == b"abc"
    assert delivery.tlvs == {0x001E: b"12\0"}


@pytest.mark.parametrize(
    ("rest", "message", "tlvs"),
    [
        ("00", b"", {}),
        ("00 0424 0003 616263", b"abc", {0x0424: b"abc"}),
        ("02 6869 0424 0003 616263", b"hi", {0x0424: b"abc"}),
        ("09 6869", b"hi", {}),  # sm_length says more than there is
        ("00 1500 0001 41 1500 0001 42", b"", {0x1500: b"B"}),  # repeated
        ("00 1500 0000", b"", {0x1500: b""}),
        ("00 001e 0002 3132 0427", b"", {0x001E: b"12"}),  # cut in a tag
        ("00 001e 0002 3132 0427 0001", b"", {0x001E: b"12"}),  # cut in a value
        ("00 001e 0002 3132 0427 ffff 02", b"", {0x001E: b"12"}),  # an absurd length
        ("00 001e 0002 3132 00", b"", {0x001E: b"12"}),  # a stray NUL at the end
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_deliveries_of_odd_forms_are_read(
    rest: str, message: bytes, tlvs: dict[int, bytes]
) -> None:
    delivery = read_deliver_sm(a_delivery(hexed(rest)))

    assert delivery.short_message == message
    assert delivery.tlvs == tlvs


@pytest.mark.parametrize("length", range(len(DELIVER_HEAD) + 1))
def test_a_delivery_without_its_mandatory_members_is_an_error(length: int) -> None:
    with pytest.raises(PduError, match="mandatory"):
        read_deliver_sm(Pdu(wire.DELIVER_SM, 0, 7, DELIVER_HEAD[:length]))


@pytest.mark.parametrize(
    ("body", "message_id"),
    [(b"1F2E\0", "1F2E"), (b"1F2E", "1F2E"), (b"", ""), (b"\0", ""), (b"1\0\x00\x01tlv", "1")],
)
def test_a_message_id_is_read_with_and_without_its_nul(body: bytes, message_id: str) -> None:
    assert read_message_id(body) == message_id


@pytest.mark.parametrize(
    ("code", "name"),
    [(0, "ESME_ROK"), (0x58, "ESME_RTHROTTLED"), (0x14, "ESME_RMSGQFUL"), (0x401, "0x00000401")],
)
def test_a_status_has_a_name_for_operators(code: int, name: str) -> None:
    assert status_name(code) == name


def test_the_statuses_are_those_of_section_5_1_3() -> None:
    assert CommandStatus.ESME_RINVPASWD == 0x0E
    assert CommandStatus.ESME_RX_T_APPN == 0x64
    assert len(CommandStatus) == 48


PDUS = st.lists(
    st.builds(
        Pdu,
        command_id=st.integers(0, 0xFFFF_FFFF),
        command_status=st.integers(0, 0xFFFF_FFFF),
        sequence=st.integers(0, 0xFFFF_FFFF),
        body=st.binary(max_size=40),
    ),
    max_size=8,
)


@given(PDUS, st.lists(st.integers(1, 30), min_size=1))
def test_a_stream_is_cut_alike_however_it_arrives(pdus: list[Pdu], sizes: list[int]) -> None:
    stream = b"".join(pdu_bytes(*pdu) for pdu in pdus)
    framer, found, at, turn = Framer(), [], 0, 0
    while at < len(stream):
        size = sizes[turn % len(sizes)]
        found += framer.feed(stream[at : at + size])
        at, turn = at + size, turn + 1

    assert found == pdus


@pytest.mark.parametrize("length", [0, 4, 15, wire.MAX_LENGTH + 1, 0xFFFF_FFFF])
def test_an_absurd_length_is_an_error_behind_what_was_whole(length: int) -> None:
    whole = Pdu(wire.SUBMIT_SM_RESP, 0, 1, b"7\0")
    stream = pdu_bytes(*whole) + struct.pack("!4I", length, wire.DELIVER_SM, 0, 2)

    found = []
    with pytest.raises(PduError, match="command_length"):
        found.extend(_each(Framer(), stream, found))

    assert found == [whole]


def _each(framer: Framer, stream: bytes, into: list[Pdu]) -> list[Pdu]:
    for pdu in framer.feed(stream):
        into.append(pdu)  # noqa: PERF402 - what came before the error counts
    return []


def test_the_longest_pdu_is_read() -> None:
    body = b"x" * (wire.MAX_LENGTH - wire.HEADER_LENGTH)

    [pdu] = Framer().feed(pdu_bytes(wire.DELIVER_SM, 0, 1, body))

    assert pdu.body == body


@given(st.binary(max_size=200))
def test_no_bytes_make_the_decoder_raise_anything_else(noise: bytes) -> None:
    for body in (noise, DELIVER_HEAD + noise):
        try:
            delivery = read_deliver_sm(Pdu(wire.DELIVER_SM, 0, 1, body))
        except PduError:
            continue
        assert len(delivery.short_message) <= len(body)
    read_message_id(noise)
    read_tlvs(noise, 0)
    try:
        for pdu in Framer().feed(noise):
            assert len(pdu.body) < len(noise)
    except PduError:
        pass


LATIN = st.text(st.characters(min_codepoint=1, max_codepoint=255), max_size=20)
SUBMITS = st.builds(
    SubmitSm,
    source_addr=LATIN,
    dest_addr=LATIN,
    esm_class=st.integers(0, 255),
    data_coding=st.integers(0, 255),
    short_message=st.binary(max_size=254),
    tlvs=st.dictionaries(st.integers(0, 0xFFFF), st.binary(max_size=30), max_size=5),
)


@given(SUBMITS)
def test_what_was_written_is_read(submit: SubmitSm) -> None:
    """submit_sm and deliver_sm have the same members in the same order (4.4.1, 4.6.1)."""
    read = read_deliver_sm(Pdu(wire.DELIVER_SM, 0, 1, submit_body(submit)))

    assert (read.source_addr, read.dest_addr) == (submit.source_addr, submit.dest_addr)
    assert (read.esm_class, read.data_coding) == (submit.esm_class, submit.data_coding)
    assert read.tlvs == submit.tlvs
    assert read.short_message == (
        submit.short_message or submit.tlvs.get(wire.MESSAGE_PAYLOAD, b"")
    )
