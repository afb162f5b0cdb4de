"""Each code of the error table, provoked, and the order in which faults are looked for."""

import asyncio
import contextlib
import itertools
import sqlite3
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from tests.support.clock import FakeClock
from tests.support.gateway import (
    LOGIN,
    RunningGateway,
    a_profile,
    a_request,
    an_account,
    running_gateway,
)
from tests.web.wire import a_text, altered, assert_refused, count_chains, post, write_lock
from whimbrel.clock import DAY
from whimbrel.domain.content import Channel
from whimbrel.domain.partner import DuplicateControl, Profile
from whimbrel.settings import ServerSettings, Settings

USED = "an id that was used"
NO_SENDER = {"senders": [], "default_sender": ""}
BOTH_TYPES = {"message_types": [Channel.WHATSAPP, Channel.SMS]}


@pytest.fixture(scope="module")
def partners() -> dict[str, Profile]:
    return {
        LOGIN: a_profile(),
        "fenced": a_profile(subnets=["192.0.2.0/24", "2001:db8::/32"], **NO_SENDER),
        "slow": a_profile(
            rate=0.5, burst=1, duplicate_control=DuplicateControl.REJECT, **BOTH_TYPES
        ),
        "once": a_profile(duplicate_control=DuplicateControl.REJECT, **BOTH_TYPES),
        "nameless": a_profile(**NO_SENDER),
        "foreign": a_profile(senders=["FOREIGN"], default_sender="FOREIGN"),
        "both": a_profile(**BOTH_TYPES),
    }


# -- Every code


@pytest.mark.parametrize(
    ("code", "changes", "phrase"),
    [
        (2, {"login": "fenced"}, "requests from 127.0.0.1 are not allowed for this login"),
        (4, {"message": "Hello"}, "message: it must be an object"),
        (5, {"login": "nobody"}, "login: this login is not known"),
        (6, {"password": "guess"}, "password: it is not this login's password"),
        (7, {"login": "nameless"}, "serviceNumber: none was given, and this login has no default"),
        (7, {"login": "foreign"}, "serviceNumber: the sender 'FOREIGN' is not configured"),
        (7, {"message": a_text(serviceNumber="X")}, "serviceNumber: 'X' is not a sender of this"),
        (8, {"destAddr": "12"}, "destAddr: The phone number is too short or too long"),
        (9, {"message": a_text() | {"type": "FAX"}}, "message.type: 'FAX' is not a message type"),
        (9, {"message": a_text() | {"type": "SMS"}}, "message.type: SMS is not among the message"),
        (
            9,
            {"login": "both", "message": a_text() | {"type": "SMS"}},
            "message.type: no SMS channel is configured",
        ),
        (11, {"message": a_text(ttl=5)}, "message.data.ttl: The lifetime of a WHATSAPP message"),
    ],
)
async def test_codes_of_a_request(
    shop: RunningGateway, code: int, changes: dict[str, Any], phrase: str
) -> None:
    assert_refused(await post(shop, a_request(**changes)), code, phrase)


async def test_code_3_tells_when_to_come_back(shop: RunningGateway, clock: FakeClock) -> None:
    clock.advance(DAY)
    first, second = [await post(shop, a_request(login="slow")) for _ in "12"]
    assert first.status == 200
    assert_refused(second, 3, "login: more than 0.5 requests a second")
    assert second.headers["Retry-After"] == "2"


async def test_code_10(shop: RunningGateway) -> None:
    request = a_request(login="once", id="order-1")
    assert (await post(shop, request)).status == 200
    assert_refused(await post(shop, request), 10, "id: a request with this id was accepted")


async def test_code_1_while_the_store_has_more_to_write_than_it_may(tmp_path: Path) -> None:
    settings = Settings(
        server=ServerSettings(accept_queue_limit=1), whatsapp={"main": an_account()}
    )
    async with running_gateway(tmp_path, settings=settings) as gateway:
        await until_accepted(gateway)
        before = await count_chains(gateway)
        with write_lock(tmp_path):
            posts = [asyncio.create_task(post(gateway)) for _ in range(8)]
            refused, waiting = await asyncio.wait(posts, return_when=asyncio.FIRST_COMPLETED)
        assert waiting  # those that are being written, or wait for it
        for one in refused:
            assert_refused(one.result(), 1, "more to store than it can now; nothing was accepted")
            assert one.result().headers["Retry-After"] == "1"
        answers = await asyncio.gather(*posts)
        accepted = [answer.mt_num for answer in answers if answer.status == 200]
        assert {answer.code for answer in answers} <= {0, 1}
        assert await count_chains(gateway) == before + len(accepted)
        await until_accepted(gateway)


async def until_accepted(gateway: RunningGateway) -> None:
    """Try again while a write of the dispatcher's fills the queue of one."""
    async with asyncio.timeout(10):
        while (await post(gateway)).code == 1:
            pass


async def test_code_1_when_the_store_cannot_be_written(tmp_path: Path) -> None:
    async with running_gateway(tmp_path) as gateway:
        assert (await gateway.send())[0] == 200
        with write_lock(tmp_path):
            answer = await post(gateway)
        assert_refused(answer, 1, "The message could not be stored; nothing was accepted.")
        assert answer.headers["Retry-After"] == "1"
        assert (await gateway.send())[0] == 200
        assert await count_chains(gateway) == 2


BREAK = """
CREATE TRIGGER broken BEFORE INSERT ON chains WHEN NEW.partner_ref = 'unlucky'
BEGIN SELECT RAISE(ABORT, 'the inner workings'); END
"""


async def test_code_100_tells_nothing_but_the_request_id(tmp_path: Path) -> None:
    async with running_gateway(tmp_path) as gateway:
        assert (await gateway.send())[0] == 200
        with contextlib.closing(sqlite3.connect(tmp_path / "whimbrel.db")) as other:
            other.execute(BREAK)
        with capture_logs() as logs:
            unlucky, *others = await asyncio.gather(
                post(gateway, a_request(id="unlucky")),
                *(post(gateway, a_request(id=str(n))) for n in range(5)),
            )
        request_id = unlucky.headers["X-Request-Id"]
        assert_refused(unlucky, 100)
        assert unlucky.text == f"Something unforeseen happened; request {request_id}."
        assert b"inner workings" not in unlucky.body
        [failure] = [log for log in logs if log["log_level"] == "error"]
        assert (failure["event"], failure["request_id"]) == ("request_failed", request_id)
        assert {answer.status for answer in others} == {200}  # written in the same group


# -- The order


class Fault(NamedTuple):
    code: int
    phrase: str
    changes: dict[str, Any]


FAULTS = {
    # In the order of protocol, section 8.
    "shape": Fault(4, "useTimeDiff: it must be a boolean", {"useTimeDiff": "perhaps"}),
    "login": Fault(5, "login: this login is not known", {"login": "nobody"}),
    "subnet": Fault(2, "login: requests from 127.0.0.1", {"login": "fenced"}),
    "password": Fault(6, "password: it is not", {"password": "guess"}),
    "rate": Fault(3, "login: more than 0.5 requests", {"login": "slow"}),
    "type": Fault(9, "message.type: ", {"message.type": "FAX"}),
    "content": Fault(4, "Message is empty", {"message.data.instantContent.data.text": ""}),
    "sender": Fault(7, "serviceNumber: ", {"message.data.serviceNumber": "NOBODY"}),
    "number": Fault(8, "destAddr: ", {"destAddr": "12"}),
    "lifetime": Fault(11, "message.data.ttl: ", {"message.data.ttl": -5}),
    "schedule": Fault(4, "scheduleInfo.timeEnd: ", {"scheduleInfo.timeEnd": "8 pm"}),
    "notifyUrl": Fault(4, "notifyUrl: ", {"notifyUrl": ""}),
    "registeredDelivery": Fault(4, "registeredDelivery: ", {"registeredDelivery": 3}),
    "extraParam": Fault(4, "extraParam: ", {"extraParam": "a"}),
    "cascade": Fault(
        4, "cascadeChainLink: ", {"cascadeChainLink": {"state": "", "message": a_text()}}
    ),
    "duplicate": Fault(10, "id: a request with this id", {"login": "once", "id": USED}),
}


def meet(first: str, second: str) -> bool:
    """Tell whether one request can have both faults."""
    members = FAULTS[first].changes.keys() & FAULTS[second].changes.keys()
    return not members or {first, second} == {"rate", "duplicate"}


@pytest_asyncio.fixture(loop_scope="module")
async def used_up(shop: RunningGateway, clock: FakeClock) -> None:
    """Use the id up, then the rate of `slow`; forgive what was guessed before."""
    clock.advance(DAY)
    for login in ("slow", "once"):
        assert (await post(shop, a_request(login=login, id=USED))).code in {0, 10}


@pytest.mark.usefixtures("used_up")
@pytest.mark.parametrize("name", FAULTS)
async def test_each_fault_alone(shop: RunningGateway, name: str) -> None:
    fault = FAULTS[name]
    answer = await post(shop, altered(a_request(), fault.changes))
    assert_refused(answer, fault.code, fault.phrase)


@pytest.mark.usefixtures("used_up")
@pytest.mark.parametrize(
    ("first", "second"), [pair for pair in itertools.combinations(FAULTS, 2) if meet(*pair)]
)
async def test_of_two_faults_the_first_answers(
    shop: RunningGateway, first: str, second: str
) -> None:
    changes = {**FAULTS[second].changes, **FAULTS[first].changes}
    answer = await post(shop, altered(a_request(), changes))
    assert_refused(answer, FAULTS[first].code, FAULTS[first].phrase)


@pytest.mark.usefixtures("used_up")
async def test_of_all_faults_the_first_answers(shop: RunningGateway) -> None:
    """Mend one fault after the other: the answers come in the order of the protocol."""
    left, seen = dict(FAULTS), []
    while left:
        changes = {k: v for fault in reversed(left.values()) for k, v in fault.changes.items()}
        answer = await post(shop, altered(a_request(), changes))
        name = next(iter(left))
        assert_refused(answer, left.pop(name).code)
        seen.append(answer.text)
    assert len(set(seen)) == len(FAULTS)
