"""What becomes of a link of which nothing is heard: decision 16."""

import pytest

from whimbrel.clock import DAY, HOUR, MINUTE, SECOND
from whimbrel.domain.unanswered import MOST_SILENT, SHORT_LIFETIME, Unanswered, Verdict, judge

U, V = Unanswered, Verdict


@pytest.mark.parametrize(
    ("rule", "lifetime", "verdict"),
    [
        (U.AUTO, 30 * SECOND, V.SHORT),
        (U.AUTO, SHORT_LIFETIME, V.SHORT),
        (U.AUTO, SHORT_LIFETIME + 1, V.LONG),
        (U.AUTO, DAY, V.LONG),
        (U.RESEND, MINUTE, V.WANTED),
        (U.RESEND, 7 * DAY, V.WANTED),
        (U.FAIL, MINUTE, V.UNWANTED),
        (U.FAIL, DAY, V.UNWANTED),
    ],
)
def test_the_rule_and_the_lifetime_decide(
    rule: Unanswered, lifetime: int, verdict: Verdict
) -> None:
    assert judge(rule, lifetime, 1) is verdict


@pytest.mark.parametrize("lifetime", [SHORT_LIFETIME, DAY])
@pytest.mark.parametrize("rule", U)
@pytest.mark.parametrize("silent", range(1, 8))
def test_no_link_goes_without_end(rule: Unanswered, lifetime: int, silent: int) -> None:
    """The first submit and two more, each of which may have arrived."""
    first, now = judge(rule, lifetime, 1), judge(rule, lifetime, silent)
    assert now.goes_again is (first.goes_again and silent <= 2)
    assert now.fails is not now.goes_again
    assert (now is V.SPENT) is (first.goes_again and silent >= 3)


@pytest.mark.parametrize("rule", U)
@pytest.mark.parametrize("silent", [1, MOST_SILENT])
def test_behind_what_has_arrived_nothing_goes_again_or_fails(rule: Unanswered, silent: int) -> None:
    for lifetime in (MINUTE, HOUR):
        verdict = judge(rule, lifetime, silent, needless=True)
        assert verdict is V.NEEDLESS
        assert not verdict.goes_again
        assert not verdict.fails


def test_operators_read_what_is_done() -> None:
    begins = {True: "goes again: ", False: "fails: "}
    for verdict in set(V) - {V.NEEDLESS}:
        assert verdict.value.startswith(begins[verdict.goes_again])
