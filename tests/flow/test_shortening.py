"""Short URLs at acceptance: `protocol.md`, sections 1, 4 and 5."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from msgspec.structs import replace
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from tests.flow.door import Door, a_message, a_request, stored
from tests.support.builders import SENDER, SUBSCRIBER, Database, a_partner
from tests.support.clock import START, FakeClock
from whimbrel.clock import DAY
from whimbrel.domain.chain import Chain
from whimbrel.domain.content import Channel, Image, Text
from whimbrel.domain.numbering import NumberRanges
from whimbrel.domain.partner import DuplicateControl
from whimbrel.domain.refusal import Refusal, RefusalCode
from whimbrel.domain.request import CascadeRequest, MessageRequest
from whimbrel.domain.short_url import Draft, ShortUrlMode, ShortUrlRules, drafted, uid_space
from whimbrel.flow import password_checks
from whimbrel.flow.checks import check
from whimbrel.flow.own_domain import gateway_base
from whimbrel.flow.partner_directory import PartnerDirectory
from whimbrel.flow.shortening import Shortening
from whimbrel.metrics import Metrics
from whimbrel.settings import ServerSettings, Settings, SettingsError, ShortUrlSettings
from whimbrel.store.chains import accept_chains
from whimbrel.store.partners import PartnerChange, change_partners
from whimbrel.store.sqlite import SqliteStore

BASE = "https://go.example"
SHORT = len(BASE) + 1 + 8
LONG = "https://shop.example/catalogue/shoes?colour=red"
TEXT = f"Ваш заказ: {LONG}."
RULES = ShortUrlRules(
    base=BASE, threshold=26, uid_length=8, shared=False, idle=90 * DAY, lifetime=None
)
SENDERS = {channel: frozenset({SENDER}) for channel in Channel}


def checked(short: ShortUrlRules | None = RULES, **changes: Any) -> Chain:
    partner = a_partner(message_types=list(Channel), cascades=True, content_window_seconds=60)
    return check(
        a_request(**changes),
        partner,
        SENDERS,
        NumberRanges(),
        chain_id=1,
        now=START,
        request_id="1",
        short=short,
    )


def texts_of(chain: Chain) -> Iterator[str | None]:
    """Yield the text of each link, the UID of each short URL left blank."""
    for link in chain.links:
        match link.content:
            case Draft():
                yield link.content.sent(dict.fromkeys(link.content.targets, "________"))
            case Text(text):
                yield text
            case Image():
                yield None


def a_cascade(*messages: MessageRequest) -> CascadeRequest | None:
    cascade = None
    for message in reversed(messages):
        cascade = CascadeRequest(state="DELIVERED", message=message, next_link=cascade)
    return cascade


def an_sms(words: str = TEXT, **changes: Any) -> MessageRequest:
    members = {"type": "SMS", "content_type": None, "text": None, "plain_text": words, **changes}
    return a_message(**members)


SHORTENED = f"Ваш заказ: {BASE}/________."


@pytest.mark.parametrize(
    ("request_asks", "message_asks", "shortened"),
    [
        (True, None, True),
        (True, True, True),
        (True, False, False),
        (False, None, False),
        (False, True, True),
        (False, False, False),
    ],
)
@pytest.mark.parametrize("place", range(4))
def test_a_message_s_own_wish_wins(
    *, request_asks: bool, message_asks: bool | None, shortened: bool, place: int
) -> None:
    """Also in each link of a cascade, on both channels, whatever the others ask."""
    messages: list[MessageRequest] = [
        a_message(text=TEXT, shorten_links=not request_asks),
        an_sms(shorten_links=not request_asks),
        a_message(text=TEXT, shorten_links=not request_asks),
        an_sms(content_type="TEXT", text=TEXT, plain_text=None, shorten_links=not request_asks),
    ]
    own = [a_message(text=TEXT), an_sms()][place % 2]
    messages[place] = replace(own, shorten_links=message_asks)
    chain = checked(
        message=messages[0], cascade=a_cascade(*messages[1:]), shorten_links=request_asks
    )
    texts = list(texts_of(chain))
    assert texts[place] == (SHORTENED if shortened else TEXT)
    others = TEXT if request_asks else SHORTENED
    assert [text for other, text in enumerate(texts) if other != place] == [others] * 3


def test_without_the_service_a_text_is_left_alone() -> None:
    chain = checked(None, message=a_message(text=TEXT), cascade=a_cascade(an_sms()))
    assert [link.content for link in chain.links] == [Text(TEXT), Text(TEXT)]


def test_an_image_s_url_is_left_alone() -> None:
    message = a_message(content_type="IMAGE_URL", text=None, image_url=LONG)
    [link] = checked(message=message).links
    assert link.content == Image(LONG)


def test_a_text_without_a_url_makes_no_draft() -> None:
    [link] = checked(message=a_message(text="Code 4711, see https://s.example/a")).links
    assert link.content == Text("Code 4711, see https://s.example/a")


def text_of(length: int, *urls: str) -> str:
    words = " ".join(urls)
    return words + "." * (length - len(words))


VERY_LONG = LONG + "&x=" + "1" * 200


@pytest.mark.parametrize(
    ("message", "length"),
    [
        # as it is sent, it has just room
        (a_message(text=text_of(1_000 - SHORT + len(VERY_LONG), VERY_LONG)), 1_000),
        (a_message(text=text_of(1_100, VERY_LONG, LONG)), None),
        (an_sms(text_of(2_000 - SHORT + len(VERY_LONG), VERY_LONG)), 2_000),
        # nothing in it gets shorter
        (a_message(text=text_of(990, "https://s.example/a")), 990),
        (a_message(text=text_of(1_000, "https://s.example/a")), 1_000),
        (a_message(text=text_of(1_000 - SHORT + 27, "https://shop.example/123456")), 1_000),
    ],
)
def test_a_text_s_length_is_that_of_what_is_sent(
    message: MessageRequest, length: int | None
) -> None:
    [text] = texts_of(checked(message=message))
    assert text is not None
    if length is not None:
        assert len(text) == length


@pytest.mark.parametrize(
    ("message", "told"),
    [
        (a_message(text=text_of(1_001 - SHORT + len(LONG), LONG)), "too long (1001 symbols)"),
        (a_message(text=text_of(1_001, LONG), shorten_links=False), "too long (1001 symbols)"),
        (a_message(text=text_of(1_001, "https://s.example/a")), "too long (1001 symbols)"),
        (an_sms(text_of(2_001 - SHORT + len(LONG), LONG)), "too long (2001 symbols)"),
    ],
)
def test_a_text_that_is_sent_too_long_is_refused(message: MessageRequest, told: str) -> None:
    with pytest.raises(Refusal) as refused:
        checked(message=message)
    assert refused.value.code is RefusalCode.INVALID_REQUEST
    assert told in refused.value.text


def test_a_url_is_replaced_even_if_the_text_grows() -> None:
    """The threshold decides and nothing else: its clicks are to be counted."""
    rules = replace(RULES, base="https://a-long-domain.example")
    [text] = texts_of(checked(rules, message=a_message(text="https://shop.example/123456")))
    assert text == "https://a-long-domain.example/________"
    with pytest.raises(Refusal, match=r"too long \(1011 symbols\)"):
        checked(rules, message=a_message(text=text_of(1_000, "https://shop.example/123456")))


def test_a_text_that_is_too_long_in_a_cascade_is_named() -> None:
    with pytest.raises(Refusal) as refused:
        checked(cascade=a_cascade(an_sms(text_of(2_001 - SHORT + len(LONG), LONG))))
    assert refused.value.text.startswith("cascadeChainLink.message.data.text: Message is too long")


def test_the_content_key_is_of_the_text_as_it_was_written() -> None:
    plain = checked(None, message=a_message(text=TEXT)).content_key
    assert checked(message=a_message(text=TEXT)).content_key == plain
    assert checked(message=a_message(text=TEXT + "!")).content_key != plain


# The whole of it, with a store


@pytest.fixture
async def door(
    store: SqliteStore, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Door]:
    monkeypatch.setattr(
        password_checks, "password_is_right", lambda kept, password: kept == stored(password)
    )
    door = Door(store, clock, base=BASE)
    await door.configure(short_urls=ShortUrlMode.PER_SUBSCRIBER)
    yield door
    door.gatekeeper.close()


def kept(database: Database) -> list[tuple[Any, ...]]:
    return database.rows("SELECT target, subscriber FROM short_urls ORDER BY created_at, uid")


async def test_the_text_as_sent_is_what_is_stored(door: Door, database: Database) -> None:
    await door.accept(a_request(message=a_message(text=TEXT)))
    [(text, uid)] = database.rows("SELECT text, short_uids FROM links")
    assert text == f"Ваш заказ: {BASE}/{uid}."
    assert kept(database) == [(LONG, SUBSCRIBER)]


async def test_a_partner_s_own_domain_is_used(door: Door, database: Database) -> None:
    await door.configure(
        short_urls=ShortUrlMode.SHARED, short_domain="https://go.shop.example/l", short_uid_length=5
    )
    await door.accept(a_request(message=a_message(text=TEXT)))
    [(text, uid)] = database.rows("SELECT text, short_uids FROM links")
    assert len(uid) == 5
    assert text == f"Ваш заказ: https://go.shop.example/l/{uid}."
    assert kept(database) == [(LONG, None)]


@pytest.mark.parametrize("base", [BASE, "https://go.shop.example/l"])
async def test_no_domain_of_ours_is_shortened_again(
    door: Door, database: Database, base: str
) -> None:
    """Neither the gateway's nor another Partner's."""
    other = a_partner(2, short_domain="https://go.shop.example/l")
    await door.store.write(change_partners, PartnerChange(other, START))
    await door.configure(short_urls=ShortUrlMode.SHARED)
    await door.shortening.refresh()
    text = f"{base}/12345678?utm_source=whatsapp"
    await door.accept(a_request(message=a_message(text=text)))
    assert database.rows("SELECT text FROM links") == [(text,)]


@pytest.mark.parametrize("mode", ["shared", "per-subscriber"])
@pytest.mark.parametrize("control", ["return", "reject"])
async def test_a_repeated_id_makes_nothing(
    door: Door, database: Database, mode: str, control: str
) -> None:
    await door.configure(short_urls=ShortUrlMode(mode), duplicate_control=DuplicateControl(control))
    requests = [
        door.accept(a_request(partner_ref="a", message=a_message(text=f"{LONG}&n={number}")))
        for number in range(3)
    ]
    await asyncio.gather(*requests, return_exceptions=True)
    assert kept(database) == [(f"{LONG}&n=0", SUBSCRIBER if mode != "shared" else None)]


async def test_the_same_content_is_a_duplicate_though_its_uid_would_differ(
    door: Door, database: Database
) -> None:
    await door.configure(short_urls=ShortUrlMode.PER_SUBSCRIBER, content_window_seconds=60)
    await door.accept(a_request(message=a_message(text=TEXT)))
    refusal = await door.refusal(a_request(message=a_message(text=TEXT)))
    assert refusal.code is RefusalCode.PROHIBITED_DUPLICATE
    assert len(kept(database)) == 1


async def test_fifty_requests_share_one(door: Door, database: Database) -> None:
    await door.configure(short_urls=ShortUrlMode.SHARED)
    door.acceptor._reception._queue_limit = 100
    await asyncio.gather(*(door.accept(a_request(message=a_message(text=TEXT))) for _ in range(50)))
    assert kept(database) == [(LONG, None)]
    assert len(database.rows("SELECT DISTINCT text FROM links")) == 1


# Rules, and how full the spaces are


async def shortening(store: SqliteStore, *, base: str = BASE, **profile: Any) -> Shortening:
    await store.write(change_partners, PartnerChange(a_partner(**profile), START + 1))
    partners = PartnerDirectory(store)
    await partners.refresh()
    made = Shortening(store, partners, Metrics(), base=base)
    await made.refresh()
    return made


async def test_a_profile_makes_the_rules(store: SqliteStore) -> None:
    members: dict[str, Any] = {
        "short_urls": ShortUrlMode.SHARED,
        "short_threshold": 40,
        "short_uid_length": 4,
        "short_idle_days": 30,
        "short_lifetime_days": 365,
        "short_domain": "https://go.shop.example",
    }
    made = await shortening(store, **members)
    assert made.rules_of(a_partner(**members)) == ShortUrlRules(
        base="https://go.shop.example",
        ours=frozenset({"go.example", "go.shop.example"}),
        threshold=40,
        uid_length=4,
        shared=True,
        idle=30 * DAY,
        lifetime=365 * DAY,
    )


async def test_no_days_are_for_ever(store: SqliteStore) -> None:
    made = await shortening(store)
    rules = made.rules_of(a_partner(short_urls=ShortUrlMode.SHARED, short_idle_days=0))
    assert rules is not None
    assert (rules.idle, rules.lifetime) == (None, None)


async def test_who_has_not_the_service_or_no_domain_has_no_rules(store: SqliteStore) -> None:
    made = await shortening(store)
    assert made.rules_of(a_partner()) is None
    made = await shortening(store, base="")
    assert made.rules_of(a_partner(short_urls=ShortUrlMode.SHARED)) is None


async def test_a_crowded_space_is_left_and_told(store: SqliteStore, database: Database) -> None:
    made = await shortening(store)
    partner = a_partner(short_urls=ShortUrlMode.SHARED, short_uid_length=3)

    async def length_with(used: dict[int, int]) -> tuple[int, list[Any]]:
        for length, count in used.items():
            database.rows("INSERT OR REPLACE INTO uid_spaces VALUES (?, ?)", length, count)
        with capture_logs() as logs:
            await made.refresh()
        rules = made.rules_of(partner)
        assert rules is not None
        return rules.uid_length, [log["uid_length"] for log in logs]

    hundredth = uid_space(3) // 100
    assert await length_with({3: hundredth}) == (3, [])
    assert await length_with({3: hundredth + 1}) == (4, [3])
    assert await length_with({}) == (4, [])  # it is told once
    assert await length_with({4: uid_space(4) // 50}) == (5, [4])
    assert await length_with({3: 0}) == (3, [])
    assert await length_with({3: hundredth + 1}) == (5, [3])
    full = {length: uid_space(length) for length in range(3, 9)}
    assert (await length_with(full))[0] == 8


async def test_how_full_a_space_is_can_be_watched(store: SqliteStore, database: Database) -> None:
    made = await shortening(store)
    database.rows("INSERT INTO uid_spaces VALUES (3, ?)", uid_space(3) // 4)
    await made.refresh()
    registry: CollectorRegistry = made._metrics.registry
    assert registry.get_sample_value(
        "whimbrel_short_uids_in_use_ratio", {"length": "3"}
    ) == pytest.approx(0.25)


async def test_short_urls_that_are_made_fill_a_space(store: SqliteStore) -> None:
    """Of 3 characters there are so few that a hundredth of them is made at once."""
    made = await shortening(store)
    partner = a_partner(short_urls=ShortUrlMode.SHARED, short_uid_length=3)
    draft = drafted(
        " ".join(f"https://shop.example/items/{number}" for number in range(uid_space(3) // 99)),
        replace(RULES, uid_length=3),
    )
    [link] = (chain := checked()).links
    await store.write(
        accept_chains, replace(chain, links=(replace(link, content=draft),), content_key=None)
    )
    await made.refresh()
    rules = made.rules_of(partner)
    assert rules is not None
    assert rules.uid_length == 4


@pytest.mark.parametrize(
    ("public_url", "base_url", "base"),
    [
        ("", "", ""),
        ("https://gw.example", "", "https://gw.example/l"),
        ("https://gw.example/", "", "https://gw.example/l"),
        ("https://gw.example/sms", "", "https://gw.example/sms/l"),
        ("https://gw.example", "https://go.example/", "https://go.example"),
        ("", "https://go.example/a", "https://go.example/a"),
    ],
)
def test_the_gateway_s_own_domain(public_url: str, base_url: str, base: str) -> None:
    settings = Settings(
        server=ServerSettings(public_url=public_url), short_urls=ShortUrlSettings(base_url=base_url)
    )
    assert gateway_base(settings) == base


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (Settings(server=ServerSettings(public_url="gw.example")), "server.public_url"),
        (
            Settings(short_urls=ShortUrlSettings(base_url="https://go.example/?a=")),
            "short_urls.base_url",
        ),
    ],
)
def test_a_wrong_domain_is_named(settings: Settings, told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        gateway_base(settings)
