"""Short URLs as visitors follow them, over real HTTP (`protocol.md`, section 5)."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from yarl import URL

from tests.support.builders import Database
from tests.support.clock import FakeClock
from tests.support.gateway import (
    PASSWORD,
    RunningGateway,
    a_profile,
    an_account,
    running_gateway,
)
from tests.web.wire import Answer, a_text, write_lock
from whimbrel import gateway as gateway_module
from whimbrel.clock import DAY, MINUTE, SECOND
from whimbrel.domain.partner import Profile
from whimbrel.domain.short_url import ShortUrlMode
from whimbrel.settings import ServerSettings, Settings, ShortUrlSettings
from whimbrel.store.short_urls import ShortUrl, find_short_urls

GATEWAY_HOST, OWN_HOST = "go.test", "go.brand.test"
LONG = "https://shop.example/catalogue/shoes?colour=red&size=42"
BROWSER = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 Chrome/131.0.0.0 Mobile Safari/537"
WHATSAPP = "WhatsApp/2.23.20.0 A"
NEVER_THERE = "notThere"


def short_settings(**changes: Any) -> Settings:
    return Settings(
        whatsapp={"main": an_account()},
        short_urls=ShortUrlSettings(base_url=f"https://{GATEWAY_HOST}"),
        **changes,
    )


@pytest.fixture(scope="module")
def settings() -> Settings:
    return short_settings()


@pytest.fixture(scope="module")
def partners() -> dict[str, Profile]:
    """One whose short URLs are each subscriber's, and one with a domain that shares them."""
    return {
        "shop": a_profile(short_urls=ShortUrlMode.PER_SUBSCRIBER, short_idle_days=30),
        "brand": a_profile(
            short_urls=ShortUrlMode.SHARED,
            short_domain=f"https://{OWN_HOST}",
            short_idle_days=0,
            short_lifetime_days=90,
        ),
    }


async def shortened(gateway: RunningGateway, login: str = "shop", url: str = LONG) -> str:
    """Send a text with a URL, and return the UID that it was sent with."""
    status, answer = await gateway.send(
        login=login, password=PASSWORD, message=a_text(f"Look: {url}!")
    )
    assert status == 200, answer
    [[text]] = query(gateway, "SELECT text FROM links WHERE chain_id = ?", answer["mtNum"])
    found = re.fullmatch(r"Look: https://[a-z.]+/([\w-]{8})!", text)
    assert found, text
    return found[1]


def query(gateway: RunningGateway, sql: str, *params: Any) -> list[Any]:
    return gateway.store._reader.execute(sql, params).fetchall()


async def ask(
    gateway: RunningGateway,
    path: str,
    *,
    method: str = "GET",
    host: str = GATEWAY_HOST,
    agent: str = BROWSER,
    **headers: str,
) -> Answer:
    async with gateway.client.request(
        method,
        gateway.url + path,
        headers={"Host": host, "User-Agent": agent, **headers},
        allow_redirects=False,
    ) as answer:
        return Answer(answer.status, answer.headers, await answer.read())


async def kept(gateway: RunningGateway, uid: str) -> ShortUrl:
    """Return a short URL as it is once all visits so far are written."""
    await gateway.gateway._clicks.flush()
    found = await gateway.store.read(find_short_urls, uid)
    assert found is not None
    return found


def assert_page(answer: Answer, status: int, words: str) -> None:
    assert answer.status == status
    assert words in answer.body.decode()
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Location" not in answer.headers


# -- The redirect


async def test_a_visitor_is_led_to_what_was_sent(shop: RunningGateway) -> None:
    uid = await shortened(shop)
    answer = await ask(shop, f"/{uid}")
    assert (answer.status, answer.body) == (302, b"")
    assert answer.headers["Location"] == LONG
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert (await kept(shop, uid)).clicks == 1


@pytest.mark.parametrize(
    ("agent", "headers"),
    [
        (WHATSAPP, {}),
        ("TelegramBot (like TwitterBot)", {}),
        ("facebookexternalhit/1.1", {}),
        ("", {}),
        (BROWSER, {"Sec-Purpose": "prefetch;prerender"}),
        (BROWSER, {"X-Purpose": "preview"}),
    ],
)
async def test_crawlers_and_prefetches_get_the_same_and_do_not_count(
    shop: RunningGateway, agent: str, headers: dict[str, str]
) -> None:
    uid = await shortened(shop)
    answer = await ask(shop, f"/{uid}", agent=agent, **headers)
    assert (answer.status, answer.headers["Location"]) == (302, LONG)
    short_url = await kept(shop, uid)
    assert (short_url.visits, short_url.clicks, short_url.first_click_at) == (1, 0, None)


async def test_head_is_answered_alike_and_leaves_no_trace(shop: RunningGateway) -> None:
    uid = await shortened(shop)
    head, get = await ask(shop, f"/{uid}", method="HEAD"), await ask(shop, f"/{uid}")
    volatile = {"Date"}
    assert head.status == get.status == 302
    assert {k: v for k, v in head.headers.items() if k not in volatile} == {
        k: v for k, v in get.headers.items() if k not in volatile
    }
    assert (await kept(shop, uid)).visits == 1


async def test_what_an_application_adds_is_passed_over(shop: RunningGateway) -> None:
    uid = await shortened(shop)
    evil = "?fbclid=IwAR0&url=https://evil.example&//evil.example"
    answer = await ask(shop, f"/{uid}{evil}")
    assert (answer.status, answer.headers["Location"]) == (302, LONG)


async def test_an_international_target_is_encoded(shop: RunningGateway) -> None:
    uid = await shortened(shop, url="https://магазин.рф/каталог/обувь?цвет=красный")
    location = (await ask(shop, f"/{uid}")).headers["Location"]
    assert location.startswith("https://xn--80aairftm.xn--p1ai/%D0%BA%D0%B0")
    assert location.isascii()


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND"])
async def test_a_short_url_can_only_be_opened(shop: RunningGateway, method: str) -> None:
    uid = await shortened(shop)
    for path in (f"/{uid}", "/send", "/"):
        answer = await ask(shop, path, method=method)
        assert_page(answer, 405, "can only be opened")
        assert answer.headers["Allow"] == "GET, HEAD"


# -- The page for what is not there


@pytest.mark.parametrize(
    ("language", "words", "tag"),
    [
        ("ru-RU,ru;q=0.9,en-US;q=0.8,en;q=0.7", "Страница не найдена", "ru"),
        ("ru", "Страница не найдена", "ru"),
        ("RU", "Страница не найдена", "ru"),
        ("en-US,en;q=0.9,ru;q=0.8", "Page not found", "en"),
        ("de,ru;q=0.5,en;q=0.4", "Страница не найдена", "ru"),
        ("de,fr", "Page not found", "en"),
        ("ru;q=0,en;q=0.1", "Page not found", "en"),
        ("ru;q=nonsense", "Page not found", "en"),
        ("", "Page not found", "en"),
    ],
)
async def test_an_unknown_one_is_told_in_the_visitors_language(
    shop: RunningGateway, language: str, words: str, tag: str
) -> None:
    answer = await ask(shop, f"/{NEVER_THERE}", **{"Accept-Language": language})
    assert_page(answer, 404, words)
    assert answer.headers["Content-Language"] == tag
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
    head = await ask(shop, f"/{NEVER_THERE}", method="HEAD", **{"Accept-Language": language})
    assert (head.status, head.body) == (404, b"")
    assert head.headers["Content-Length"] == answer.headers["Content-Length"]


HOSTILE = [
    "/", "//", "/..", "/../etc/passwd", "/..%2f..%2fetc%2fpasswd", "/%00", "/abc%00", "/abc%0a",
    "/abc%0d%0aX:y", "/a", "/ab", "/abcdefghi", f"/{'a' * 30_000}", "/abc/", "/abc/def", "/abc;d",
    "/https://evil.example", "//evil.example/abc", "/%2f%2fevil.example", "/%d0%b0%d0%b1%d0%b2",
    "/%d9%a1%d9%a2%d9%a3", "/%ff%fe%fd", "/%zz%", "/send", "/metrics", "/healthz", "/openapi.json",
    "/hooks/whatsapp/main", "/robots.txt", "/favicon.ico", "/<script>", "/';--", "/l/notThere",
    "https://evil.example/abc/", "*",
]  # fmt: skip


async def raw_answer(gateway: RunningGateway, path: str, host: str = GATEWAY_HOST) -> str:
    """Ask for a path that no client would let pass, and return all that comes back."""
    address = URL(gateway.url)
    reader, writer = await asyncio.open_connection(address.host, address.port)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        return (await reader.read()).decode()
    finally:
        writer.close()


@pytest.mark.parametrize("path", HOSTILE)
async def test_nothing_else_is_there(shop: RunningGateway, path: str) -> None:
    answer = await raw_answer(shop, path)
    assert answer.startswith("HTTP/1.1 404 ")
    assert "Page not found" in answer
    assert "evil" not in answer
    assert "script" not in answer
    assert "location" not in answer.lower()


# -- Hosts


@pytest.mark.parametrize(
    "host",
    ["GO.TEST", "go.test.", "go.test:8080", "go.test:443", " go.test "],
)
async def test_a_host_in_other_spellings(shop: RunningGateway, host: str) -> None:
    uid = await shortened(shop)
    assert (await ask(shop, f"/{uid}", host=host)).status == 302


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "other.test", "go.test.evil.example", "evil-go.test", "@go.test", "[::1]"]
)
async def test_other_hosts_have_the_api_and_no_short_urls(shop: RunningGateway, host: str) -> None:
    uid = await shortened(shop)
    answer = await ask(shop, f"/{uid}", host=host)
    assert (answer.status, answer.json["error"]["code"]) == (405, 4)  # it might be a login
    assert (await ask(shop, "/healthz", host=host)).status == 200


async def test_a_partners_own_domain_leads_to_its_own_alone(shop: RunningGateway) -> None:
    mine, others = await shortened(shop, "brand"), await shortened(shop, "shop")
    assert (await ask(shop, f"/{mine}", host=OWN_HOST)).headers["Location"] == LONG
    assert_page(await ask(shop, f"/{others}", host=OWN_HOST), 404, "Page not found")
    assert_page(await ask(shop, "/metrics", host=OWN_HOST), 404, "Page not found")


async def test_the_gateways_domain_leads_to_everybodys(shop: RunningGateway) -> None:
    """A Partner may have got a domain of its own after it had sent short URLs of the gateway's."""
    assert (await ask(shop, f"/{await shortened(shop, 'brand')}")).status == 302


# -- Shared, and each subscriber's own


async def test_clicks_of_subscribers_are_kept_apart(shop: RunningGateway) -> None:
    first, second = await shortened(shop), await shortened(shop)
    assert first != second
    await ask(shop, f"/{first}")
    assert ((await kept(shop, first)).clicks, (await kept(shop, second)).clicks) == (1, 0)


async def test_clicks_of_a_shared_one_come_together(shop: RunningGateway) -> None:
    url = f"{LONG}&shared=1"
    first, second = await shortened(shop, "brand", url), await shortened(shop, "brand", url)
    assert first == second
    before = await kept(shop, first)
    await ask(shop, f"/{first}", host=OWN_HOST)
    await ask(shop, f"/{second}", host=OWN_HOST)
    after = await kept(shop, first)
    assert after.clicks - before.clicks == 2
    assert after.subscriber is None


# -- The end, with the clock advanced


async def test_an_idle_one_ends_unless_it_is_followed(
    shop: RunningGateway, clock: FakeClock
) -> None:
    followed, idle = await shortened(shop), await shortened(shop)
    clock.advance(29 * DAY)
    await ask(shop, f"/{followed}")
    await ask(shop, f"/{idle}", agent=WHATSAPP)  # a crawler keeps nothing alive
    assert (await kept(shop, followed)).idle_until == clock.now() + 30 * DAY
    clock.advance(DAY)
    assert (await ask(shop, f"/{followed}")).status == 302
    assert_page(await ask(shop, f"/{idle}"), 404, "no longer valid")
    clock.advance(MINUTE)
    await shop.gateway._short_urls.clean_up()
    assert await shop.store.read(find_short_urls, idle) is None
    assert (await ask(shop, f"/{followed}")).status == 302


async def test_a_lifetime_ends_though_it_is_followed(
    shop: RunningGateway, clock: FakeClock
) -> None:
    uid = await shortened(shop, "brand", f"{LONG}&mortal=1")
    clock.advance(90 * DAY - 1)
    assert (await ask(shop, f"/{uid}", host=OWN_HOST)).status == 302
    clock.advance(1)
    assert (await ask(shop, f"/{uid}", host=OWN_HOST)).status == 404
    clock.advance(MINUTE)
    await shop.gateway._clicks.flush()
    await shop.gateway._short_urls.clean_up()
    assert query(shop, "SELECT count(*) FROM clicks WHERE uid = ?", uid) == [(0,)]


# -- Guessing


async def test_who_guesses_has_to_wait_and_known_ones_still_lead(
    shop: RunningGateway, clock: FakeClock
) -> None:
    clock.advance(10 * MINUTE)  # whatever was asked before is forgiven
    uid = await shortened(shop)
    assert (await ask(shop, f"/{uid}")).status == 302
    answers = [await ask(shop, f"/guess{number:03}") for number in range(61)]
    assert {answer.status for answer in answers[:60]} == {404}
    assert_page(answers[60], 429, "Too many attempts")
    assert int(answers[60].headers["Retry-After"]) == 2
    assert (await ask(shop, f"/{uid}")).status == 302
    clock.advance(2 * SECOND)
    assert (await ask(shop, "/guess999")).status == 404
    assert (await ask(shop, "/guess998")).status == 429
    clock.advance(10 * MINUTE)


# -- Where there is no short domain


@pytest_asyncio.fixture(loop_scope="module")
async def with_prefix(tmp_path: Path) -> AsyncIterator[RunningGateway]:
    """A gateway of one host, whose short URLs are below a path."""
    settings = Settings(
        whatsapp={"main": an_account()}, server=ServerSettings(public_url="https://gw.test")
    )
    profile = a_profile(short_urls=ShortUrlMode.PER_SUBSCRIBER)
    async with running_gateway(tmp_path, settings=settings, partners={"shop": profile}) as gateway:
        yield gateway


@pytest.mark.parametrize("host", ["gw.test", "127.0.0.1"])
async def test_short_urls_below_a_path(with_prefix: RunningGateway, host: str) -> None:
    status, answer = await with_prefix.send(message=a_text(f"Look: {LONG}!"))
    assert status == 200
    [[uid]] = query(with_prefix, "SELECT uid FROM short_urls WHERE chain_id = ?", answer["mtNum"])
    found = await ask(with_prefix, f"/l/{uid}", host=host)
    assert (found.status, found.headers["Location"]) == (302, LONG)
    assert_page(await ask(with_prefix, f"/l/{NEVER_THERE}", host=host), 404, "Page not found")
    assert "Page not found" in await raw_answer(with_prefix, "/l/../send", host)
    assert (await ask(with_prefix, f"/{uid}", host=host)).status == 405  # a login, to the API
    assert (await ask(with_prefix, "/healthz", host=host)).status == 200


# -- A store that is busy, and the stop


async def test_visitors_do_not_wait_for_a_locked_store_and_no_click_is_lost(tmp_path: Path) -> None:
    profile = a_profile(short_urls=ShortUrlMode.PER_SUBSCRIBER)
    clock = FakeClock()
    async with running_gateway(
        tmp_path, settings=short_settings(), partners={"shop": profile}, clock=clock
    ) as gateway:
        hot, cold = await shortened(gateway), await shortened(gateway)
        await ask(gateway, f"/{hot}")
        with write_lock(tmp_path):
            async with asyncio.timeout(1.5):  # less than the store itself waits for the lock
                for _ in range(20):
                    assert (await ask(gateway, f"/{hot}")).status == 302
                    assert (await ask(gateway, f"/{cold}")).status == 302
        assert (await kept(gateway, hot)).clicks == 21
        assert (await kept(gateway, cold)).clicks == 20


async def test_what_is_known_leads_on_while_the_store_cannot_be_read(tmp_path: Path) -> None:
    profile = a_profile(short_urls=ShortUrlMode.PER_SUBSCRIBER, short_idle_days=1)
    clock = FakeClock()
    async with running_gateway(
        tmp_path, settings=short_settings(), partners={"shop": profile}, clock=clock
    ) as gateway:
        hot, cold = await shortened(gateway), await shortened(gateway)
        await ask(gateway, f"/{hot}")
        await gateway.gateway._clicks.flush()
        database = Database(tmp_path / "whimbrel.db")  # the gateway's may be in a transaction
        database.script("ALTER TABLE short_urls RENAME TO lost")
        clock.advance(10 * MINUTE)  # longer than anything is believed without asking
        try:
            assert (await ask(gateway, f"/{hot}", method="HEAD")).status == 302
            answer = await ask(gateway, f"/{cold}", **{"Accept-Language": "ru"})
            assert_page(answer, 503, "Сервис недоступен")
            assert answer.headers["Retry-After"] == "5"
            clock.advance(DAY)
            assert (await ask(gateway, f"/{hot}", method="HEAD")).status == 503
        finally:
            database.script("ALTER TABLE lost RENAME TO short_urls")


async def test_a_clean_stop_loses_no_click(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Visits are written at the stop alone; a second gateway on the store sees them all."""
    monkeypatch.setattr(gateway_module, "_CLICKS_SECONDS", 3_600.0)
    profile = a_profile(short_urls=ShortUrlMode.PER_SUBSCRIBER)
    async with running_gateway(
        tmp_path, settings=short_settings(), partners={"shop": profile}
    ) as gateway:
        uids = [await shortened(gateway) for _ in range(3)]
        answers = await asyncio.gather(*(ask(gateway, f"/{uid}") for uid in uids * 100))
        assert {answer.status for answer in answers} == {302}
        assert query(gateway, "SELECT count(*) FROM clicks") == [(0,)]
    async with running_gateway(tmp_path, settings=short_settings(), partners={"x": profile}) as one:
        assert query(one, "SELECT visits, clicks FROM short_urls") == [(100, 100)] * 3
        assert query(one, "SELECT count(*) FROM clicks") == [(300,)]
