"""Duplicate control (protocol, section 4)."""

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace

from tests.support.clock import FakeClock
from tests.support.gateway import RunningGateway, a_profile, a_request
from tests.web.wire import Answer, a_text, assert_refused, count_chains, post
from whimbrel.clock import DAY, SECOND
from whimbrel.domain.partner import DuplicateControl, Profile
from whimbrel.store.partners import PartnerChange, all_partners, change_partners

WINDOW = 60
REPEATED_ID = "id: a request with this id was accepted."
REPEATED_CONTENT = "message: the same content was sent to this destAddr less than 60 seconds ago."


@pytest.fixture(scope="module")
def partners() -> dict[str, Profile]:
    window = {"content_window_seconds": WINDOW}
    return {
        "off": a_profile(),
        "return": a_profile(duplicate_control=DuplicateControl.RETURN),
        "return-too": a_profile(duplicate_control=DuplicateControl.RETURN),
        "reject": a_profile(duplicate_control=DuplicateControl.REJECT),
        "window": a_profile(**window),
        "window-too": a_profile(**window),
        "both": a_profile(duplicate_control=DuplicateControl.RETURN, **window),
        "turned": a_profile(),
    }


async def ask(shop: RunningGateway, login: str, **changes: Any) -> Answer:
    return await post(shop, a_request(login=login, **changes))


async def test_off_echoes_the_id_only(shop: RunningGateway) -> None:
    first, second = [await ask(shop, "off", id="o") for _ in "12"]
    assert first.mt_num != second.mt_num
    assert first.json["id"] == second.json["id"] == "o"


async def test_return_gives_the_first_number_and_sends_nothing(shop: RunningGateway) -> None:
    first = await ask(shop, "return", id="r")
    before = await count_chains(shop)
    second = await ask(shop, "return", id="r", destAddr="+44 20 7946 0000", message=a_text("Else"))
    assert second.json == first.json == {"mtNum": first.mt_num, "id": "r"}
    assert await count_chains(shop) == before


async def test_an_id_as_a_number_is_the_same_id(shop: RunningGateway) -> None:
    first = await ask(shop, "return", id="8770100")
    assert (await ask(shop, "return", id=8770100)).mt_num == first.mt_num
    assert (await ask(shop, "return", id="08770100")).mt_num != first.mt_num


async def test_without_an_id_nothing_repeats(shop: RunningGateway) -> None:
    answers = [await ask(shop, "return", id=missing) for missing in (None, None, "", "")]
    assert len({answer.mt_num for answer in answers}) == 4


async def test_reject(shop: RunningGateway) -> None:
    assert (await ask(shop, "reject", id="j")).status == 200
    before = await count_chains(shop)
    assert_refused(await ask(shop, "reject", id="j", message=a_text("Else")), 10, REPEATED_ID)
    assert await count_chains(shop) == before
    assert (await ask(shop, "reject", id="J")).status == 200


async def test_a_refused_request_does_not_use_its_id_up(shop: RunningGateway) -> None:
    assert (await ask(shop, "reject", id="k", destAddr="12")).code == 8
    assert (await ask(shop, "reject", id="k")).status == 200


async def test_the_memory_outlasts_days(shop: RunningGateway, clock: FakeClock) -> None:
    first = await ask(shop, "return", id="old")
    clock.advance(30 * DAY)
    assert (await ask(shop, "return", id="old")).mt_num == first.mt_num


async def test_partners_do_not_meet(shop: RunningGateway) -> None:
    logins = ("return", "return-too", "reject", "off")
    assert len({(await ask(shop, login, id="same")).mt_num for login in logins}) == len(logins)


@pytest.mark.parametrize("login", ["return", "reject"])
async def test_fifty_at_once_are_one_message(shop: RunningGateway, login: str) -> None:
    before = await count_chains(shop)
    answers = await asyncio.gather(*(ask(shop, login, id="race") for _ in range(50)))
    assert await count_chains(shop) == before + 1
    if login == "return":
        assert {answer.status for answer in answers} == {200}
        assert len({answer.mt_num for answer in answers}) == 1
    else:
        assert sorted(answer.code for answer in answers) == [0] + [10] * 49


# -- The content window


async def test_the_same_content_inside_the_window(shop: RunningGateway, clock: FakeClock) -> None:
    clock.advance(DAY)
    assert (await ask(shop, "window")).status == 200
    clock.advance(WINDOW * SECOND - 1)
    before = await count_chains(shop)
    assert_refused(await ask(shop, "window"), 10, REPEATED_CONTENT)
    assert await count_chains(shop) == before
    clock.advance(1)
    assert (await ask(shop, "window")).status == 200


async def test_a_rejected_repeat_does_not_prolong_the_window(
    shop: RunningGateway, clock: FakeClock
) -> None:
    clock.advance(DAY)
    assert (await ask(shop, "window")).status == 200
    for code in (10, 10, 0):
        clock.advance(WINDOW * SECOND // 3)
        assert (await ask(shop, "window")).code == code


def an_image(url: str) -> dict[str, Any]:
    content = {"type": "IMAGE_URL", "data": {"imageURL": url}}
    return {"type": "WHATSAPP", "data": {"instantContent": content}}


@pytest.mark.parametrize(
    ("changes", "repeats"),
    [
        ({"message": a_text("Hello")}, True),
        ({"destAddr": "8 (916) 123-45-67"}, True),  # the same number, written otherwise
        ({"id": "another"}, True),
        ({"message": a_text("Hello", ttl=2880)}, True),
        ({"message": a_text("hello")}, False),
        ({"message": a_text("Hello ")}, False),
        ({"message": an_image("https://a.test/Hello")}, False),
        ({"destAddr": "79161234568"}, False),
        ({"login": "window-too"}, False),
    ],
)
async def test_what_is_the_same_content(
    shop: RunningGateway, clock: FakeClock, changes: dict[str, Any], repeats: bool
) -> None:
    clock.advance(DAY)
    assert (await ask(shop, "window")).status == 200
    assert (await post(shop, a_request(**{"login": "window", **changes}))).code == 10 * repeats


async def test_the_same_image(shop: RunningGateway, clock: FakeClock) -> None:
    clock.advance(DAY)
    answers = [
        await ask(shop, "window", message=an_image(url)) for url in ("http://a/1", "http://a/2")
    ]
    assert [answer.status for answer in answers] == [200, 200]
    assert_refused(await ask(shop, "window", message=an_image("http://a/1")), 10, REPEATED_CONTENT)


async def test_fifty_of_the_same_content_at_once(shop: RunningGateway, clock: FakeClock) -> None:
    clock.advance(DAY)
    before = await count_chains(shop)
    answers = await asyncio.gather(*(ask(shop, "window", id=str(n)) for n in range(50)))
    assert sorted(answer.code for answer in answers) == [0] + [10] * 49
    assert await count_chains(shop) == before + 1


async def test_a_repeated_request_is_no_repeated_content(
    shop: RunningGateway, clock: FakeClock
) -> None:
    clock.advance(DAY)
    first = await ask(shop, "both", id="b")
    assert (await ask(shop, "both", id="b")).mt_num == first.mt_num
    assert_refused(await ask(shop, "both", id="c"), 10, REPEATED_CONTENT)


# -- A switch while the gateway runs


async def switch(shop: RunningGateway, login: str, **changes: Any) -> None:
    """Change a Partner as the CLI does, and wait until the gateway has read it."""
    [partner] = [
        one.partner
        for one in await shop.store.read(all_partners, None)
        if one.partner.login == login
    ]
    changed = replace(partner, profile=replace(partner.profile, **changes))
    now = shop.gateway._clock.now()
    await shop.store.write(change_partners, PartnerChange(changed, now))
    async with asyncio.timeout(10):
        while shop.gateway._partners.by_login(login) != changed:
            await post(shop, a_request(login=login))


async def test_control_switched_on(shop: RunningGateway, clock: FakeClock) -> None:
    """What was sent without control is not remembered: its ids were never promised to be unique."""
    before = await ask(shop, "turned", id="t")
    clock.advance(SECOND)
    await switch(shop, "turned", duplicate_control=DuplicateControl.RETURN)
    first, second = [await ask(shop, "turned", id="t") for _ in "12"]
    assert before.mt_num != first.mt_num == second.mt_num
    clock.advance(SECOND)
    await switch(shop, "turned", duplicate_control=DuplicateControl.REJECT)
    assert_refused(await ask(shop, "turned", id="t"), 10, REPEATED_ID)
    clock.advance(SECOND)
    await switch(shop, "turned", duplicate_control=DuplicateControl.OFF)
    assert (await ask(shop, "turned", id="t")).status == 200
