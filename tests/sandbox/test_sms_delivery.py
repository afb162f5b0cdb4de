"""How the SMSC stores and forwards: receipts outlast sessions, refusals and stops."""

import asyncio

import pytest
from tests.support.esme import DELIVER_SM, RawEsme, eventually, stat_of

MAIN, SECRET = "esme-main", "secret-1"


async def test_receipts_wait_for_a_session(smsc, bind):
    async with RawEsme.connected(smsc.port) as raw:
        await raw.bind(MAIN, SECRET)
        for text in (b"One", b"Two"):
            raw.submit("70000000101", text)
            await raw.read()
    await eventually(lambda: smsc.postmen[MAIN].sessions == 0)
    await eventually(lambda: all(s.receipts[0].at < smsc.clock.now() for s in submits(smsc)))

    assert smsc.postmen[MAIN].pending == 2
    back = await bind()
    await back.until_delivered(2)

    assert back.stats == ["DELIVRD", "DELIVRD"]
    await eventually(lambda: smsc.postmen[MAIN].pending == 0)


def submits(smsc):
    return smsc.ledger.select(limit=99)


async def test_receipts_of_one_message_keep_their_order(smsc, bind):
    transmitter = await bind(bind_type="TX")
    for number in range(20):
        await transmitter.submit("70000000114", b"%d" % number)
    await eventually(lambda: all(s.receipts[-1].at < smsc.clock.now() for s in submits(smsc)))

    receiver = await bind()
    await receiver.until_delivered(40)

    by_message: dict[bytes, list[str]] = {}
    for receipt in receiver.delivered:
        ref = receipt.short_message.split()[0]
        by_message.setdefault(ref, []).append(stat_of(receipt.short_message))
    assert list(by_message.values()) == [["ENROUTE", "DELIVRD"]] * 20


async def test_only_sessions_of_the_same_account_are_told(bind):
    transmitter = await bind(bind_type="TX")
    await transmitter.submit("70000000101")
    stranger = await bind("esme-other")
    friend = await bind()

    await friend.until_delivered(1)

    assert stranger.delivered == []


async def test_the_session_that_was_bound_last_is_told(smsc, bind):
    older = await bind()
    await eventually(lambda: smsc.postmen[MAIN].sessions == 1)
    newer = await bind()
    await eventually(lambda: smsc.postmen[MAIN].sessions == 2)
    await older.submit("70000000101")

    await newer.until_delivered(1)

    assert older.delivered == []


async def test_a_refused_receipt_comes_again(smsc):
    async with RawEsme.connected(smsc.port) as raw:
        await raw.bind(MAIN, SECRET)
        raw.answers += [0x14, 0x08]
        raw.submit("70000000101")
        await raw.read()
        bodies = [await raw.read_delivery() for _ in range(3)]

        [sms] = submits(smsc)
        await eventually(lambda: sms.receipts[0].acknowledged_at is not None)
        assert len(set(bodies)) == 1, "the same to the byte"
        assert sms.receipts[0].attempts == 3


async def test_a_refused_receipt_holds_up_no_other(start_smsc):
    smsc = await start_smsc(speed=1.0)  # a pause before the retry of half a second and more
    async with RawEsme.connected(smsc.port) as raw:
        await raw.bind(MAIN, SECRET)
        raw.answers.append(0x14)
        for text in (b"One", b"Two", b"Three"):
            raw.submit("70000000101", text)
            await raw.read()
        texts = [(await raw.read_delivery()).partition(b"text:")[2] for _ in range(4)]

    refused = texts[0]
    assert texts[3] == refused
    assert len(set(texts[:3])) == 3


async def test_a_receipt_without_an_answer_comes_again_on_the_next_session(smsc, bind):
    async with RawEsme.connected(smsc.port) as raw:
        await raw.bind(MAIN, SECRET)
        raw.submit("70000000101")
        await raw.read()
        assert (await raw.read()).command == DELIVER_SM
        smsc.relay.drop()
    back = await bind()
    await back.until_delivered(1)

    [sms] = submits(smsc)
    await eventually(lambda: sms.receipts[0].acknowledged_at is not None)
    assert sms.receipts[0].attempts >= 2


async def test_a_receipt_that_is_not_answered_comes_again(smsc, monkeypatch):
    monkeypatch.setattr("whimbrel.sandbox.smsc.postman.ANSWER_TIMEOUT", 0.05)
    async with RawEsme.connected(smsc.port) as raw:
        await raw.bind(MAIN, SECRET)
        raw.submit("70000000101")
        await raw.read()
        first, again = await raw.read(), await raw.read()

    assert first.command == again.command == DELIVER_SM
    assert first.body == again.body


async def test_receipts_outlive_a_clean_stop(start_smsc, tmp_path):
    state = tmp_path / "smsc.json"
    slow = await start_smsc(state_file=state, speed=0.001)
    async with RawEsme.connected(slow.port) as raw:
        await raw.bind(MAIN, SECRET)
        raw.submit("70000000114")
        answer = await raw.read()
    await slow.__aexit__(None, None, None)

    back = await start_smsc(state_file=state)
    async with RawEsme.connected(back.port) as raw:
        await raw.bind(MAIN, SECRET)
        receipts = [await raw.read_delivery() for _ in range(2)]

    assert [stat_of(receipt) for receipt in receipts] == ["ENROUTE", "DELIVRD"]
    assert all(answer.body.rstrip(b"\0") in receipt for receipt in receipts)


async def test_ids_differ_from_one_run_to_the_next(start_smsc):
    ids = []
    for _ in range(2):
        smsc = await start_smsc()
        async with RawEsme.connected(smsc.port) as raw:
            await raw.bind(MAIN, SECRET)
            raw.submit("70000000103")
            ids.append((await raw.read()).body)

    assert len(set(ids)) == 2


async def test_a_broken_state_file_and_accounts_that_are_gone_are_passed_over(
    start_smsc, tmp_path, caplog
):
    broken, gone = tmp_path / "broken.json", tmp_path / "gone.json"
    broken.write_text("not JSON")
    delivery = {"message_id": "1", "stat": "", "at": 0, "source": ["7", 1, 1]}
    delivery |= {"destination": ["W", 5, 0], "esm_class": 0, "short_message": ""}
    gone.write_text(
        '[{"system_id": "nobody", "due_in": 0, "delivery": '
        + str(delivery).replace("'", '"')
        + "}]"
    )

    for path in (broken, gone):
        smsc = await start_smsc(state_file=path)
        assert sum(postman.pending for postman in smsc.postmen.values()) == 0

    assert "broken.json is not a state file" in caplog.text
    assert "gone.json" not in caplog.text


@pytest.mark.parametrize("count", [2_000])
async def test_many_submits_at_once_lose_nothing(smsc, esme, count):
    answers = await asyncio.gather(
        *(esme.submit(f"7916{number:07}", b"%d" % number) for number in range(count))
    )
    await esme.until_delivered(count)

    ids = {answer.message_id for answer in answers}
    receipted = {one.short_message.split()[0][3:].decode() for one in esme.delivered}
    assert {answer.command_status for answer in answers} == {0}
    assert len(ids) == count
    assert receipted == ids
    assert smsc.ledger.distinct == smsc.ledger.total == count
