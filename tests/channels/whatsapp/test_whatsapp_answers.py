"""What subscribers write, in the forms of section 8.4 of the reference, whole and broken.

Where Meta's own file of schemas is at hand, each whole form is checked against it, too.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.meta_openapi import schema
from whimbrel.channels.whatsapp.answers import OurNumber
from whimbrel.channels.whatsapp.webhooks import Webhook, read_webhook
from whimbrel.domain.content import Channel
from whimbrel.domain.receipt import MoMessage

DATA = Path(__file__).parent / "data"
NUMBER, OTHER_NUMBER = "200000000000001", "200000000000002"
NUMBERS = {NUMBER: OurNumber("main", "WHIMBREL"), OTHER_NUMBER: OurNumber("second", "PLOVER")}
NOW = 1_789_000_107_000
WAMID = "wamid.HBgLNDQ3NzAwOTAwMTIzFQIAEhgUM0E0QTY1OTlBRUUwMzgxMDE0NEYA"
QUOTED = {"from": "442079460000", "id": "wamid.HBgLNDQ3NzAwOTAwMTIzFQIAERgSQ0E3NUJFRjAwAA=="}
MEDIA = {"mime_type": "image/jpeg", "sha256": "SfInY0gGKTsJlUWbwxC1k+FAD0FZHvzwfpvO0zX0GUI="}
REFUSED = {
    "code": 131051,
    "title": "Message type unknown",
    "message": "Message type unknown",
    "error_data": {"details": "Message type is currently not supported."},
}


def a_message(kind: str = "text", **members: Any) -> dict[str, Any]:
    """A message of a kind; a member of None is taken away."""
    message = {
        "from": "447700900123",
        "from_user_id": "GB.10000000000000000001",
        "id": WAMID,
        "timestamp": "1789000100",
        "type": kind,
        **members,
    }
    return {name: value for name, value in message.items() if value is not None}


def a_value(*messages: Any, number: str = NUMBER, **more: Any) -> dict[str, Any]:
    return {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "442079460000", "phone_number_id": number},
        "contacts": [{"profile": {"name": "Ana Ray"}, "wa_id": "447700900123"}],
        "messages": list(messages),
        **more,
    }


def a_body(*values: dict[str, Any]) -> bytes:
    entry = [{"id": "3", "changes": [{"field": "messages", "value": value}]} for value in values]
    return json.dumps({"object": "whatsapp_business_account", "entry": entry}).encode()


def read(*values: dict[str, Any]) -> Webhook:
    return read_webhook(a_body(*values), NUMBERS, NOW)


def only(message: dict[str, Any]) -> MoMessage:
    webhook = read(a_value(message))
    [answer] = webhook.messages
    assert (webhook.receipts, webhook.ignored, webhook.unreadable) == ([], 0, 0)
    return answer


def test_a_text_is_kept_with_all_that_is_known_of_it() -> None:
    webhook = read_webhook((DATA / "inbound.json").read_bytes(), NUMBERS, NOW)

    written = {"from": "447700900123", "id": "wamid.IN0001", "timestamp": "1789000100"}
    raw = json.dumps({**written, "type": "text", "text": {"body": "STOP"}}, separators=(",", ":"))
    answer = MoMessage(
        channel=Channel.WHATSAPP,
        account="main",
        sender="WHIMBREL",
        subscriber="447700900123",
        received_at=NOW,
        text="STOP",
        raw=raw.encode(),
        data_coding=None,
        kind="text",
        provider_id="wamid.IN0001",
        part=1,
        parts=1,
        reference=None,
    )
    assert webhook == Webhook([], [answer], ignored=0, unreadable=0)


FORMS: list[tuple[dict[str, Any], str | None]] = [
    (a_message("text", text={"body": "Приду в 18:00 😀"}), "Приду в 18:00 😀"),
    (a_message("text", text={"body": "Which?"}, context=QUOTED), "Which?"),
    (
        a_message("button", button={"payload": "no-more", "text": "Unsubscribe"}, context=QUOTED),
        "Unsubscribe",
    ),
    (
        a_message(
            "interactive",
            interactive={"type": "button_reply", "button_reply": {"id": "b1", "title": "Yes"}},
            context=QUOTED,
        ),
        "Yes",
    ),
    (
        a_message(
            "interactive",
            interactive={
                "type": "list_reply",
                "list_reply": {"id": "r1", "title": "Express", "description": "Next day"},
            },
            context=QUOTED,
        ),
        "Express",
    ),
    (a_message("image", image={**MEDIA, "id": "100", "caption": "Taj Mahal"}), "Taj Mahal"),
    (a_message("image", image={**MEDIA, "id": "100"}), None),
    (a_message("video", video={**MEDIA, "id": "100", "caption": "Look"}), "Look"),
    (a_message("audio", audio={**MEDIA, "id": "100", "voice": True}), None),
    (a_message("document", document={**MEDIA, "id": "1", "filename": "bill.pdf"}), None),
    (a_message("sticker", sticker={**MEDIA, "id": "100", "animated": False}), None),
    (a_message("reaction", reaction={"message_id": QUOTED["id"], "emoji": "👍"}), "👍"),
    (a_message("reaction", reaction={"message_id": QUOTED["id"]}), None),
    (
        a_message(
            "location",
            location={"address": "101 Forest Ave", "latitude": 37.4, "longitude": -122.1,
                      "name": "Philz Coffee"},
        ),
        None,
    ),
    (a_message("contacts", contacts=[{"name": {"formatted_name": "Lucía Gómez"}}]), None),
    (
        a_message(
            "order",
            order={"catalog_id": "1", "text": "", "product_items": [
                {"product_retailer_id": "a", "quantity": 2, "item_price": 30.0, "currency": "USD"}
            ]},
        ),
        None,
    ),
    (a_message("unsupported", errors=[REFUSED]), None),
    (a_message("unknown", errors=[REFUSED]), None),
]  # fmt: skip
IDS = [f"{n}-{message['type']}" for n, (message, _) in enumerate(FORMS)]


@pytest.mark.parametrize(("message", "text"), FORMS, ids=IDS)
def test_each_type_is_kept_with_its_words_and_whole(
    message: dict[str, Any], text: str | None
) -> None:
    answer = only(message)

    assert (answer.kind, answer.text) == (message["type"], text)
    assert json.loads(answer.raw) == message
    assert (answer.subscriber, answer.provider_id) == ("447700900123", WAMID)


@pytest.mark.parametrize(("message", "text"), FORMS, ids=IDS)
def test_these_forms_are_metas(message: dict[str, Any], text: str | None) -> None:
    del text
    faults = list(schema("WebhookPayload").iter_errors(json.loads(a_body(a_value(message)))))

    assert faults == []


@pytest.mark.parametrize(
    ("message", "kind", "text"),
    [
        (a_message("poll", poll={"name": "Lunch?"}), "poll", None),
        (a_message("x" * 50_000), "x" * 40, None),
        (a_message(type=None, text={"body": "Hi"}), "unknown", None),
        (a_message(type=["text"], text={"body": "Hi"}), "unknown", None),
        (a_message("text"), "text", None),
        (a_message("text", text="Hi"), "text", None),
        (a_message("text", text={"body": ["Hi"]}), "text", None),
        (a_message("text", text={"body": ""}), "text", None),
        (a_message("text", text={"body": "Hi"}, timestamp="soon"), "text", "Hi"),
        (a_message("text", text={"body": "Hi"}, timestamp=None), "text", "Hi"),
        (a_message("text", text={"body": "Hi \ud83e"}), "text", "Hi ?"),
        (a_message("button", button=[]), "button", None),
        (a_message("interactive", interactive={"type": "list_reply"}), "interactive", None),
        (a_message("interactive", interactive={"type": {}, "": {"title": "x"}}), "interactive",
         "x"),
        (
            a_message(
                "interactive",
                interactive={
                    "type": "nfm_reply",
                    "nfm_reply": {"name": "flow", "body": "Sent", "response_json": "{}"},
                },
            ),
            "interactive",
            "Sent",
        ),
        (
            a_message(
                "interactive",
                interactive={
                    "type": "call_permission_reply",
                    "call_permission_reply": {"response": "accept"},
                },
            ),
            "interactive",
            None,
        ),
        (a_message("reaction", reaction={"emoji": None}), "reaction", None),
    ],
)  # fmt: skip
def test_what_breaks_the_form_is_kept_as_far_as_it_goes(
    message: dict[str, Any], kind: str, text: str | None
) -> None:
    answer = only(message)

    assert (answer.kind, answer.text) == (kind, text)
    assert json.loads(answer.raw) == message
    answer.raw.decode("ascii")


@pytest.mark.parametrize(
    ("members", "subscriber"),
    [
        ({"from": "+447700900123"}, "447700900123"),
        ({"from": None}, "GB.10000000000000000001"),
        ({"from": ""}, "GB.10000000000000000001"),
        ({"from": 447700900123}, "GB.10000000000000000001"),
        ({"from_user_id": None}, "447700900123"),
    ],
)
def test_who_wrote_is_a_number_or_a_user_id(members: dict[str, Any], subscriber: str) -> None:
    assert only(a_message(text={"body": "Hi"}, **members)).subscriber == subscriber


BAD = [
    None,
    "STOP",
    7,
    [],
    {},
    a_message(id=None),
    a_message(id=""),
    a_message(id=["wamid.1"]),
    a_message(id="w" * 501),
    {**a_message(from_user_id=None), "from": None},
    {**a_message(), "from": "9" * 201},
]


@pytest.mark.parametrize("bad", BAD, ids=[str(bad)[:40] for bad in BAD])
def test_what_has_no_author_or_no_id_spoils_none_of_the_others(bad: Any) -> None:
    first, last = (a_message(id=f"wamid.{n}", text={"body": n}) for n in "12")

    webhook = read(a_value(first, bad, last))

    assert [one.text for one in webhook.messages] == ["1", "2"]
    assert (webhook.ignored, webhook.unreadable) == (0, 1)


def test_what_is_nested_too_deeply_to_be_written_is_unreadable() -> None:
    deep = b"[" * 900 + b"]" * 900
    good = a_message(id="wamid.1", text={"body": "1"})
    body = a_body(a_value(a_message("poll", poll="DEEP"), good)).replace(b'"DEEP"', deep)

    webhook = read_webhook(body, NUMBERS, NOW)

    assert webhook.messages[-1].text == "1"
    assert len(webhook.messages) + webhook.unreadable == 2


def test_what_meta_says_itself_is_nobodys_answer() -> None:
    moved = {"type": "user_changed_number", "body": "A changed from 1 to 2", "wa_id": "2"}

    assert read(a_value(a_message("system", system=moved))) == Webhook([], [], 1, 0)


def test_other_numbers_answers_are_passed_over() -> None:
    message = a_message(text={"body": "Hi"})

    assert read(a_value(message, None, number="9"), {"messages": [message]}) == Webhook(
        [], [], 3, 0
    )


def test_statuses_and_messages_of_several_numbers_in_one_webhook() -> None:
    sent = {"id": "wamid.S", "status": "sent", "timestamp": "1789000000"}
    hello, bye = (a_message(id=f"wamid.{word}", text={"body": word}) for word in ("Hello", "Bye"))

    webhook = read(
        a_value(hello, statuses=[sent]),
        a_value(bye, number=OTHER_NUMBER),
        a_value(hello),
    )

    assert [one.provider_id for one in webhook.receipts] == ["wamid.S"]
    assert [(one.account, one.sender, one.text) for one in webhook.messages] == [
        ("main", "WHIMBREL", "Hello"),
        ("second", "PLOVER", "Bye"),
        ("main", "WHIMBREL", "Hello"),  # the store knows that it has it
    ]
