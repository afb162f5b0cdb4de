"""Each line of the SMSC's script table, seen by a client."""

import asyncio
import re

import pytest
import smpp34
from tests.support.esme import ANSWER, SUBMIT_SM, RawEsme, eventually

from whimbrel.sandbox.smsc.scripts import SMS_SCRIPTS

RECEIPTED_MESSAGE_ID, NETWORK_ERROR_CODE, MESSAGE_STATE = 0x001E, 0x0423, 0x0427


def parameters(event: smpp34.DeliverSmEvent) -> dict[int, bytes]:
    return {tlv.tag: tlv.value for tlv in event.tlvs}


def settled(smsc) -> bool:
    return not sum(postman.pending for postman in smsc.postmen.values())


@pytest.mark.parametrize(
    ("recipient", "expected"),
    [
        ("70000000101", ["DELIVRD"]),
        ("70000000102", ["UNDELIV"]),
        ("70000000108", ["EXPIRED"]),
        ("70000000110", ["DELIVRD", "DELIVRD"]),
        ("70000000114", ["ENROUTE", "DELIVRD"]),
        # What fails on WhatsApp arrives as an SMS.
        ("70000000001", ["DELIVRD"]),
        ("70000000003", ["DELIVRD"]),
        ("70000000004", ["DELIVRD"]),
        ("70000000005", ["DELIVRD"]),
        ("79161234567", ["DELIVRD"]),
        ("+70000000102", ["UNDELIV"]),
    ],
)
async def test_receipts_come_as_scripted_and_no_others(smsc, esme, recipient, expected):
    answer = await esme.submit(recipient)
    await esme.until_delivered(len(expected))
    await eventually(lambda: settled(smsc))

    assert esme.stats == expected
    for receipt in esme.delivered:
        assert receipt.short_message.startswith(f"id:{answer.message_id} ".encode())
        assert parameters(receipt)[RECEIPTED_MESSAGE_ID] == f"{answer.message_id}\0".encode()
    states = {"ENROUTE": 1, "DELIVRD": 2, "EXPIRED": 3, "UNDELIV": 5}
    assert [parameters(one)[MESSAGE_STATE][0] for one in esme.delivered] == [
        states[stat] for stat in expected
    ]


async def test_a_receipt_reads_as_appendix_b_says(esme):
    await esme.submit("70000000102", b"A text of more than twenty characters", dest_addr_npi=6)
    await esme.until_delivered(1)

    [receipt] = esme.delivered
    form = (
        rb"id:\d{1,20} sub:001 dlvrd:000 submit date:(\d{10}) done date:(\d{10}) "
        rb"stat:UNDELIV err:001 text:A text of more than "
    )
    assert re.fullmatch(form, receipt.short_message)
    assert receipt.esm_class == 0x04
    assert (receipt.source_addr, receipt.source_addr_ton, receipt.source_addr_npi) == (
        "70000000102",
        1,
        6,
    )
    assert (receipt.destination_addr, receipt.dest_addr_ton) == ("WHIMBREL", 5)
    assert parameters(receipt)[NETWORK_ERROR_CODE] == b"\x03\x00\x01"


async def test_silence_after_acceptance(smsc, esme):
    answer = await esme.submit("70000000103")

    [sms] = smsc.ledger.select(limit=9)
    assert answer.is_success
    assert sms.message_id == answer.message_id
    assert sms.receipts == []
    assert settled(smsc)


@pytest.mark.parametrize(
    ("recipient", "statuses"),
    [
        ("70000000104", [0x58, 0x58, 0x58, 0, 0x58]),
        ("70000000113", [8, 8, 0, 8]),
        ("70000000107", [0x0B, 0x0B, 0x0B, 0x0B, 0x0B]),
    ],
)
async def test_refusals_are_counted_per_message(smsc, esme, recipient, statuses):
    answers = [await esme.submit(recipient) for _ in statuses]
    another = await esme.submit(recipient, b"Another")

    assert [answer.command_status for answer in answers] == statuses
    assert another.command_status == statuses[0]
    assert smsc.ledger.total == statuses.count(0), "what is refused is not taken"
    assert smsc.ledger.refused == len(statuses) + 1 - statuses.count(0)


async def test_a_second_attempt_may_have_another_reference(esme):
    for ref in (1, 2, 3):
        answer = await esme.submit("70000000104", part(ref, 1, 2), esm_class=0x40)
        assert answer.command_status == 0x58
    assert (await esme.submit("70000000104", part(4, 2, 2), esm_class=0x40)).command_status == 0x58
    assert (await esme.submit("70000000104", part(4, 1, 2), esm_class=0x40)).is_success


async def test_the_connection_is_dropped_after_the_submit_was_taken(smsc, bind):
    first = await bind()
    with pytest.raises(smpp34.SmppError):
        await first.submit("70000000105")
    await first.until_disconnected()
    second = await bind()
    await second.until_delivered(1)
    answer = await second.submit("70000000105")
    await second.until_delivered(2)

    unheard, heard = smsc.ledger.select(limit=9)
    assert answer.message_id == heard.message_id
    assert [receipt.short_message.split()[0].decode() for receipt in second.delivered] == [
        f"id:{unheard.message_id}",
        f"id:{heard.message_id}",
    ]


async def test_the_drop_is_a_reset(smsc):
    async with RawEsme.connected(smsc.port) as raw:
        await raw.bind("esme-main", "secret-1")
        raw.submit("70000000105")

        with pytest.raises(ConnectionResetError):
            await raw.read()


async def test_the_receipt_is_acknowledged_before_the_answer(smsc):
    async with RawEsme.connected(smsc.port) as raw:
        await raw.bind("esme-main", "secret-1")
        sequence = raw.submit("70000000106")
        receipt = await raw.read_delivery()
        answer = await raw.read()

    assert b"stat:DELIVRD" in receipt
    assert (answer.command, answer.status, answer.sequence) == (SUBMIT_SM | ANSWER, 0, sequence)
    assert answer.body.rstrip(b"\0") in receipt


async def test_without_a_receiver_the_answer_does_not_wait_for_the_receipt(bind):
    transmitter = await bind(bind_type="TX")

    assert (await transmitter.submit("70000000106")).is_success
    receiver = await bind()
    await receiver.until_delivered(1)


async def test_the_id_is_spelt_otherwise_in_the_receipt(esme):
    answer = await esme.submit("70000000109")
    await esme.until_delivered(1)

    decimal = str(int(answer.message_id, 16))
    assert decimal != answer.message_id
    assert esme.delivered[0].short_message.startswith(f"id:{decimal} ".encode())
    assert parameters(esme.delivered[0])[RECEIPTED_MESSAGE_ID] == f"{decimal}\0".encode()


async def test_a_submit_that_is_never_answered_has_its_receipt(esme):
    submitting = asyncio.create_task(esme.submit("70000000111"))

    await esme.until_delivered(1)
    others = await esme.submit("70000000101")

    assert others.is_success
    assert not submitting.done()
    submitting.cancel()


def part(ref: int, number: int, total: int, text: bytes = b"Hello") -> bytes:
    return bytes([5, 0, 3, ref, total, number]) + text


async def test_the_second_part_alone_is_undeliverable(esme):
    for number in (1, 2, 3):
        await esme.submit("70000000112", part(7, number, 3, b"%d" % number), esm_class=0x40)
    await esme.until_delivered(3)
    await esme.submit("70000000112", b"not long")
    await esme.until_delivered(4)

    by_text = {one.short_message.partition(b"text:")[2]: one for one in esme.delivered}
    stats = {text: one.short_message for text, one in by_text.items()}
    assert [b"stat:DELIVRD" in stats[text] for text in (b"1", b"2", b"3", b"not long")] == [
        True,
        False,
        True,
        True,
    ]
    assert b"stat:UNDELIV err:001" in stats[b"2"]


async def test_parts_may_be_told_by_parameters(smsc, esme):
    sar = [
        smpp34.Tlv(0x020C, b"\x01\x02"),
        smpp34.Tlv(0x020E, b"\x02"),
        smpp34.Tlv(0x020F, b"\x02"),
    ]
    await esme.smsc.submit_sm("70000000112", b"Hello", registered_delivery=1, tlvs=sar)
    await esme.until_delivered(1)

    [sms] = smsc.ledger.select(limit=9)
    assert sms.part == (0x0102, 2, 2)
    assert esme.stats == ["UNDELIV"]


async def test_a_receipt_by_parameters_alone(esme):
    answer = await esme.submit("70000000115")
    await esme.until_delivered(1)

    [receipt] = esme.delivered
    assert receipt.short_message == b""
    assert receipt.esm_class == 0x04
    assert parameters(receipt) == {
        RECEIPTED_MESSAGE_ID: f"{answer.message_id}\0".encode(),
        MESSAGE_STATE: b"\x02",
    }


@pytest.mark.parametrize(
    ("registered_delivery", "expected"), [(0, []), (2, ["UNDELIV"]), (1, ["DELIVRD", "UNDELIV"])]
)
async def test_receipts_come_to_those_who_want_them(smsc, esme, registered_delivery, expected):
    for end in ("0101", "0102"):
        await esme.submit(f"7000000{end}", registered_delivery=registered_delivery)
    await esme.until_delivered(len(expected))
    await eventually(lambda: settled(smsc))

    assert sorted(esme.stats) == expected


@pytest.mark.parametrize(("registered_delivery", "esm_class"), [(0x01, 0x04), (0x11, 0x20)])
async def test_an_intermediate_receipt_says_so_if_it_was_asked_for(
    esme, registered_delivery, esm_class
):
    await esme.submit("70000000114", registered_delivery=registered_delivery)
    await esme.until_delivered(2)

    assert [receipt.esm_class for receipt in esme.delivered] == [esm_class, 0x04]


async def test_delays_are_divided_by_the_speed(start_smsc):
    smsc = await start_smsc(speed=5.0)
    async with RawEsme.connected(smsc.port) as raw:
        await raw.bind("esme-main", "secret-1")
        raw.submit("70000000101")
        await raw.read()
        await raw.read_delivery()

        [sms] = smsc.ledger.select(limit=1)
        await eventually(lambda: sms.receipts[0].acknowledged_at is not None)
        assert sms.receipts[0].at - sms.accepted_at == 100, "0.5 s at this speed, in milliseconds"
        assert sms.receipts[0].acknowledged_at >= sms.receipts[0].at


def test_the_table_has_every_number():
    assert list(SMS_SCRIPTS) == [f"{end:04}" for end in range(101, 116)]
