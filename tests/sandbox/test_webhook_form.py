"""What a webhook looks like to the byte."""

import hashlib
import hmac
import json

from whimbrel.sandbox.webhooks import signed_headers

SECRET = b"whimbrel-test-secret"


def test_the_signature_of_the_reference():
    headers = signed_headers(SECRET.decode(), b'{"object":"whatsapp_business_account","entry":[]}')

    assert headers["X-Hub-Signature-256"] == (
        "sha256=6d7665eb284f6f18da91f6c8aae48bdb6cc67ebb226e20c81962fc7c6a883a88"
    )


async def test_both_signatures_are_over_the_bytes_on_the_wire(sandbox, callback):
    await sandbox.text("+70000000003", label="ключ")
    await callback.until_statuses(1)

    [post] = callback.posts
    sha256 = hmac.new(SECRET, post.body, hashlib.sha256).hexdigest()
    sha1 = hmac.new(SECRET, post.body, hashlib.sha1).hexdigest()
    assert post.headers["X-Hub-Signature-256"] == f"sha256={sha256}"
    assert post.headers["X-Hub-Signature"] == f"sha1={sha1}"
    assert post.headers["User-Agent"] == "facebookexternalua"
    assert post.headers["Content-Type"] == "application/json"


async def test_bodies_are_ascii_with_escapes(sandbox, callback):
    await sandbox.text("+70000000003", label="ключ")
    await callback.until_statuses(1)

    [post] = callback.posts
    assert post.body.isascii()
    assert rb"\u043a\u043b\u044e\u0447" in post.body
    assert callback.statuses[0]["biz_opaque_callback_data"] == "ключ"


async def test_every_body_has_an_escape(sandbox, callback):
    """A receiver that signs its own re-serialisation must fail at once, not at the first accent."""
    await sandbox.text("+70000000003")
    await callback.until_statuses(1)

    assert b"\\u" in callback.posts[0].body


async def test_the_envelope_of_a_status(start, callback):
    sandbox = await start(largest_post=1)
    answer = await sandbox.text("+70000000001", label="wl:1.1")
    await callback.until_statuses(3)

    document = json.loads(callback.posts[1].body)
    [entry] = document["entry"]
    value = callback.posts[1].value
    timestamp = value["statuses"][0].pop("timestamp")
    assert document["object"] == "whatsapp_business_account"
    assert entry["id"] == sandbox.number.waba_id
    assert entry["changes"][0]["field"] == "messages"
    assert timestamp.isdigit()
    assert value == {
        "messaging_product": "whatsapp",
        "metadata": {
            "display_phone_number": "79000000000",
            "phone_number_id": sandbox.number.phone_number_id,
        },
        "contacts": [
            {
                "profile": {"name": "Zoë 0001"},
                "wa_id": "70000000001",
                "user_id": "RU.10000000070000000001",
            }
        ],
        "statuses": [
            {
                "id": answer.wamid,
                "status": "delivered",
                "recipient_id": "70000000001",
                "biz_opaque_callback_data": "wl:1.1",
                "pricing": {
                    "billable": False,
                    "pricing_model": "PMP",
                    "type": "free_customer_service",
                    "category": "service",
                },
            }
        ],
    }


async def test_pricing_stands_with_sent_and_one_of_delivered_and_read(sandbox, callback):
    await sandbox.text("+70000000001")
    await callback.until_statuses(3)
    await sandbox.text("+70000000011")
    await callback.until_statuses(5)

    assert ["pricing" in status for status in callback.statuses] == [True, True, False, True, True]


async def test_what_was_not_sent_along_is_not_echoed(sandbox, callback):
    await sandbox.text("+70000000003")
    await callback.until_statuses(1)

    assert "biz_opaque_callback_data" not in callback.statuses[0]


async def test_failed_has_neither_contacts_nor_pricing(sandbox, callback):
    await sandbox.text("+70000000004")
    await callback.until_statuses(1)

    assert "contacts" not in callback.posts[0].value
    assert "pricing" not in callback.statuses[0]


async def test_failed_has_contacts_by_a_switch(start, callback):
    sandbox = await start(contacts_on_failed=True)
    await sandbox.text("+70000000004")
    await callback.until_statuses(1)

    assert callback.posts[0].value["contacts"][0]["wa_id"] == "70000000004"
