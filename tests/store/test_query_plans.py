"""Each statement that is run again and again finds its rows by an index, however many there are."""

from types import ModuleType

import pytest

from tests.support.builders import Database
from whimbrel.store import (
    chains,
    click_reports,
    clicks,
    links,
    numbering,
    parts,
    purge,
    receipts,
    reports,
    short_urls,
    submits,
    timers,
)
from whimbrel.store.engine import Statement
from whimbrel.store.sqlite import connect

MODULES = [
    *(chains, click_reports, clicks, links, numbering, parts, purge, receipts, reports),
    *(short_urls, submits, timers),
]
STATEMENTS = [
    pytest.param(module, name, id=f"{module.__name__.rpartition('.')[2]}{name}")
    for module in MODULES
    for name, value in vars(module).items()
    if isinstance(value, Statement)
]
SHORT = {"SCAN busy", "SCAN due", "SCAN CONSTANT ROW"}
"""What a statement scans of its own making: the lanes so far, what is due, the row to insert."""
MAY_SCAN = {
    # At the start of a process.
    (reports, "_RELEASE_CLAIMS"): {"SCAN reports USING INDEX reports_due"},
    (timers, "_ABANDONED"): {"SCAN links USING INDEX links_limbo"},
    # As many as are under way or had no answer.
    (receipts, "_IN_FLIGHT"): {"SCAN l USING INDEX links_limbo"},
    # At an operator's command.
    (reports, "_OF_PARTNER"): {"SCAN r"},
    # A few rows, one for each length.
    (short_urls, "_USED"): {"SCAN uid_spaces"},
    # At most nine rows.
    (numbering, "_REVISION"): {"SCAN numbering_imports"},
    (numbering, "_IMPORTS"): {"SCAN i"},
    # A single row.
    (receipts, "_ANY_PARKED"): {
        "SCAN parked_receipts USING COVERING INDEX parked_receipts_received_at"
    },
    (purge, "_OLDEST_INBOUND"): {"SCAN mo_messages USING COVERING INDEX mo_messages_received_at"},
}
INDEXES = {
    (chains, "_BY_REF"): "chains_dedupe_ref",
    (chains, "_BY_CONTENT"): "chains_content_key",
    (chains, "_LANES"): "links_due",
    (chains, "_CLAIM"): "links_due",
    (timers, "_EXPIRED"): "links_unsettled",
    (timers, "_LIMBO"): "links_limbo",
    (timers, "_FALLING"): "links_held",
    (timers, "_BLOCKED"): "links_passable",
    (receipts, "_BY_PROVIDER_ID"): "submits_provider_id",
    (receipts, "_IN_FLIGHT"): "links_limbo",
    (receipts, "_MATCHABLE"): "parked_receipts_received_at",
    (receipts, "_FORGET_PARKED"): "parked_receipts_received_at",
    (short_urls, "_SHARED_AGAIN"): "short_urls_shared",
    (reports, "_INSERT"): "reports_open",
    (reports, "_LANES"): "reports_due",
    (reports, "_CLAIM"): "reports_due",
    (reports, "_PROMOTE"): "reports_open",
    (click_reports, "_INSERT"): "reports_open",
    (purge, "_OLD"): "chains_partner",
    (purge, "_OLD_WITH_CONTENT"): "chains_with_content",
    (purge, "_STILL_OPEN"): "reports_open",
    (purge, "_REMOVE_REPORTS"): "reports_link_status",
    (purge, "_FORGET_WHOSE"): "short_urls_chain",
    (purge, "_OLDEST_VISIT"): "clicks_partner",
    (purge, "_REMOVE_VISITS"): "clicks_partner",
    (purge, "_OLDEST_INBOUND"): "mo_messages_received_at",
    (purge, "_REMOVE_INBOUND"): "mo_messages_received_at",
    (clicks, "_ENDED"): "short_urls_expires",
    (clicks, "_IDLE"): "short_urls_idle",
    (clicks, "_FORGET_VISITS"): "clicks_uid",
    (reports, "_STEP_BACK"): "reports_open",
}
IN_ORDER = [
    *((timers, name) for name in ("_EXPIRED", "_LIMBO", "_FALLING", "_BLOCKED")),
    (chains, "_CLAIM"),
    (reports, "_CLAIM"),
    *((purge, name) for name in ("_OLD", "_OLD_WITH_CONTENT", "_REMOVE_VISITS", "_REMOVE_INBOUND")),
]


def plan_of(database: Database, module: ModuleType, name: str) -> list[str]:
    statement: Statement = getattr(module, name)
    connection = connect(database.path)
    try:
        rows = connection.execute(
            f"EXPLAIN QUERY PLAN {statement.numbered('?')}", (None,) * len(statement.names)
        ).fetchall()
    finally:
        connection.close()
    return [detail for *_, detail in rows]


@pytest.mark.parametrize(("module", "name"), STATEMENTS)
def test_a_statement_scans_no_table(module: ModuleType, name: str, database: Database) -> None:
    plan = plan_of(database, module, name)
    scans = {step for step in plan if step.startswith("SCAN")}
    assert scans - SHORT - MAY_SCAN.get((module, name), set()) == set()


@pytest.mark.parametrize(("module", "name"), INDEXES)
def test_a_hot_statement_uses_its_index(module: ModuleType, name: str, database: Database) -> None:
    plan = plan_of(database, module, name)
    assert any(INDEXES[module, name] in step for step in plan), plan


@pytest.mark.parametrize(("module", "name"), IN_ORDER)
def test_what_is_due_first_is_found_without_sorting(
    module: ModuleType, name: str, database: Database
) -> None:
    assert not [step for step in plan_of(database, module, name) if "B-TREE" in step]
