"""Cascades and SMS over HTTP: what is refused, where and why, and what is accepted."""

from typing import Any

import pytest

from tests.support.clock import START
from tests.support.gateway import (
    LOGIN,
    PASSWORD,
    SENDER,
    RunningGateway,
    a_profile,
    a_request,
    an_account,
)
from tests.web.wire import (
    ABSENT,
    Answer,
    a_text,
    altered,
    assert_refused,
    count_chains,
    post,
    stored,
)
from whimbrel.clock import DAY, HOUR, MINUTE, SECOND
from whimbrel.domain.cascade import NEVER
from whimbrel.domain.content import Channel
from whimbrel.domain.partner import Profile
from whimbrel.domain.status import LinkState
from whimbrel.settings import Settings, SmppAccount

SMS_ONLY, WHATSAPP_ONLY = "SMSBRAND", "WABRAND"
PLAIN, WITHOUT_SMS = "plain", "without-sms"
IS_MISSING = "this mandatory member is missing"
PNG = "https://a.test/i.png"


@pytest.fixture(scope="module")
def settings() -> Settings:
    """One sender of both channels, and one of each; nothing listens where the SMSC would be."""
    smsc = SmppAccount(
        senders=[SENDER, SMS_ONLY], host="127.0.0.1", port=9, system_id="x", password="y"
    )
    return Settings(
        whatsapp={"main": an_account(), "other": an_account(sender=WHATSAPP_ONLY)},
        smpp={"main": smsc},
    )


@pytest.fixture(scope="module")
def partners() -> dict[str, Profile]:
    both: dict[str, Any] = {
        "message_types": [Channel.WHATSAPP, Channel.SMS],
        "senders": [SENDER, SMS_ONLY, WHATSAPP_ONLY],
    }
    return {
        LOGIN: a_profile(cascades=True, **both),
        PLAIN: a_profile(**both),
        WITHOUT_SMS: a_profile(cascades=True),
    }


def an_sms(text: object = "Hello", **members: Any) -> dict[str, Any]:
    """An SMS as the provider's clients write it."""
    return {"type": "SMS", "data": {"text": text, **members}}


def behind(*links: dict[str, Any]) -> dict[str, Any] | None:
    """Return a `cascadeChainLink` of links, the last of them innermost."""
    whole: dict[str, Any] | None = None
    for link in reversed(links):
        whole = {**link, "nextLink": whole} if whole else link
    return whole


def a_link(message: object = None, state: object = "DELIVERED", **more: Any) -> dict[str, Any]:
    return {"state": state, "message": an_sms() if message is None else message, **more}


def a_cascade(*links: dict[str, Any], first: object = None, **more: Any) -> dict[str, Any]:
    """A request whose first message is WhatsApp unless another is given."""
    return a_request(message=first or a_text(), cascadeChainLink=behind(*links), **more)


async def refused(
    shop: RunningGateway, request: dict[str, Any], code: int, *phrases: str
) -> Answer:
    """Assert that a request is refused, and that nothing of it was stored."""
    before = await count_chains(shop)
    answer = await post(shop, request)
    assert_refused(answer, code, *phrases)
    assert await count_chains(shop) == before
    return answer


# Where a message can stand, and how its members are named there

PLACES = {
    "first": "message",
    "second": "cascadeChainLink.message",
    "third": "cascadeChainLink.nextLink.message",
    "tenth": "cascadeChainLink" + ".nextLink" * 8 + ".message",
}


def at(place: str, message: object) -> dict[str, Any]:
    """A request with `message` in its place, and good ones in all others."""
    if place == "first":
        return a_request(message=message)
    count = {"second": 1, "third": 2, "tenth": 9}[place]
    return a_cascade(*[a_link()] * (count - 1), a_link(message))


def sms_with(**changes: Any) -> dict[str, Any]:
    return altered(an_sms(), {path.replace("__", "."): value for path, value in changes.items()})


def whatsapp_with(**changes: Any) -> dict[str, Any]:
    return altered(a_text(), {path.replace("__", "."): value for path, value in changes.items()})


def instant(kind: str, **data: Any) -> dict[str, Any]:
    return {"type": kind, "data": data}


TEXT, NOWHERE = "the text", "nowhere"
TOO_LONG_SMS = "Message is too long (2001 symbols). SMS message max length is 2000 symbols."
EMPTY_SMS = "Message is empty. SMS message needs 1 to 2000 symbols."
A_UNIT = "The unit of a lifetime is SECONDS, MINUTES or HOURS."
SMS_LIFETIME = "The lifetime of an SMS message is from 1 to 2880 minutes."
LAST_WHATSAPP = "The lifetime of a WHATSAPP message is, in minutes, one of 1440, 2880,"
MESSAGES: list[tuple[object, int, str, str]] = [
    # A message, the code, the member inside it, and what must be said. TEXT: its text, where the
    # provider's own words name no member if there is but one message.
    # -- not a message
    (7, 4, "", "it must be an object, not an integer"),
    ([], 4, "", "it must be an object, not an array"),
    ({}, 4, ".type", IS_MISSING),
    ({"type": "SMS"}, 4, ".data", IS_MISSING),
    ({"type": "SMS", "data": None}, 4, ".data", "it must be an object, not null"),
    ({"data": {"text": "Hello"}}, 4, ".type", IS_MISSING),
    # -- types
    (sms_with(type="PIGEON"), 9, ".type", "'PIGEON' is not a message type"),
    (sms_with(type=""), 9, ".type", "'' is not a message type"),
    (sms_with(type="SMS "), 9, ".type", "'SMS ' is not a message type"),
    (sms_with(type=None), 4, ".type", "it must be a string, not null"),
    (sms_with(type=1), 4, ".type", "it must be a string, not an integer"),
    # -- the content of an SMS
    (an_sms(None), 4, ".data.text", IS_MISSING),
    (sms_with(data__text=ABSENT), 4, ".data.text", IS_MISSING),
    (an_sms(12345), 4, ".data.text", "it must be a string, not an integer"),
    (an_sms({"body": "Hello"}), 4, ".data.text", "it must be a string, not an object"),
    (an_sms(""), 4, TEXT, EMPTY_SMS),
    (an_sms("x" * 2001), 4, TEXT, TOO_LONG_SMS),
    (an_sms("я" * 2001), 4, TEXT, TOO_LONG_SMS),
    (an_sms("😀" * 2001), 4, TEXT, TOO_LONG_SMS),
    (sms_with(data={"instantContent": instant("TEXT", text="")}), 4, TEXT, EMPTY_SMS),
    (sms_with(data={"instantContent": instant("TEXT", text="x" * 2001)}), 4, TEXT, TOO_LONG_SMS),
    (
        sms_with(data={"instantContent": instant("TEXT")}),
        4,
        ".data.instantContent.data.text",
        "it is mandatory with type TEXT",
    ),
    (
        sms_with(data={"instantContent": instant("IMAGE_URL", imageURL=PNG)}),
        4,
        ".data.instantContent.type",
        "SMS carries TEXT only",
    ),
    (
        sms_with(data__instantContent=instant("image_url", imageURL=PNG)),
        4,
        ".data.instantContent.type",
        "SMS carries TEXT only",
    ),
    (
        sms_with(data={"instantContent": instant("VIDEO", text="Hello")}),
        4,
        ".data.instantContent.type",
        "it is TEXT or IMAGE_URL",
    ),
    # -- the content of a WhatsApp message
    (whatsapp_with(data={"text": "Hello"}), 4, ".data.instantContent", IS_MISSING),
    (whatsapp_with(data={}), 4, ".data.instantContent", IS_MISSING),
    (
        a_text("x" * 1001),
        4,
        TEXT,
        "Message is too long (1001 symbols). WHATSAPP message",
    ),
    (a_text(""), 4, TEXT, "Message is empty. WHATSAPP message needs 1 to 1000 symbols."),
    # -- the sender, by channel
    (an_sms(serviceNumber="NOBODY"), 7, ".data.serviceNumber", "'NOBODY' is not a sender of this"),
    (an_sms(serviceNumber=SENDER.lower()), 7, ".data.serviceNumber", "'whimbrel' is not"),
    (
        an_sms(serviceNumber=WHATSAPP_ONLY),
        7,
        ".data.serviceNumber",
        "the sender 'WABRAND' is not configured for SMS",
    ),
    (
        a_text(serviceNumber=SMS_ONLY),
        7,
        ".data.serviceNumber",
        "the sender 'SMSBRAND' is not configured for WHATSAPP",
    ),
    (an_sms(serviceNumber=5), 4, ".data.serviceNumber", "it must be a string, not an integer"),
    # -- the lifetime of the last message of a chain, by channel
    *[
        (an_sms(ttl=ttl, ttlUnit=unit), 11, ".data.ttl", SMS_LIFETIME)
        for ttl, unit in [
            (-1, None),
            (2881, None),
            (2881, "MINUTES"),
            (49, "HOURS"),
            (59, "SECONDS"),
            (172_801, "seconds"),
            (10**30, None),
            ("2881", None),
        ]
    ],
    *[
        (a_text(ttl=ttl, ttlUnit=unit), 11, ".data.ttl", LAST_WHATSAPP)
        for ttl, unit in [(1, None), (120, "SECONDS"), (1441, None), (25, "HOURS"), (10081, None)]
    ],
    (an_sms(ttlUnit="DAYS"), 11, ".data.ttlUnit", A_UNIT),
    (an_sms(ttl=1, ttlUnit=""), 11, ".data.ttlUnit", A_UNIT),
    (an_sms(ttl="soon"), 4, ".data.ttl", "it must be an integer, not a string"),
    (an_sms(ttl=1.5), 4, ".data.ttl", "it must be an integer, not a number"),
    (an_sms(ttlUnit=60), 4, ".data.ttlUnit", "it must be a string, not an integer"),
    # -- what no database keeps
    (an_sms("Hello\0"), 4, NOWHERE, "U+0000"),
]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    "wrong", MESSAGES, ids=[f"{number}{wrong[2]}" for number, wrong in enumerate(MESSAGES)]
)
async def test_a_wrong_message_is_named_by_its_place(
    shop: RunningGateway, place: str, wrong: tuple[Any, int, str, str]
) -> None:
    message, code, member, phrase = wrong
    answer = await refused(shop, at(place, message), code)
    if member == NOWHERE:  # it may be anywhere in the body
        assert phrase in answer.text
    elif member == TEXT and place == "first":
        assert answer.text.startswith(phrase)
    else:
        content = ".instantContent.data" if "instantContent" in str(message) else ""
        member = member.replace(TEXT, f".data{content}.text")
        assert answer.text.startswith(f"{PLACES[place]}{member}: {phrase}")


# The provider's own examples of channels that this gateway has not

FOREIGN: dict[str, dict[str, Any]] = {
    "PUSH": {"type": "PUSH", "data": {"text": "Hello", "serviceNumber": "App", "ttl": 120}},
    "VIBER": {
        "type": "VIBER",
        "data": {
            "instantContent": {
                "type": "TEXT_IMAGE_BUTTON",
                "data": {"text": "Hello", "imageURL": PNG, "caption": "Go", "action": PNG},
            },
            "serviceNumber": SENDER,
            "ttl": 60,
            "ttlUnit": "SECONDS",
        },
    },
    "VK": {"type": "VK", "data": {"templateId": 1, "templateData": {"code": "1"}, "ttl": 30}},
    "FLASHINGCALL": {"type": "FLASHINGCALL", "data": {"text": "1234", "ttl": 1}},
    "TELEGRAM": {
        "type": "TELEGRAM",
        "data": {"instantContent": {"type": "TEXT", "data": {"text": "Hello"}}},
    },
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", FOREIGN)
async def test_a_channel_that_is_not_ours_has_code_9_wherever_it_stands(
    shop: RunningGateway, kind: str, place: str
) -> None:
    expected = f"{PLACES[place]}.type: '{kind}' is not a message type. Types are WHATSAPP, SMS."
    answer = await refused(shop, at(place, FOREIGN[kind]), 9, expected)
    assert answer.text == expected


@pytest.mark.parametrize("kind", ["PUSH", "VIBER"])
async def test_the_providers_cascade_to_push_or_viber_first_is_refused(
    shop: RunningGateway, kind: str
) -> None:
    """Push, else Viber, else SMS: `protocol.md`, section 6."""
    request = a_cascade(
        a_link(FOREIGN["VIBER"], state="READ"), a_link(an_sms(ttl=10)), first=FOREIGN[kind]
    )
    await refused(shop, request, 9, f"message.type: '{kind}' is not a message type")


# The links themselves

LINKS: list[tuple[object, int, str]] = [
    # The value of `cascadeChainLink`, the code, and how the words begin.
    (7, 4, "cascadeChainLink: it must be an object, not an integer"),
    ("SMS", 4, "cascadeChainLink: it must be an object, not a string"),
    ([a_link()], 4, "cascadeChainLink: it must be an object, not an array"),
    ({}, 4, f"cascadeChainLink.state: {IS_MISSING}"),
    ({"state": "READ"}, 4, f"cascadeChainLink.message: {IS_MISSING}"),
    ({"message": an_sms()}, 4, f"cascadeChainLink.state: {IS_MISSING}"),
    *[
        (a_link(state=state), 4, "cascadeChainLink.state: it is DELIVERED or READ")
        for state in ("", "SENT", "UNDELIVERED", "DELIVERED ", "DELIVERED,READ", "2", "ПРОЧИТАНО")
    ],
    (a_link(state=None), 4, "cascadeChainLink.state: it must be a string, not null"),
    (a_link(state=2), 4, "cascadeChainLink.state: it must be a string, not an integer"),
    (a_link(state=["READ"]), 4, "cascadeChainLink.state: it must be a string, not an array"),
    (a_link(nextLink=7), 4, "cascadeChainLink.nextLink: it must be an object, not an integer"),
    (a_link(nextLink=""), 4, "cascadeChainLink.nextLink: it must be an object, not a string"),
    (a_link(nextLink=[]), 4, "cascadeChainLink.nextLink: it must be an object, not an array"),
    (a_link(nextLink={}), 4, f"cascadeChainLink.nextLink.state: {IS_MISSING}"),
    (
        behind(a_link(), a_link(), {"state": "READ"}),
        4,
        f"cascadeChainLink.nextLink.nextLink.message: {IS_MISSING}",
    ),
    (
        behind(a_link(), a_link(), a_link(state="TOLD")),
        4,
        "cascadeChainLink.nextLink.nextLink.state: it is DELIVERED or READ",
    ),
    (
        behind(*[a_link()] * 10),
        4,
        f"cascadeChainLink{'.nextLink' * 9}: a chain has at most 10 links",
    ),
    (
        behind(*[a_link()] * 40),
        4,
        f"cascadeChainLink{'.nextLink' * 9}: a chain has at most 10 links",
    ),
]


@pytest.mark.parametrize(
    ("value", "code", "words"), LINKS, ids=[f"{n} {link[2]}" for n, link in enumerate(LINKS)]
)
async def test_a_wrong_link_is_named_by_its_place(
    shop: RunningGateway, value: object, code: int, words: str
) -> None:
    answer = await refused(shop, a_request(cascadeChainLink=value), code)
    assert answer.text.startswith(words)


# The lifetime, by channel and by what stands behind

WITH_NEXT = "from 30 seconds to 10080 minutes"
LIFETIMES: list[tuple[dict[str, Any], str, str]] = [
    # The message that has another behind it, and the words where it is refused, else "".
    (a_text(ttl=120, ttlUnit="SECONDS"), "WHATSAPP", ""),
    (a_text(ttl=30, ttlUnit="SECONDS"), "WHATSAPP", ""),
    (a_text(ttl=1), "WHATSAPP", ""),
    (a_text(ttl=7), "WHATSAPP", ""),
    (a_text(ttl=10080), "WHATSAPP", ""),
    (a_text(ttl=29, ttlUnit="SECONDS"), "WHATSAPP", WITH_NEXT),
    (a_text(ttl=-1), "WHATSAPP", WITH_NEXT),
    (a_text(ttl=10081), "WHATSAPP", WITH_NEXT),
    (a_text(ttl=169, ttlUnit="HOURS"), "WHATSAPP", WITH_NEXT),
    (an_sms(ttl=1), "SMS", ""),
    (an_sms(ttl=60, ttlUnit="SECONDS"), "SMS", ""),
    (an_sms(ttl=48, ttlUnit="HOURS"), "SMS", ""),
    (an_sms(ttl=30, ttlUnit="SECONDS"), "SMS", SMS_LIFETIME),
    (an_sms(ttl=2881), "SMS", SMS_LIFETIME),
]


@pytest.mark.parametrize("place", ["first", "third"])
@pytest.mark.parametrize(("message", "kind", "words"), LIFETIMES)
async def test_the_lifetime_of_a_message_with_another_behind_it(
    shop: RunningGateway, message: dict[str, Any], kind: str, words: str, place: str
) -> None:
    if place == "first":
        request = a_cascade(a_link(), first=message)
    else:
        request = a_cascade(a_link(), a_link(message), a_link())
    if not words:
        assert (await post(shop, request)).status == 200
        return
    answer = await refused(shop, request, 11, words)
    assert answer.text.startswith(f"{PLACES[place]}.data.ttl: ")


# Who may


@pytest.mark.parametrize("link", [a_link(), a_link(FOREIGN["VIBER"]), a_link(state="")])
async def test_a_login_without_cascades_may_send_none(
    shop: RunningGateway, link: dict[str, Any]
) -> None:
    request = a_cascade(link, login=PLAIN)
    answer = await refused(shop, request, 4)
    assert answer.text == "cascadeChainLink: cascades are not allowed for this login."


async def test_but_single_messages_of_both_channels(shop: RunningGateway) -> None:
    for message in (a_text(), an_sms()):
        assert (await post(shop, a_request(message=message, login=PLAIN))).status == 200


@pytest.mark.parametrize("place", PLACES)
async def test_a_login_without_sms_may_send_none_wherever_it_stands(
    shop: RunningGateway, place: str
) -> None:
    count = {"first": 0, "second": 1, "third": 2, "tenth": 9}[place]
    links = [a_link(a_text())] * (count - 1) + [a_link(an_sms())] * (count > 0)
    first = a_text() if count else an_sms()
    answer = await refused(shop, a_cascade(*links, first=first, login=WITHOUT_SMS), 9)
    assert answer.text == (
        f"{PLACES[place]}.type: SMS is not among the message types of this login."
    )


# Which fault is told of several: `protocol.md`, section 8


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"message": FOREIGN["PUSH"]}, 9),
        ({"message": a_text("")}, 4),
        ({"message": a_text(serviceNumber=SMS_ONLY)}, 7),
        ({"destAddr": "7916"}, 8),
        ({"message": a_text(ttl=1, ttlUnit="SECONDS")}, 11),
        ({"scheduleInfo": {"deadline": "2019-05-10T16:29:30+0300"}}, 4),
        ({"registeredDelivery": 3}, 4),
        ({}, 9),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_the_first_message_and_the_request_are_checked_before_the_cascade(
    shop: RunningGateway, changes: dict[str, Any], code: int
) -> None:
    request = {**a_cascade(a_link(FOREIGN["VIBER"])), **changes}
    answer = await refused(shop, request, code)
    assert ("cascadeChainLink" in answer.text) == (not changes)


async def test_of_several_wrong_links_the_first_is_told(shop: RunningGateway) -> None:
    links = (a_link(), a_link(an_sms(ttl=5000)), a_link(FOREIGN["VK"]), a_link(state="?"))
    answer = await refused(shop, a_cascade(*links), 11)
    assert answer.text.startswith("cascadeChainLink.nextLink.message.data.ttl: ")


async def test_a_schedule_that_never_opens_refuses_the_whole_cascade(
    shop: RunningGateway,
) -> None:
    hours = {"timeBegin": "22:00", "timeEnd": "23:00", "deadline": "2026-11-23T06:00:00+0300"}
    answer = await refused(shop, a_cascade(a_link(), scheduleInfo=hours), 4)
    assert answer.text.startswith("scheduleInfo: these sending hours do not open before")


# What is accepted


async def links_of(shop: RunningGateway, request: dict[str, Any]) -> list[dict[str, Any]]:
    """Accept a request; return what was stored of its links."""
    story = await stored(shop, await post(shop, request))
    return story.links


async def test_an_sms_as_the_providers_clients_write_it(shop: RunningGateway) -> None:
    message = {"type": "SMS", "data": {"text": "Your code", "serviceNumber": SMS_ONLY, "ttl": 10}}
    [link] = await links_of(shop, a_request(message=message))
    assert (link["channel"], link["sender"], link["text"]) == ("SMS", SMS_ONLY, "Your code")
    assert (link["ttl"], link["first_due_at"]) == (10 * MINUTE, START)


async def test_whatsapp_then_sms_as_the_provider_writes_it(shop: RunningGateway) -> None:
    request = {
        "login": LOGIN,
        "password": PASSWORD,
        "useTimeDiff": False,
        "id": "8770630",
        "scheduleInfo": {"timeBegin": "00:00", "timeEnd": "24:00", "weekdaysSchedule": "1234567"},
        "destAddr": "72101234567",
        "message": {
            "type": "WHATSAPP",
            "data": {
                "instantContent": {"type": "TEXT", "data": {"text": "By WhatsApp"}},
                "serviceNumber": SENDER,
                "ttl": 120,
                "ttlUnit": "SECONDS",
            },
        },
        "cascadeChainLink": {
            "state": "DELIVERED",
            "message": {
                "type": "SMS",
                "data": {"text": "By SMS", "serviceNumber": SMS_ONLY, "ttl": 10},
            },
        },
    }
    answer = await post(shop, request)
    chain, links, *_ = await stored(shop, answer)
    assert answer.json == {"mtNum": str(chain["chain_id"]), "id": "8770630"}
    assert chain["schedule"] is None  # the whole of every day
    whatsapp, sms = links
    assert [whatsapp[name] for name in ("channel", "sender", "text", "ttl")] == [
        "WHATSAPP",
        SENDER,
        "By WhatsApp",
        120 * SECOND,
    ]
    assert [sms[name] for name in ("channel", "sender", "text", "ttl", "state", "due_at")] == [
        "SMS",
        SMS_ONLY,
        "By SMS",
        10 * MINUTE,
        LinkState.HELD,
        START + 120 * SECOND,
    ]
    assert sms["expires_at"] == NEVER


async def test_the_habits_of_deployed_clients_hold_inside_a_cascade(shop: RunningGateway) -> None:
    request = {
        **a_request(),
        "message": {"type": "WhatsApp", "data": {**a_text()["data"], "ttl": "120",
                                                "ttlUnit": "seconds"}},
        "cascadeChainLink": {
            "state": "read",
            "message": {
                "type": "sms",
                "data": {"text": "Hi", "ttl": "2", "ttlUnit": "Hours", "serviceNumber": None,
                         "instantContent": None, "flash": True},
                "shortenLinks": "false",
            },
            "nextLink": None,
            "delivery": {"unknown": []},
        },
    }  # fmt: skip
    first, second = await links_of(shop, request)
    assert (first["channel"], first["ttl"]) == ("WHATSAPP", 120 * SECOND)
    assert (second["channel"], second["ttl"], second["text"]) == ("SMS", 2 * HOUR, "Hi")
    assert second["sender"] == SENDER  # the default


@pytest.mark.parametrize(
    "message",
    [
        {"type": "SMS", "data": {"instantContent": instant("TEXT", text="Hello")}},
        {"type": "SMS", "data": {"instantContent": instant("text", text="Hello"), "text": None}},
        an_sms(),
    ],
    ids=["instantContent", "instantContent and null", "text"],
)
@pytest.mark.parametrize("place", PLACES)
async def test_an_sms_has_its_text_in_one_of_two_places(
    shop: RunningGateway, message: dict[str, Any], place: str
) -> None:
    link = (await links_of(shop, at(place, message)))[-1]
    assert (link["channel"], link["text"]) == ("SMS", "Hello")


@pytest.mark.parametrize("text", ["x", "x" * 2000, "я" * 2000, "😀" * 2000, " ", "\n"])
@pytest.mark.parametrize("place", ["first", "second"])
async def test_texts_of_an_sms(shop: RunningGateway, text: str, place: str) -> None:
    link = (await links_of(shop, at(place, an_sms(text))))[-1]
    assert link["text"] == text


@pytest.mark.parametrize("ttl", [None, 0, "0"])
async def test_an_sms_without_a_lifetime_has_the_logins_default(
    shop: RunningGateway, ttl: object
) -> None:
    _, link = await links_of(shop, a_cascade(a_link(an_sms(ttl=ttl))))
    assert link["ttl"] == DAY


async def test_a_chain_of_ten_links(shop: RunningGateway) -> None:
    """Of each but the last the goal is kept; nobody can tell that an SMS was read."""
    links = [
        a_link(an_sms(f"SMS {n}") if n % 2 else a_text(f"WhatsApp {n}", ttl=60), state="READ")
        for n in range(2, 10)
    ]
    stored_links = await links_of(shop, a_cascade(*links, a_link(an_sms("the last"))))
    assert len(stored_links) == 10
    assert [link["link_id"] & 15 for link in stored_links] == list(range(10))
    assert [link["channel"] for link in stored_links[1:]] == ["WHATSAPP", "SMS"] * 4 + ["SMS"]
    assert [link["state"] for link in stored_links[1:]] == [LinkState.HELD] * 9
    assert stored_links[-1]["text"] == "the last"
    goals = [link["satisfied_by"] for link in stored_links]
    assert goals[-1] is None
    for link, goal in zip(stored_links[:-1], goals[:-1], strict=True):
        last_but_one = link is stored_links[-2]
        is_read = link["channel"] == "WHATSAPP" and not last_but_one
        assert goal == (LinkState.READ if is_read else LinkState.DELIVERED)
