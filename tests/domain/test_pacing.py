"""How fast things may go."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whimbrel.domain.pacing import NumberPacing, PairPacing, Rate

NOISE = 1e-6  # of floating point
pauses = st.lists(st.floats(0, 3), min_size=1, max_size=60)
rates = st.floats(0.1, 500)
bursts = st.integers(1, 50)


@given(rates, bursts, pauses)
def test_no_window_holds_more_than_the_rate_and_the_burst(
    rate: float, burst: int, gaps: list[float]
) -> None:
    limit, now, went = Rate(rate, burst), 0.0, []
    for gap in gaps:
        now += gap
        room = limit.room(now, 1_000)
        limit.take(now, room)
        went.append((now, room))
    for start in range(len(went)):
        total = 0
        for moment, count in went[start:]:
            total += count
            assert total <= rate * (moment - went[start][0]) + burst + NOISE


@given(rates, bursts, pauses)
def test_after_the_wait_there_is_room_and_before_it_there_is_none(
    rate: float, burst: int, gaps: list[float]
) -> None:
    limit, now = Rate(rate, burst), 0.0
    for gap in gaps:
        now += gap
        limit.take(now, limit.room(now, 1_000))
        wait = limit.wait(now)
        assert limit.room(now + wait + NOISE, 1) == 1
        if wait > 2 * NOISE:
            assert limit.room(now + wait - NOISE * max(1, 1 / rate), 1) == 0


def test_an_idle_limit_saves_up_no_more_than_its_burst() -> None:
    limit = Rate(10, 5)
    limit.take(0.0, 5)
    assert limit.room(1_000.0, 100) == 5


def test_room_is_never_more_than_is_asked_for() -> None:
    assert Rate(10, 5).room(0.0, 3) == 3


def test_a_rate_of_nought_is_no_limit() -> None:
    limit = Rate(0, 1)
    limit.take(0.0, 1_000)
    assert (limit.room(0.0, 64), limit.wait(0.0)) == (64, 0.0)


# One sending number


def drained(pacing: NumberPacing, now: float) -> int:
    room = pacing.room(now, 1_000)
    pacing.take(now, room)
    return room


def test_a_number_sends_its_throughput_in_a_second() -> None:
    pacing = NumberPacing(80)
    assert drained(pacing, 10.0) == 8  # a tenth of a second's worth at once
    assert sum(drained(pacing, 10.0 + tick / 100) for tick in range(1, 101)) == 80


def test_a_throttled_number_halves_once_a_second() -> None:
    pacing = NumberPacing(80)
    for moment, rate in [(10.0, 40), (10.5, 40), (11.0, 20), (12.0, 10)]:
        pacing.halve(moment)
        assert pacing.rate == rate


def test_it_keeps_one_a_second_at_least() -> None:
    pacing = NumberPacing(80)
    for moment in range(10, 30):
        pacing.halve(float(moment))
    assert pacing.rate == 1.0


def test_it_recovers_step_by_step_and_not_beyond_what_was_granted() -> None:
    pacing = NumberPacing(80)
    pacing.halve(10.0)
    rates_seen = []
    for moment in range(11, 80):
        pacing.room(float(moment), 1)
        rates_seen.append(pacing.rate)
    assert rates_seen[:3] == [40, 40, 40]
    assert rates_seen[4] == 44  # a twentieth of what was granted, after five seconds
    assert rates_seen == sorted(rates_seen)
    assert rates_seen[-1] == 80


def test_a_number_without_a_limit_is_not_slowed_down() -> None:
    pacing = NumberPacing(0)
    pacing.halve(10.0)
    assert pacing.room(10.0, 64) == 64


# One number and one subscriber


def test_a_pair_has_45_at_once_and_then_one_in_six_seconds() -> None:
    pacing = PairPacing()
    waits = [pacing.take("79161234567", 100.0) for _ in range(46)]
    assert waits == [0.0] * 45 + [6.0]
    assert pacing.take("79161234567", 105.9) == pytest.approx(0.1)
    assert pacing.take("79161234567", 106.0) == 0.0
    assert pacing.take("79161234567", 106.0) == pytest.approx(6.0)


def test_pairs_do_not_wait_for_each_other() -> None:
    pacing = PairPacing()
    for _ in range(46):
        pacing.take("79161234567", 100.0)
    assert pacing.take("79161234568", 100.0) == 0.0


@given(pauses)
def test_no_window_of_a_pair_holds_more_than_metas_limit(gaps: list[float]) -> None:
    pacing, now, went = PairPacing(), 0.0, []
    for gap in gaps * 4:
        now += gap
        if not pacing.take("79161234567", now):
            went.append(now)
    for start, first in enumerate(went):
        for count, moment in enumerate(went[start:], 1):
            assert count <= (moment - first) / 6 + 45 + NOISE


def test_a_pair_that_meta_refused_is_held() -> None:
    pacing = PairPacing()
    pacing.hold("79161234567", 100.0, 16.0)
    assert pacing.take("79161234567", 115.0) == pytest.approx(1.0)
    assert pacing.take("79161234567", 116.0) == 0.0


def test_pairs_that_owe_nothing_are_forgotten() -> None:
    pacing = PairPacing()
    for subscriber in range(1_000):
        pacing.take(str(subscriber), 100.0)
    pacing.take("another", 200.0)
    assert len(pacing) == 1
