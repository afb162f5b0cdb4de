"""Each statement that is run again and again finds its rows by an index, however many there are."""

import contextlib
import re
from pathlib import Path
from types import ModuleType

import pytest
from sqlalchemy import Table

from tests.store.hot_statements import IN_ORDER, INDEXES, STATEMENTS, WAYS
from tests.support.builders import Database
from whimbrel.store import (
    holdings,
    mo_messages,
    nodes,
    numbering,
    purge,
    queues,
    receipts,
    redelivery,
    reports,
    search_roads,
    short_urls,
)
from whimbrel.store.engine import Statement
from whimbrel.store.schema import metadata
from whimbrel.store.sqlite import connect


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database(tmp_path / "whimbrel.db")


SHORT = {"SCAN busy", "SCAN due", "SCAN dead", "SCAN old", "SCAN CONSTANT ROW"}
"""What a statement scans of its own making: the lanes so far, what is due, the row to insert."""
MAY_SCAN = {
    # As many as are under way or had no answer.
    (receipts, "_IN_FLIGHT"): {"SCAN l USING INDEX links_limbo"},
    (nodes, "_SUBMITTING"): {"SCAN links USING INDEX links_limbo"},
    # At an operator's command.
    (reports, "_OF_PARTNER"): {"SCAN r"},
    # A few rows, one for each length.
    (short_urls, "_USED"): {"SCAN uid_spaces"},
    # At most nine rows.
    (numbering, "_REVISION"): {"SCAN numbering_imports"},
    (numbering, "_IMPORTS"): {"SCAN i"},
    (queues, "_QUEUES"): {"SCAN links USING INDEX links_unsettled"},
    (queues, "_REPORT_QUEUES"): {"SCAN reports USING INDEX reports_open"},
    (queues, "_DEAD_REPORTS"): {"SCAN reports USING INDEX reports_dead_of"},
    (queues, "_PARKED"): {"SCAN parked_receipts USING COVERING INDEX parked_receipts_received_at"},
    # So many at the most.
    (queues, "_DEPTHS"): {
        "SCAN reports USING INDEX reports_open",
        "SCAN parked_receipts USING COVERING INDEX parked_receipts_received_at",
        "SCAN due_links",
        "SCAN open_ones",
        "SCAN parked",
    },
    (queues, "_DEAD"): {"SCAN reports USING INDEX reports_dead_of"},
    (search_roads, "PARTNERS"): {"SCAN partners"},
    (search_roads, "BY_DEDUPE_REF"): {"SCAN p"},
    # As many as are asked for.
    (mo_messages, "_LAST"): {"SCAN mo_messages USING INDEX mo_messages_received_at"},
    # A thousand at the most.
    (search_roads, "HELD"): {"SCAN links USING INDEX links_held"},
    (search_roads, "LIMBO"): {"SCAN links USING INDEX links_limbo"},
    (search_roads, "UNSETTLED"): {"SCAN links USING INDEX links_unsettled"},
    # A single row.
    (receipts, "_ANY_PARKED"): {
        "SCAN parked_receipts USING COVERING INDEX parked_receipts_received_at"
    },
    (purge, "_OLDEST_INBOUND"): {"SCAN mo_messages USING COVERING INDEX mo_messages_received_at"},
    # A few of an operator's wishes.
    (redelivery, "_OLD"): {"SCAN redeliveries"},
    (redelivery, "_OPEN"): {"SCAN redelivery_lanes USING INDEX redelivery_lanes_open"},
    (redelivery, "_LIST"): {"SCAN r"},
    # At most 64 rows, and as many as are held.
    (nodes, "_ALL"): {"SCAN nodes"},
    (nodes, "_LET_GO"): {"SCAN holdings"},
    (holdings, "_ALL"): {"SCAN holdings"},
}


@pytest.mark.parametrize("table", metadata.tables.values(), ids=str)
def test_a_row_is_written_without_a_table_of_its_own(database: Database, table: Table) -> None:
    """As the condition of a partial index would need for IN with more than two values."""
    values = ", ".join("?" * len(table.columns))
    statement = f"EXPLAIN INSERT INTO {table.name} VALUES ({values})"
    with contextlib.closing(connect(database.path)) as connection:
        steps = connection.execute(statement, [None] * len(table.columns)).fetchall()
    assert "OpenWrite" in {step[1] for step in steps}
    assert "OpenEphemeral" not in {step[1] for step in steps}


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


def test_measuring_reads_nothing_that_waits_for_its_hours(database: Database) -> None:
    steps = [step for step in plan_of(database, queues, "_DEPTHS") if "SEARCH links" in step]
    of_lanes = ["SEARCH links USING INDEX links_due", "SEARCH links USING INDEX links_due (lane>?)"]
    assert steps == [*of_lanes, *["SEARCH links USING INDEX links_due (lane=? AND due_at<?)"] * 2]


@pytest.mark.parametrize(("module", "name"), IN_ORDER)
def test_what_is_due_first_is_found_without_sorting(
    module: ModuleType, name: str, database: Database
) -> None:
    assert not [step for step in plan_of(database, module, name) if "B-TREE" in step]


@pytest.mark.parametrize("way", ["older", "newer"])
@pytest.mark.parametrize("road", ["partner_id", "dest_addr", "partner_ref", "pair", "error"])
def test_a_road_is_entered_where_the_span_begins(way: str, road: str, database: Database) -> None:
    """Not where its key does: a common one has millions of chains."""
    [step] = plan_of(database, WAYS, f"_{road}_{way}")
    assert re.search(r"\(\w+=\? AND (chain|link)_id>\? AND (chain|link)_id<\?\)", step), step
