"""Who is let in: subnets, proxies, passwords, pace, and what keeps others from being locked out."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from msgspec.structs import replace

from tests.support.clock import FakeClock
from tests.support.gateway import (
    LOGIN,
    PASSWORD,
    RunningGateway,
    a_profile,
    a_request,
    an_account,
    running_gateway,
)
from tests.web.wire import Answer, assert_refused, post, write_lock
from whimbrel.clock import DAY, SECOND
from whimbrel.domain.partner import Partner, Profile
from whimbrel.domain.password import hash_password
from whimbrel.settings import ServerSettings, Settings
from whimbrel.store.partners import PartnerChange, all_partners, change_partners, remove_partners

FAILURES_ALLOWED = 10  # flow/gatekeeper.py
PROXY, OTHER_PROXY = "127.0.0.1", "198.51.100.7"


@pytest.fixture(scope="module")
def settings() -> Settings:
    """The test calls from a trusted proxy: a header is all it takes to come from elsewhere."""
    return Settings(
        server=ServerSettings(
            trusted_proxies=[f"{PROXY}/32", f"{OTHER_PROXY}/32", "2001:db8:ff::/48"]
        ),
        whatsapp={"main": an_account()},
    )


@pytest.fixture(scope="module")
def partners() -> dict[str, Profile]:
    return {
        LOGIN: a_profile(),
        "v4": a_profile(subnets=["192.0.2.0/24", "203.0.113.9"]),
        "v6": a_profile(subnets=["2001:db8:1::/48"]),
        "local": a_profile(subnets=["127.0.0.0/8"]),
        "paced": a_profile(rate=0.5, burst=3),
    }


async def ask(shop: RunningGateway, login: str = LOGIN, **options: Any) -> Answer:
    password = options.pop("password", PASSWORD)
    return await post(shop, a_request(login=login, password=password), **options)


@contextlib.asynccontextmanager
async def client_at(address: str) -> AsyncIterator[aiohttp.ClientSession]:
    """A client that calls from another address of this machine."""
    connector = aiohttp.TCPConnector(local_addr=(address, 0))
    async with aiohttp.ClientSession(connector=connector) as client:
        yield client


# -- Subnets, and who the caller is


@pytest.mark.parametrize(
    ("login", "address", "admitted"),
    [
        ("v4", "192.0.2.1", True),
        ("v4", "192.0.2.255", True),
        ("v4", "203.0.113.9", True),
        ("v4", "192.0.3.1", False),
        ("v4", "203.0.113.10", False),
        ("v4", "::ffff:192.0.2.1", True),
        ("v4", "::ffff:c000:201", True),
        ("v4", "::ffff:192.0.3.1", False),
        ("v4", "::192.0.2.1", False),
        ("v4", "2001:db8:1::1", False),
        ("v4", "192.0.2.01", False),
        ("v4", "192.0.2", False),
        ("v4", "unknown", False),
        ("v4", "_hidden", False),
        ("v6", "2001:db8:1::1", True),
        ("v6", "2001:DB8:1:0:0:0:0:1", True),
        ("v6", "[2001:db8:1::1]", True),
        ("v6", "[2001:db8:1::1]:4711", True),
        ("v6", "2001:db8:2::1", False),
        ("v6", "192.0.2.1", False),
        ("v6", "::ffff:192.0.2.1", False),
        (LOGIN, "203.0.113.77", True),
        (LOGIN, "unknown", True),
    ],
)
async def test_subnets(shop: RunningGateway, login: str, address: str, admitted: bool) -> None:
    answer = await ask(shop, login, headers={"X-Forwarded-For": address})
    if admitted:
        assert answer.status == 200
    else:
        assert_refused(answer, 2, "are not allowed for this login")


FOREIGN, OURS = "203.0.113.66", "192.0.2.1"  # `v4` admits OURS
FORWARDED = [
    # headers of a request from a trusted proxy, and the caller that it names
    ({}, PROXY),
    ({"X-Forwarded-For": OURS}, OURS),
    ({"X-Forwarded-For": f"{OURS}:4711"}, OURS),
    ({"X-Forwarded-For": f"{OURS}, {FOREIGN}"}, FOREIGN),
    ({"X-Forwarded-For": f"{FOREIGN},{OURS}"}, OURS),
    ({"X-Forwarded-For": f"{FOREIGN}, {OURS}, {OTHER_PROXY}"}, OURS),
    ({"X-Forwarded-For": f"{OURS}, {FOREIGN}, {OTHER_PROXY}, {OTHER_PROXY}"}, FOREIGN),
    ({"X-Forwarded-For": f"{OURS}, ::ffff:{OTHER_PROXY}"}, OURS),
    ({"X-Forwarded-For": f"{OURS}, nonsense"}, "nonsense"),
    ({"X-Forwarded-For": f"{OTHER_PROXY}, {PROXY}"}, PROXY),
    ({"X-Forwarded-For": " , "}, PROXY),
    ({"Forwarded": f"for={OURS}"}, OURS),
    ({"Forwarded": f"For={OURS};Proto=https;By=198.51.100.7"}, OURS),
    ({"Forwarded": f'proto=https;for="{OURS}:4711"'}, OURS),
    ({"Forwarded": f"for={OURS}, for={FOREIGN}"}, FOREIGN),
    ({"Forwarded": f"for={FOREIGN},for={OURS};by=x,for={OTHER_PROXY}"}, OURS),
    ({"Forwarded": 'for="[2001:db8:1::1]:4711"'}, "2001:db8:1::1"),
    ({"Forwarded": f'for={OURS}, for="[2001:db8:ff::1]"'}, OURS),
    ({"Forwarded": f"for={OURS}, for=unknown"}, "unknown"),
    ({"Forwarded": f"for={OURS}, for=_gazonk"}, "_gazonk"),
    ({"Forwarded": f"for={OURS}, by={OTHER_PROXY}"}, "unknown"),
    # a host is the client's own words
    ({"Forwarded": f'for={FOREIGN};host="a;for={OURS}"'}, FOREIGN),
    ({"Forwarded": f'for={FOREIGN};host="a, for={OURS}"'}, FOREIGN),
    ({"Forwarded": f'for={FOREIGN};host="\\", for={OURS}"'}, FOREIGN),
    ({"Forwarded": f'for="{OURS}, for={FOREIGN};host="a"'}, "unknown"),
    ({"Forwarded": f"for={OURS} {FOREIGN}"}, "unknown"),
    ({"Forwarded": "???"}, "unknown"),
    # of two headers a proxy has written one only
    ({"Forwarded": f"for={OURS}", "X-Forwarded-For": OURS}, OURS),
    ({"Forwarded": f"for={OURS}", "X-Forwarded-For": FOREIGN}, "unknown"),
    ({"Forwarded": f"for={FOREIGN}", "X-Forwarded-For": OURS}, "unknown"),
    ({"X-Real-IP": OURS}, PROXY),
]


@pytest.mark.parametrize(("headers", "caller"), FORWARDED, ids=[str(h) for h, _ in FORWARDED])
async def test_the_caller_that_a_proxy_names(
    shop: RunningGateway, headers: dict[str, str], caller: str
) -> None:
    login = "v6" if caller == OURS else "v4"  # the one that refuses it, and says whom
    answer = await ask(shop, login, headers=headers)
    assert_refused(answer, 2, f"requests from {caller} are not allowed")
    if caller == OURS:
        assert (await ask(shop, "v4", headers=headers)).status == 200


async def test_hops_in_several_headers_are_one_list(shop: RunningGateway) -> None:
    pairs = [("X-Forwarded-For", OURS), ("X-Forwarded-For", FOREIGN)]
    assert_refused(await ask(shop, "v4", headers=pairs), 2, f"from {FOREIGN} are")
    pairs.reverse()
    assert (await ask(shop, "v4", headers=pairs)).status == 200


@pytest.mark.parametrize("name", ["X-Forwarded-For", "Forwarded"])
async def test_a_stranger_names_nobody(shop: RunningGateway, name: str) -> None:
    value = OURS if name == "X-Forwarded-For" else f"for={OURS}"
    async with client_at("127.0.0.2") as stranger:
        answer = await ask(shop, "v4", headers={name: value}, client=stranger)
        assert_refused(answer, 2, "requests from 127.0.0.2 are not allowed")
        assert (await ask(shop, "local", headers={name: value}, client=stranger)).status == 200


async def test_without_proxies_no_header_counts(tmp_path: Path) -> None:
    partners = {"v4": a_profile(subnets=["192.0.2.0/24"])}
    async with running_gateway(tmp_path, partners=partners) as gateway:
        headers = {"X-Forwarded-For": OURS, "Forwarded": f"for={OURS}"}
        assert_refused(await ask(gateway, "v4", headers=headers), 2, "requests from 127.0.0.1 are")


# -- Failed logins


@pytest_asyncio.fixture(loop_scope="module")
async def forgiven(clock: FakeClock) -> None:
    clock.advance(DAY)


@pytest.mark.usefixtures("forgiven")
@pytest.mark.parametrize(
    ("login", "password", "code"), [(LOGIN, "guess", 6), ("nobody", PASSWORD, 5)]
)
async def test_failed_logins_are_throttled(
    shop: RunningGateway, clock: FakeClock, login: str, password: str, code: int
) -> None:
    for _ in range(FAILURES_ALLOWED):
        assert_refused(await ask(shop, login, password=password), code)
    refused = await ask(shop, login, password=password)
    assert_refused(refused, 3, "too many failed logins from this address")
    assert refused.headers["Retry-After"] == "30"
    clock.advance(30 * SECOND)
    assert_refused(await ask(shop, login, password=password), code)
    assert_refused(await ask(shop, login, password=password), 3)


@pytest.mark.usefixtures("forgiven")
async def test_guesses_lock_out_nobody_else(shop: RunningGateway, clock: FakeClock) -> None:
    headers = {"X-Forwarded-For": FOREIGN}
    for _ in range(FAILURES_ALLOWED):
        assert_refused(await ask(shop, password="guess", headers=headers), 6)
    assert_refused(await ask(shop, headers=headers), 3)  # not even with the right one
    assert (await ask(shop)).status == 200  # from another address
    async with client_at("127.0.0.2") as elsewhere:
        assert (await ask(shop, client=elsewhere)).status == 200
    assert (await ask(shop, "paced", headers=headers)).status == 200  # another login
    clock.advance(30 * SECOND)
    assert (await ask(shop, headers=headers)).status == 200


@pytest.mark.usefixtures("forgiven")
async def test_a_wrong_address_is_no_failed_login(shop: RunningGateway) -> None:
    headers = {"X-Forwarded-For": FOREIGN}
    for _ in range(FAILURES_ALLOWED + 1):
        assert_refused(await ask(shop, "v4", password="guess", headers=headers), 2)
    assert (await ask(shop, "v4", headers={"X-Forwarded-For": OURS})).status == 200


# -- Pace


async def test_rate_and_burst(shop: RunningGateway, clock: FakeClock) -> None:
    clock.advance(DAY)
    assert [(await ask(shop, "paced")).code for _ in range(4)] == [0, 0, 0, 3]
    refused = await ask(shop, "paced")
    assert_refused(refused, 3, "login: more than 0.5 requests a second")
    assert refused.headers["Retry-After"] == "2"
    clock.advance(SECOND)
    assert (await ask(shop, "paced")).headers["Retry-After"] == "1"
    clock.advance(SECOND)
    assert [(await ask(shop, "paced")).code for _ in range(2)] == [0, 3]
    assert (await ask(shop)).status == 200  # another Partner has its own


async def test_a_refused_request_still_counts(shop: RunningGateway, clock: FakeClock) -> None:
    """Or wrong requests would be a way around the rate."""
    clock.advance(DAY)
    wrong = a_request(login="paced", destAddr="12")
    assert [(await post(shop, wrong)).code for _ in range(4)] == [8, 8, 8, 3]


async def test_concurrency(tmp_path: Path) -> None:
    partners = {"narrow": a_profile(concurrency=2), LOGIN: a_profile()}
    async with running_gateway(tmp_path, partners=partners) as gateway:
        for login in partners:
            assert (await ask(gateway, login)).status == 200
        with write_lock(tmp_path):  # whoever is in stays in
            posts = [asyncio.create_task(ask(gateway, "narrow")) for _ in range(5)]
            others = asyncio.create_task(ask(gateway))
            async with asyncio.timeout(4):  # less than the store waits for its lock
                refused = [await done for done in itertools.islice(asyncio.as_completed(posts), 3)]
        for answer in refused:
            assert_refused(answer, 3, "login: more than 2 requests under way at once")
            assert answer.headers["Retry-After"] == "1"
        answers = await asyncio.gather(*posts)
        assert sorted(answer.code for answer in answers) == [0, 0, 3, 3, 3]
        assert (await others).status == 200
        assert (await ask(gateway, "narrow")).status == 200


# -- Changes of Partners reach a gateway that runs


async def find(gateway: RunningGateway, login: str = LOGIN) -> Partner:
    stored = await gateway.store.read(all_partners, None)
    return next(one.partner for one in stored if one.partner.login == login)


async def change(gateway: RunningGateway, **changes: Any) -> None:
    changed = replace(await find(gateway), **changes)
    now = gateway.gateway._clock.now()
    await gateway.store.write(change_partners, PartnerChange(changed, now))


async def until(gateway: RunningGateway, code: int, **options: Any) -> Answer:
    """Ask until the answer has this code."""
    async with asyncio.timeout(10):
        while True:
            answer = await ask(gateway, **options)
            if answer.code == code:
                return answer


async def test_a_new_password(tmp_path: Path) -> None:
    async with running_gateway(tmp_path) as gateway:
        assert (await ask(gateway)).status == 200
        await change(gateway, password_hash=hash_password("another-password"))
        assert_refused(await until(gateway, 6), 6)
        assert (await ask(gateway, password="another-password")).status == 200


async def test_disabled_enabled_and_removed(tmp_path: Path) -> None:
    async with running_gateway(tmp_path) as gateway:
        partner = await find(gateway)
        assert (await ask(gateway)).status == 200
        await change(gateway, disabled=True)
        assert_refused(await until(gateway, 5), 5, "login: this login is disabled.")
        await change(gateway, disabled=False)
        async with asyncio.timeout(10):  # each refusal counts as a failed login, so look first
            while gateway.gateway._partners.by_login(LOGIN).disabled:
                await gateway.client.get(f"{gateway.url}/healthz")
        assert (await ask(gateway)).status == 200
        now = gateway.gateway._clock.now()
        await gateway.store.write(remove_partners, PartnerChange(partner, now))
        assert_refused(await until(gateway, 5), 5, "login: this login is not known.")


async def test_new_subnets(tmp_path: Path) -> None:
    async with running_gateway(tmp_path) as gateway:
        assert (await ask(gateway)).status == 200
        await change(gateway, profile=a_profile(subnets=["192.0.2.0/24"]))
        assert_refused(await until(gateway, 2), 2)


# -- Passwords are costly to check


async def test_first_requests_that_come_together_are_all_accepted(tmp_path: Path) -> None:
    async with running_gateway(tmp_path, hashed=hash_password) as gateway:
        answers = await asyncio.gather(*(ask(gateway) for _ in range(60)))
        assert {answer.status for answer in answers} == {200}


async def test_a_flood_of_guesses_keeps_no_partner_out_who_is_in(tmp_path: Path) -> None:
    """A known password is not hashed again, so it gets by where others wait or are turned away."""
    partners = dict.fromkeys(["in", "victim-0", "victim-1"], a_profile())
    async with running_gateway(tmp_path, partners=partners, hashed=hash_password) as gateway:
        assert (await ask(gateway, "in")).status == 200
        guesses = [
            asyncio.create_task(ask(gateway, f"victim-{n % 2}", password=f"guess {n}"))
            for n in range(40)
        ]
        for answer in asyncio.as_completed(guesses):
            if (refused := await answer).code == 3:
                break
        assert_refused(refused, 3, "password: too many passwords are being checked")
        assert (await ask(gateway, "in")).status == 200
        left = [guess for guess in guesses if not guess.done()]
        assert len(left) > 2  # it did not wait for its turn behind them
        assert {answer.code for answer in await asyncio.gather(*guesses)} == {3, 6}
