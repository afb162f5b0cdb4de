"""Times in buckets tell percentiles to within a tenth, whoever has counted which of them."""

import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whimbrel.clock import DAY
from whimbrel.domain.tally import NEARNESS, bucket_of, middle_of, percentile

milliseconds = st.one_of(
    st.integers(min_value=0, max_value=5_000), st.integers(min_value=0, max_value=40 * DAY)
)


def exact(times: list[int], percent: float) -> int:
    return sorted(times)[max(1, math.ceil(len(times) * percent / 100)) - 1]


@given(st.lists(milliseconds, min_size=1, max_size=200), st.sampled_from([1, 50, 90, 95, 99, 100]))
def test_a_percentile_is_within_a_tenth_of_the_exact_one(times: list[int], percent: float) -> None:
    told = percentile(Counter(map(bucket_of, times)), percent)
    assert told is not None
    right = exact(times, percent)
    assert abs(told - right) <= right * (NEARNESS + 1e-9)


@given(st.lists(milliseconds, min_size=1), st.lists(milliseconds, min_size=1))
def test_sums_of_several_nodes_tell_the_same(one: list[int], other: list[int]) -> None:
    apart = Counter(map(bucket_of, one)) + Counter(map(bucket_of, other))
    assert percentile(apart, 95) == percentile(Counter(map(bucket_of, one + other)), 95)


@given(milliseconds, milliseconds)
def test_a_longer_time_is_in_no_earlier_bucket(one: int, other: int) -> None:
    assert (bucket_of(one) <= bucket_of(other)) or one > other


@pytest.mark.parametrize(("took", "bucket"), [(-5, 0), (0, 0), (1, 1), (2, 5), (1_024, 41)])
def test_buckets(took: int, bucket: int) -> None:
    assert bucket_of(took) == bucket


def test_of_no_times_there_is_no_percentile() -> None:
    assert percentile({}, 50) is None
    assert middle_of(0) == 0.0


def test_nearness_is_below_a_tenth() -> None:
    assert NEARNESS < 0.1
