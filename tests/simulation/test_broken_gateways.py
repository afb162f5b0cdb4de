"""Gateways that are broken by hand, each in one way: the simulation must catch every one.

A check that has never failed proves nothing. `SEEDS` bounds how long a fault may hide.
"""

import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from whimbrel import gateway
from whimbrel.domain import cascade, chain, retry
from whimbrel.domain.chain import Again, NoAnswer
from whimbrel.domain.status import LinkState
from whimbrel.domain.unanswered import Verdict
from whimbrel.flow import accept, checks, dispatch, ingest, report, timers
from whimbrel.simulation import Fault, parse_faults, simulate
from whimbrel.store import chains, links, nodes, reports
from whimbrel.store import timers as store_timers
from whimbrel.store.chains import Accepted
from whimbrel.store.engine import Statement, Steps
from whimbrel.store.reports import NewReport

SEEDS = range(1, 41)
Patch = pytest.MonkeyPatch


def some_report_is_dropped(patch: Patch) -> None:
    add = links.add_reports

    def without_the_last(owed: list[NewReport]) -> Steps[None]:
        yield from add(owed[:-1] if len(owed) > 1 else owed)

    patch.setattr(links, "add_reports", without_the_last)


def no_grace(patch: Patch) -> None:
    rules = gateway.DispatchRules
    patch.setattr(gateway, "DispatchRules", lambda timeout, _: rules(timeout, 0))


def no_answer_is_not_sent(patch: Patch) -> None:
    failure = dispatch.failure

    def sure(link: Any, error: Any, now: int, **how: Any) -> Any:
        event = failure(link, error, now, **how)
        return Again(event.attempt, now, now) if isinstance(event, NoAnswer) else event

    patch.setattr(dispatch, "failure", sure)


def no_memory_of_ids(patch: Patch) -> None:
    params = chains._chain_params

    def forgetful(one: Any) -> Any:
        known = list(params(one))
        known[3] = None  # dedupe_ref
        return tuple(known)

    patch.setattr(chains, "_chain_params", forgetful)


def states_may_fall(patch: Patch) -> None:
    everywhere = {state: frozenset(LinkState) for state in LinkState}
    patch.setattr(chain, "MOVES", everywhere)


def submits_are_not_released(patch: Patch) -> None:
    patch.setattr(nodes, "_SUBMITTING", Statement(f"{nodes._SUBMITTING.text} AND state = 20"))


def report_claims_are_not_released(patch: Patch) -> None:
    patch.setattr(
        nodes, "_RELEASE_REPORTS", Statement(f"{nodes._RELEASE_REPORTS.text} AND state > 1")
    )


def reports_do_not_wait(patch: Patch) -> None:
    text = reports._INSERT.text.replace("THEN 0 ELSE 1", "THEN 1 ELSE 1")
    patch.setattr(reports, "_INSERT", Statement(text))


def answered_before_the_commit(patch: Patch) -> None:
    """Where an `id` that is given two numbers does not betray it."""
    at_once = accept.Acceptor._keep

    async def store_later(self: Any, one: Any) -> Accepted:
        if one.dedupe_ref is not None:
            return await at_once(self, one)
        self._store.write(chains.accept_chains, one)
        return Accepted(one.chain_id)

    patch.setattr(accept.Acceptor, "_keep", store_later)


def acknowledged_before_the_commit(patch: Patch) -> None:
    file = ingest.Ingest.file
    under_way = set()

    async def file_later(self: Any, receipts: Any) -> None:
        under_way.add(asyncio.ensure_future(file(self, receipts)))

    patch.setattr(ingest.Ingest, "file", file_later)


def lifetimes_do_not_end(patch: Patch) -> None:
    async def expire(_: object) -> bool:
        return False

    patch.setattr(timers.Timers, "_expire", expire)


def cascades_do_not_wait(patch: Patch) -> None:
    patch.setattr(cascade, "_MISSED", {LinkState.SENT, LinkState.FAILED, LinkState.EXPIRED})


def ambiguity_is_not_counted(patch: Patch) -> None:
    patch.setattr(timers.Timers, "_count_ended", lambda *_: 1)


def everybody_resends(patch: Patch) -> None:
    patch.setattr(store_timers, "judge", lambda *_, **__: Verdict.WANTED)


def reports_are_given_up_early(patch: Patch) -> None:
    patch.setattr(retry, "REPORT_PAUSES", retry.REPORT_PAUSES[:6])


def dead_ends(patch: Patch) -> None:
    """A report that was given up lets none of those behind it go."""
    record = report.record_report_attempts

    def without_promoting(attempts: list[Any]) -> Steps[list[None]]:
        steps = record(attempts)
        answer = None
        while True:
            try:
                step = steps.send(answer)  # type: ignore[arg-type]
            except StopIteration as stop:
                return stop.value
            promotes = getattr(step, "statement", None) is reports._PROMOTE
            answer = [] if promotes else (yield step)

    patch.setattr(report, "record_report_attempts", without_promoting)


def deadlines_are_forgotten(patch: Patch) -> None:
    patch.setattr(checks, "within_deadline", lambda _, moment: moment)
    patch.setattr(cascade, "within_deadline", lambda _, moment: moment)
    patch.setattr(dispatch.Dispatcher, "_not_now", lambda *_: None)


class Broken(NamedTuple):
    how: Callable[[Patch], None]
    promise: str
    """What the simulation must say of it."""
    faults: str = "all"


BROKEN = [
    Broken(some_report_is_dropped, "each told state has its report"),
    Broken(no_grace, "a receipt is waited for", "timeouts,errors,receipts"),
    Broken(no_answer_is_not_sent, "what was taken is not sent again"),
    Broken(no_memory_of_ids, "one id, one chain"),
    Broken(states_may_fall, "states never fall"),
    Broken(submits_are_not_released, "no submit outlives its process"),
    Broken(report_claims_are_not_released, "no report's claim outlives its process"),
    Broken(reports_do_not_wait, "the oldest report goes alone"),
    Broken(answered_before_the_commit, "what was accepted is kept"),
    Broken(acknowledged_before_the_commit, "what was heard is kept"),
    Broken(lifetimes_do_not_end, "lifetimes end"),
    Broken(cascades_do_not_wait, "a link waits for its turn"),
    Broken(ambiguity_is_not_counted, "ambiguity is counted", "timeouts,errors,receipts"),
    Broken(everybody_resends, "the Partner's rule is followed", "timeouts,errors,receipts"),
    Broken(reports_are_given_up_early, "a report is tried for more than a day", "receivers"),
    Broken(dead_ends, "each report ends"),
    Broken(deadlines_are_forgotten, "nothing goes after its deadline", "errors,crashes"),
]


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.how.__name__)
def test_a_broken_gateway_is_caught(broken: Broken, monkeypatch: pytest.MonkeyPatch) -> None:
    broken.how(monkeypatch)
    promises = set()
    for seed in SEEDS:
        outcome = simulate(seed, 1.0, parse_faults(broken.faults))
        promises |= {violation.partition(":")[0] for violation in outcome.violations}
        if broken.promise in promises:
            print(f"caught by seed {seed}: {outcome.violations[0]}")
            return
    pytest.fail(f"{len(SEEDS)} seeds found {promises or 'nothing'}")


def test_all_faults_have_names() -> None:
    assert parse_faults("all") == frozenset(Fault)
