"""Each statement that is run again and again finds its rows by an index, however many there are."""

from types import ModuleType

import pytest

from tests.support.builders import Database
from whimbrel.store import chains, links, receipts, reports, submits, timers
from whimbrel.store.engine import Statement
from whimbrel.store.sqlite import connect

BY_KEY = "PRIMARY KEY"
INDEXES = {
    (chains, "_BY_REF"): ["chains_dedupe_ref"],
    (chains, "_BY_CONTENT"): ["chains_content_key"],
    (chains, "_LANES"): ["links_due"],
    (chains, "_CLAIM"): ["links_due", BY_KEY],
    (chains, "_DESTINATION"): [BY_KEY],
    (chains, "_LAST_ID"): [],
    (links, "_LOAD"): [BY_KEY],
    (links, "_SAVE"): [BY_KEY],
    (links, "_SAVE_HOURS"): [BY_KEY],
    (timers, "_EXPIRED"): ["links_unsettled"],
    (timers, "_LIMBO"): ["links_limbo"],
    (timers, "_ABANDONED"): ["links_limbo"],
    (submits, "_INSERT"): [],
    (receipts, "_SENDER_OF"): [BY_KEY],
    (receipts, "_BY_PROVIDER_ID"): ["submits_provider_id", BY_KEY],
    (receipts, "_INSERT"): [BY_KEY],
    (receipts, "_PARKED_FOR"): [BY_KEY],
    (receipts, "_UNPARK"): [BY_KEY],
    (receipts, "_MATCHABLE"): ["parked_receipts_received_at", "submits_provider_id"],
    (receipts, "_FORGET_PARKED"): ["parked_receipts_received_at", BY_KEY],
    (reports, "_INSERT"): ["reports_open"],
    (reports, "_LANES"): ["reports_due"],
    (reports, "_CLAIM"): ["reports_due", BY_KEY],
    (reports, "_CONTENT"): [BY_KEY],
    (reports, "_RELEASE_CLAIMS"): ["reports_due"],
    (reports, "_SETTLE"): [BY_KEY],
    (reports, "_PROMOTE"): ["reports_open", BY_KEY],
    (reports, "_FIRST_OPEN"): ["reports_open", BY_KEY],
    (reports, "_STEP_BACK"): ["reports_open"],
}
RUN_ONCE = {"_RELEASE_CLAIMS", "_ABANDONED"}
"""At the start of a process: these may read the whole of a partial index."""
RARE = {"_REDELIVER", "_OF_CHAIN", "_OF_PARTNER", "_INSERT_CHAIN", "_INSERT_LINK", "_PARK",
        "_KEEP_ATTEMPT"}  # fmt: skip
"""By an operator's command, or plain inserts, which have no plan."""


def plan_of(database: Database, statement: Statement) -> list[str]:
    connection = connect(database.path)
    try:
        rows = connection.execute(
            f"EXPLAIN QUERY PLAN {statement.numbered('?')}", (None,) * len(statement.names)
        ).fetchall()
    finally:
        connection.close()
    return [detail for *_, detail in rows]


@pytest.mark.parametrize(
    ("module", "name"), INDEXES, ids=lambda one: str(getattr(one, "__name__", one))
)
def test_a_hot_statement_uses_its_index_and_scans_no_table(
    module: ModuleType, name: str, database: Database
) -> None:
    plan = plan_of(database, getattr(module, name))
    for index in INDEXES[module, name]:
        assert any(index in step for step in plan), plan
    # What a statement has made itself (the lanes so far) is short; everything else is searched.
    scans = [step for step in plan if step.startswith("SCAN") and step != "SCAN busy"]
    if name in RUN_ONCE:
        scans = [step for step in scans if INDEXES[module, name][0] not in step]
    assert scans in ([], ["SCAN CONSTANT ROW"]), plan


@pytest.mark.parametrize("name", ["_EXPIRED", "_LIMBO"])
def test_the_oldest_come_first_without_sorting(name: str, database: Database) -> None:
    assert not [step for step in plan_of(database, getattr(timers, name)) if "B-TREE" in step]


@pytest.mark.parametrize("module", [chains, reports])
def test_a_lane_is_read_in_the_order_of_time_without_sorting(
    module: ModuleType, database: Database
) -> None:
    assert not [step for step in plan_of(database, module._CLAIM) if "B-TREE" in step]


def test_no_hot_statement_is_missing_above() -> None:
    modules = {module for module, _ in INDEXES}
    there = {
        (module, name)
        for module in modules
        for name, value in vars(module).items()
        if isinstance(value, Statement) and name not in RARE
    }
    assert there == set(INDEXES)
