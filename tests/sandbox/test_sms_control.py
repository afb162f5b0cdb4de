"""Looking into the SMSC and meddling with it."""

import asyncio

import pytest
from tests.support.esme import Esme, RawEsme, eventually


@pytest.fixture
async def main(both):
    async with Esme.bound(both.smsc.port, "esme-main", "secret-1") as esme:
        yield esme


async def messages(sandbox, query=""):
    return (await sandbox.ask("GET", "/sandbox/messages" + query)).body["messages"]


async def test_a_submit_is_shown_as_it_came(both, main):
    text = "Привет, €".encode("utf-16-be")
    answer = await main.submit(
        "70000000101",
        bytes([5, 0, 3, 9, 2, 1]) + text,
        data_coding=8,
        esm_class=0x40,
        dest_addr_npi=6,
    )
    await main.until_delivered(1)
    [sms] = both.smsc.ledger.select(limit=1)
    await eventually(lambda: sms.receipts[0].acknowledged_at is not None)

    [shown] = await messages(both)

    [receipt] = shown.pop("receipts")
    assert (receipt["stat"], receipt["attempts"]) == ("DELIVRD", 1)
    assert receipt["acknowledged_at"] >= receipt["at"] >= shown.pop("accepted_at")
    assert shown.pop("session") == sms.session_id
    assert shown == {
        "channel": "SMS",
        "id": answer.message_id,
        "to": "70000000101",
        "smpp": "main",
        "source": {"address": "WHIMBREL", "ton": 5, "npi": 0},
        "destination": {"address": "70000000101", "ton": 1, "npi": 6},
        "text": "Привет, €",
        "part": {"ref": 9, "part": 1, "total": 2},
        "short_message": "050003090201" + text.hex(),
        "data_coding": 8,
        "esm_class": 0x40,
        "registered_delivery": 1,
        "script": "delivered",
    }


async def test_both_channels_are_in_one_list(both, main):
    await both.text("+70000000003")
    await main.submit("70000000103", b"One")
    await main.submit("+70000000103", b"Two")
    await both.text("+70000000103")

    [*_, last] = both.world.ledger.select(limit=9)
    whole = await messages(both)

    assert [one["channel"] for one in whole] in (
        ["WHATSAPP", "SMS", "SMS", "WHATSAPP"],
        # Within one millisecond WhatsApp comes first.
        ["WHATSAPP", "WHATSAPP", "SMS", "SMS"],
        ["WHATSAPP", "SMS", "WHATSAPP", "SMS"],
    )
    assert await messages(both, "?limit=2") == whole[-2:]
    assert await messages(both, "?limit=0") == []
    assert len(await messages(both, "?to=%2B70000000103")) == 3
    assert await messages(both, f"?since={last.accepted_at + 60_000}") == []


async def test_counts_tell_duplicates(both, main):
    for text, to in ((b"One", "79160000001"), (b"One", "79160000002"), (b"One", "79160000001")):
        await main.submit(to, text)
    await main.submit("70000000107")
    await both.text("+70000000003", label="wl:1.1")

    count = await both.ask("GET", "/sandbox/messages/count")
    assert count.body == {
        "total": 1,
        "labelled": 1,
        "distinct": 1,
        "duplicates": 0,
        "sms": {"total": 3, "distinct": 2, "duplicates": 1, "refused": 1},
    }

    assert (await both.ask("DELETE", "/sandbox/messages")).http == 204
    count = await both.ask("GET", "/sandbox/messages/count")
    assert count.body["sms"] == {"total": 0, "distinct": 0, "duplicates": 0, "refused": 0}
    assert await messages(both) == []


async def test_a_fault_lasts_until_it_is_cleared(both, main):
    async with Esme.bound(both.smsc.port, "esme-other", "secret-2") as other:
        await both.ask("POST", "/sandbox/faults", json={"smpp": "main", "status": 88})
        broken = [await main.submit("70000000101") for _ in range(2)]
        untouched = await other.submit("70000000101")
        await both.ask("POST", "/sandbox/faults", json={"smpp": "main", "status": None})
        mended = await main.submit("70000000101")

    assert [answer.command_status for answer in broken] == [88, 88]
    assert untouched.is_success
    assert mended.is_success
    assert both.smsc.ledger.total == 2


async def test_connections_are_dropped_by_account_or_all(both, main):
    async with Esme.bound(both.smsc.port, "esme-other", "secret-2") as other:
        one = await both.ask("POST", "/sandbox/smsc/drop", json={"smpp": "other"})
        await other.until_disconnected()
        assert not main.disconnected
        rest = await both.ask("POST", "/sandbox/smsc/drop")
        await main.until_disconnected()

    assert (one.body, rest.body) == ({"dropped": 1}, {"dropped": 1})


async def test_hold_and_release(both, main):
    assert (await both.ask("POST", "/sandbox/smsc/hold")).http == 204
    submitting = asyncio.create_task(main.submit("70000000103"))
    await eventually(lambda: both.smsc.relay.held_bytes > 0)
    held = (await both.ask("GET", "/sandbox/health")).body["smsc"]
    assert (held["held"], held["held_bytes"] > 0) == (True, True)
    assert not submitting.done()

    assert (await both.ask("POST", "/sandbox/smsc/release")).http == 204

    assert (await submitting).is_success
    assert not (await both.ask("GET", "/sandbox/health")).body["smsc"]["held"]


@pytest.mark.parametrize(
    ("text", "data_coding", "encoded"),
    [
        ("СТОП", 8, "СТОП".encode("utf-16-be")),
        ("Stop @ {1}", 0, b"Stop \x00 \x1b\x281\x1b\x29"),
        ("€" * 80, 0, b"\x1be" * 80),
    ],
)
async def test_a_subscriber_writes(both, main, text, data_coding, encoded):
    wish = {"channel": "SMS", "from": "79161234567", "to": "WHIMBREL", "text": text}
    answer = await both.ask("POST", "/sandbox/inbound", json=wish)
    await main.until_delivered(1)

    [event] = main.delivered
    assert answer.body["id"]
    assert event.short_message == encoded
    assert (event.data_coding, event.esm_class) == (data_coding, 0)
    assert (event.source_addr, event.source_addr_ton) == ("79161234567", 1)
    assert (event.destination_addr, event.dest_addr_ton, event.dest_addr_npi) == ("WHIMBREL", 5, 0)


async def test_what_a_subscriber_writes_waits_for_a_session(both):
    wish = {"channel": "SMS", "from": "79161234567", "to": "1234", "text": "Hi"}
    await both.ask("POST", "/sandbox/inbound", json=wish)
    assert (await both.ask("GET", "/sandbox/health")).body["smsc"]["receipts_to_come"] == 1

    async with Esme.bound(both.smsc.port, "esme-main", "secret-1") as esme:
        await esme.until_delivered(1)
    assert (esme.delivered[0].destination_addr, esme.delivered[0].dest_addr_ton) == ("1234", 1)


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("inbound", {"from": "7", "to": "WHIMBREL", "text": "Hi"}, "from"),
        ("inbound", {"from": "79161234567", "to": "NOBODY", "text": "Hi"}, "OTHER"),
        ("inbound", {"from": "79161234567", "to": "OTHER", "text": "x" * 161}, "160"),
        ("inbound", {"from": "79161234567", "to": "OTHER", "text": "ё" * 71}, "70"),
        ("faults", {"smpp": "none", "status": 88}, "main"),
        ("faults", {"smpp": "main", "status": 0}, "status"),
        ("faults", {"smpp": "main"}, "status"),
        ("smsc/drop", {"smpp": "none"}, "main"),
        ("smsc/drop", {"system_id": "esme-main"}, "system_id"),
    ],
)
async def test_wrong_wishes_are_explained(both, path, body, said):
    wish = body | ({"channel": "SMS"} if path == "inbound" else {})
    answer = await both.ask("POST", f"/sandbox/{path}", json=wish)

    assert answer.http == 400
    assert said in answer.body["error"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("inbound", {"channel": "SMS", "from": "79161234567", "to": "W", "text": "Hi"}),
        ("faults", {"smpp": "main", "status": 88}),
    ],
)
async def test_without_an_smsc_wishes_for_it_are_explained(sandbox, path, body):
    answer = await sandbox.ask("POST", f"/sandbox/{path}", json=body)

    assert answer.http == 400
    assert "[smpp.NAME]" in answer.body["error"]
    assert "smsc" not in (await sandbox.ask("GET", "/sandbox/health")).body


async def test_health(both, main):
    await main.submit("70000000110")
    await main.until_delivered(2)
    async with RawEsme.connected(both.smsc.port) as raw:
        await raw.bind("esme-main", "secret-1")
        await eventually(lambda: both.smsc.postmen["esme-main"].sessions == 2)
        health = (await both.ask("GET", "/sandbox/health")).body["smsc"]

    assert health["sessions"] == {"esme-main": 2, "esme-other": 0}
    assert health["url"] == f"smpp://127.0.0.1:{both.smsc.port}"
    assert (health["receipts_to_come"], health["receipts_delivered"]) == (0, 2)
