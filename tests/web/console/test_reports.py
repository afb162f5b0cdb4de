"""Reports in the console: what was given up is seen, and goes again when its receiver is back."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.support.builders import Database, a_chain, a_lane, accept, answer, claim
from tests.support.console import ConsoleClient, Shown, signed_in
from tests.support.gateway import LOGIN, RunningGateway, a_profile, an_account, running_gateway
from tests.support.partner_spy import PartnerSpy
from whimbrel.clock import DAY, HOUR, SystemClock
from whimbrel.domain.chain import Taken
from whimbrel.domain.chain_id import ChainIds
from whimbrel.domain.operator import Role
from whimbrel.settings import ReportsSettings, Settings
from whimbrel.store.audit import AuditWish, list_deeds
from whimbrel.store.partners import PartnerChange, change_partners, find_partners
from whimbrel.store.redelivery import MOST_DUE, NewRedelivery, start_redeliveries
from whimbrel.store.sqlite import SqliteStore

PAGE = "/console/reports"
NOBODY = "NOBODY"
"""A sender that no account has, so that the gateway leaves its links to the test."""
EARLIER = SystemClock().now() - HOUR
SETTINGS = Settings(
    whatsapp={"main": an_account()},
    reports=ReportsSettings(allowed_private_subnets=["127.0.0.1/32"], timeout_seconds=30),
)
PARTNERS = {LOGIN: a_profile(senders=[NOBODY]), "bank": a_profile(senders=[NOBODY])}


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[RunningGateway]:
    """A gateway whose Partners have no report URL: their reports are given up at once."""
    async with running_gateway(tmp_path, settings=SETTINGS, partners=PARTNERS) as one:
        yield one


@pytest.fixture
async def spy() -> AsyncIterator[PartnerSpy]:
    async with PartnerSpy().serving() as one:
        yield one


async def handed_over(store: SqliteStore, count: int, partner_id: int = 1) -> list[int]:
    """Write so many messages, each with a report that it was handed over."""
    ids = ChainIds(partner_id)
    link = {"sender": NOBODY, "due_at": EARLIER, "expires_at": EARLIER + DAY}
    numbers = [ids.next(EARLIER) for _ in range(count)]
    chains = (a_chain(number, partner_id=partner_id, link=link) for number in numbers)
    await accept(store, *chains)
    await claim(store, lane=a_lane(partner_id, NOBODY), now=EARLIER)
    taken = (answer(store, Taken(1, EARLIER, f"wamid.{one}"), one) for one in numbers)
    await asyncio.gather(*taken)
    return numbers


async def until(condition: Callable[[], Any]) -> None:
    """Wait until something that the gateway does by itself makes the condition true."""
    async with asyncio.timeout(20):
        while not await condition():  # noqa: ASYNC110 - the store tells nobody
            await asyncio.sleep(0.02)


async def dead(running: RunningGateway, count: int, partner_id: int = 1) -> list[int]:
    """Let so many messages' reports be given up; return the messages' numbers."""
    numbers = await handed_over(running.store, count, partner_id)
    await until_states(running, dead=count, partner_id=partner_id)
    return numbers


async def until_states(running: RunningGateway, *, partner_id: int = 1, **counts: int) -> None:
    states = {"due": 1, "acknowledged": 2, "dead": 3}

    async def are_there() -> bool:
        rows = running.store._reader.execute(
            "SELECT state, count(*) FROM reports WHERE lane LIKE ? GROUP BY state",
            (f"{partner_id}/%",),
        ).fetchall()
        return all(dict(rows).get(states[name], 0) == count for name, count in counts.items())

    await until(are_there)


async def lead_to(running: RunningGateway, url: str, login: str = LOGIN) -> None:
    """Give a Partner a report URL."""
    stored = await running.store.read(find_partners, login)
    assert stored is not None
    profile = replace(stored.partner.profile, report_url=url)
    change = PartnerChange(replace(stored.partner, profile=profile), SystemClock().now())
    await running.store.write(change_partners, change)
    await running.gateway._partners.refresh()


async def deeds(running: RunningGateway) -> list[tuple[Any, ...]]:
    rows = await running.store.read(list_deeds, AuditWish(1 << 60, "", 100))
    return [tuple(row[4:]) for row in rows if row[4].startswith(("reports.", "message."))]


def progress_in(shown: Shown) -> tuple[str, str]:
    """Return the badge and the figures of the newest redelivery."""
    badge = re.search(r'class="badge \w+">([^<]+)</span>\s*<span class="quiet">since', shown.text)
    figures = re.search(r'class="figures">([^<]+)<', shown.text)
    assert badge
    assert figures
    return badge[1], figures[1]


# Looking


async def test_what_was_given_up_is_shown_by_receiver_and_in_the_list(
    running: RunningGateway,
) -> None:
    [number] = await dead(running, 1)
    await dead(running, 2, partner_id=2)
    async with signed_in(running, Role.READER) as browser:
        shown = await browser.get(PAGE)
        assert "Given up 3" in shown.words
        assert f"/console/messages/{number}" in shown.text
        assert "no URL: neither notifyUrl nor the Partner" in shown.words
        assert "Send all that were given up" not in shown.words, "a reader only looks"
        assert "Send again</button>" not in shown.text
        listed = await browser.get(f"{PAGE}?state=dead&partner=bank")
        assert listed.text.count('href="/console/messages/') == 2
        none = await browser.get(f"{PAGE}?state=acknowledged")
        assert "There are none." in none.words


async def test_what_a_receiver_answers_is_escaped(running: RunningGateway, tmp_path: Path) -> None:
    await dead(running, 1)
    Database(tmp_path / "whimbrel.db").script(
        "UPDATE report_attempts SET http_status = 500, answer = '<script>alert(1)</script>'"
    )
    async with signed_in(running) as browser:
        shown = await browser.get(PAGE)
        assert "<script>alert" not in shown.text
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in shown.text
        assert "attempts: 1" in shown.words


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("partner=nobody", "There is no such Partner."),
        ("from=yesterday", "Write a moment like"),
        ("state=no-state&below=x-y", "dead"),
        ("below=99999999999999999999-1", "There are none"),
    ],
)
async def test_a_list_that_cannot_be_is_told(
    running: RunningGateway, query: str, told: str
) -> None:
    async with signed_in(running) as browser:
        shown = await browser.get(f"{PAGE}?{query}")
        assert (shown.status, told in shown.words) == (200, True)


async def test_older_ones_follow_on_the_next_page(running: RunningGateway) -> None:
    numbers = await dead(running, 27)
    async with signed_in(running) as browser:
        first = await browser.get(PAGE)
        older = re.search(r'href="([^"]*below=[^"]*)"', first.text)
        assert older
        second = await browser.get(older[1].replace("&amp;", "&"))
    listed = re.findall(r'href="/console/messages/(\d+)"', first.text + second.text)
    assert [int(one) for one in listed] == sorted(numbers, reverse=True)


# One message


@pytest.mark.parametrize("role", [Role.ADMIN, Role.SUPPORT])
async def test_the_reports_of_a_message_go_again(
    running: RunningGateway, spy: PartnerSpy, role: Role
) -> None:
    [number, other] = await dead(running, 2)
    await lead_to(running, spy.url)
    async with signed_in(running, role) as browser:
        done = await browser.post(f"{PAGE}/message", on=PAGE, number=str(number))
        assert done.headers["location"] == f"{PAGE}?done=again"
        await spy.until_posts(1)
        assert spy.posts[0].json["mtNum"] == str(number)
        await until_states(running, acknowledged=1, dead=1)
        again = await browser.post(f"{PAGE}/message", on=PAGE, number=str(number))
        assert again.headers["location"] == f"{PAGE}?done=none"
        for wrong in ("", "x", "-1", "9" * 30):
            assert (await browser.post(f"{PAGE}/message", on=PAGE, number=wrong)).status == 400
    assert await deeds(running) == [("message.redeliver", str(number), "{}")]
    assert other != number


# All of them


async def test_all_go_again_when_the_receiver_is_back(
    running: RunningGateway, spy: PartnerSpy
) -> None:
    numbers = await dead(running, 230)
    await dead(running, 1, partner_id=2)
    await lead_to(running, spy.url)
    async with signed_in(running, Role.SUPPORT) as browser:
        begun = await browser.post(
            f"{PAGE}/redeliver", on=PAGE, partner=LOGIN, since="2026-01-01T00:00"
        )
        assert begun.headers["location"] == f"{PAGE}?done=started"
        await spy.until_posts(230)
        await until_states(running, acknowledged=230, dead=0)
        await until_states(running, partner_id=2, dead=1)

        async def is_done() -> bool:
            return progress_in(await browser.get(f"{PAGE}/redeliveries"))[0] == "done"

        await until(is_done)
        shown = await browser.get(f"{PAGE}/redeliveries")
    assert progress_in(shown) == ("done", "230 of 230")
    assert "hx-trigger" not in shown.text, "it asks no more"
    assert sorted(post.json["mtNum"] for post in spy.posts) == sorted(map(str, numbers))
    [(action, subject, _)] = await deeds(running)
    assert (action, subject) == ("reports.redeliver", LOGIN)


async def test_it_goes_on_after_a_restart(tmp_path: Path, spy: PartnerSpy) -> None:
    async with running_gateway(tmp_path, settings=SETTINGS, partners=PARTNERS) as running:
        await dead(running, 3)
        await lead_to(running, spy.url)
    store = SqliteStore(tmp_path / "whimbrel.db")
    wish = NewRedelivery(SystemClock().now(), "ann", 1, 0)
    assert await store.write(start_redeliveries, wish)
    await store.close()
    async with running_gateway(tmp_path, settings=SETTINGS, partners={"x": a_profile()}):
        await spy.until_posts(3)


async def test_one_waits_for_a_receiver_that_takes_nothing_and_can_be_stopped(
    running: RunningGateway, spy: PartnerSpy
) -> None:
    await dead(running, MOST_DUE + 20)
    spy.usual_answer = "hang"
    await lead_to(running, spy.url)
    async with signed_in(running) as browser:
        await browser.post(f"{PAGE}/redeliver", on=PAGE, partner="", since="2026-01-01T00:00")
        await until_states(running, due=MOST_DUE, dead=20)
        shown = await browser.get(PAGE)
        assert progress_in(shown) == ("under way", f"{MOST_DUE} of {MOST_DUE + 20}")
        assert 'hx-trigger="every 1s"' in shown.text
        number = re.search(r'name="number" value="(\d+)">\s*<button class="danger', shown.text)
        assert number
        stopped = await browser.post(f"{PAGE}/stop", on=PAGE, number=number[1])
        assert stopped.headers["location"] == f"{PAGE}?done=stopped"
        assert progress_in(await browser.get(PAGE))[0] == "stopped"
        spy.usual_answer = 200
        spy.release.set()
        await until_states(running, acknowledged=MOST_DUE, dead=20)
    assert [deed[:2] for deed in await deeds(running)] == [
        ("reports.stop", number[1]),
        ("reports.redeliver", "*"),
    ]


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"since": "soon"}, "Write a moment like"),
        ({"since": ""}, "Write a moment like"),
        ({"partner": "nobody", "since": "2026-01-01T00:00"}, "There is no such Partner."),
    ],
)
async def test_what_is_wrong_is_told_and_starts_nothing(
    running: RunningGateway, fields: dict[str, str], told: str
) -> None:
    await dead(running, 1)
    async with signed_in(running) as browser:
        shown = await browser.post(f"{PAGE}/redeliver", on=PAGE, **fields)
        assert shown.status == 400
        assert told in shown.words
        assert "Nothing yet." in shown.words
    assert await deeds(running) == []


async def test_a_moment_is_of_the_operators_zone(running: RunningGateway) -> None:
    await dead(running, 1)
    async with signed_in(running) as browser:
        await browser.session.post(f"{browser.url}/preferences", data={"zone": "Asia/Omsk"})
        fields = {"since": "2026-01-01T06:00", "partner": LOGIN}
        await browser.post(f"{PAGE}/redeliver", on=PAGE, **fields)
        assert "since 2026-01-01 06:00:00" in (await browser.get(PAGE)).words
    assert '{"since":1767225600000}' in (await deeds(running))[0]


async def test_where_nothing_is_dead_nothing_begins(running: RunningGateway) -> None:
    async with signed_in(running) as browser:
        shown = await browser.post(f"{PAGE}/redeliver", on=PAGE, since="2026-01-01T00:00")
        assert shown.headers["location"] == f"{PAGE}?done=nothing"
    assert await deeds(running) == []


async def test_a_reader_sends_nothing_again(running: RunningGateway) -> None:
    [number] = await dead(running, 1)
    async with signed_in(running, Role.READER) as browser:
        csrf = await browser.csrf("/console/password")
        for path, fields in [
            ("redeliver", {"since": "2026-01-01T00:00"}),
            ("message", {"number": str(number)}),
            ("stop", {"number": "1"}),
        ]:
            shown: Shown = await browser.post(f"{PAGE}/{path}", csrf=csrf, **fields)
            assert shown.status == 403
    await until_states(running, dead=1)


async def test_the_token_is_asked_for(running: RunningGateway) -> None:
    async with signed_in(running) as browser:
        client: ConsoleClient = browser
        shown = await client.post(f"{PAGE}/redeliver", csrf="0" * 48, since="2026-01-01T00:00")
        assert shown.status == 403
