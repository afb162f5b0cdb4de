"""The bytes of a send request, against our own samples and Meta's schema."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.channels.whatsapp.conftest import a_submission
from tests.support import meta_openapi
from whimbrel.channels.whatsapp.payload import message_body, read_echo
from whimbrel.domain.content import Content, Image, Text

HEAD = b'{"messaging_product":"whatsapp","recipient_type":"individual","to":"+447700900123",'
CASES = [
    pytest.param(
        Text("Your parcel is at the depot."),
        b'"type":"text","text":{"preview_url":false,"body":"Your parcel is at the depot."},',
        id="text",
    ),
    pytest.param(
        Text('Код "42"\nhttps://example.net/?a=1&b=2 🦤'),
        '"type":"text","text":{"preview_url":false,'
        '"body":"Код \\"42\\"\\nhttps://example.net/?a=1&b=2 🦤"},'.encode(),
        id="text with quotes, a line break and an emoji",
    ),
    pytest.param(
        Image("https://media.example.net/p/42.jpg?size=big"),
        b'"type":"image","image":{"link":"https://media.example.net/p/42.jpg?size=big"},',
        id="image",
    ),
]


def body_of(content: Content) -> bytes:
    return message_body(a_submission(content))


@pytest.mark.parametrize(("content", "carried"), CASES)
def test_a_request_has_these_bytes(content: Content, carried: bytes) -> None:
    assert body_of(content) == HEAD + carried + b'"biz_opaque_callback_data":"5000016.2"}'


@pytest.mark.parametrize(("content", "carried"), CASES)
def test_meta_s_schema_has_no_objection(content: Content, carried: bytes) -> None:
    faults = meta_openapi.schema("Message").iter_errors(json.loads(body_of(content)))

    assert [fault.message for fault in faults] == []


def test_meta_s_schema_would_object_to_another_form() -> None:
    body = json.loads(body_of(Text("Hello")))
    body["text"] = "Hello"

    assert not meta_openapi.schema("Message").is_valid(body)


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=1_000))
def test_every_text_arrives_as_it_is(text: str) -> None:
    assert json.loads(body_of(Text(text)))["text"]["body"] == text


@given(st.integers(1, 2**57), st.integers(1, 10_000))
def test_the_echo_comes_back_as_link_and_attempt(link_id: int, attempt: int) -> None:
    body = message_body(a_submission(link_id=link_id, attempt=attempt))

    assert read_echo(json.loads(body)["biz_opaque_callback_data"]) == (link_id, attempt)


@pytest.mark.parametrize(
    "echo",
    [
        None,
        "",
        ".",
        "5000016",
        "5000016.",
        ".2",
        "5000016.2.3",
        "5000016.-2",
        "5000016. 2",
        "gw:01J9ZK2Q",
        "٥٠٠٠٠١٦.٢",
        "1" * 19 + ".1",
        "1." + "1" * 19,
    ],
)
def test_what_is_not_ours_is_no_echo(echo: str | None) -> None:
    assert read_echo(echo) is None
