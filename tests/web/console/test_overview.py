"""The overview: who sees it, what it tells, and how its stream lives and ends."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.support.console import ConsoleClient, a_browser, signed_in
from tests.support.event_stream import Event, listening, tiles_in
from tests.support.gateway import RunningGateway, an_account, running_gateway
from whimbrel.clock import HOUR, MINUTE, SystemClock
from whimbrel.domain.operator import Role
from whimbrel.domain.tally import What, bucket_of
from whimbrel.flow.overview import RANGES
from whimbrel.settings import Settings
from whimbrel.store.senders import SenderPause, pause_senders
from whimbrel.store.sqlite import connect
from whimbrel.store.tallies import Kind, Tally, add_tallies
from whimbrel.web.console import live

WA = "WHATSAPP"


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[RunningGateway]:
    async with running_gateway(tmp_path) as one:
        yield one


@pytest.fixture
async def browser(running: RunningGateway) -> AsyncIterator[ConsoleClient]:
    async with signed_in(running, Role.READER) as one:
        yield one


def has_accepted(number: int) -> Callable[[Event], bool]:
    return lambda event: event.name == "tiles" and event.tiles["accepted"] == number


async def tally(running: RunningGateway, ago: int, *counted: tuple[Kind, int]) -> None:
    at = SystemClock().now() - ago
    await running.store.write(add_tallies, [Tally(at, kind, n) for kind, n in counted])


async def test_whoever_signs_in_comes_to_the_overview(browser: ConsoleClient) -> None:
    shown = await browser.get("/console")
    assert shown.status == 200
    assert set(tiles_in(shown.text).values()) == {0}
    assert "Nothing was sent in this range." in shown.words
    assert "working" in shown.words


@pytest.mark.parametrize("path", ["/console", "/console/live", "/console?range=1h"])
async def test_a_stranger_does_not(running: RunningGateway, path: str) -> None:
    async with a_browser(running.url) as stranger:
        shown = await stranger.get(path)
        assert (shown.status, shown.headers["location"]) == (
            303,
            f"/console/sign-in?next={quote(path)}",
        )


async def test_each_range_tells_of_its_own_time(
    running: RunningGateway, browser: ConsoleClient
) -> None:
    accepted = Kind(What.ACCEPTED, WA, 0)
    for ago in (10 * MINUTE, 5 * HOUR, 50 * HOUR, 20 * 24 * HOUR):
        await tally(running, ago, (accepted, 1))
    found = [
        tiles_in((await browser.get(f"/console?range={name}")).text)["accepted"] for name in RANGES
    ]
    assert found == [1, 2, 3, 4]
    assert "24 hours" in (await browser.get("/console?range=<nonsense>")).text


async def test_it_tells_how_long_things_took_and_why_they_failed(
    running: RunningGateway, browser: ConsoleClient
) -> None:
    await tally(
        running,
        MINUTE,
        (Kind(What.DELIVERY, WA, 0, bucket_of(4_000)), 98),
        (Kind(What.DELIVERY, WA, 0, bucket_of(60_000)), 2),
        (Kind(What.FAILED, WA, 0, 6), 3),
        (Kind(What.FAILED, "SMS", 1, 99), 1),
    )
    words = (await browser.get("/console?range=1h")).words
    assert "Handed over to delivered WhatsApp 3.8 s 3.8 s 60 s 100" in words
    assert "Not on this channel errorCode 6 WhatsApp 3 75 %" in words
    assert "Unknown code errorCode 99 SMS 1 25 %" in words


async def test_it_says_why_a_sender_rests(running: RunningGateway, browser: ConsoleClient) -> None:
    now = SystemClock().now()
    pause = SenderPause(WA, "WHIMBREL", now - HOUR, now + HOUR, 3, "190 <b>expired</b>", now)
    await running.store.write(pause_senders, pause)
    shown = await browser.get("/console")
    assert "paused" in shown.words
    assert "attempts so far: 3" in shown.words
    assert "190 &lt;b&gt;expired&lt;/b&gt;" in shown.text


async def test_it_is_there_in_russian(browser: ConsoleClient) -> None:
    shown = await browser.get("/console", **{"accept-language": "ru"})
    assert '<html lang="ru"' in shown.text
    assert "Сколько это заняло" in shown.words


async def test_dead_reports_are_told_by_their_partner(tmp_path: Path) -> None:
    async with running_gateway(tmp_path) as running, signed_in(running) as browser:
        connection = connect(tmp_path / "whimbrel.db", busy_timeout=5.0)
        for number in range(1, 4):
            connection.execute(
                "INSERT INTO reports (chain_id, link_id, status, lane, state, next_at, attempts,"
                " failures, created_at, error_code) VALUES (?, ?, 0, ?, 3, 0, 9, 9, ?, 0)",
                (number, number * 16, f"1/{'http://x' * (number % 2)}", number),
            )
        connection.close()
        shown = await browser.get("/console")
        assert tiles_in(shown.text)["dead"] == 3
        assert "shop 3 1970-01-01 00:00:00" in shown.words


# The stream


async def test_a_message_makes_the_figures_grow(
    running: RunningGateway, browser: ConsoleClient
) -> None:
    async with listening(browser, "/console/live?range=1h") as stream:
        assert stream.answer.headers["content-type"].startswith("text/event-stream")
        assert stream.answer.headers["cache-control"] == "no-store"
        await stream.until(lambda event: event.name == "tables")
        assert (await running.send())[0] == 200
        told = await stream.until(has_accepted(1))
        assert told.tiles["failed"] == 0
    shown = await browser.get("/console?range=1h")
    assert tiles_in(shown.text)["accepted"] == 1


async def test_all_who_read_one_language_get_the_same_bytes(running: RunningGateway) -> None:
    async with (
        signed_in(running, Role.READER) as one,
        signed_in(running, Role.SUPPORT) as other,
        listening(one, "/console/live?range=1h") as first,
        listening(other, "/console/live?range=1h") as second,
    ):
        tables = [
            await stream.until(lambda event: event.name == "tables") for stream in (first, second)
        ]
    assert tables[0].data == tables[1].data
    assert "csrf" not in tables[0].data


async def test_a_stream_ends_when_its_operator_signs_out(
    running: RunningGateway, browser: ConsoleClient
) -> None:
    async with listening(browser, "/console/live") as stream:
        await stream.until(lambda event: event.name == "tiles")
        await browser.post("/console/sign-out", on="/console")
        await stream.until(lambda event: event.name == "signed-out")
        await stream.ended()


async def test_a_stop_is_not_held_up_by_who_looks(tmp_path: Path) -> None:
    loop = asyncio.get_running_loop()
    async with AsyncExitStack() as later:
        async with running_gateway(tmp_path) as running:
            browser = await later.enter_async_context(signed_in(running))
            stream = await later.enter_async_context(listening(browser, "/console/live"))
            await stream.until(lambda event: event.name == "tiles")
            began = loop.time()
        await stream.ended()
        assert loop.time() - began < 2.0  # uvicorn would wait five seconds for it


async def test_one_operator_takes_only_so_many_connections(
    running: RunningGateway, browser: ConsoleClient
) -> None:
    async with AsyncExitStack() as open_ones:
        for _ in range(live.MOST_OF_ONE):
            stream = await open_ones.enter_async_context(listening(browser, "/console/live"))
            assert stream.answer.status == 200
        async with listening(browser, "/console/live") as refused:
            assert refused.answer.status == 503
            assert int(refused.answer.headers["retry-after"]) > 0
        async with (
            signed_in(running, Role.SUPPORT) as other,
            listening(other, "/console/live") as stream,
        ):
            assert stream.answer.status == 200


async def test_all_together_take_only_so_many(
    running: RunningGateway, browser: ConsoleClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "MOST_VIEWERS", 1)
    async with listening(browser, "/console/live") as stream:
        await stream.until(lambda event: event.name == "tiles")
        async with listening(browser, "/console/live") as refused:
            assert refused.answer.status == 503
    async with asyncio.timeout(10):  # the server hears in a moment that the first has gone
        while True:
            async with listening(browser, "/console/live") as again:
                if again.answer.status == 200:
                    break


async def test_who_asks_for_the_head_alone_keeps_nothing_open(browser: ConsoleClient) -> None:
    async with browser.session.head(f"{browser.url}/console/live") as answer:
        assert answer.status == 200


async def test_while_the_store_is_away_the_last_figures_stay(
    tmp_path: Path, running: RunningGateway, browser: ConsoleClient
) -> None:
    async with listening(browser, "/console/live?range=1h") as stream:
        await stream.until(lambda event: event.name == "tiles")
        other = connect(tmp_path / "whimbrel.db")
        other.execute("BEGIN IMMEDIATE")  # nothing can be written, what is there can be read
        assert (await running.send())[0] == 503
        other.execute("ROLLBACK")
        other.close()
        assert (await running.send())[0] == 200
        told = await stream.until(lambda event: event.name == "tiles" and event.tiles["accepted"])
        assert told.tiles["accepted"] == 1


async def test_where_there_is_no_console_there_is_no_stream(tmp_path: Path) -> None:
    settings = Settings(whatsapp={"main": an_account()})
    settings.console.enabled = False
    async with (
        running_gateway(tmp_path, settings=settings) as running,
        running.client.get(f"{running.url}/console/live") as answer,
    ):
        assert answer.status == 404
