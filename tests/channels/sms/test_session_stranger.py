"""The session against npm's `smpp`, which never heard of us."""

import asyncio
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.channels.sms.conftest import PASSWORD, Rig, Start, a_submit, outcomes
from tests.support.clock import START
from tests.support.node_smsc import NodeSmsc
from whimbrel.channels.sms.submits import NotSubmitted, SubmitRefused, Unanswered

RINVPASWD, RTHROTTLED, RX_T_APPN = 0x0E, 0x58, 0x64


def unanswered_at_most(smsc: NodeSmsc) -> int:
    """Return how many submits the SMSC had not answered at its busiest moment."""
    now = most = 0
    for event in smsc.events:
        now += {"submit": 1, "answered": -1}.get(event["event"], 0)
        most = max(most, now)
    return most


async def test_it_binds_with_what_the_account_says(smsc: NodeSmsc, start: Start) -> None:
    rig = await start(smsc.port, system_type="GW")
    assert (rig.session.bound, rig.session.down_since) == (False, START)

    await rig.until_bound()

    [bind] = await smsc.until_told("bind")
    assert (bind["system_id"], bind["password"], bind["system_type"]) == (
        "whimbrel",
        PASSWORD,
        "GW",
    )
    assert bind["interface_version"] == 0x34
    assert (rig.session.down_since, rig.session.why) == (None, "")


async def test_a_refused_bind_says_so_and_waits(smsc: NodeSmsc, start: Start) -> None:
    await smsc.set(bind_status=RINVPASWD)
    with capture_logs() as logs:
        rig = await start(smsc.port)
        await rig.until(lambda: rig.pauses == 1)

    assert rig.session.why == "bind refused: ESME_RINVPASWD"
    assert not rig.session.bound
    assert [log["pause_ms"] for log in logs if log["event"] == "smpp_down"] == [15_000]
    assert PASSWORD not in str(logs)
    with pytest.raises(NotSubmitted, match="ESME_RINVPASWD"):
        await rig.session.submit(a_submit())


async def test_a_bind_that_is_still_held_is_tried_again_soon(smsc: NodeSmsc, start: Start) -> None:
    await smsc.set(bind_status=0x05)  # ESME_RALYBND
    with capture_logs() as logs:
        rig = await start(smsc.port)
        await rig.until_down("ESME_RALYBND")
        await smsc.set(bind_status=0)
        await rig.until_bound()

    assert {log["pause_ms"] for log in logs if log["event"] == "smpp_down"} == {0}


async def test_a_submit_arrives_as_it_was_given(smsc: NodeSmsc, start: Start) -> None:
    session = await (await start(smsc.port)).until_bound()

    message_id = await session.submit(
        a_submit(
            source_ton=5,
            source_npi=0,
            dest_ton=1,
            dest_npi=1,
            dest_addr="79161234567",
            esm_class=0x40,
            data_coding=8,
            short_message=b"\x05\x00\x03\x07\x02\x01\x04\x1f",
            validity_period="000001000000000R",
        )
    )

    assert message_id == "1"
    [event] = await smsc.until_told("submit")
    expected: dict[str, Any] = {
        "source_ton": 5,
        "source_npi": 0,
        "source_addr": "SHOP",
        "dest_ton": 1,
        "dest_npi": 1,
        "dest_addr": "79161234567",
        "esm_class": 0x40,
        "data_coding": 8,
        "registered_delivery": 1,
        "validity_period": "000001000000000R",
        "hex": "050003070201041f",
    }
    assert {name: event[name] for name in expected} == expected


async def test_an_answer_without_a_number_is_an_answer(smsc: NodeSmsc, start: Start) -> None:
    await smsc.set(message_id="none")
    session = await (await start(smsc.port)).until_bound()

    assert await session.submit(a_submit()) == ""


async def test_the_submit_window_is_kept(smsc: NodeSmsc, start: Start) -> None:
    await smsc.set(hold=True)
    session = await (await start(smsc.port, submit_window=5)).until_bound()
    submits = asyncio.create_task(outcomes(session, [a_submit(n) for n in range(23)]))

    for taken in range(5, 23):
        await smsc.until_told("submit", taken)
        await smsc.order("release", count=1)
    await smsc.until_told("submit", 23)
    await smsc.order("release")

    assert await submits == [str(n) for n in range(1, 24)]
    await smsc.until_told("answered", 23)
    assert [taken.dest_addr for taken in smsc.taken] == [f"{79_000_000_000 + n}" for n in range(23)]
    assert unanswered_at_most(smsc) == 5


async def test_a_throttled_submit_is_refused_and_the_next_is_not(
    smsc: NodeSmsc, start: Start
) -> None:
    await smsc.set(refuse=2)
    session = await (await start(smsc.port)).until_bound()

    ended = await outcomes(session, [a_submit(n) for n in range(3)])

    assert [getattr(one, "status", one) for one in ended] == [RTHROTTLED, RTHROTTLED, "1"]
    assert str(ended[0]) == "ESME_RTHROTTLED"


async def test_a_generic_nack_is_a_refusal(smsc: NodeSmsc, start: Start) -> None:
    await smsc.set(nack=1)
    session = await (await start(smsc.port)).until_bound()

    with pytest.raises(SubmitRefused, match="ESME_RINVCMDID"):
        await session.submit(a_submit())

    assert await session.submit(a_submit()) == "1"


async def test_a_nack_for_nothing_harms_nobody(smsc: NodeSmsc, start: Start) -> None:
    await smsc.set(hold=True)
    session = await (await start(smsc.port)).until_bound()
    submit = asyncio.create_task(session.submit(a_submit()))
    await smsc.until_told("submit")

    await smsc.order("nack", sequence=4_711)
    await smsc.order("release")

    assert await submit == "1"


async def test_a_vendors_status_is_a_refusal_and_the_bind_stays(
    smsc: NodeSmsc, start: Start
) -> None:
    await smsc.set(refuse=1, refuse_status=0x401)
    session = await (await start(smsc.port)).until_bound()

    with pytest.raises(SubmitRefused, match="0x00000401") as raised:
        await session.submit(a_submit())

    assert raised.value.status == 0x401
    assert await session.submit(a_submit()) == "1"
    assert len(smsc.told("bind")) == 1


async def test_each_submit_of_a_cut_connection_ends_in_exactly_one_way(
    smsc: NodeSmsc, start: Start
) -> None:
    await smsc.set(drop_after=57)
    rig = await start(smsc.port, submit_window=20)
    session = await rig.until_bound()
    pdus = [a_submit(n) for n in range(200)]

    ended = await outcomes(session, pdus)

    await smsc.until_told("closed")
    taken = {submit.dest_addr for submit in smsc.taken}
    answered = [pdu.dest_addr for pdu, end in zip(pdus, ended, strict=True) if isinstance(end, str)]
    unsent = [
        pdu.dest_addr for pdu, end in zip(pdus, ended, strict=True) if isinstance(end, NotSubmitted)
    ]
    open_ones = [end for end in ended if isinstance(end, Unanswered)]
    assert len(taken) == 57
    assert taken.issuperset(answered)
    assert taken.isdisjoint(unsent)
    assert 1 <= len(open_ones) <= 20
    assert len(answered) + len(unsent) + len(open_ones) == 200
    # What surely did not go goes now, over the next connection.
    await rig.until_bound()
    again = [pdu for pdu in pdus if pdu.dest_addr in unsent]
    assert all(isinstance(end, str) for end in await outcomes(session, again))


async def test_a_late_answer_is_not_taken_for_anothers(smsc: NodeSmsc, start: Start) -> None:
    await smsc.set(hold=True)
    rig = await start(smsc.port, response_timeout=0.7, submit_window=1)
    session = await rig.until_bound()
    first = a_submit(1)

    with pytest.raises(Unanswered, match=r"no answer in 0\.7 s"):
        await session.submit(first)
    second = asyncio.create_task(session.submit(a_submit(2)))
    await smsc.until_told("submit", 2)
    await smsc.order("release")

    assert await second == "2"
    await rig.until(lambda: rig.late == [(first, "1")])


async def test_an_answer_for_a_cancelled_caller_is_late(smsc: NodeSmsc, start: Start) -> None:
    await smsc.set(hold=True)
    rig = await start(smsc.port, submit_window=1)
    session = await rig.until_bound()
    written = asyncio.create_task(session.submit(a_submit(1)))
    await smsc.until_told("submit")
    waiting = asyncio.create_task(session.submit(a_submit(2)))
    third = asyncio.create_task(session.submit(a_submit(3)))
    await asyncio.sleep(0)

    written.cancel()
    waiting.cancel()
    await smsc.order("release")
    await smsc.until_told("submit", 2)
    await smsc.order("release")

    assert await third == "2"
    assert rig.late == [(a_submit(1), "1")]
    assert [taken.short_message for taken in smsc.taken] == [b"Order 1", b"Order 3"]


async def test_silence_is_held_against_nobody_who_answers(smsc: NodeSmsc, start: Start) -> None:
    rig = await start(smsc.port, enquire_link_seconds=0.25)
    await rig.until_bound()

    await smsc.until_told("enquire_link", 3)

    assert rig.session.bound
    assert len(smsc.told("bind")) == 1


async def test_the_smscs_own_enquiry_is_answered(smsc: NodeSmsc, start: Start) -> None:
    await (await start(smsc.port)).until_bound()

    await smsc.order("enquire")

    await smsc.until_told("enquire_link_resp")


async def test_an_smsc_that_says_nothing_more_is_given_up(smsc: NodeSmsc, start: Start) -> None:
    await smsc.set(deaf_to_enquiries=True, silent=True)
    rig = await start(smsc.port, enquire_link_seconds=0.2)
    session = await rig.until_bound()
    lost_at = rig.clock.advance(5_000)

    with pytest.raises(Unanswered, match="no answer to enquire_link"):
        await session.submit(a_submit())

    assert len(smsc.told("enquire_link")) == 1
    assert (session.bound, session.down_since) == (False, lost_at)
    await smsc.set(deaf_to_enquiries=False)
    await rig.until_bound()


async def test_the_smscs_unbind_is_answered_after_what_was_under_way(
    smsc: NodeSmsc, start: Start
) -> None:
    await smsc.set(hold=True)
    rig = await start(smsc.port, submit_window=1)
    session = await rig.until_bound()
    first, second = (asyncio.create_task(session.submit(a_submit(n))) for n in (1, 2))
    await smsc.until_told("submit")

    await smsc.order("unbind")
    with pytest.raises(NotSubmitted, match="unbound us"):
        await second
    await smsc.order("release")

    assert await first == "1"
    await smsc.until_told("unbind_resp")
    await rig.until_down("the SMSC unbound us")
    await smsc.until_told("bind", 2)


async def test_deliveries_are_acknowledged_once_they_are_on_disk(
    smsc: NodeSmsc, start: Start
) -> None:
    rig = await start(smsc.port)
    session = await rig.until_bound()
    rig.disk.clear()

    await smsc.order(
        "deliver",
        pdus=[{"source_addr": "79161234567", "dest_addr": "SHOP", "hex": "6869", "esm_class": 4}],
    )
    await rig.until(lambda: bool(rig.handed))
    assert await session.submit(a_submit()) == "1"  # not held up by the disk
    await smsc.until_told("answered")
    assert not smsc.told("deliver_resp")
    rig.disk.set()

    [answer] = await smsc.until_told("deliver_resp")
    assert answer["status"] == 0
    [[delivery]] = rig.handed
    assert (delivery.source_addr, delivery.dest_addr) == ("79161234567", "SHOP")
    assert (delivery.esm_class, delivery.short_message) == (4, b"hi")


def _half(pdus: list[Any]) -> list[bool]:
    return [pdu.short_message == b"good" for pdu in pdus]


def _disk_full(_pdus: list[Any]) -> list[bool]:
    raise OSError("disk full")


def _too_few(_pdus: list[Any]) -> list[bool]:
    return []


@pytest.mark.parametrize(
    ("stored", "statuses"),
    [
        (_half, [0, RX_T_APPN]),
        (_disk_full, [RX_T_APPN, RX_T_APPN]),
        (_too_few, [RX_T_APPN, RX_T_APPN]),
    ],
)
async def test_what_was_not_stored_is_refused_for_now(
    smsc: NodeSmsc, start: Start, stored: Any, statuses: list[int]
) -> None:
    rig = await start(smsc.port)
    await rig.until_bound()
    rig.stored = stored

    await smsc.order("deliver", pdus=[{"hex": b"good".hex()}, {"hex": b"bad".hex()}])

    answers = await smsc.until_told("deliver_resp", 2)
    assert [answer["status"] for answer in answers] == statuses
    assert rig.session.bound


async def test_hundreds_of_deliveries_are_stored_in_few_writes(
    smsc: NodeSmsc, start: Start
) -> None:
    rig = await start(smsc.port)
    await rig.until_bound()
    rig.disk.clear()

    await smsc.order("deliver", pdus=[{"hex": f"{n:04x}"} for n in range(600)])
    rig.disk.set()

    answers = await smsc.until_told("deliver_resp", 600)
    assert {answer["status"] for answer in answers} == {0}
    handed = [int(pdu.short_message.hex(), 16) for pdus in rig.handed for pdu in pdus]
    assert handed == list(range(600))
    assert len(rig.handed) <= 60


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_receipt_comes_before_the_answer_or_after_it(
    smsc: NodeSmsc, start: Start, when: str
) -> None:
    await smsc.set(receipts=when, message_id="hex", receipt_delay=5)
    rig = await start(smsc.port)
    session = await rig.until_bound()

    assert await session.submit(a_submit()) == "1"

    await rig.until(lambda: bool(rig.handed))
    assert rig.handed[0][0].short_message.startswith(b"id:1 sub:001")
    await smsc.until_told("deliver_resp")


async def test_stopping_unbinds_once_the_answers_are_there(smsc: NodeSmsc, start: Start) -> None:
    await smsc.set(hold=True)
    rig = await start(smsc.port, submit_window=1)
    session = await rig.until_bound()
    submit, waiting = (asyncio.create_task(session.submit(a_submit(n))) for n in (1, 2))
    await smsc.until_told("submit")

    stopping = asyncio.create_task(session.stop())
    with pytest.raises(NotSubmitted, match="stopped"):
        await waiting
    await smsc.order("release")
    await stopping

    assert await submit == "1"
    await smsc.until_told("closed")
    assert len(smsc.told("unbind")) == 1
    assert (session.bound, session.why) == (False, "stopped")
    with pytest.raises(NotSubmitted, match="stopped"):
        await session.submit(a_submit())


async def test_no_text_and_no_number_reach_the_log(smsc: NodeSmsc, start: Start) -> None:
    await smsc.set(drop_after=3, refuse=1)
    with capture_logs() as logs:
        rig: Rig = await start(smsc.port)
        session = await rig.until_bound()
        await outcomes(session, [a_submit(n) for n in range(5)])
        await rig.until_down("connection lost")
        await rig.until_bound()

    assert {log["event"] for log in logs} == {"smpp_bound", "smpp_unbound", "smpp_down"}
    for secret in (PASSWORD, "Order", "7900"):
        assert secret not in str(logs)
