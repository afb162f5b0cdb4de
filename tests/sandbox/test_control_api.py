"""Looking into the world and meddling with it."""

import pytest


async def test_messages_are_listed_newest_last(sandbox, callback):
    first = await sandbox.text("+70000000003", label="wl:1.1", body="Привет")
    await callback.until_statuses(1)
    second = await sandbox.text("+70000000004")
    await callback.until_statuses(2)

    listed = (await sandbox.ask("GET", "/sandbox/messages")).body["messages"]

    assert [message["id"] for message in listed] == [first.wamid, second.wamid]
    [status] = listed[0].pop("statuses")
    assert status["status"] == "sent"
    assert status["at"] >= listed[0].pop("accepted_at")
    assert listed[0] == {
        "channel": "WHATSAPP",
        "id": first.wamid,
        "to": "70000000003",
        "phone_number_id": sandbox.number.phone_number_id,
        "type": "text",
        "content": {"body": "Привет"},
        "biz_opaque_callback_data": "wl:1.1",
        "script": "sent, then silence",
    }


async def test_the_list_can_be_narrowed(sandbox):
    for end in (1, 2, 1):
        await sandbox.text(f"+7000000000{end}")
    [*_, last] = sandbox.world.ledger.select(limit=9)

    async def ids(query):
        body = (await sandbox.ask("GET", "/sandbox/messages" + query)).body
        return [message["id"] for message in body["messages"]]

    assert len(await ids("?to=%2B70000000001")) == 2
    assert len(await ids("?to=70000000002")) == 1
    assert await ids("?limit=1") == [last.wamid]
    assert await ids(f"?since={last.accepted_at + 60_000}") == []
    assert (await sandbox.ask("GET", "/sandbox/messages?limit=few")).http == 400


async def test_counts_tell_duplicates(sandbox):
    for label in ("wl:1.1", "wl:1.2", "wl:2.1", None):
        await sandbox.text("+70000000001", label=label)

    count = await sandbox.ask("GET", "/sandbox/messages/count")
    assert count.body == {"total": 4, "labelled": 3, "distinct": 2, "duplicates": 1}

    assert (await sandbox.ask("DELETE", "/sandbox/messages")).http == 204
    count = await sandbox.ask("GET", "/sandbox/messages/count")
    assert count.body == {"total": 0, "labelled": 0, "distinct": 0, "duplicates": 0}
    assert (await sandbox.ask("GET", "/sandbox/messages")).body == {"messages": []}


async def test_a_subscriber_writes(sandbox, callback):
    answer = await sandbox.ask(
        "POST", "/sandbox/inbound", json={"from": "79161234567", "text": "СТОП", "name": "Аня"}
    )
    await callback.until(lambda: len(callback.posts) == 1)

    value = callback.posts[0].value
    [message] = value["messages"]
    assert message.pop("timestamp").isdigit()
    assert message == {
        "from": "79161234567",
        "from_user_id": value["contacts"][0]["user_id"],
        "id": answer.body["id"],
        "type": "text",
        "text": {"body": "СТОП"},
    }
    assert value["contacts"][0]["profile"] == {"name": "Аня"}


async def test_a_fault_lasts_until_it_is_cleared(sandbox):
    fault = {"http": 401, "code": 190, "message": "Session has expired", "subcode": 463}
    number = {"phone_number_id": sandbox.number.phone_number_id}
    await sandbox.ask("POST", "/sandbox/faults", json=number | {"error": fault})

    broken = [await sandbox.text("+70000000001") for _ in range(2)]
    await sandbox.ask("POST", "/sandbox/faults", json=number | {"error": None})
    mended = await sandbox.text("+70000000001")

    assert [(answer.http, answer.code) for answer in broken] == [(401, 190)] * 2
    assert broken[0].error["error_subcode"] == 463
    assert broken[0].error["fbtrace_id"] != broken[1].error["fbtrace_id"]
    assert mended.http == 200


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/sandbox/inbound", {"from": "Аня", "text": "Hi"}),
        ("/sandbox/inbound", {"from": "79161234567", "text": "Hi", "phone_number_id": "7"}),
        ("/sandbox/faults", {"error": {"http": 200, "code": 1}}),
        ("/sandbox/faults", {"error": None, "phone_number_id": "7"}),
    ],
)
async def test_wrong_wishes_are_explained(sandbox, path, body):
    answer = await sandbox.ask("POST", path, json=body)

    assert answer.http == 400
    assert answer.body["error"]


async def test_health(sandbox, callback):
    await sandbox.text("+70000000001")
    await callback.until_statuses(3)

    health = await sandbox.ask("GET", "/sandbox/health")

    assert health.body["status"] == "ok"
    assert health.body["messages"] == 1
    assert health.body["numbers"][0]["handshake"] == "done"
