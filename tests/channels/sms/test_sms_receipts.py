"""What SMSCs deliver, in their many forms, whole and broken.

`data/receipts.json` has the forms of receipts, with invented values: `text` is Latin-1 unless
`encoding` says otherwise, `tlvs` and `header` are hex, and `is` tells what must come of it, beside
what all have in common.
"""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.support.clock import START
from whimbrel.channels.sms.message_ids import canonical, spellings
from whimbrel.channels.sms.message_states import MessageState, state_of_word
from whimbrel.channels.sms.receipt_text import moment, read_text
from whimbrel.channels.sms.receipts import Reader, Unreadable
from whimbrel.clock import DAY, HOUR, MINUTE, SECOND
from whimbrel.domain.content import Channel
from whimbrel.domain.receipt import MoMessage, Receipt
from whimbrel.domain.status import ErrorCode, LinkState
from whimbrel.domain.zones import MOSCOW
from whimbrel.settings import SettingsError, SmppAccount

FORMS = json.loads((Path(__file__).parent / "data" / "receipts.json").read_text())
SENDER, SUBSCRIBER = "MYBRAND", "79161234567"
MARKED = 0x04


class ADelivery(NamedTuple):
    source_addr: str = SUBSCRIBER
    dest_addr: str = SENDER
    esm_class: int = MARKED
    data_coding: int = 0
    short_message: bytes = b""
    tlvs: Mapping[int, bytes] = {}


def a_reader(**settings: Any) -> Reader:
    members = {
        "senders": [SENDER, "79990001122"],
        "host": "smsc",
        "system_id": "me",
        "password": "secret",
        "receipt_ids": "same",
    }
    return Reader("main", SmppAccount(**{**members, **settings}))


def read(
    text: str | bytes = "", *, settings: Mapping[str, Any] | None = None, **delivery: Any
) -> Receipt | MoMessage | Unreadable:
    octets = text if isinstance(text, bytes) else text.encode("latin-1")
    return a_reader(**(settings or {})).read(ADelivery(short_message=octets, **delivery), START)


def receipt(*args: Any, **kwargs: Any) -> Receipt:
    found = read(*args, **kwargs)
    assert isinstance(found, Receipt), found
    return found


def message(*args: Any, **kwargs: Any) -> MoMessage:
    found = read(*args, **{"esm_class": 0, **kwargs})
    assert isinstance(found, MoMessage), found
    return found


@pytest.mark.parametrize("form", FORMS, ids=[form["name"] for form in FORMS])
def test_a_receipt_is_read_in_every_form(form: dict[str, Any]) -> None:
    octets = form["text"].encode(form.get("encoding", "latin-1"))
    tlvs = {int(tag, 16): bytes.fromhex(value) for tag, value in form.get("tlvs", {}).items()}
    if "payload" in form:
        tlvs[0x0424] = form["payload"].encode("latin-1")
    expected = dict(form["is"])
    expected["state"] = LinkState[expected["state"]]
    expected["error_code"] = ErrorCode[expected.get("error_code", "NONE")]
    expected["aliases"] = tuple(expected.get("aliases", ()))
    at = expected.pop("at", None)

    found = read(
        bytes.fromhex(form.get("header", "")) + octets,
        esm_class=form.get("esm_class", MARKED),
        data_coding=form.get("data_coding", 0),
        tlvs=tlvs,
    )

    assert found == Receipt(
        sender=SENDER,
        senders=(SENDER, "79990001122"),
        subscriber=SUBSCRIBER,
        at=round(datetime.fromisoformat(at).timestamp()) * SECOND if at else START,
        **expected,
    )


@pytest.mark.parametrize(
    ("stat", "number", "state", "error_code"),
    [
        ("SCHEDULED", 0, LinkState.SENT, ErrorCode.NONE),
        ("ENROUTE", 1, LinkState.SENT, ErrorCode.NONE),
        ("DELIVRD", 2, LinkState.DELIVERED, ErrorCode.NONE),
        ("EXPIRED", 3, LinkState.FAILED, ErrorCode.TIMEOUT),
        ("DELETED", 4, LinkState.FAILED, ErrorCode.FAILURE),
        ("UNDELIV", 5, LinkState.FAILED, ErrorCode.FAILURE),
        ("ACCEPTD", 6, LinkState.SENT, ErrorCode.NONE),
        ("UNKNOWN", 7, LinkState.FAILED, ErrorCode.UNKNOWN),
        ("REJECTD", 8, LinkState.FAILED, ErrorCode.FILTERED),
        ("SKIPPED", 9, LinkState.FAILED, ErrorCode.FAILURE),
    ],
)
def test_a_state_is_read_by_word_digit_and_tlv(
    stat: str, number: int, state: LinkState, error_code: ErrorCode
) -> None:
    found = [
        receipt(f"id:7 stat:{stat} err:000"),
        receipt(f"id:7 stat:{number} err:000"),
        receipt("id:7 err:000", tlvs={0x0427: bytes([number])}),
    ]
    assert {(one.state, one.error_code) for one in found} == {(state, error_code)}


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("DELIVERED", MessageState.DELIVERED),
        ("DELIVERD", MessageState.DELIVERED),
        ("Undelivered", MessageState.UNDELIVERABLE),
        ("UNDELIVERABLE", MessageState.UNDELIVERABLE),
        ("FAILED", MessageState.UNDELIVERABLE),
        ("REJECTED", MessageState.REJECTED),
        ("ACCEPTED", MessageState.ACCEPTED),
        ("BUFFERED", MessageState.ENROUTE),
        ("UNKNWN", MessageState.UNKNOWN),
        ("SEEN", None),
        ("77", None),
        ("²", None),
        ("", None),
    ],
)
def test_other_words_for_a_state(word: str, state: MessageState | None) -> None:
    assert state_of_word(word) is state


@pytest.mark.parametrize(
    ("stat", "err", "error_code"),
    [
        ("UNDELIV", "1234", ErrorCode.UNKNOWN_SUBSCRIBER),
        ("EXPIRED", "1234", ErrorCode.UNKNOWN_SUBSCRIBER),
        ("REJECTD", "5A", ErrorCode.OPER_SPAMFILTERED),
        ("UNDELIV", "027", ErrorCode.BUSY),
        ("UNDELIV", "006", ErrorCode.ABSENT_SUBSCRIBER),
        ("EXPIRED", "006", ErrorCode.TIMEOUT),
        ("REJECTD", "001", ErrorCode.FILTERED),
        ("UNKNOWN", "001", ErrorCode.UNKNOWN_SUBSCRIBER),
        ("DELETED", "013", ErrorCode.CALL_BARRED),
        ("UNDELIV", "999", ErrorCode.FAILURE),
        ("UNDELIV", "9" * 5000, ErrorCode.FAILURE),
        ("UNKNOWN", "999", ErrorCode.UNKNOWN),
    ],
)
def test_the_accounts_own_codes_win_over_all(stat: str, err: str, error_code: ErrorCode) -> None:
    own = {"error_codes": {"1234": 8, "5a": 14, "27": 16}}
    assert receipt(f"id:7 stat:{stat} err:{err}", settings=own).error_code is error_code


def test_the_accounts_own_codes_explain_a_tlv_of_any_network() -> None:
    found = receipt(
        "id:7 stat:UNDELIV", settings={"error_codes": {"1234": 12}}, tlvs={0x0423: b"\x08\x04\xd2"}
    )
    assert found.error_code is ErrorCode.OPER_BLACKLISTED


@pytest.mark.parametrize(
    ("text", "esm_class", "reason"),
    [
        ("", MARKED, "without a message id"),
        ("stat:DELIVRD err:000", MARKED, "without a message id"),
        ('id:"" stat:DELIVRD', MARKED, "without a message id"),
        ("id:7 err:000", MARKED, "without a state"),
        ("id:7 stat:SEEN err:000", MARKED, "stat 'SEEN'"),
        ("id:7 sub:001 stat:DELIVRD err:000", 0x08, "acknowledgement"),
        ("id:7 sub:001 stat:DELIVRD err:000", 0x10, "acknowledgement"),
        ("id:7 sub:001 stat:DELIVRD err:000", 0x18, "acknowledgement"),
    ],
)
def test_what_is_no_receipt_says_why(text: str, esm_class: int, reason: str) -> None:
    found = read(text, esm_class=esm_class)
    assert isinstance(found, Unreadable)
    assert reason in found.reason


def test_the_text_of_a_message_is_not_kept() -> None:
    found = receipt("id:7 sub:001 stat:DELIVRD err:000 text:Your code is 4711")
    assert "4711" not in repr(found)


@pytest.mark.parametrize(
    ("source", "dest", "sender", "subscriber"),
    [
        (SUBSCRIBER, SENDER, SENDER, SUBSCRIBER),
        (f"+{SUBSCRIBER}", "REWRITTEN", "REWRITTEN", SUBSCRIBER),
        (SENDER, SUBSCRIBER, SENDER, SUBSCRIBER),  # the ends are as they were in the submit
        ("79990001122", SUBSCRIBER, "79990001122", SUBSCRIBER),
        ("79990001122", SENDER, SENDER, "79990001122"),  # a sender may be a subscriber, too
        ("", SENDER, SENDER, None),
        ("OPERATOR", SENDER, SENDER, None),
    ],
)
def test_the_ends_of_a_receipt(source: str, dest: str, sender: str, subscriber: str | None) -> None:
    found = receipt("id:7 stat:DELIVRD", source_addr=source, dest_addr=dest)
    assert (found.sender, found.subscriber) == (sender, subscriber)


@pytest.mark.parametrize(
    ("done", "passed"),
    [
        ("2611230513", 0),  # this minute
        ("2611230512", 0),
        ("2611230511", 140 * SECOND),
        ("2611230515", 0),
        ("2611230600", 0),  # the future
        ("2611230213", 3 * HOUR + 20 * SECOND),
        ("2611160513", 0),  # 7 days and 20 seconds
        ("2611160514", 7 * DAY - 40 * SECOND),
        ("2630450513", 0),
        ("261123", 0),
        ("", 0),
    ],
)
def test_a_done_date_counts_where_it_tells_more_than_the_arrival(done: str, passed: int) -> None:
    assert receipt(f"id:7 done date:{done} stat:DELIVRD").at == START - passed


def test_the_done_date_is_in_the_zone_of_the_smsc() -> None:
    text = "id:7 done date:2611230110 stat:DELIVRD"  # 01:10 in London, an hour and 3:20 ago
    zoned = receipt(text, settings={"receipt_zone": "Europe/London"})
    assert zoned.at == START - HOUR - 200 * SECOND
    assert receipt(text).at == START - 4 * HOUR - 200 * SECOND


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"receipt_zone": "Europe/Mosscow"}, "smpp.main.receipt_zone: no zone 'Europe/Mosscow'"),
        ({"receipt_zone": "/etc"}, "smpp.main.receipt_zone"),
        ({"error_codes": {"1234": 15}}, 'smpp.main.error_codes: "1234" = 15'),
    ],
)
def test_settings_that_mean_nothing_are_named(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingsError) as caught:
        a_reader(**settings)
    assert words in str(caught.value)


# Spellings of ids

NUMBERS = st.integers(0, (1 << 64) - 1)
PADS = st.sampled_from(["", "0", "000000"])


def written(number: int, spelling: str, pad: str) -> str:
    return pad + (f"{number:x}" if spelling == "hex" else str(number))


@pytest.mark.parametrize(
    ("form", "in_answer", "in_receipt"),
    [
        ("same", "hex", "hex"),
        ("same", "decimal", "decimal"),
        ("hex", "decimal", "hex"),
        ("decimal", "hex", "decimal"),
        ("auto", "hex", "hex"),
        ("auto", "decimal", "decimal"),
        ("auto", "decimal", "hex"),
        ("auto", "hex", "decimal"),
    ],
)
@given(number=NUMBERS, pads=st.tuples(PADS, PADS))
def test_what_a_form_promises_is_found_from_both_sides(
    form: str, in_answer: str, in_receipt: str, number: int, pads: tuple[str, str]
) -> None:
    answer = written(number, in_answer, pads[0])
    delivered = written(number, in_receipt, pads[1]).upper()
    from_answer = spellings(answer, form, answered=True)
    found = receipt(f"id:{delivered} stat:DELIVRD", settings={"receipt_ids": form})

    assert from_answer[0] == canonical(answer)
    assert found.provider_id == canonical(delivered)
    assert from_answer[0] in (found.provider_id, *found.aliases)
    assert found.provider_id in from_answer


@pytest.mark.parametrize(
    ("message_id", "form", "answered", "expected"),
    [
        ("0012", "same", True, ("12",)),
        ("1234", "hex", True, ("1234", "4d2")),
        ("1234", "hex", False, ("1234", "4660")),
        ("4D2", "hex", False, ("4d2", "1234")),
        ("4D2", "hex", True, ("4d2",)),
        ("1234", "decimal", True, ("1234", "4660")),
        ("1234", "decimal", False, ("1234", "4d2")),
        ("1234", "auto", False, ("1234", "4d2", "4660")),
        ("7", "auto", True, ("7",)),
        ("0x4D2", "auto", True, ("4d2", "1234")),
        ("000", "auto", True, ("0",)),
        ("FFFFFFFFFFFFFFFF", "auto", True, ("ffffffffffffffff", "18446744073709551615")),
        ("10000000000000000F", "auto", True, ("10000000000000000f",)),
        ("6C7C7DE28BB3E961947700000000FE37", "auto", True, ("6c7c7de28bb3e961947700000000fe37",)),
        ("00-7a", "auto", True, ("00-7a",)),
        ("٣٤", "auto", True, ("٣٤",)),
        (' "77"\0\r\n', "auto", True, ("77", "4d", "119")),
        ("", "auto", True, ()),
    ],
)
def test_spellings(message_id: str, form: str, answered: bool, expected: tuple[str, ...]) -> None:
    assert spellings(message_id, form, answered=answered) == expected


@given(st.text(max_size=80))
def test_the_canonical_spelling_is_its_own(message_id: str) -> None:
    assert canonical(canonical(message_id)) == canonical(message_id)


def test_hex_in_the_tlv_and_decimal_in_the_text_are_both_known() -> None:
    found = receipt(
        "id:1234 stat:DELIVRD",
        settings={"receipt_ids": "decimal"},
        tlvs={0x001E: b"4D2\0"},
    )
    assert (found.provider_id, found.aliases) == ("4d2", ("1234",))


# Messages from subscribers


def test_a_message_from_a_subscriber() -> None:
    assert message(b"Stop \x00", source_addr=f"+{SUBSCRIBER}") == MoMessage(
        channel=Channel.SMS,
        account="main",
        sender=SENDER,
        subscriber=SUBSCRIBER,
        received_at=START,
        text="Stop @",
        raw=b"Stop \x00",
        data_coding=0,
    )


@pytest.mark.parametrize(
    "text", ["id:7", "stat:DELIVRD", "My id: 7, stat: DELIVRD?", "id:7 sub:001 stat:what?", ""]
)
def test_what_looks_a_little_like_a_receipt_is_a_message(text: str) -> None:
    assert message(text).text == text


@pytest.mark.parametrize(
    ("delivery", "place", "raw"),
    [
        ({"text": b"\x05\x00\x03\x07\x03\x02abc", "esm_class": 0x40}, (7, 3, 2), b"abc"),
        ({"text": b"\x06\x08\x04\x01\x07\x03\x02abc", "esm_class": 0x40}, (263, 3, 2), b"abc"),
        ({"text": b"\x05\x00\x03\x07\x02\x03abc", "esm_class": 0x40}, (None, 1, 1), b"abc"),
        ({"text": b"\xff\x00\x03abc", "esm_class": 0x40}, (None, 1, 1), b"\xff\x00\x03abc"),
        (
            {"text": b"abc", "tlvs": {0x020C: b"\x01\x07", 0x020E: b"\x03", 0x020F: b"\x02"}},
            (263, 3, 2),
            b"abc",
        ),
        ({"text": b"abc", "tlvs": {0x020C: b"\x01\x07", 0x020E: b"\x03"}}, (None, 1, 1), b"abc"),
    ],
)
def test_the_place_of_a_part(
    delivery: dict[str, Any], place: tuple[int | None, int, int], raw: bytes
) -> None:
    found = message(**delivery)
    assert (found.reference, found.parts, found.part) == place
    assert found.raw == raw


@pytest.mark.parametrize(
    ("data_coding", "raw", "text"),
    [
        (8, "Привет 😀".encode("utf-16-be"), "Привет 😀"),
        (3, b"caf\xe9", "café"),
        (4, b"\x01\x02", None),
        (2, b"\x01\x02", None),
    ],
)
def test_a_message_in_its_alphabet(data_coding: int, raw: bytes, text: str | None) -> None:
    found = message(raw, data_coding=data_coding)
    assert (found.text, found.raw, found.data_coding) == (text, raw, data_coding)


def test_a_message_from_nobody_is_unreadable() -> None:
    assert read("Hello", esm_class=0, source_addr=" ") == Unreadable("a message from nobody")


def test_a_long_message_comes_in_the_payload() -> None:
    assert message("", tlvs={0x0424: b"x" * 1000}).text == "x" * 1000


# Nothing makes the reader fail

TAGS = st.sampled_from([0x001E, 0x0427, 0x0423, 0x0424, 0x020C, 0x020E, 0x020F, 0x9999])
FIELDS = st.sampled_from(
    ["id", "sub", "dlvrd", "submit date", "done date", "stat", "err", "text", "Text", "x"]
)
VALUES = st.text(max_size=20) | st.from_regex(r"\A[0-9]{0,16}[+-]?\Z") | st.just("DELIVRD")
ALMOST = st.lists(st.tuples(FIELDS, VALUES), max_size=8).map(
    lambda fields: " ".join(f"{name}:{value}" for name, value in fields).encode("utf-8", "replace")
)


@given(
    delivery=st.builds(
        ADelivery,
        source_addr=st.text(max_size=21),
        dest_addr=st.text(max_size=21),
        esm_class=st.integers(0, 255),
        data_coding=st.integers(0, 255),
        short_message=st.binary(max_size=300) | ALMOST,
        tlvs=st.dictionaries(TAGS, st.binary(max_size=70), max_size=4),
    )
)
@example(ADelivery(short_message=b"id:7 done date:261123051000099+ stat:2"))  # 25 hours from UTC
@example(ADelivery(short_message=b"id:7 done date:00010101000000 stat:2"))
def test_the_reader_never_raises(delivery: ADelivery) -> None:
    found = READER.read(delivery, START)
    match found:
        case Receipt():
            assert found.provider_id
            assert START - 7 * DAY <= found.at <= START
            assert (found.error_code is ErrorCode.NONE) == (found.state is not LinkState.FAILED)
            f"{found}".encode()
        case MoMessage():
            assert 1 <= found.part <= found.parts
        case Unreadable():
            assert found.reason


READER = a_reader(receipt_ids="auto")


@given(st.text(max_size=200), st.integers(0, 1 << 42))
def test_a_moment_is_never_later_than_the_arrival(done: str, received_at: int) -> None:
    assert received_at - 7 * DAY <= moment(done, received_at, MOSCOW) <= received_at


@given(st.integers(2 * MINUTE // SECOND + 1, 7 * DAY // SECOND))
def test_every_plausible_date_is_read_to_the_second(passed: int) -> None:
    moscow = datetime.fromtimestamp(START // SECOND, MOSCOW) - timedelta(seconds=passed)
    done = read_text(f"done date:{moscow:%y%m%d%H%M%S}").done
    assert moment(done, START, MOSCOW) == START - passed * SECOND
