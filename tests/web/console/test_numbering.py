"""The numbering registry in the console: what was imported, and what it says of a number."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.console import signed_in
from tests.support.gateway import RunningGateway, running_gateway
from whimbrel.clock import SystemClock
from whimbrel.domain.numbering import NumberRange
from whimbrel.domain.operator import Role
from whimbrel.store.numbering import NumberingImport, import_ranges

PAGE = "/console/numbering"
RANGE = NumberRange(
    9161000000, 9161999999, "<b>MTS</b>", "7740000076", "Москва", ("Europe/Moscow",)
)


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[RunningGateway]:
    async with running_gateway(tmp_path) as one:
        yield one


async def test_without_a_registry_it_is_said_so(running: RunningGateway) -> None:
    async with signed_in(running, Role.READER) as browser:
        shown = await browser.get(PAGE)
        assert "Nothing was imported" in shown.words
        assert (
            "No range of the registry" in (await browser.get(f"{PAGE}?number=+79161234567")).words
        )


@pytest.mark.parametrize(
    ("number", "told"),
    [
        ("8 (916) 123-45-67", "Europe/Moscow"),
        ("%2B79161234567", "<b>MTS</b>"),
        ("79161234567", "25001"),
        ("79991234567", "No range of the registry"),
        ("4915112345678", "The registry knows Russian numbers only"),
        ("<script>", "This is not a phone number."),
        ("9" * 500, "This is not a phone number."),
    ],
)
async def test_a_number_is_looked_up_in_any_spelling(
    running: RunningGateway, number: str, told: str
) -> None:
    now = SystemClock().now()
    await running.store.write(import_ranges, NumberingImport((9,), "DEF-9xx.csv", 1, [RANGE], now))
    async with signed_in(running, Role.READER) as browser:
        shown = await browser.get(f"{PAGE}?number={number}")
    assert (shown.status, told in shown.words) == (200, True), shown.words
    assert "DEF-9xx.csv" in shown.words
    assert "<b>MTS" not in shown.text
    assert "<script>" not in shown.text
