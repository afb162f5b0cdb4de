"""What deployed clients do, and what is stored all the same (protocol, section 1)."""

import asyncio
import codecs
import json
import re
from typing import Any

import pytest
from yarl import URL

from tests.support.clock import START
from tests.support.gateway import RunningGateway, a_request
from tests.web.wire import a_text, altered, post, stored
from whimbrel.clock import DAY, HOUR, MINUTE

TEXT = "Привет, мир — №1"
DEFAULT_TTL = 1440 * MINUTE
PNG = "https://a.test/i.png"
CONTENT = "message.data.instantContent"


def encoded(charset: str, bom: bytes = b"") -> bytes:
    return bom + json.dumps(a_request(message=a_text(TEXT)), ensure_ascii=False).encode(charset)


HEADERS = {
    "none": {},
    "a wrong name": {"Content-Typ": "application/json"},
    "another wrong name": {"Accept": "application/json"},
    "empty": {"Content-Type": ""},
    "text/plain": {"Content-Type": "text/plain"},
    "a form": {"Content-Type": "application/x-www-form-urlencoded"},
    "a form of parts": {"Content-Type": "multipart/form-data; boundary=x"},
    "nonsense": {"Content-Type": "json"},
    "JSON": {"Content-Type": "application/json"},
    "upper case": {"CONTENT-TYPE": "APPLICATION/JSON; CHARSET=UTF-8"},
    "a quoted charset": {"Content-Type": 'application/json; charset="utf-8"'},
    "the other spelling of UTF-8": {"Content-Type": "application/json;charset=utf8"},
}


@pytest.mark.parametrize("headers", HEADERS.values(), ids=HEADERS)
async def test_the_body_is_json_whatever_its_type(
    shop: RunningGateway, headers: dict[str, str]
) -> None:
    [link] = (await stored(shop, await post(shop, encoded("utf-8"), headers=headers))).links
    assert link["text"] == TEXT


CHARSETS = {
    "windows-1251": encoded("cp1251"),
    "Windows-1251": encoded("cp1251"),
    "cp1251": encoded("cp1251"),
    "utf-16": encoded("utf-16"),
    "UTF-16LE": encoded("utf-16-le"),
    "utf-16be": encoded("utf-16-be", codecs.BOM_UTF16_BE),
    "utf-8": encoded("utf-8", codecs.BOM_UTF8),
    "gb18030": encoded("gb18030"),
}


@pytest.mark.parametrize(("charset", "body"), CHARSETS.items(), ids=CHARSETS)
async def test_a_named_charset_is_honoured(shop: RunningGateway, charset: str, body: bytes) -> None:
    headers = {"Content-Type": f"text/json; charset={charset}"}
    [link] = (await stored(shop, await post(shop, body, headers=headers))).links
    assert link["text"] == TEXT


@pytest.mark.parametrize("charset", ["koi8-r", "koi8-u", "iso-8859-5", "cp866", "mac-cyrillic"])
async def test_other_charsets_of_the_region(shop: RunningGateway, charset: str) -> None:
    body = json.dumps(a_request(message=a_text("Привет")), ensure_ascii=False).encode(charset)
    headers = {"Content-Type": f"application/json; charset={charset}"}
    [link] = (await stored(shop, await post(shop, body, headers=headers))).links
    assert link["text"] == "Привет"


async def test_a_byte_order_mark_is_dropped(shop: RunningGateway) -> None:
    [link] = (await stored(shop, await post(shop, encoded("utf-8", codecs.BOM_UTF8)))).links
    assert link["text"] == TEXT


async def test_it_may_wait_for_leave_to_send_its_body(shop: RunningGateway) -> None:
    answer = await post(shop, encoded("utf-8"), expect100=True)  # curl does beyond 1024 bytes
    assert answer.status == 200


UNKNOWN = {"delivery": 1, "flash": False, "contactId": None, "deep": [{"login": {"a": [1]}}]}
UNKNOWN_AT_EVERY_LEVEL = {
    f"{path}{name}": value
    for path in (
        "",
        "scheduleInfo.",
        "message.",
        "message.data.",
        f"{CONTENT}.",
        f"{CONTENT}.data.",
    )
    for name, value in UNKNOWN.items()
}
OPTIONAL = (
    "useTimeDiff",
    "shortenLinks",
    "id",
    "scheduleInfo",
    "scheduleInfo.timeBegin",
    "scheduleInfo.timeEnd",
    "scheduleInfo.weekdaysSchedule",
    "scheduleInfo.deadline",
    "message.shortenLinks",
    f"{CONTENT}.data.imageURL",
    f"{CONTENT}.data.imageUrl",
    "message.data.serviceNumber",
    "message.data.ttl",
    "message.data.ttlUnit",
    "extraParam",
    "registeredDelivery",
    "notifyUrl",
    "cascadeChainLink",
)
PLAIN = {
    "chain.partner_ref": None,
    "chain.dest_addr": "79161234567",
    "chain.registered_delivery": 1,
    "chain.notify_url": None,
    "chain.extra_param": None,
    "chain.schedule": None,
    "link.channel": "WHATSAPP",
    "link.sender": "WHIMBREL",
    "link.text": "Hello",
    "link.image_url": None,
    "link.ttl": DEFAULT_TTL,
    "link.first_due_at": START,
}
"""What is stored of the smallest request."""


async def test_the_smallest_request(shop: RunningGateway) -> None:
    assert await kept(shop, {}) == PLAIN


async def test_unknown_members_are_ignored_at_every_level(shop: RunningGateway) -> None:
    assert await kept(shop, UNKNOWN_AT_EVERY_LEVEL) == PLAIN


async def test_members_of_the_wild_are_ignored(shop: RunningGateway) -> None:
    changes = {"delivery": True, "flash": "0", "externalUserId": "u-1", "contactId": 5}
    assert await kept(shop, changes) == PLAIN


@pytest.mark.parametrize("member", OPTIONAL)
async def test_null_is_the_same_as_absent(shop: RunningGateway, member: str) -> None:
    assert await kept(shop, {member: None}) == PLAIN


async def test_null_everywhere_at_once(shop: RunningGateway) -> None:
    members = [member for member in OPTIONAL if member != "scheduleInfo"]  # its own ones are
    assert await kept(shop, dict.fromkeys(members, None)) == PLAIN


IMAGE = {"link.text": None, "link.image_url": PNG}
AN_IMAGE = {f"{CONTENT}.type": "IMAGE_URL", f"{CONTENT}.data": {"imageURL": PNG}}
SPELLINGS = [
    # what the client writes, and what differs from `PLAIN` in the store
    ({"registeredDelivery": "0"}, {"chain.registered_delivery": 0}),
    ({"registeredDelivery": "2"}, {"chain.registered_delivery": 2}),
    ({"registeredDelivery": 2.0}, {"chain.registered_delivery": 2}),
    ({"message.data.ttl": "2880"}, {"link.ttl": 2 * DAY}),
    ({"message.data.ttl": "0"}, {}),
    ({"message.data.ttl": "48", "message.data.ttlUnit": "hours"}, {"link.ttl": 2 * DAY}),
    ({"message.data.ttlUnit": "Seconds"}, {}),
    ({"useTimeDiff": "false"}, {}),
    ({"useTimeDiff": "True"}, {}),
    ({"useTimeDiff": 0}, {}),
    ({"shortenLinks": "false"}, {}),
    ({"shortenLinks": "1"}, {}),
    ({"message.shortenLinks": "FALSE"}, {}),
    ({"id": 8770100}, {"chain.partner_ref": "8770100"}),
    ({"id": "0042"}, {"chain.partner_ref": "0042"}),
    ({"id": "1e3"}, {"chain.partner_ref": "1e3"}),
    ({"id": "null"}, {"chain.partner_ref": "null"}),
    ({"id": "true"}, {"chain.partner_ref": "true"}),
    ({"id": 10**20}, {"chain.partner_ref": "1" + "0" * 20}),
    ({"id": "заказ №7 😀"}, {"chain.partner_ref": "заказ №7 😀"}),
    ({"id": ""}, {}),
    ({"destAddr": 79161234568}, {"chain.dest_addr": "79161234568"}),
    ({"destAddr": "8 (916) 123-45-69"}, {"chain.dest_addr": "79161234569"}),
    ({"message.type": "WhatsApp"}, {}),
    ({"message.type": "whatsapp"}, {}),
    ({f"{CONTENT}.type": "text"}, {}),
    ({f"{CONTENT}.type": "Text", f"{CONTENT}.data.imageURL": ""}, {}),
    ({f"{CONTENT}.data.text": "null"}, {"link.text": "null"}),
    ({f"{CONTENT}.data.text": "12"}, {"link.text": "12"}),
    (AN_IMAGE, IMAGE),
    (AN_IMAGE | {f"{CONTENT}.type": "image_url"}, IMAGE),
    (AN_IMAGE | {f"{CONTENT}.data": {"imageUrl": PNG}}, IMAGE),
    (AN_IMAGE | {f"{CONTENT}.data": {"imageUrl": PNG, "imageURL": None}}, IMAGE),
    (AN_IMAGE | {f"{CONTENT}.data.text": ""}, IMAGE),
    (AN_IMAGE | {f"{CONTENT}.data.text": None}, IMAGE),
    ({"message.data.serviceNumber": ""}, {}),
    ({"extraParam": ""}, {"chain.extra_param": ""}),
    ({"notifyUrl": "reports.shop.test"}, {}),
    ({"notifyUrl": "https://shop.test/r"}, {"chain.notify_url": "https://shop.test/r"}),
]


@pytest.mark.parametrize(
    ("changes", "differences"), SPELLINGS, ids=[json.dumps(changes) for changes, _ in SPELLINGS]
)
async def test_spellings(
    shop: RunningGateway, changes: dict[str, Any], differences: dict[str, Any]
) -> None:
    assert await kept(shop, changes) == PLAIN | differences


HOURS = [
    ({"timeBegin": "10:00"}, 10 * HOUR, DAY),
    ({"timeBegin": "10:00:30", "timeEnd": "20:00:15"}, 10 * HOUR + 30_000, 20 * HOUR + 15_000),
    ({"timeEnd": "20:00"}, 0, 20 * HOUR),
    ({"timeBegin": "22:00", "timeEnd": "06:00:00"}, 22 * HOUR, DAY + 6 * HOUR),
]


@pytest.mark.parametrize(("hours", "begins", "ends"), HOURS)
async def test_times_with_and_without_seconds(
    shop: RunningGateway, hours: dict[str, str], begins: int, ends: int
) -> None:
    story = await stored(shop, await post(shop, a_request(scheduleInfo=hours)))
    schedule = json.loads(story.chain["schedule"])
    assert (schedule.get("begins", 0), schedule.get("ends", DAY)) == (begins, ends)


@pytest.mark.parametrize("weekdays", ["71", 71, "17", "7711"])
async def test_weekdays_as_text_or_number(shop: RunningGateway, weekdays: object) -> None:
    schedule = {"weekdaysSchedule": weekdays}
    story = await stored(shop, await post(shop, a_request(scheduleInfo=schedule)))
    assert json.loads(story.chain["schedule"]) == {"weekdays": [1, 7]}


@pytest.mark.parametrize("path", ["/send", "/shop", "/nobody", "/a%20b", "/%D0%9C%D0%A2"])
async def test_the_login_of_the_path_means_nothing(shop: RunningGateway, path: str) -> None:
    story = await stored(shop, await post(shop, a_request(id="p"), path=path))
    assert (story.chain["login"], story.chain["partner_ref"]) == ("shop", "p")


async def test_the_query_means_nothing(shop: RunningGateway) -> None:
    answer = await post(shop, a_request(), path="/send?login=x&debug=1")
    assert answer.status == 200


async def kept(shop: RunningGateway, changes: dict[str, Any]) -> dict[str, Any]:
    """Send an altered request; return the columns of `PLAIN` as they were stored."""
    chain, [link], *_ = await stored(shop, await post(shop, altered(a_request(), changes)))
    rows = {"chain": chain, "link": link}
    return {column: rows[column.split(".")[0]][column.split(".")[1]] for column in PLAIN}


async def test_an_offer_of_http_2_is_passed_over(shop: RunningGateway) -> None:
    """Java's HttpClient makes it with every request over plain HTTP, body included."""
    body = json.dumps(a_request()).encode()
    head = (
        "POST /send HTTP/1.1\r\nHost: gateway\r\nConnection: Upgrade, HTTP2-Settings\r\n"
        f"Content-Length: {len(body)}\r\nHTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQ\r\n"
        "Upgrade: h2c\r\nUser-Agent: Java-http-client/17.0.15\r\n\r\n"
    )
    host, port = URL(shop.url).host, URL(shop.url).port
    reader, writer = await asyncio.open_connection(host, port)
    for _ in range(2):  # the connection goes on as HTTP/1.1
        writer.write(head.encode())
        await writer.drain()
        writer.write(body)
        answer = await reader.readuntil(b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 200"), answer
        length = int(re.search(rb"content-length: (\d+)", answer)[1])  # type: ignore[index]
        assert b"mtNum" in await reader.readexactly(length)
    writer.close()
    await writer.wait_closed()
