"""`shortenLinks` on the wire: `protocol.md`, sections 1 and 5."""

import json
import re
from typing import Any

import pytest

from tests.support.gateway import LOGIN, RunningGateway, a_profile, a_request, an_account
from tests.web.wire import a_text, altered, assert_refused, post, stored
from whimbrel.domain.partner import Profile
from whimbrel.domain.short_url import ShortUrlMode
from whimbrel.settings import Settings, ShortUrlSettings

LONG = "https://магазин.рф/каталог/обувь?цвет=красный&размер=42#отзывы"
TEXT = f"Ваш заказ: «{LONG}», ждём! 👟"
SHORTENED = re.compile(r"Ваш заказ: «https://go\.example/([A-Za-z0-9_-]{8})», ждём! 👟")
CONTENT = "message.data.instantContent"


@pytest.fixture(scope="module")
def settings() -> Settings:
    return Settings(
        whatsapp={"main": an_account()}, short_urls=ShortUrlSettings(base_url="https://go.example")
    )


@pytest.fixture(scope="module")
def partners() -> dict[str, Profile]:
    service = ShortUrlMode.PER_SUBSCRIBER
    return {
        LOGIN: a_profile(short_urls=service, cascades=True),
        "without": a_profile(cascades=True),
        "own": a_profile(short_urls=ShortUrlMode.SHARED, short_domain="https://s.own.example/l"),
    }


async def text_of(shop: RunningGateway, **changes: Any) -> str:
    request = altered(a_request(message=a_text(TEXT)), changes.pop("members", {})) | changes
    [link, *_] = (await stored(shop, await post(shop, request))).links
    text: str = link["text"]
    return text


YES = [None, True, "true", "True", "TRUE", 1, "1"]
NO = [False, "false", "False", "FALSE", 0, "0"]


@pytest.mark.parametrize("spelling", YES)
@pytest.mark.parametrize("member", ["shortenLinks", "message.shortenLinks"])
async def test_urls_are_shortened(shop: RunningGateway, member: str, spelling: Any) -> None:
    assert SHORTENED.fullmatch(await text_of(shop, members={member: spelling}))


async def test_urls_are_shortened_without_a_word(shop: RunningGateway) -> None:
    assert SHORTENED.fullmatch(await text_of(shop))


@pytest.mark.parametrize("spelling", NO)
@pytest.mark.parametrize("member", ["shortenLinks", "message.shortenLinks"])
async def test_or_not(shop: RunningGateway, member: str, spelling: Any) -> None:
    assert await text_of(shop, members={member: spelling}) == TEXT


@pytest.mark.parametrize("spelling", ["maybe", "", 2, [], {}])
@pytest.mark.parametrize("member", ["shortenLinks", "message.shortenLinks"])
async def test_what_is_neither_is_refused(shop: RunningGateway, member: str, spelling: Any) -> None:
    request = altered(a_request(message=a_text(TEXT)), {member: spelling})
    assert_refused(await post(shop, request), 4, member)


async def test_a_message_s_own_wish_wins(shop: RunningGateway) -> None:
    members = {"shortenLinks": False, "message.shortenLinks": True}
    assert SHORTENED.fullmatch(await text_of(shop, members=members))
    members = {"shortenLinks": True, "message.shortenLinks": False}
    assert await text_of(shop, members=members) == TEXT


async def test_each_link_of_a_cascade_has_its_own(shop: RunningGateway) -> None:
    last = {"state": "READ", "message": a_text(TEXT)}
    middle = {"state": "READ", "message": a_text(TEXT) | {"shortenLinks": False}, "nextLink": last}
    request = a_request(message=a_text(TEXT), cascadeChainLink=middle)
    story = await stored(shop, await post(shop, request))
    first, second, third = (link["text"] for link in story.links)
    assert second == TEXT
    uids = [found[1] for text in (first, third) if (found := SHORTENED.fullmatch(text))]
    assert len(set(uids)) == 2
    assert [(one["uid"], one["target"]) for one in story.short_urls] == [
        (uid, LONG) for uid in uids
    ]


async def test_who_has_not_the_service_has_the_text_as_it_is(shop: RunningGateway) -> None:
    for members in ({}, {"shortenLinks": True}, {"message.shortenLinks": True}):
        assert await text_of(shop, login="without", members=members) == TEXT


async def test_a_partner_s_own_domain(shop: RunningGateway) -> None:
    first, second = [await text_of(shop, login="own") for _ in range(2)]
    assert first == second
    assert re.search(r"«https://s\.own\.example/l/[A-Za-z0-9_-]{8}»", first)


async def test_an_image_is_left_alone(shop: RunningGateway) -> None:
    url = "https://media.example/a/very/long/name/of/an/image.png"
    image = {f"{CONTENT}.type": "IMAGE_URL", f"{CONTENT}.data": {"imageURL": url}}
    story = await stored(shop, await post(shop, altered(a_request(), image)))
    assert [link["image_url"] for link in story.links] == [url]
    assert story.short_urls == []


async def test_a_text_is_as_long_as_it_is_sent(shop: RunningGateway) -> None:
    url = "https://shop.example/" + "x" * 300
    text = url + " " + "я" * 779
    assert len(text) == 1_101
    sent = await text_of(shop, message=a_text(text))
    assert len(sent) == len("https://go.example/12345678 ") + 779
    assert_refused(
        await post(shop, a_request(message=a_text(text), shortenLinks=False)),
        4,
        "Message is too long (1101 symbols). WHATSAPP message max length is 1000 symbols.",
    )
    assert_refused(
        await post(shop, a_request(message=a_text(url + " " + "я" * 973))),
        4,
        "Message is too long (1001 symbols). WHATSAPP message max length is 1000 symbols.",
    )


async def test_sixty_kilobytes_of_near_urls_are_refused_soon(shop: RunningGateway) -> None:
    """The bench has the time; here it is the answer, whatever the text does to the search."""
    for piece in ("http://", "http://a/(", "http://" + "xn--a." * 100 + "-", "«http://a/»"):
        text = piece * (50_000 // len(piece.encode()))
        body = json.dumps(a_request(message=a_text(text)), ensure_ascii=False).encode()
        assert_refused(await post(shop, body), 4, "Message is too long")
