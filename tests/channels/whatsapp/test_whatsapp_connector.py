"""The connector against a real HTTP server: what each answer, or the lack of one, means."""

import socket
from typing import Any

import pytest

from tests.channels.whatsapp.conftest import (
    APP_SECRET,
    TOKEN,
    VERIFY_TOKEN,
    Connect,
    Refuse,
    StandIn,
    a_submission,
)
from tests.channels.whatsapp.error_table import TABLE, Row
from whimbrel.channels.connector import SubmitError, SubmitFault
from whimbrel.channels.whatsapp.errors import VERDICTS
from whimbrel.channels.whatsapp.payload import message_body
from whimbrel.clock import MINUTE
from whimbrel.domain.chain import PartsTaken
from whimbrel.domain.content import Image
from whimbrel.domain.status import ErrorCode

WAMID = "wamid.HBgLNDQ3NzAwOTAwMTIzFQIAERgSQ0E3NUJFRjAwMDAwMDAwMDAxAA=="
TAKEN = {
    "messaging_product": "whatsapp",
    "contacts": [{"input": "+447700900123", "wa_id": "447700900123"}],
    "messages": [{"id": WAMID}],
}
HTML = b"<!DOCTYPE html><title>502 Bad Gateway</title>"


def an_error(code: int = 131000, **members: Any) -> dict[str, Any]:
    error = {
        "message": f"(#{code}) Something",
        "type": "OAuthException",
        "code": code,
        "error_data": {"messaging_product": "whatsapp", "details": "What happened"},
        "fbtrace_id": "AbC123",
    }
    return {"error": {name: value for name, value in {**error, **members}.items() if value != ...}}


async def test_a_taken_message_gives_its_wamid(meta: StandIn, connect: Connect) -> None:
    meta.says(200, TAKEN)

    assert await connect().submit(a_submission()) == PartsTaken({1: WAMID}, known_as=(WAMID,))


async def test_the_request_is_what_meta_asks_for(meta: StandIn, connect: Connect) -> None:
    meta.says(200, TAKEN)
    submission = a_submission(Image("https://media.example.net/p/42.jpg"))

    await connect().submit(submission)

    [request] = meta.requests
    head, _, body = request.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == "POST /v23.0/200000000000001/messages HTTP/1.1"
    assert f"Authorization: Bearer {TOKEN}" in lines
    assert "Content-Type: application/json" in lines
    assert body == message_body(submission)


async def test_a_base_url_may_end_in_a_slash(meta: StandIn, connect: Connect) -> None:
    meta.says(200, TAKEN)

    await connect(base_url=meta.url + "/graph/").submit(a_submission())

    assert meta.requests[0].startswith(b"POST /graph/v23.0/200000000000001/messages ")


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row.code}-{row.subcode}-{row.http}")
async def test_each_code_has_its_verdict(meta: StandIn, refused: Refuse, row: Row) -> None:
    members = {} if row.subcode is None else {"error_subcode": row.subcode}
    meta.says(row.http, an_error(row.code, **members))

    error = await refused()

    assert error.code == str(row.code)
    assert (error.fault, error.error_code) == (row.fault, row.error_code)
    assert (error.pause, error.tries) == (row.pause, row.tries)


def test_the_table_leaves_no_code_out() -> None:
    told = {row.code for row in TABLE}

    assert set(VERDICTS) - set(range(200, 300)) <= told


async def test_an_unknown_code_is_retried_where_meta_says_so(
    meta: StandIn, refused: Refuse
) -> None:
    meta.says(400, an_error(999999, is_transient=True))

    error = await refused()

    assert (error.fault, error.error_code) == (SubmitFault.RETRY, ErrorCode.TIMEOUT)


async def test_an_error_under_200_is_an_error(meta: StandIn, refused: Refuse) -> None:
    meta.says(200, {**TAKEN, **an_error(131030)})

    error = await refused()

    assert (error.fault, error.error_code) == (SubmitFault.REFUSED, ErrorCode.UNROUTED)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, {}),
        (200, {"messages": []}),
        (200, {"messages": [{}]}),
        (200, {"messages": [{"id": ""}]}),
        (200, {"messages": [{"id": None}]}),
        (200, []),
        (200, b""),
        (200, b"\xff\xfe"),
        (200, b'{"messages":[{"id":"\xff"}]}'),
        (202, {}),
        (502, HTML),
        (503, b""),
        (504, {"message": "Endpoint request timed out"}),
        (500, {"error": "a text"}),
    ],
)
async def test_what_says_neither_yes_nor_no_is_no_answer(
    meta: StandIn, refused: Refuse, status: int, body: Any
) -> None:
    meta.says(status, body)

    assert (await refused()).fault is SubmitFault.NO_ANSWER


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (302, b""),
        (400, HTML),
        (403, HTML),
        (404, b"no such host"),
        (413, b""),
        (429, HTML),
        (429, {"error": "slow down"}),
    ],
)
async def test_a_refusal_from_in_between_says_nothing_of_the_message(
    meta: StandIn, refused: Refuse, status: int, body: Any
) -> None:
    meta.says(status, body)

    error = await refused()

    assert error.fault is SubmitFault.RETRY
    assert f"HTTP {status}" in error.detail


async def test_a_redirect_is_not_followed(meta: StandIn, refused: Refuse) -> None:
    meta.says(307, b"", {"Location": f"{meta.url}/elsewhere"})

    await refused()

    assert len(meta.requests) == 1


async def test_a_refused_connection_surely_did_not_send(refused: Refuse) -> None:
    with socket.socket() as bound:  # bound, and not listening: nobody else can take the port
        bound.bind(("127.0.0.1", 0))
        error = await refused(base_url=f"http://127.0.0.1:{bound.getsockname()[1]}")

    assert (error.fault, error.error_code) == (SubmitFault.RETRY, ErrorCode.TIMEOUT)


async def test_a_connection_that_drops_after_the_request_is_no_answer(
    meta: StandIn, refused: Refuse
) -> None:
    meta.answer = None

    error = await refused()

    assert error.fault is SubmitFault.NO_ANSWER
    assert len(meta.requests) == 1, "a message must not be posted twice"


async def test_half_an_answer_is_no_answer(meta: StandIn, refused: Refuse) -> None:
    meta.answer = b'HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{"messages":[{"id":"w'
    meta.hangs_up = True

    assert (await refused()).fault is SubmitFault.NO_ANSWER


async def test_silence_is_no_answer(meta: StandIn, refused: Refuse) -> None:
    meta.silent = True

    error = await refused(timeout=0.05)

    assert error.fault is SubmitFault.NO_ANSWER
    assert len(meta.requests) == 1


@pytest.mark.parametrize(
    ("header", "pause"),
    [
        ('{"123":[{"type":"messages","estimated_time_to_regain_access":19}]}', 19 * MINUTE),
        (
            '{"1":[{"estimated_time_to_regain_access":2},{"estimated_time_to_regain_access":7}]}',
            7 * MINUTE,
        ),
        (
            '{"1":[{"estimated_time_to_regain_access":0}],"2":[{"estimated_time_to_regain_access":3}]}',
            3 * MINUTE,
        ),
        ('{"123":[{"estimated_time_to_regain_access":0}]}', MINUTE),
        ('{"123":[{"estimated_time_to_regain_access":-5}]}', MINUTE),
        ('{"123":[{"call_count":100}]}', MINUTE),
        ('{"123":[]}', MINUTE),
        ('{"123":7}', MINUTE),
        ("[]", MINUTE),
        ("null", MINUTE),
        ("not JSON", MINUTE),
    ],
)
@pytest.mark.parametrize("code", [4, 80007])
async def test_a_call_limit_rests_as_long_as_meta_says(
    meta: StandIn, refused: Refuse, code: int, header: str, pause: int
) -> None:
    meta.says(400, an_error(code), {"X-Business-Use-Case-Usage": header})

    assert (await refused()).pause == pause


async def test_another_code_does_not_look_at_the_usage(meta: StandIn, refused: Refuse) -> None:
    usage = '{"123":[{"estimated_time_to_regain_access":19}]}'
    meta.says(500, an_error(131000), {"X-Business-Use-Case-Usage": usage})

    assert (await refused()).pause is None


@pytest.mark.parametrize(
    ("error_data", "detail"),
    [
        ({"details": "Not in the list"}, "(#131030) Something Not in the list (trace AbC123)"),
        ("Not in the list", "(#131030) Something Not in the list (trace AbC123)"),
        (..., "(#131030) Something (trace AbC123)"),
        (None, "(#131030) Something (trace AbC123)"),
        ({}, "(#131030) Something (trace AbC123)"),
    ],
)
async def test_the_details_are_kept_for_operators(
    meta: StandIn, refused: Refuse, error_data: Any, detail: str
) -> None:
    meta.says(400, an_error(131030, error_data=error_data))

    assert (await refused()).detail == detail


async def test_a_null_in_the_error_does_not_hide_its_code(meta: StandIn, refused: Refuse) -> None:
    nulls = dict.fromkeys(["message", "error_subcode", "error_data", "is_transient", "fbtrace_id"])
    meta.says(401, an_error(190, **nulls))

    assert (await refused()).fault is SubmitFault.SENDER_BROKEN


async def test_a_long_detail_is_cut(meta: StandIn, refused: Refuse) -> None:
    meta.says(400, an_error(100, error_data={"details": "x" * 10_000}))

    assert len((await refused()).detail) < 600


@pytest.mark.parametrize(
    "answer",
    [
        (401, an_error(190)),
        (400, an_error(100)),
        (502, HTML),
        (200, {}),
        (403, HTML),
        None,
    ],
)
async def test_no_secret_is_in_an_error(
    meta: StandIn, refused: Refuse, answer: tuple[int, Any] | None
) -> None:
    if answer:
        meta.says(*answer)

    told = everything_told(await refused())

    for secret in (TOKEN, APP_SECRET, VERIFY_TOKEN, "4711"):
        assert secret not in told


async def test_nor_when_nobody_is_there(refused: Refuse) -> None:
    told = everything_told(await refused(base_url="http://user:pass-word@127.0.0.1:9"))

    assert TOKEN not in told
    assert "pass-word" not in told


def everything_told(error: SubmitError) -> str:
    """Return all that could reach a log: the error's words and those of its causes."""
    told, cause = "", error
    while cause is not None:
        told += f"{cause!s} {cause!r} {vars(cause)}"
        cause = cause.__cause__ or cause.__context__
    return told
