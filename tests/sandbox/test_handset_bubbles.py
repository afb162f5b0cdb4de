"""What a phone shows of each kind of message."""

import pytest
from tests.support.esme import Esme

PHONE = "79161234567"


@pytest.fixture
async def main(both):
    async with Esme.bound(both.smsc.port, "esme-main", "secret-1") as esme:
        yield esme


async def messages(sandbox, number=PHONE):
    return (await sandbox.ask("GET", f"/sandbox/phones/{number}")).body["messages"]


async def send(sandbox, kind, content):
    answer = await sandbox.post(
        {"messaging_product": "whatsapp", "to": f"+{PHONE}", "type": kind, kind: content}
    )
    assert answer.http == 200, answer.body


async def test_images(sandbox):
    await send(sandbox, "image", {"link": "https://cdn.example/a.png", "caption": "The way"})
    await send(sandbox, "image", {"id": "4711"})

    linked, kept = await messages(sandbox)

    assert (linked["kind"], linked["image"], linked["text"]) == (
        "image",
        "https://cdn.example/a.png",
        "The way",
    )
    assert (kept["kind"], kept["image"], kept["text"]) == ("image", "", "")


async def test_a_template_is_shown_with_what_fills_it(sandbox):
    image = {"type": "image", "image": {"link": "https://cdn.example/b.png"}}
    price = {"currency": {"fallback_value": "100 RUB", "code": "RUB", "amount_1000": 100_000}}
    template = {
        "name": "order_ready",
        "language": {"code": "ru"},
        "components": [
            {"type": "HEADER", "parameters": [image]},
            {
                "type": "body",
                "parameters": [
                    {"type": "text", "text": "Аня", "parameter_name": "name"},
                    {"type": "currency", **price},
                ],
            },
            {
                "type": "button",
                "sub_type": "quick_reply",
                "index": "0",
                "parameters": [{"type": "payload", "payload": "YES"}],
            },
        ],
    }
    await send(sandbox, "template", template)

    [message] = await messages(sandbox)

    assert message["image"] == "https://cdn.example/b.png"
    assert message["template"] == {
        "name": "order_ready",
        "language": "ru",
        "header": [],
        "body": [{"place": "name", "value": "Аня"}, {"place": "2", "value": "100 RUB"}],
        "buttons": [{"place": "quick reply", "value": "YES"}],
    }


def part(ref, number, total, text):
    return {"text": bytes([5, 0, 3, ref, total, number]) + text, "esm_class": 0x40}


async def test_the_parts_of_a_long_sms_are_one_text(both, main):
    await main.submit(PHONE, **part(9, 2, 2, b"world"))
    [half] = await messages(both)
    assert (half["text"], half["parts"]) == ("world", {"came": 1, "total": 2})

    await main.submit(PHONE, **part(9, 1, 2, b"Hello, "))
    await main.until_delivered(2)

    [whole] = await messages(both)
    assert whole["id"] == half["id"]
    assert (whole["text"], whole["parts"]) == ("Hello, world", {"came": 2, "total": 2})
    assert whole["fate"] == "delivered"


async def test_a_long_sms_is_delivered_when_all_of_it_has_come(both, main):
    await main.submit(PHONE, **part(9, 1, 2, b"Hello, "))
    await main.until_delivered(1)

    [half] = await messages(both)
    assert half["fate"] == "sent"


async def test_a_part_that_fails_fails_the_message(both, main):
    number = "70000000112"  # the second part is undeliverable
    await main.submit(number, **part(3, 1, 2, b"One "))
    await main.submit(number, **part(3, 2, 2, b"two"))
    await main.until_delivered(2)

    [message] = await messages(both, number)
    assert message["fate"] == "failed"
    assert message["failure"] == {"code": "001", "reason": "undeliverable"}


async def test_a_reference_that_is_used_again_is_another_message(both, main):
    for text in (b"A", b"B"):
        for number in (1, 2):
            await main.submit(PHONE, **part(7, number, 2, text + b"%d" % number))
    await main.submit(PHONE, **part(7, 1, 2, b"C1"))
    await main.submit(PHONE, **part(7, 1, 2, b"C1"))  # once more, as after a lost answer
    await main.submit("79160000000", **part(7, 2, 2, b"C2"))  # somebody else's

    shown = await messages(both)

    assert [one["text"] for one in shown] == ["A1A2", "B1B2", "C1"]


async def test_an_sms_that_is_no_text_is_shown_as_bytes(both, main):
    await main.submit(PHONE, b"\x00\xff", data_coding=4)

    [message] = await messages(both)
    assert (message["kind"], message["text"]) == ("bytes", "00 ff")


async def test_delivered_after_all_is_delivered(sandbox, callback):
    """Receipts that come in reverse order do not turn the ticks back."""
    await sandbox.text("+70000000010")
    await callback.until_statuses(6)

    [message] = await messages(sandbox, "70000000010")
    assert message["fate"] == "read"


async def test_only_the_last_messages_are_shown(sandbox):
    for number in range(203):
        await sandbox.text(
            f"+{PHONE}", body=str(number)
        ) if number < 40 else sandbox.world.write_inbound(
            sandbox.number, sender=PHONE, text=str(number)
        )

    texts = [one["text"] for one in await messages(sandbox)]
    assert texts == [str(number) for number in range(3, 203)]
