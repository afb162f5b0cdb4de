"""What becomes of messages is told by how the phone is set: by real webhooks and receipts."""

import json

import pytest
from tests.support.esme import Esme, eventually

PHONE = "79161234567"


@pytest.fixture
async def main(both):
    async with Esme.bound(both.smsc.port, "esme-main", "secret-1") as esme:
        yield esme


async def set_phone(sandbox, number=PHONE, **switches):
    answer = await sandbox.ask("POST", f"/sandbox/phones/{number}", json=switches)
    assert answer.http == 200, answer.body
    return answer.body["phone"]


async def read(sandbox, number=PHONE, **wish):
    return await sandbox.ask("POST", f"/sandbox/phones/{number}/read", json=wish)


async def shown(sandbox, number=PHONE):
    return (await sandbox.ask("GET", f"/sandbox/phones/{number}")).body


async def fates(sandbox, number=PHONE):
    return [one["fate"] for one in (await shown(sandbox, number))["messages"]]


async def test_a_phone_that_nobody_has_touched_reads_by_itself(sandbox, callback):
    await sandbox.text(f"+{PHONE}")
    await callback.until_statuses(3)

    assert callback.names() == ["sent", "delivered", "read"]
    assert await shown(sandbox) | {"messages": []} == {
        "phone": {
            "number": PHONE,
            "is_on": True,
            "reads_itself": True,
            "is_on_whatsapp": True,
            "is_blocking": False,
        },
        "scripts": {"whatsapp": None, "sms": None},
        "recipients": [
            {
                "channel": "WHATSAPP",
                "address": sandbox.number.phone_number_id,
                "name": sandbox.number.verified_name,
            }
        ],
        "messages": [],
    }


async def test_what_is_sent_to_a_phone_that_is_off_waits(sandbox, callback):
    await set_phone(sandbox, is_on=False)
    first = await sandbox.text(f"+{PHONE}", label="wl:1.1")
    second = await sandbox.text(f"+{PHONE}")
    # A message to another phone that is later than both has got everything: so have these.
    await sandbox.text("+79160000000")
    await callback.until_statuses(5)
    await callback.until(lambda: sandbox.world.pending == 4)

    of_these = [one["status"] for one in callback.statuses if one["recipient_id"] == PHONE]
    assert of_these == ["sent", "sent"]
    assert await fates(sandbox) == ["sent", "sent"]

    await set_phone(sandbox, is_on=True)
    await callback.until_statuses(9)

    for wamid in (first.wamid, second.wamid):
        told = [one["status"] for one in callback.statuses if one["id"] == wamid]
        assert told == ["sent", "delivered", "read"]
    late = [one for one in callback.statuses if one["id"] == first.wamid][-1]
    assert late["biz_opaque_callback_data"] == "wl:1.1"
    assert await fates(sandbox) == ["read", "read"]


async def test_a_status_that_waits_for_a_phone_outlives_a_clean_stop(start, callback, tmp_path):
    state = tmp_path / "sandbox.json"
    first = await start(state_file=state)
    await set_phone(first, is_on=False)
    answer = await first.text(f"+{PHONE}")
    await callback.until(lambda: callback.names() == ["sent"] and first.world.pending == 2)
    await eventually(lambda: len(list(first.world._steps.remaining())) == 0)
    first.world.stopping.set()
    await first.serving
    assert [step["status"] for step in json.loads(state.read_bytes())["steps"]] == [
        "delivered",
        "read",
    ]

    await start(state_file=state)
    await callback.until_statuses(3)

    assert callback.names() == ["sent", "delivered", "read"]
    assert {status["id"] for status in callback.statuses} == {answer.wamid}


async def test_a_person_reads_when_he_likes(sandbox, callback):
    await set_phone(sandbox, reads_itself=False)
    first = await sandbox.text(f"+{PHONE}")
    second = await sandbox.text(f"+{PHONE}")
    await callback.until_statuses(4)
    await eventually(lambda: sandbox.world.pending == 0)
    assert await fates(sandbox) == ["delivered", "delivered"]

    assert (await read(sandbox, ids=[first.wamid])).body == {"read": [first.wamid]}
    await callback.until_statuses(5)
    assert callback.statuses[-1]["id"] == first.wamid
    assert callback.statuses[-1]["status"] == "read"
    assert "pricing" not in callback.statuses[-1], "delivered had it"
    assert await fates(sandbox) == ["read", "delivered"]

    assert (await read(sandbox)).body == {"read": [second.wamid]}
    await callback.until_statuses(6)
    assert (await read(sandbox)).body == {"read": []}


async def test_a_phone_that_reads_by_itself_again_leaves_nothing_unread(sandbox, callback):
    await set_phone(sandbox, reads_itself=False)
    await sandbox.text(f"+{PHONE}")
    await callback.until_statuses(2)
    await eventually(lambda: sandbox.world.pending == 0)

    await set_phone(sandbox, reads_itself=True)
    await callback.until_statuses(3)

    assert callback.names() == ["sent", "delivered", "read"]


async def test_what_was_read_by_hand_is_not_read_again_by_itself(start, callback):
    slow = await start(speed=2.0)
    await slow.text(f"+{PHONE}")
    await callback.until_statuses(2)
    assert len((await read(slow)).body["read"]) == 1
    await callback.until_statuses(3)
    await eventually(lambda: slow.world.pending == 0)
    await slow.text("+70000000012")
    await callback.until_statuses(6)

    assert callback.names()[:3] == ["sent", "delivered", "read"]
    assert [one["status"] for one in callback.statuses if one["recipient_id"] == PHONE] == [
        "sent",
        "delivered",
        "read",
    ]


async def test_who_blocks_the_business_gets_nothing_and_nobody_is_told(sandbox, callback):
    await set_phone(sandbox, is_blocking=True)
    await sandbox.text(f"+{PHONE}")
    await sandbox.text("+79160000000")
    await callback.until_statuses(4)
    await eventually(lambda: sandbox.world.pending == 0)

    assert [one["status"] for one in callback.statuses if one["recipient_id"] == PHONE] == ["sent"]

    await set_phone(sandbox, is_blocking=False)
    await sandbox.text(f"+{PHONE}")
    await callback.until_statuses(7)
    assert await fates(sandbox) == ["sent", "read"], "what came meanwhile is lost"


async def test_what_waits_for_a_phone_is_lost_when_it_blocks_meanwhile(sandbox, callback):
    await set_phone(sandbox, is_on=False)
    await sandbox.text(f"+{PHONE}")
    await callback.until_statuses(1)
    await set_phone(sandbox, is_blocking=True)
    await set_phone(sandbox, is_on=True)
    await eventually(lambda: sandbox.world.pending == 0)

    assert await fates(sandbox) == ["sent"]


async def test_a_phone_without_whatsapp_is_undeliverable(sandbox, callback):
    await set_phone(sandbox, is_on_whatsapp=False)
    await sandbox.text(f"+{PHONE}")
    await callback.until_statuses(1)

    [status] = callback.statuses
    assert status["status"] == "failed"
    assert status["errors"][0]["code"] == 131026
    [message] = (await shown(sandbox))["messages"]
    assert message["fate"] == "failed"
    assert message["failure"]["code"] == "131026"


async def test_sms_to_a_phone_that_is_off_wait_too(both, main):
    await set_phone(both, is_on=False)
    await main.submit(PHONE, b"One")
    await main.submit(PHONE, b"Two")
    await main.submit("79160000000", b"Three")
    await main.until_delivered(1)
    assert main.stats == ["DELIVRD"]
    assert main.delivered[0].source_addr == "79160000000"
    await eventually(lambda: both.smsc.postmen["esme-main"].pending == 0)
    assert (await both.ask("GET", "/sandbox/health")).body["smsc"]["receipts_to_come"] == 2
    assert await fates(both) == ["sent", "sent"]

    await set_phone(both, is_on=True)
    await main.until_delivered(3)

    assert main.stats == ["DELIVRD"] * 3
    assert await fates(both) == ["delivered", "delivered"]


async def test_an_sms_that_waits_outlives_a_clean_stop(start_smsc, tmp_path):
    state = tmp_path / "smsc.json"
    first = await start_smsc(state_file=state)
    first.phones.change(PHONE, is_on=False)
    async with Esme.bound(first.port, "esme-main", "secret-1") as esme:
        answer = await esme.submit(PHONE)
    assert first.waiting == 1
    await first.__aexit__(None, None, None)

    back = await start_smsc(state_file=state)
    async with Esme.bound(back.port, "esme-main", "secret-1") as esme:
        await esme.until_delivered(1)
        assert answer.message_id.encode() in esme.delivered[0].short_message


async def test_sms_come_to_who_blocks_on_whatsapp_or_is_not_there(both, main):
    await set_phone(both, is_blocking=True, is_on_whatsapp=False)
    await main.submit(PHONE)
    await main.until_delivered(1)

    assert main.stats == ["DELIVRD"]


async def test_a_magic_number_keeps_its_script(both, callback):
    for switches in (
        {"is_on": False},  # 0102 has a script on both channels
        {"reads_itself": False},
        {"is_on_whatsapp": True},
        {"is_blocking": True},
    ):
        answer = await both.ask("POST", "/sandbox/phones/70000000102", json=switches)
        assert answer.http == 400
        assert next(iter(switches)) in answer.body["error"]
        assert "script" in answer.body["error"]

    # 0004 has one on WhatsApp alone: an SMS to it waits while it is off.
    await set_phone(both, "70000000004", is_on=False)
    await both.text("+70000000004")
    await callback.until_statuses(1)
    assert callback.names() == ["failed"]


async def test_a_script_that_reads_nothing_is_not_read_by_switching_on(sandbox, callback):
    number = "70000000002"
    await sandbox.text(f"+{number}")
    await callback.until_statuses(2)
    await set_phone(sandbox, number, is_on=False)
    await set_phone(sandbox, number, is_on=True)

    assert await fates(sandbox, number) == ["delivered"]


async def test_a_person_may_read_what_a_script_leaves_unread(sandbox, callback):
    for end in ("0002", "0003"):
        await sandbox.text(f"+7000000{end}")
    await callback.until_statuses(3)
    await eventually(lambda: sandbox.world.pending == 0)

    assert len((await read(sandbox, "70000000002")).body["read"]) == 1
    assert (await read(sandbox, "70000000003")).body == {"read": []}, "it never came"
    await callback.until_statuses(4)
    assert callback.names().count("read") == 1


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("12345", {"is_on": True}, "7 to 15 digits"),
        (PHONE, {"on": True}, "on"),
        (PHONE, {"is_on": "yes"}, "is_on"),
        (f"{PHONE}/read", {"all": True}, "all"),
    ],
)
async def test_wrong_wishes_are_explained(sandbox, path, body, said):
    answer = await sandbox.ask("POST", f"/sandbox/phones/{path}", json=body)

    assert answer.http == 400
    assert said in answer.body["error"]


async def test_phones_are_listed_newest_first(both, main, callback):
    await set_phone(both, "79160000001", is_on=False)
    await both.text(f"+{PHONE}", body="First")
    await callback.until_statuses(3)
    await main.submit("79160000002", b"Second")
    await both.ask("POST", "/sandbox/inbound", json={"from": "79160000003", "text": "Third"})

    listed = (await both.ask("GET", "/sandbox/phones")).body["phones"]

    texts = {one["phone"]["number"]: (one["last"] or {}).get("text") for one in listed}
    assert texts == {
        "79160000003": "Third",
        "79160000002": "Second",
        PHONE: "First",
        "79160000001": None,
    }
    assert listed[-1]["phone"]["number"] == "79160000001"
    assert {one["unread"] for one in listed} == {0}


async def test_a_short_code_has_no_phone(both, main):
    await main.submit("12345", b"To a short code")

    assert (await both.ask("GET", "/sandbox/phones")).body == {"phones": []}
    assert (await both.ask("GET", "/")).http == 200


async def test_unread_messages_are_counted(sandbox, callback):
    for _ in range(2):
        await sandbox.text("+70000000002")
    await callback.until_statuses(4)

    [listed] = (await sandbox.ask("GET", "/sandbox/phones")).body["phones"]
    assert listed["unread"] == 2


async def test_nothing_is_shown_after_all_was_forgotten(both, main):
    await both.text(f"+{PHONE}")
    await main.submit(PHONE)
    await both.ask("POST", "/sandbox/inbound", json={"from": PHONE, "text": "Hi"})
    assert len((await shown(both))["messages"]) == 3

    await both.ask("DELETE", "/sandbox/messages")

    assert (await shown(both))["messages"] == []
    assert (await both.ask("GET", "/sandbox/phones")).body == {"phones": []}
