"""Every example of the provider's document, word for word."""

import json
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
import pytest_asyncio

from tests.support.clock import START, FakeClock
from tests.support.gateway import (
    LOGIN,
    PASSWORD,
    RunningGateway,
    a_profile,
    a_request,
    an_account,
    running_gateway,
)
from tests.web.wire import ERROR_TABLE, a_text, altered, post, stored
from whimbrel.clock import MINUTE
from whimbrel.domain.partner import Profile
from whimbrel.domain.refusal import Refusal, RefusalCode
from whimbrel.settings import Settings
from whimbrel.web.answers import ERROR_FORMS, error_body

REQUEST = """
{
   "login":"YOUR_LOGIN",
   "password":"YOUR_PASSWORD",
   "useTimeDiff":false,
   "id":"8770100",
   "scheduleInfo":
   {
       "timeBegin":"10:00",
       "timeEnd":"20:00",
       "weekdaysSchedule":"12345"
   },
   "destAddr":"Subscriber's_Number",
   "message":
   {
       "type":"WHATSAPP",
       "data":
       {
           "instantContent":
           {
               "type":"TEXT",
               "data":
               {
               "text":"hatsApp message text"
               }
           },
           "serviceNumber":"SENDER'S_NAME",
           "ttl":1440
       }
   }
}
"""
ERROR = """
{
    "error": {
        "code": 4,
        "description": "Invalid request"
    },
    "extendedDescription": "Message is too long (2024 symbols). WHATSAPP message max length is 1000 symbols."
}
"""  # noqa: E501 - word for word
ERROR_CODES = """
1   | Service is unavailable        | 503
2   | Invalid IP-address            | 403
3   | Too many connections          | 429
4   | Invalid request               | 400
5   | Invalid login                 | 401
6   | Invalid password              | 401
7   | serviceNumber is not defined  | 400
8   | destAddr is not correct       | 406
9   | Message type is not correct   | 406
10  | Prohibited sending duplicates | 409
11  | Invalid TTL                   | 406
100 | 100                           | 500
"""
ROWS = [
    tuple(cell.strip() for cell in line.split("|")) for line in ERROR_CODES.strip().splitlines()
]
SENDERS_NAME = "SENDER'S_NAME"
MAY_2019 = int(datetime(2019, 5, 5, tzinfo=UTC).timestamp() * 1000)


@pytest.fixture(scope="module")
def settings() -> Settings:
    return Settings(whatsapp={"main": an_account(sender=SENDERS_NAME)})


@pytest.fixture(scope="module")
def partners() -> dict[str, Profile]:
    profile = a_profile(senders=[SENDERS_NAME], default_sender=SENDERS_NAME)
    return {"YOUR_LOGIN": profile, LOGIN: profile}


@pytest_asyncio.fixture(loop_scope="module")
async def shop_of_2019(tmp_path: Any) -> AsyncIterator[RunningGateway]:
    async with running_gateway(tmp_path, clock=FakeClock(MAY_2019)) as gateway:
        yield gateway


def filled_in(example: str) -> bytes:
    filled = example.replace("YOUR_PASSWORD", PASSWORD).replace(
        "Subscriber's_Number", "72101234567"
    )
    return filled.encode()


async def test_the_request_with_its_schedule_is_accepted(shop: RunningGateway) -> None:
    answer = await post(shop, filled_in(REQUEST))
    chain, [link], *_ = await stored(shop, answer)
    assert answer.json == {"mtNum": str(chain["chain_id"]), "id": "8770100"}
    assert (chain["login"], chain["partner_ref"]) == ("YOUR_LOGIN", "8770100")
    assert (chain["dest_addr"], chain["registered_delivery"]) == ("72101234567", 1)
    assert link["text"] == "hatsApp message text"
    assert (link["channel"], link["sender"]) == ("WHATSAPP", SENDERS_NAME)
    assert link["ttl"] == 1440 * MINUTE
    now, opening = datetime.fromtimestamp(START / 1000, UTC), datetime(2026, 11, 23, 7, tzinfo=UTC)
    assert (now.date(), now.isoweekday()) == (opening.date(), 1)
    assert link["first_due_at"] == opening.timestamp() * 1000  # 10:00 in UTC+3


async def test_the_answer_has_a_decimal_number_and_the_same_id(shop: RunningGateway) -> None:
    answer = await post(shop, a_request(id="8770599"))
    assert re.fullmatch(r'\{"mtNum":"[1-9][0-9]*","id":"8770599"\}', answer.body.decode())


async def test_the_answer_has_no_id_if_none_was_sent(shop: RunningGateway) -> None:
    answer = await post(shop, a_request())
    assert re.fullmatch(r'\{"mtNum":"[1-9][0-9]*"\}', answer.body.decode())


async def test_the_error_for_2024_symbols(shop: RunningGateway) -> None:
    answer = await post(shop, a_request(message=a_text("x" * 2024)))
    assert answer.status == 400
    assert answer.json == json.loads(ERROR)


@pytest.mark.parametrize(("code", "description", "http_status"), ROWS, ids=[r[0] for r in ROWS])
async def test_the_table_of_error_codes(code: str, description: str, http_status: str) -> None:
    assert ERROR_TABLE[int(code)] == (description, int(http_status))  # what other tests go by
    refusal = Refusal(RefusalCode(int(code)), "why")
    assert ERROR_FORMS[refusal.code].http_status == int(http_status)
    assert json.loads(error_body(refusal)) == {
        "error": {"code": int(code), "description": description},
        "extendedDescription": "why",
    }


def test_there_are_no_other_codes() -> None:
    assert {int(code) for code, *_ in ROWS} == set(RefusalCode) == set(ERROR_FORMS)


EXTRA_PARAM = (
    "place=абзаково,name=гостевой дом-2,coordinates=53.8085896,, 58.6362112,"
    "from=23.02.09,to=05.03.09"
)
TTL_MINUTES = (1440, 2880, 4320, 5760, 7200, 8640, 10080)
NUMBERS = ("72101234567", "+72101234567", "8-210-123-45-67", "82101234567")
PARAMETERS = [
    *[("destAddr", number, "chain.dest_addr", "72101234567") for number in NUMBERS],
    *[("message.data.ttl", ttl, "link.ttl", ttl * MINUTE) for ttl in TTL_MINUTES],
    ("message.data.ttl", 0, "link.ttl", 1440 * MINUTE),
    *[("registeredDelivery", n, "chain.registered_delivery", n) for n in (0, 1, 2)],
    ("extraParam", EXTRA_PARAM, "chain.extra_param", EXTRA_PARAM),
    ("notifyUrl", "https://a.test/reports", "chain.notify_url", "https://a.test/reports"),
    ("useTimeDiff", False, "link.first_due_at", START),
    ("shortenLinks", True, "link.text", "Hello"),
    ("shortenLinks", False, "link.text", "Hello"),
    ("scheduleInfo.timeEnd", "21:00", "link.first_due_at", START),
    ("scheduleInfo.weekdaysSchedule", "12345", "link.first_due_at", START),
    ("scheduleInfo.weekdaysSchedule", "", "chain.schedule", None),
]


@pytest.mark.parametrize(
    ("member", "value", "column", "kept"), PARAMETERS, ids=[f"{p[0]}={p[1]}" for p in PARAMETERS]
)
async def test_the_values_of_the_table_of_parameters(
    shop: RunningGateway, member: str, value: object, column: str, kept: object
) -> None:
    answer = await post(shop, altered(a_request(), {member: value}))
    chain, [link], *_ = await stored(shop, answer)
    where, name = column.split(".")
    assert {"chain": chain, "link": link}[where][name] == kept


@pytest.mark.parametrize(("ttl", "unit"), [(86_400, "SECONDS"), (1_440, "MINUTES"), (24, "HOURS")])
async def test_the_units_of_the_lifetime(shop: RunningGateway, ttl: int, unit: str) -> None:
    answer = await post(shop, a_request(message=a_text(ttl=ttl, ttlUnit=unit)))
    [link] = (await stored(shop, answer)).links
    assert link["ttl"] == 1440 * MINUTE


async def test_an_image(shop: RunningGateway) -> None:
    content = {"type": "IMAGE_URL", "data": {"imageURL": "https://a.test/i.png"}}
    request = altered(a_request(), {"message.data.instantContent": content})
    [link] = (await stored(shop, await post(shop, request))).links
    assert (link["text"], link["image_url"]) == (None, "https://a.test/i.png")


async def test_the_deadline(shop_of_2019: RunningGateway) -> None:
    request = a_request(scheduleInfo={"deadline": "2019-05-10T16:29:30+0300"})
    story = await stored(shop_of_2019, await post(shop_of_2019, request))
    deadline = datetime(2019, 5, 10, 13, 29, 30, tzinfo=UTC).timestamp() * 1000
    assert json.loads(story.chain["schedule"]) == {"deadline_at": deadline}
