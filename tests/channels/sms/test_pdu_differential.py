"""The codec beside another one: smpp34's, in Rust, reads what we write, and we what it writes."""

import struct
from typing import Any

import smpp34
from hypothesis import given
from hypothesis import strategies as st

from whimbrel.channels.sms import pdu as wire
from whimbrel.channels.sms.pdu import (
    CommandStatus,
    Framer,
    SubmitSm,
    pdu_bytes,
    read_deliver_sm,
    submit_body,
)

ASCII = st.text(st.characters(min_codepoint=1, max_codepoint=127), max_size=20)
BYTE = st.integers(0, 255)
SEQUENCE = st.integers(1, 0x7FFF_FFFF)
MESSAGE = st.binary(max_size=254)
TLVS = st.dictionaries(st.integers(0, 0xFFFF), st.binary(max_size=300), max_size=5)
BYTES = ("source_ton", "source_npi", "dest_ton", "dest_npi", "esm_class", "data_coding")

SUBMITS = st.builds(
    SubmitSm,
    source_addr=ASCII,
    dest_addr=ASCII,
    short_message=MESSAGE,
    validity_period=st.sampled_from(["", "000001000000000R", "261123021320000+"]),
    registered_delivery=BYTE,
    tlvs=TLVS,
    **dict.fromkeys(BYTES, BYTE),
)


def _theirs(tlvs: dict[int, bytes]) -> list[smpp34.Tlv]:
    return [smpp34.Tlv(tag, value) for tag, value in tlvs.items()]


@given(SUBMITS, SEQUENCE)
def test_they_read_the_submits_that_we_write(submit: SubmitSm, sequence: int) -> None:
    read = smpp34.decode(pdu_bytes(wire.SUBMIT_SM, 0, sequence, submit_body(submit)))

    assert isinstance(read, smpp34.SubmitSm)
    assert read.sequence_number == sequence
    assert read.service_type == read.schedule_delivery_time == ""
    assert (read.source_addr_ton, read.source_addr_npi) == (submit.source_ton, submit.source_npi)
    assert (read.dest_addr_ton, read.dest_addr_npi) == (submit.dest_ton, submit.dest_npi)
    assert (read.source_addr, read.destination_addr) == (submit.source_addr, submit.dest_addr)
    assert (read.esm_class, read.data_coding) == (submit.esm_class, submit.data_coding)
    assert read.protocol_id == read.priority_flag == 0
    assert read.replace_if_present_flag == read.sm_default_msg_id == 0
    assert read.validity_period == submit.validity_period
    assert read.registered_delivery == submit.registered_delivery
    assert bytes(read.short_message) == submit.short_message
    assert {tlv.tag: bytes(tlv.value) for tlv in read.tlvs} == submit.tlvs


@given(SUBMITS, SEQUENCE)
def test_they_write_submits_as_we_do(submit: SubmitSm, sequence: int) -> None:
    theirs = smpp34.SubmitSm(
        submit.source_addr,
        submit.dest_addr,
        submit.short_message,
        source_addr_ton=submit.source_ton,
        source_addr_npi=submit.source_npi,
        dest_addr_ton=submit.dest_ton,
        dest_addr_npi=submit.dest_npi,
        esm_class=submit.esm_class,
        validity_period=submit.validity_period,
        registered_delivery=submit.registered_delivery,
        data_coding=submit.data_coding,
        tlvs=_theirs(submit.tlvs),
        sequence_number=sequence,
    )

    assert bytes(theirs.encode()) == pdu_bytes(wire.SUBMIT_SM, 0, sequence, submit_body(submit))


DELIVERIES = st.fixed_dictionaries(
    {
        "service_type": st.sampled_from(["", "CMT", "USSD"]),
        "source_addr": ASCII,
        "destination_addr": ASCII,
        "short_message": MESSAGE,
        "schedule_delivery_time": st.sampled_from(["", "261123021320000+"]),
        "validity_period": st.sampled_from(["", "000001000000000R"]),
        **dict.fromkeys(
            (
                *("source_addr_ton", "source_addr_npi", "dest_addr_ton", "dest_addr_npi"),
                *("esm_class", "protocol_id", "priority_flag", "registered_delivery"),
                *("replace_if_present_flag", "data_coding", "sm_default_msg_id"),
            ),
            BYTE,
        ),
    }
)


@given(DELIVERIES, TLVS, SEQUENCE)
def test_we_read_the_deliveries_that_they_write(
    members: dict[str, Any], tlvs: dict[int, bytes], sequence: int
) -> None:
    raw = bytes(smpp34.DeliverSm(**members, tlvs=_theirs(tlvs), sequence_number=sequence).encode())

    [pdu] = Framer().feed(raw)
    read = read_deliver_sm(pdu)

    assert pdu.command_id == wire.DELIVER_SM
    assert read.sequence == sequence
    assert (read.source_addr, read.dest_addr) == (
        members["source_addr"],
        members["destination_addr"],
    )
    assert (read.esm_class, read.data_coding) == (members["esm_class"], members["data_coding"])
    assert read.tlvs == tlvs
    expected = members["short_message"] or tlvs.get(wire.MESSAGE_PAYLOAD, b"")
    assert read.short_message == expected


@given(st.integers(0, 0xFFFF_FFFF), SEQUENCE)
def test_they_read_our_other_pdus(status: int, sequence: int) -> None:
    raw = pdu_bytes(wire.DELIVER_SM_RESP, status, sequence, b"\0")

    read = smpp34.decode(raw)

    assert isinstance(read, smpp34.RawPdu)
    assert (read.command_id, read.command_status) == (wire.DELIVER_SM_RESP, status)
    assert (read.sequence_number, bytes(read.body)) == (sequence, b"\0")
    assert struct.unpack("!I", raw[:4]) == (read.command_length,)


def test_statuses_have_the_same_numbers() -> None:
    theirs = {name: getattr(smpp34, name) for name in dir(smpp34) if name.startswith("ESME_")}

    assert len(theirs) > 5
    assert theirs == {name: CommandStatus[name] for name in theirs}
