"""The suite itself."""

from collections import Counter

import pytest


def test_no_two_tests_share_an_id(request: pytest.FixtureRequest) -> None:
    """Of those that share one, pytest-xdist would run one alone, and call it all of them."""
    counts = Counter(item.nodeid for item in request.session.items)
    assert [nodeid for nodeid, count in counts.items() if count > 1] == []
