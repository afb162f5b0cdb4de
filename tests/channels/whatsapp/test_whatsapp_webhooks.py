"""Webhooks in the forms of section 8.3 of the reference, whole and broken.

The payloads in `data/` are recorded forms with invented values.
"""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.channels.whatsapp.error_table import TABLE, Row
from whimbrel.channels.connector import SubmitFault
from whimbrel.channels.whatsapp.answers import OurNumber
from whimbrel.channels.whatsapp.webhooks import Webhook, read_webhook, signature_is_right
from whimbrel.clock import SECOND
from whimbrel.domain.receipt import MoMessage, Receipt
from whimbrel.domain.status import ErrorCode, LinkState

DATA = Path(__file__).parent / "data"
NUMBERS = {
    "200000000000001": OurNumber("main", "WHIMBREL"),
    "200000000000002": OurNumber("second", "PLOVER"),
}
WAMID = "wamid.HBgLNDQ3NzAwOTAwMTIzFQIAERgSQ0E3NUJFRjAwMDAwMDAwMDAxAA=="
AT = 1_789_000_000 * SECOND
LONGEST_PAUSE = 10 * 60 * SECOND


NOW = AT + 7 * SECOND


def read(body: bytes, numbers: dict[str, OurNumber] = NUMBERS) -> Webhook:
    return read_webhook(body, numbers, NOW)


def recorded(name: str) -> Webhook:
    return read((DATA / f"{name}.json").read_bytes())


def a_receipt(state: LinkState, **changes: Any) -> Receipt:
    members = {
        "sender": "WHIMBREL",
        "provider_id": WAMID,
        "state": state,
        "at": AT,
        "link_id": 5_000_016,
        "attempt": 2,
    }
    return Receipt(**{**members, **changes})


def a_webhook(*statuses: Any, number: str = "200000000000001") -> bytes:
    value = {"metadata": {"phone_number_id": number}, "statuses": list(statuses)}
    changes = [{"field": "messages", "value": value}]
    document = {"object": "whatsapp_business_account", "entry": [{"id": "3", "changes": changes}]}
    return json.dumps(document).encode()


def a_failed(code: int) -> bytes:
    error = {"code": code, "title": "Title", "error_data": {"details": "Details"}}
    return a_webhook({"id": WAMID, "status": "failed", "timestamp": "1", "errors": [error]})


@pytest.mark.parametrize(
    ("name", "receipts"),
    [
        ("sent", [a_receipt(LinkState.SENT)]),
        ("delivered", [a_receipt(LinkState.DELIVERED, at=AT + SECOND)]),
        ("read", [a_receipt(LinkState.READ, at=AT + 5 * SECOND)]),
        (
            "failed_without_contacts",
            [
                a_receipt(
                    LinkState.FAILED,
                    error_code=ErrorCode.TELESERVICE_NOT_PROVISIONED,
                    code="131026",
                    detail="Message undeliverable Message Undeliverable.",
                )
            ],
        ),
        (
            "failed_window_closed",
            [
                a_receipt(
                    LinkState.FAILED,
                    error_code=ErrorCode.FILTERED,
                    code="131047",
                    detail="Re-engagement message More than 24 hours have passed.",
                )
            ],
        ),
        (
            "failed_throttled",
            [
                a_receipt(
                    LinkState.FAILED,
                    error_code=ErrorCode.TIMEOUT,
                    code="130429",
                    detail="Rate limit hit Too many messages from this number.",
                    retry_pause=4 * SECOND,
                )
            ],
        ),
        (
            "failed_account_locked",
            [
                a_receipt(
                    LinkState.FAILED,
                    error_code=ErrorCode.UNROUTED,
                    code="131031",
                    detail="Business Account locked The account is locked.",
                    sender_broken=True,
                )
            ],
        ),
        ("no_recipient_id", [a_receipt(LinkState.DELIVERED)]),
        ("no_echo", [a_receipt(LinkState.SENT, link_id=None, attempt=0)]),
        ("foreign_echo", [a_receipt(LinkState.SENT, link_id=None, attempt=0)]),
        ("huge_echo", [a_receipt(LinkState.SENT, link_id=None, attempt=0)]),
        ("numbers_as_timestamps", [a_receipt(LinkState.DELIVERED, at=AT + SECOND)]),
        ("name_cut_inside_an_emoji", [a_receipt(LinkState.DELIVERED)]),
    ],
)
def test_a_status_becomes_a_receipt(name: str, receipts: list[Receipt]) -> None:
    assert recorded(name) == Webhook(receipts, [], ignored=0, unreadable=0)


@pytest.mark.parametrize(
    ("name", "receipts", "ignored"),
    [
        ("other_number", [], 1),
        ("unknown_statuses", [a_receipt(LinkState.DELIVERED)], 3),
        ("unknown_fields", [a_receipt(LinkState.READ)], 0),
        ("account_errors", [], 1),
    ],
)
def test_what_means_nothing_here_is_passed_over(
    name: str, receipts: list[Receipt], ignored: int
) -> None:
    assert recorded(name) == Webhook(receipts, [], ignored, unreadable=0)


def test_a_batch_is_read_to_its_end() -> None:
    webhook = recorded("batch_of_many_entries")

    assert [(one.sender, one.provider_id, one.state, one.link_id) for one in webhook.receipts] == [
        ("WHIMBREL", "wamid.1", LinkState.SENT, 16),
        ("WHIMBREL", "wamid.2", LinkState.SENT, 32),
        ("WHIMBREL", "wamid.3", LinkState.SENT, 48),
        ("WHIMBREL", "wamid.1", LinkState.DELIVERED, 16),
        ("WHIMBREL", "wamid.2", LinkState.DELIVERED, 32),
        ("WHIMBREL", "wamid.3", LinkState.DELIVERED, 48),
        ("WHIMBREL", "wamid.1", LinkState.READ, 16),
        ("WHIMBREL", "wamid.4", LinkState.FAILED, 64),
        ("PLOVER", "wamid.5", LinkState.SENT, 80),
    ]
    assert (webhook.ignored, webhook.unreadable) == (0, 0)


def test_bad_entries_spoil_none_of_the_good_ones() -> None:
    webhook = recorded("bad_between_good")

    assert [(one.provider_id, one.state, one.link_id) for one in webhook.receipts] == [
        ("wamid.A", LinkState.SENT, 16),
        ("wamid.D", LinkState.READ, 48),
        ("wamid.E", LinkState.DELIVERED, 64),
    ]
    # Three that are no objects, one without id and time, one without id, four without a time;
    # two statuses that are no words, one of nobody's number.
    assert (webhook.unreadable, webhook.ignored) == (9, 3)


@pytest.mark.parametrize(
    "update",
    [
        '{"id":"wamid.X","status":"sent","timestamp":1e999}',
        '{"id":"wamid.X","status":"sent","timestamp":99999999999999999999999}',
        '{"id":"wamid.X","status":"sent","timestamp":NaN}',
        '{"id":"wamid.X","status":"sent","timestamp":Infinity}',
        '{"id":"wamid.X","status":"sent","timestamp":"\\ud83e"}',
        '{"id":"","status":"sent","timestamp":"1"}',
        '{"id":["wamid.X"],"status":"sent","timestamp":"1"}',
    ],
)
def test_no_update_spoils_its_batch(update: str) -> None:
    good = {"id": WAMID, "status": "sent", "timestamp": "1789000000"}
    body = a_webhook("BAD", good).replace(b'"BAD"', update.encode())

    webhook = read(body)

    assert [one.provider_id for one in webhook.receipts] == [WAMID]
    assert webhook.unreadable == 1


def test_bytes_that_are_no_utf_8_spoil_no_batch() -> None:
    body = a_webhook({"id": WAMID, "status": "sent", "timestamp": "1", "name": "?"})

    webhook = read(body.replace(b'"?"', b'"\xff"'))

    assert [one.provider_id for one in webhook.receipts] == [WAMID]


@pytest.mark.parametrize("body", [b"", b"<html>", b"{", b"[" * 100_000, b"\xff\xfe", b"nul"])
def test_a_body_that_is_not_json_is_one_unreadable_update(body: bytes) -> None:
    assert read(body) == Webhook([], [], ignored=0, unreadable=1)


@pytest.mark.parametrize("body", [b"null", b"7", b"[]", b'"text"', b"{}", b'{"entry":{}}'])
def test_json_of_another_shape_holds_nothing(body: bytes) -> None:
    assert read(body) == Webhook([], [], ignored=0, unreadable=0)


# A webhook's error has neither a subcode nor an HTTP status.
ROWS = [row for row in TABLE if row.subcode is None and (row.code, row.http) != (999999, 500)]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.code}-{row.http}")
def test_each_code_has_its_verdict_in_a_receipt(row: Row) -> None:
    [receipt] = read(a_failed(row.code)).receipts

    assert (receipt.code, receipt.detail) == (str(row.code), "Title Details")
    assert receipt.error_code is row.error_code
    assert receipt.sender_broken is (row.fault is SubmitFault.SENDER_BROKEN)
    assert receipt.tries == row.tries
    final = {SubmitFault.SENDER_BROKEN, SubmitFault.REFUSED}
    if row.fault in final:  # the message is used up, and no attempt is left
        assert receipt.retry_pause is None
    else:
        assert receipt.retry_pause is not None
        assert 0 < receipt.retry_pause <= LONGEST_PAUSE
        assert row.pause in (None, receipt.retry_pause)


def test_a_failure_is_a_failure_however_it_is_told() -> None:
    receipts = recorded("failed_in_odd_forms").receipts

    told = {one.provider_id: (one.error_code, one.code, one.detail) for one in receipts}
    unknown = (ErrorCode.UNKNOWN, "", "failed, without a code")
    no_whatsapp = ErrorCode.TELESERVICE_NOT_PROVISIONED
    assert told == {
        "wamid.1": unknown,
        "wamid.2": unknown,
        "wamid.3": unknown,
        "wamid.4": unknown,
        "wamid.5": unknown,
        "wamid.6": (no_whatsapp, "131026", ""),
        "wamid.7": (no_whatsapp, "131026", "T as a text"),
        "wamid.8": (no_whatsapp, "131026", ""),
        "wamid.9": (ErrorCode.UNKNOWN, "777777", "New"),
    }
    assert {one.state for one in receipts} == {LinkState.FAILED}


def test_a_number_of_another_app_says_nothing() -> None:
    body = a_webhook({"id": WAMID, "status": "sent", "timestamp": "1"}, number="200000000000002")

    assert read(body, {"200000000000001": NUMBERS["200000000000001"]}) == Webhook([], [], 1, 0)


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.text(st.characters(categories=["Cs"]), min_size=1, max_size=2),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children),
    max_leaves=8,
)


@given(ANYTHING)
def test_no_json_is_too_strange(document: Any) -> None:
    read(json.dumps(document).encode())


@given(st.binary())
def test_no_bytes_are_too_strange(body: bytes) -> None:
    read(body)


PAYLOADS = [json.loads(path.read_bytes()) for path in sorted(DATA.glob("*.json"))]


@given(st.data())
def test_a_payload_with_anything_in_the_place_of_anything_is_read(data: st.DataObject) -> None:
    document = copy.deepcopy(data.draw(st.sampled_from(PAYLOADS)))
    holder, key = data.draw(st.sampled_from(list(places_of(document))))
    holder[key] = data.draw(ANYTHING)

    webhook = read(json.dumps(document).encode())
    for receipt in webhook.receipts:
        storable(receipt)
    for message in webhook.messages:
        storable_too(message)


def places_of(node: Any) -> Any:
    """Yield each place of a document as its holder and the key in it."""
    if isinstance(node, dict | list):
        keys = node if isinstance(node, dict) else range(len(node))
        for key in keys:
            yield node, key
            yield from places_of(node[key])


def storable(receipt: Receipt) -> None:
    """Raise unless the store's columns, 63 bits and UTF-8, can hold the receipt."""
    for value in (receipt.at, receipt.link_id or 0, receipt.attempt):
        assert 0 <= value < 1 << 63
    for text in (receipt.provider_id, receipt.code, receipt.detail):
        text.encode()


def storable_too(message: MoMessage) -> None:
    """Raise unless the store's columns can hold the message, and an index its keys."""
    for text in (message.subscriber, message.provider_id, message.kind, message.text or "-"):
        assert text
        text.encode()
    assert len(f"{message.subscriber}{message.provider_id}".encode()) < 2_700


# The reference's test vector, section 8.2.
SECRET = "whimbrel-test-secret"
BODY = b'{"object":"whatsapp_business_account","entry":[]}'
SIGNATURE = "sha256=6d7665eb284f6f18da91f6c8aae48bdb6cc67ebb226e20c81962fc7c6a883a88"


def test_the_signature_of_the_reference_is_right() -> None:
    assert signature_is_right(BODY, SIGNATURE, SECRET)


@pytest.mark.parametrize(
    "signature",
    [
        "",
        "sha256=",
        SIGNATURE.removeprefix("sha256="),
        SIGNATURE.replace("sha256", "sha1"),
        SIGNATURE.upper(),
        SIGNATURE[:-1],
        SIGNATURE[:-1] + "9",
        SIGNATURE + "8",
        " " + SIGNATURE,
        "sha256=é",
        "sha256=" + "8" * 64,
    ],
)
def test_any_other_is_wrong(signature: str) -> None:
    assert not signature_is_right(BODY, signature, SECRET)


def test_the_signature_is_over_the_raw_bytes() -> None:
    assert not signature_is_right(BODY.replace(b":", b": "), SIGNATURE, SECRET)
    assert not signature_is_right(BODY, SIGNATURE, SECRET + "!")
