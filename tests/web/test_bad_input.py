"""Wrong requests: each gets its code, and words that name the member and the rule."""

import encodings
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from tests.support.clock import START
from tests.support.gateway import LOGIN, RunningGateway, a_profile, a_request
from tests.web.wire import ABSENT, a_text, altered, assert_refused, count_chains, post
from whimbrel.domain.partner import Profile

IS_MISSING = "this mandatory member is missing"
CONTENT = "message.data.instantContent"
TEXT, IMAGE = f"{CONTENT}.data.text", f"{CONTENT}.data.imageURL"
TTL, UNIT = "message.data.ttl", "message.data.ttlUnit"
SENDER = "message.data.serviceNumber"
HOURS = "scheduleInfo"
PNG = "https://a.test/i.png"
ANYTHING_ELSE = "name=value"


def in_utc3(moment: int, **later: float) -> str:
    there = datetime.fromtimestamp(moment / 1000, UTC) + timedelta(hours=3) + timedelta(**later)
    return there.strftime("%Y-%m-%dT%H:%M:%S+0300")


def an_image(url: object, **more: object) -> dict[str, Any]:
    return {"type": "IMAGE_URL", "data": {"imageURL": url, **more}}


@pytest.fixture(scope="module")
def partners() -> dict[str, Profile]:
    return {LOGIN: a_profile(cascades=True)}


ONE_MEMBER = [
    # The member that is wrong, its value, the code, and what must be said besides its name.
    # -- mandatory members
    ("login", ABSENT, 4, IS_MISSING),
    ("password", ABSENT, 4, IS_MISSING),
    ("destAddr", ABSENT, 4, IS_MISSING),
    ("message", ABSENT, 4, IS_MISSING),
    ("message.type", ABSENT, 4, IS_MISSING),
    ("message.data", ABSENT, 4, IS_MISSING),
    (CONTENT, ABSENT, 4, IS_MISSING),
    (f"{CONTENT}.type", ABSENT, 4, IS_MISSING),
    (f"{CONTENT}.data", ABSENT, 4, IS_MISSING),
    (TEXT, ABSENT, 4, "mandatory with type TEXT"),
    # -- types
    ("login", None, 4, "must be a string, not null"),
    ("login", 5, 4, "must be a string, not an integer"),
    ("login", ["shop"], 4, "must be a string, not an array"),
    ("password", None, 4, "must be a string, not null"),
    ("password", {}, 4, "must be a string, not an object"),
    ("destAddr", None, 4, "must be an integer or a string, not null"),
    ("destAddr", True, 4, "not a boolean"),
    ("destAddr", 7.5, 4, "not a number"),
    ("message", None, 4, "must be an object, not null"),
    ("message", [], 4, "must be an object, not an array"),
    ("message", "Hello", 4, "must be an object, not a string"),
    ("message.type", None, 4, "must be a string, not null"),
    ("message.type", 1, 4, "must be a string, not an integer"),
    ("message.data", "Hello", 4, "must be an object, not a string"),
    (CONTENT, "Hello", 4, "must be an object, not a string"),
    (f"{CONTENT}.data", "Hello", 4, "must be an object, not a string"),
    (TEXT, 12345, 4, "must be a string, not an integer"),
    (TEXT, {"body": "Hello"}, 4, "must be a string, not an object"),
    (IMAGE, [PNG], 4, "must be a string, not an array"),
    (SENDER, 79990000000, 4, "must be a string, not an integer"),
    (TTL, "soon", 4, "must be an integer, not a string"),
    (TTL, "", 4, "must be an integer, not a string"),
    (TTL, 1440.5, 4, "must be an integer, not a number"),
    (TTL, True, 4, "must be an integer, not a boolean"),
    (UNIT, 60, 4, "must be a string, not an integer"),
    ("useTimeDiff", "yes", 4, "must be a boolean, not a string"),
    ("useTimeDiff", 2, 4, "must be a boolean, not an integer"),
    ("shortenLinks", "no", 4, "must be a boolean, not a string"),
    ("message.shortenLinks", [], 4, "must be a boolean, not an array"),
    ("id", True, 4, "must be an integer or a string, not a boolean"),
    ("id", 1.5, 4, "must be an integer or a string, not a number"),
    ("id", ["1"], 4, "must be an integer or a string, not an array"),
    (HOURS, "10:00", 4, "must be an object, not a string"),
    (HOURS, [], 4, "must be an object, not an array"),
    (f"{HOURS}.timeBegin", 10, 4, "must be a string, not an integer"),
    (f"{HOURS}.weekdaysSchedule", [1, 2], 4, "not an array"),
    (f"{HOURS}.deadline", 1_795_400_000, 4, "must be a string, not an integer"),
    ("extraParam", {"a": "b"}, 4, "must be a string, not an object"),
    ("registeredDelivery", "all", 4, "must be an integer, not a string"),
    ("registeredDelivery", True, 4, "must be an integer, not a boolean"),
    ("notifyUrl", 80, 4, "must be a string, not an integer"),
    ("cascadeChainLink", [], 4, "must be an object, not an array"),
    ("cascadeChainLink", {}, 4, IS_MISSING),
    # -- who
    ("login", "nobody", 5, "is not known"),
    ("login", "SHOP", 5, "is not known"),
    ("login", "", 5, "is not known"),
    ("password", "wrong", 6, "not this login's password"),
    ("password", "", 6, "not this login's password"),
    # -- message type
    ("message.type", "VIBER", 9, "not a message type"),
    ("message.type", "", 9, "not a message type"),
    ("message.type", " WHATSAPP", 9, "not a message type"),
    ("message.type", "SMS", 9, "not among the message types of this login"),
    # -- content
    (f"{CONTENT}.type", "VIDEO", 4, "TEXT or IMAGE_URL"),
    (f"{CONTENT}.type", "", 4, "TEXT or IMAGE_URL"),
    (CONTENT, an_image(None), 4, "imageURL: it is mandatory with type IMAGE_URL"),
    (CONTENT, an_image(PNG, text="Hello"), 4, "at the same time"),
    (IMAGE, PNG, 4, "at the same time"),
    *[
        (CONTENT, an_image(url), 4, "absolute http or https URL of up to 2048 characters")
        for url in (
            "i.png",
            "//a.test/i.png",
            "ftp://a.test/i.png",
            "javascript:alert(1)",
            "http://",
            "http:///i.png",
            "https://a.test:99999/i.png",
            f"{PNG}?{'x' * 2048}",
        )
    ],
    # -- sender
    (SENDER, "NOBODY", 7, "'NOBODY' is not a sender of this login"),
    (SENDER, "whimbrel", 7, "'whimbrel' is not a sender of this login"),
    # -- number
    ("destAddr", "", 8, "digits"),
    ("destAddr", "+", 8, "digits"),
    ("destAddr", "seven", 8, "digits"),
    ("destAddr", "7916123456x", 8, "digits"),
    ("destAddr", "٧٩١٦١٢٣٤٥٦٧", 8, "digits"),
    ("destAddr", "7+9161234567", 8, "digits"),
    ("destAddr", "791612345", 8, "too short or too long"),
    ("destAddr", "7" * 40, 8, "too short or too long"),
    ("destAddr", "0079161234567", 8, "existing country code"),
    ("destAddr", "21012345678", 8, "existing country code"),
    ("destAddr", 0, 8, "existing country code"),
    # -- lifetime
    *[
        (TTL, ttl, 11, "1440, 2880, 4320, 5760, 7200, 8640, 10080")
        for ttl in (1, 60, 1439, 1441, 10081, 11520, -1440, -1, 10**30, "120")
    ],
    # -- schedule
    (f"{HOURS}.timeBegin", "24:00", 4, "HH:MM or HH:MM:SS"),
    (f"{HOURS}.timeBegin", "9:00", 4, "HH:MM or HH:MM:SS"),
    (f"{HOURS}.timeBegin", "10:60", 4, "HH:MM or HH:MM:SS"),
    (f"{HOURS}.timeBegin", "10.00", 4, "HH:MM or HH:MM:SS"),
    (f"{HOURS}.timeEnd", "25:00", 4, "HH:MM or HH:MM:SS"),
    (f"{HOURS}.timeEnd", "20:00 ", 4, "HH:MM or HH:MM:SS"),
    (f"{HOURS}.weekdaysSchedule", "0", 4, "digits from 1 (Monday) to 7"),
    (f"{HOURS}.weekdaysSchedule", "12348", 4, "digits from 1 (Monday) to 7"),
    (f"{HOURS}.weekdaysSchedule", "1,2", 4, "digits from 1 (Monday) to 7"),
    (f"{HOURS}.weekdaysSchedule", "Mon", 4, "digits from 1 (Monday) to 7"),
    (f"{HOURS}.deadline", "tomorrow", 4, "ISO 8601"),
    (f"{HOURS}.deadline", "2026-12-01", 4, "ISO 8601"),
    (f"{HOURS}.deadline", "2027-02-30T10:00:00+0300", 4, "ISO 8601"),
    (f"{HOURS}.deadline", "01.12.2026 10:00", 4, "ISO 8601"),
    (f"{HOURS}.deadline", "2019-05-10T16:29:30+0300", 4, "in the past"),
    (f"{HOURS}.deadline", in_utc3(START), 4, "in the past"),
    (f"{HOURS}.deadline", in_utc3(START).removesuffix("+0300"), 4, "in the past"),
    # -- the rest
    ("registeredDelivery", 3, 4, "0, 1 or 2"),
    ("registeredDelivery", -1, 4, "0, 1 or 2"),
    ("registeredDelivery", "3", 4, "0, 1 or 2"),
    ("registeredDelivery", 10**30, 4, "0, 1 or 2"),
    ("notifyUrl", "", 4, "may be left out, but not be empty"),
    ("notifyUrl", "https://a.test/" + "x" * 2034, 4, "longer than 2048 characters"),
    ("notifyUrl", "no URL " * 300, 4, "longer than 2048 characters"),
    ("extraParam", "place", 4, ANYTHING_ELSE),
    ("extraParam", "=a", 4, "name of a parameter must not be empty"),
    ("extraParam", "a=1,", 4, ANYTHING_ELSE),
    ("extraParam", "a=1,b", 4, ANYTHING_ELSE),
    ("extraParam", ",a=1", 4, ANYTHING_ELSE),
    ("extraParam", "a,,b=1", 4, "no comma"),
    ("id", "x" * 256, 4, "longer than 255 characters"),
    ("id", 10**255, 4, "longer than 255 characters"),
    # -- U+0000, which no database keeps
    ("login", "sh\0op", 4, "U+0000"),
    ("id", "\0", 4, "U+0000"),
    (TEXT, "Hello\0", 4, "U+0000"),
    ("notifyUrl", "https://a.test/\0", 4, "U+0000"),
    ("extraParam", "a=\0", 4, "U+0000"),
    (f"{HOURS}.timeBegin", "10:00\0", 4, "U+0000"),
]
UNNAMED = {"U+0000", "at the same time"}  # these are about more than one member


def case_ids(cases: list[Any]) -> list[str]:
    return [f"{case[0]}={'absent' if case[1] is ABSENT else case[1]!r:.40}" for case in cases]


@pytest_asyncio.fixture(loop_scope="module", autouse=True)
async def nothing_is_stored(shop: RunningGateway) -> AsyncIterator[None]:
    before = await count_chains(shop)
    yield
    assert await count_chains(shop) == before


@pytest.mark.parametrize(
    ("member", "value", "code", "phrase"), ONE_MEMBER, ids=case_ids(ONE_MEMBER)
)
async def test_one_wrong_member(
    shop: RunningGateway, member: str, value: object, code: int, phrase: str
) -> None:
    answer = await post(shop, altered(a_request(), {member: value}))
    assert_refused(answer, code, phrase, "" if phrase in UNNAMED else member)


def cascade(*links: dict[str, Any]) -> dict[str, Any]:
    """Return a `cascadeChainLink` of links, the last of them innermost."""
    whole: dict[str, Any] = {}
    for link in reversed(links):
        whole = {**link, "nextLink": whole} if whole else link
    return whole


def a_link(text: str = "Hello", state: str = "DELIVERED", **data: Any) -> dict[str, Any]:
    return {"state": state, "message": a_text(text, **data)}


NEXT = "cascadeChainLink.nextLink"
AT_NIGHT = {f"{HOURS}.timeBegin": "22:00", f"{HOURS}.timeEnd": "23:00"}
AT_THEIRS = {"useTimeDiff": True}
BERLIN, NEW_YORK = "4915112345678", "12125550123"
NEVER_OPEN = "scheduleInfo: these sending hours do not open before the deadline"
SEVERAL_MEMBERS = [
    # What differs from the smallest request, the code, and what must be said.
    # -- the text, in the provider's own words
    ({TEXT: ""}, 4, "Message is empty. WHATSAPP message needs 1 to 1000 symbols."),
    ({TEXT: "x" * 1001}, 4, "Message is too long (1001 symbols)."),
    ({TEXT: "😀" * 1001}, 4, "Message is too long (1001 symbols)."),
    ({TEXT: "", IMAGE: PNG}, 4, "Message is empty."),
    # -- the unit of a lifetime
    ({UNIT: "DAYS"}, 11, "unit of a lifetime is SECONDS, MINUTES or HOURS"),
    ({UNIT: "", TTL: 1440}, 11, "unit of a lifetime is SECONDS, MINUTES or HOURS"),
    ({UNIT: "HOURS", TTL: 1440}, 11, "message.data.ttl: The lifetime of a WHATSAPP message"),
    ({UNIT: "SECONDS", TTL: 1440}, 11, "message.data.ttl: The lifetime of a WHATSAPP message"),
    ({UNIT: "HOURS", TTL: 10**30}, 11, "message.data.ttl: The lifetime of a WHATSAPP message"),
    # -- hours that never come
    (
        {**AT_NIGHT, f"{HOURS}.deadline": in_utc3(START, hours=1)},
        4,
        "scheduleInfo: these sending hours do not open before the deadline",
    ),
    (
        {f"{HOURS}.weekdaysSchedule": "7", f"{HOURS}.deadline": in_utc3(START, days=5)},
        4,
        "scheduleInfo: these sending hours do not open before the deadline",
    ),
    # -- whatever clock they are read by: it is 05:13 in Moscow, 03:13 in Berlin, 21:13 in New York
    ({**AT_NIGHT, **AT_THEIRS, f"{HOURS}.deadline": in_utc3(START, hours=16)}, 4, NEVER_OPEN),
    (
        {
            **AT_NIGHT,
            **AT_THEIRS,
            "destAddr": BERLIN,
            f"{HOURS}.deadline": in_utc3(START, hours=18),
        },
        4,
        NEVER_OPEN,
    ),
    (
        {**AT_NIGHT, **AT_THEIRS, "destAddr": NEW_YORK, f"{HOURS}.deadline": in_utc3(START)},
        4,
        "scheduleInfo.deadline: it is in the past",
    ),
    (
        {
            **AT_NIGHT,
            **AT_THEIRS,
            "destAddr": NEW_YORK,
            f"{HOURS}.deadline": in_utc3(START, minutes=46),
        },
        4,
        NEVER_OPEN,
    ),
    (
        {
            f"{HOURS}.weekdaysSchedule": "1",
            **AT_THEIRS,
            "destAddr": NEW_YORK,
            f"{HOURS}.deadline": in_utc3(START, hours=2),
        },
        4,
        NEVER_OPEN,
    ),
    ({**AT_NIGHT, **AT_THEIRS, "destAddr": "7916"}, 8, "destAddr: The phone number is too short"),
    ({**AT_THEIRS, f"{HOURS}.timeBegin": "25:00"}, 4, "scheduleInfo.timeBegin: A time of day"),
    ({**AT_THEIRS, f"{HOURS}.timeEnd": "8 pm"}, 4, "scheduleInfo.timeEnd: A time of day"),
    ({**AT_THEIRS, f"{HOURS}.weekdaysSchedule": "8"}, 4, "scheduleInfo.weekdaysSchedule: Weekdays"),
    ({**AT_THEIRS, f"{HOURS}.deadline": "soon"}, 4, "scheduleInfo.deadline: A deadline is a date"),
    # -- cascades: the whole of one is looked at, whatever its depth
    ({"cascadeChainLink": a_link(ttl=1)}, 11, "cascadeChainLink.message.data.ttl: "),
    (
        {"cascadeChainLink": cascade(a_link(ttl=2, ttlUnit="MINUTES"), a_link(ttl=7))},
        11,
        f"{NEXT}.message.data.ttl: The lifetime of a WHATSAPP message is, in minutes, one of",
    ),
    (
        {"cascadeChainLink": cascade(a_link(), a_link(), a_link(ttl="now"))},
        4,
        f"{NEXT}.nextLink.message.data.ttl: it must be an integer, not a string",
    ),
    ({"cascadeChainLink": a_link(state="SENT")}, 4, "cascadeChainLink.state: it is DELIVERED or"),
    (
        {"cascadeChainLink": cascade(a_link(), a_link(state=""))},
        4,
        f"{NEXT}.state: it is DELIVERED or READ",
    ),
    (
        {"cascadeChainLink": {"state": "READ"}},
        4,
        f"cascadeChainLink.message: {IS_MISSING}",
    ),
    (
        {"cascadeChainLink": cascade(a_link(), {"message": a_text()})},
        4,
        f"{NEXT}.state: {IS_MISSING}",
    ),
    (
        {"cascadeChainLink": cascade(a_link(), a_link("x" * 1001))},
        4,
        f"{NEXT}.message.data.instantContent.data.text: Message is too long (1001 symbols)",
    ),
    (
        {"cascadeChainLink": cascade(a_link(), a_link(serviceNumber="NOBODY"))},
        7,
        f"{NEXT}.message.data.serviceNumber: 'NOBODY' is not a sender of this login",
    ),
    (
        {"cascadeChainLink": {**a_link(), "message": {**a_text(), "type": "SMS"}}},
        9,
        "cascadeChainLink.message.type: SMS is not among the message types of this login",
    ),
    (
        {"cascadeChainLink": {**a_link(), "message": {**a_text(), "type": "PIGEON"}}},
        9,
        "cascadeChainLink.message.type: 'PIGEON' is not a message type",
    ),
    ({"cascadeChainLink": cascade(*[a_link()] * 10)}, 4, "a chain has at most 10 links"),
    ({"cascadeChainLink": a_link("\0")}, 4, "U+0000"),
    # -- the first message of a cascade may live shorter
    ({"cascadeChainLink": a_link(), TTL: 29, UNIT: "SECONDS"}, 11, "from 30 seconds to 10080 min"),
]


@pytest.mark.parametrize(
    ("changes", "code", "phrase"), SEVERAL_MEMBERS, ids=[case[2] for case in SEVERAL_MEMBERS]
)
async def test_wrong_requests(
    shop: RunningGateway, changes: dict[str, Any], code: int, phrase: str
) -> None:
    assert_refused(await post(shop, altered(a_request(), changes)), code, phrase)


GOOD = json.dumps(a_request(), ensure_ascii=False).encode()
NOT_JSON = "not JSON in UTF-8"


def with_raw(member: str, raw: bytes) -> bytes:
    """Return the smallest request with one more member, whose value need not be JSON."""
    return GOOD[:-1] + b', "' + member.encode() + b'": ' + raw + b"}"


def many_links(count: int, content: str) -> bytes:
    """Return a request with a cascade of as many links as fit, each as short as can be."""
    message = '{"type":"","data":{"instantContent":{"type":"' + content + '","data":{}}}}'
    link = '{"state":"","message":' + message + ',"nextLink":'
    return with_raw("cascadeChainLink", (link * count + "null" + "}" * count).encode())


BODIES = [
    ("nothing", b"", NOT_JSON),
    ("blanks", b"   ", NOT_JSON),
    ("a form", b"login=shop&password=shop-password&destAddr=79161234567", NOT_JSON),
    ("XML", b"<?xml version='1.0'?><message/>", NOT_JSON),
    ("cut short", GOOD[:-1], NOT_JSON),
    ("two documents", GOOD + GOOD, NOT_JSON),
    ("single quotes", GOOD.replace(b'"', b"'"), NOT_JSON),
    ("a comma too many", GOOD[:-1] + b",}", NOT_JSON),
    ("a comment", b"/* x */" + GOOD, NOT_JSON),
    ("NaN", with_raw("ttl", b"NaN"), NOT_JSON),
    ("a raw line feed in a text", GOOD.replace(b"Hello", b"Hel\nlo"), NOT_JSON),
    ("a raw U+0000", GOOD.replace(b"Hello", b"Hel\0lo"), NOT_JSON),
    ("not UTF-8", GOOD.replace(b"Hello", b"\xcf\xf0\xe8"), NOT_JSON),
    ("a surrogate as raw bytes", GOOD.replace(b"Hello", b"\xed\xa0\x80"), NOT_JSON),
    ("a lone surrogate", GOOD.replace(b"Hello", rb"\ud83d"), NOT_JSON),
    ("surrogates the wrong way round", GOOD.replace(b"Hello", rb"\ude00\ud83d"), NOT_JSON),
    ("UTF-16 without a charset", GOOD.decode().encode("utf-16"), NOT_JSON),
    ("an array", b"[" + GOOD + b"]", "The body: it must be an object, not an array"),
    ("a string", b'"' + b"x" * 9 + b'"', "The body: it must be an object, not a string"),
    ("null", b"null", "The body: it must be an object, not null"),
    ("a number", b"42", "The body: it must be an object, not an integer"),
    ("an empty object", b"{}", f"login: {IS_MISSING}"),
    ("the empty name", b'{"": 1}', f"login: {IS_MISSING}"),
    ("deep arrays", with_raw("x", b"[" * 30_000 + b"]" * 30_000), "nested too deeply"),
    ("deep objects", with_raw("x", b'{"a":' * 9_000 + b"1" + b"}" * 9_000), "nested too deeply"),
    ("a cascade of 640 links", many_links(640, ""), "cascadeChainLink.state: it is DELIVERED"),
    ("and U+0000 in it", many_links(600, r"\u0000"), "U+0000"),
    ("60,000 digits", with_raw("id", b"1" * 60_000), "id: Integer value out of range"),
    ("an exponent of 999", with_raw("registeredDelivery", b"1e999"), "registeredDelivery: "),
    ("an exponent of 30", with_raw("registeredDelivery", b"1e30"), "registeredDelivery: "),
    ("a repeated member", with_raw("registeredDelivery", b"7"), "registeredDelivery: it is 0"),
    ("a byte too long", GOOD + b" " * (64 * 1024 - len(GOOD) + 1), "longer than 65536 bytes"),
    ("1 MiB", b"x" * 2**20, "longer than 65536 bytes"),
]


@pytest.mark.parametrize(("body", "phrase"), [b[1:] for b in BODIES], ids=[b[0] for b in BODIES])
async def test_bodies(shop: RunningGateway, body: bytes, phrase: str) -> None:
    assert_refused(await post(shop, body), 4, phrase)


@pytest.mark.parametrize(
    ("charset", "body", "phrase"),
    [
        ("klingon", GOOD, "the charset 'klingon' is not known"),
        ("base64", GOOD, "the charset 'base64' is not known"),
        ("rot13", GOOD, "the charset 'rot13' is not known"),
        ("zlib", GOOD, "the charset 'zlib' is not known"),
        ("idna", GOOD, "the charset 'idna' is not known"),
        ("punycode", GOOD, "the charset 'punycode' is not known"),
        ("unicode_escape", GOOD, "the charset 'unicode_escape' is not known"),
        ("utf-7", GOOD, "the charset 'utf-7' is not known"),
        ("mbcs", GOOD, "the charset 'mbcs' is not known"),
        ("../../etc/passwd", GOOD, "is not known"),
        ("x" * 5_000, GOOD, "is not known"),
        ("utf-16", GOOD + b" " * (1 - len(GOOD) % 2), "the body is not in utf-16"),
        ("utf-8", GOOD.replace(b"Hello", b"\xff"), NOT_JSON),
        ("ascii", GOOD.replace(b"Hello", b"\xff"), NOT_JSON),
        ("utf-32", b"\xff\xff\xff\xff", "the body is not in utf-32"),
    ],
)
async def test_charsets(shop: RunningGateway, charset: str, body: bytes, phrase: str) -> None:
    headers = {"Content-Type": f"application/json; charset={charset}"}
    answer = await post(shop, body, headers=headers)
    assert_refused(answer, 4, phrase)
    assert len(answer.text) < 200


@pytest.mark.parametrize(("length", "refused"), [(65_536, False), (65_537, True)])
async def test_a_body_in_chunks_has_the_same_limit(
    shop: RunningGateway, length: int, refused: bool
) -> None:
    whole = (GOOD[:-1] + b', "login": "nobody"}').ljust(length)

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, length, 5_000):
            yield whole[start : start + 5_000]

    async with shop.client.post(f"{shop.url}/send", data=chunks()) as response:
        answer = await response.json()
    assert answer["error"]["code"] == (4 if refused else 5)


async def test_what_is_quoted_in_an_error_is_json(shop: RunningGateway) -> None:
    answer = await post(shop, a_request(message={**a_text(), "type": '"\\\n\u2028<b>'}))
    assert_refused(answer, 9, "is not a message type")


@pytest.mark.parametrize(("member", "code"), [("message.type", 9), (SENDER, 7)])
async def test_what_is_quoted_in_an_error_is_short(
    shop: RunningGateway, member: str, code: int
) -> None:
    answer = await post(shop, altered(a_request(), {member: "x" * 50_000}))
    assert_refused(answer, code, "xxx")
    assert len(answer.text) < 300


async def test_unknown_charsets_leave_nothing_behind(shop: RunningGateway) -> None:
    names = [f"x-no-such-{n}" for n in range(20)] + [f"utf{'-' * n}16{'_' * n}" for n in range(20)]
    known = len(encodings._cache)
    for name in names:
        headers = {"Content-Type": f"application/json; charset={name}"}
        assert_refused(await post(shop, b"x", headers=headers), 4)
    assert len(encodings._cache) <= known + 1  # UTF-16 itself
