"""Pauses between attempts."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whimbrel.clock import HOUR, MINUTE, SECOND
from whimbrel.domain.retry import (
    REPORT_PAUSES,
    hold_pause,
    pair_pause,
    reconnect_pause,
    refused_bind_pause,
    report_pause,
    throughput_pause,
    upstream_pause,
)

chances = st.floats(0, 1)
attempts = st.integers(1, 10_000)
REPORT = [
    *(5 * SECOND, 30 * SECOND, 2 * MINUTE, 10 * MINUTE, 30 * MINUTE),
    *(1 * HOUR, 2 * HOUR, 4 * HOUR, 8 * HOUR, 12 * HOUR),
]


def test_reports_are_tried_for_more_than_a_day() -> None:
    assert sum(REPORT_PAUSES) > 24 * HOUR


@pytest.mark.parametrize(("attempt", "pause"), list(enumerate(REPORT, 1)))
def test_a_report_waits_longer_each_time(attempt: int, pause: int) -> None:
    assert report_pause(attempt, 0.0) == pause
    assert report_pause(attempt, 1.0) == pause * 6 // 5


@given(st.integers(1, 10), chances)
def test_chance_adds_up_to_a_fifth_to_a_reports_pause(attempt: int, chance: float) -> None:
    pause = report_pause(attempt, chance)
    assert pause is not None
    assert REPORT[attempt - 1] <= pause <= REPORT[attempt - 1] * 6 // 5


def test_after_the_last_pause_a_report_is_given_up() -> None:
    assert report_pause(11, 0.5) is None


@pytest.mark.parametrize(
    ("pause", "expected"),
    [
        (lambda n: upstream_pause(n, 1.0), [2, 4, 8, 16, 32, 64, 128, 256, 300, 300]),
        (lambda n: throughput_pause(n, 1.0), [1, 2, 4, 8, 16, 32, 60, 60]),
        (lambda n: throughput_pause(n, 0.0), [0.5, 1, 2, 4, 8, 16, 30, 30]),
        (pair_pause, [1, 4, 16, 64, 256, 1024, 3600, 3600]),
        (lambda n: reconnect_pause(n, 1.0), [1, 2, 4, 8, 16, 32, 60, 60]),
        (lambda n: reconnect_pause(n, 0.0), [0, 0]),
        (lambda n: refused_bind_pause(n, 1.0), [30, 60, 120, 240, 300, 300]),
        (lambda n: refused_bind_pause(n, 0.0), [15, 30, 60, 120, 150, 150]),
        (hold_pause, [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]),
    ],
    ids=[
        "upstream",
        "throughput",
        "throughput at least",
        "pair",
        "reconnect",
        "reconnect at least",
        "refused bind",
        "refused bind at least",
        "hold",
    ],
)
def test_a_pause_grows_to_its_cap(pause: Callable[[int], int], expected: list[float]) -> None:
    assert [pause(n) / SECOND for n in range(1, len(expected) + 1)] == expected


@given(attempts, chances)
def test_pauses_of_submits_stay_within_their_bounds(attempt: int, chance: float) -> None:
    assert 0 <= upstream_pause(attempt, chance) <= 5 * MINUTE
    assert SECOND / 2 <= throughput_pause(attempt, chance) <= MINUTE
    assert SECOND <= pair_pause(attempt) <= HOUR
    assert 0 <= reconnect_pause(attempt, chance) <= MINUTE
    assert 15 * SECOND <= refused_bind_pause(attempt, chance) <= 5 * MINUTE
    assert 30 * SECOND <= hold_pause(attempt) <= HOUR
