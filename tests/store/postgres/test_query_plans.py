"""PostgreSQL finds what it is asked for by an index, in a store that has settled a good deal.

The plans are generic ones, made without knowing the parameters: a statement that is prepared once
and run for months has such a plan from its sixth time on.
"""

import re
from collections.abc import Iterator
from types import ModuleType

import pytest

from tests.store.hot_statements import IN_ORDER, INDEXES, STATEMENTS
from tests.support import postgres
from tests.support.postgres import PostgresDatabase
from tests.support.runner import runner
from whimbrel.domain.content import Channel
from whimbrel.store import numbering, queues, receipts, reports, search_roads, short_urls
from whimbrel.store.criteria import Criteria, wanted_params
from whimbrel.store.engine import Statement
from whimbrel.store.migrate import upgrade_postgres

# 20,000 chains of which 1 % is on its way: many, but made in a second or two.
_STORE = """
INSERT INTO partners SELECT i, 'p' || i, '', '{}', 0, NULL, i, i FROM generate_series(1, 20) i;
INSERT INTO chains (chain_id, partner_id, partner_ref, dedupe_ref, content_key, dest_addr,
    registered_delivery, accepted_at, request_id)
SELECT i, i % 20 + 1, 'r' || i, 'r' || i, decode(md5(i::text), 'hex'), '7916' || i, 1, i, 'q' || i
FROM generate_series(1, 20000) i;
INSERT INTO links (link_id, chain_id, lane, channel, sender, text, ttl, state, told, attempt,
    attempted_at, due_at, expires_at, provider_id, error_code, satisfied_by)
SELECT i * 16, i, 'SMS/' || i % 20 + 1 || '/S', 'SMS', 'S', 'Hello', 1000,
    CASE WHEN i % 100 > 0 THEN 60 ELSE (ARRAY[-10, 0, 0, 0, 10, 20, 30])[i / 100 % 7 + 1] END,
    2, 1, i, i, i + 90000, 'w' || i, 0, CASE WHEN i / 100 % 3 = 0 THEN 50 END
FROM generate_series(1, 20000) i;
INSERT INTO submits (link_id, attempt, started_at, ended_at, outcome, provider_id)
SELECT i * 16, 1, i, i, 'submitted', 'w' || i FROM generate_series(1, 20000) i;
INSERT INTO parts (link_id, part, parts, provider_id, state, error_code)
SELECT i * 16, p, 2, 'w' || i || '-' || p, 30, 0
FROM generate_series(1, 10000) i, generate_series(1, 2) p;
INSERT INTO receipts (link_id, attempt, state, happened_at, received_at)
SELECT i * 16, 1, s, i, i FROM generate_series(1, 20000) i, unnest(ARRAY[30, 50]) s;
INSERT INTO parked_receipts SELECT 'p' || i, 30, 'S', '{}', i FROM generate_series(1, 20000) i;
INSERT INTO reports (chain_id, link_id, status, lane, state, next_at, attempts, failures,
    created_at, error_code)
SELECT i, i * 16, s, i % 20 + 1 || '/', CASE WHEN i % 100 = 0 THEN s / 2 ELSE 2 END, i, 1, 0, i, 0
FROM generate_series(1, 20000) i, unnest(ARRAY[0, 2]) s;
INSERT INTO report_attempts SELECT i, 1, i, 3, 200, 'ok' FROM generate_series(1, 40000) i;
INSERT INTO short_urls (uid, partner_id, target, shared_key, subscriber, chain_id, link_id,
    created_at, expires_at, idle_until, visits, clicks)
SELECT 'u' || i, i % 20 + 1, 't' || i, CASE WHEN i % 2 = 0 THEN decode(md5(i::text), 'hex') END,
    '7916' || i, i, i * 16, i, i, CASE WHEN i % 2 = 0 THEN i END, 1, 1
FROM generate_series(1, 20000) i;
INSERT INTO extra_pairs SELECT i % 100, i FROM generate_series(1, 20000) i;
INSERT INTO clicks (uid, at, agent, counted, partner_id)
SELECT 'u' || i, i, 'mobile', 1, i % 20 + 1 FROM generate_series(1, 20000) i;
INSERT INTO click_reports SELECT i, 'u' || i, 't' || i FROM generate_series(1, 20000) i;
INSERT INTO uid_spaces VALUES (8, 20000);
INSERT INTO number_ranges
SELECT 9000000000 + i * 1000, 9000000999 + i * 1000, 'X', '7', 'R', 'Europe/Moscow'
FROM generate_series(1, 20000) i;
INSERT INTO numbering_imports VALUES (9, 'DEF-9xx.csv', 20000, 20000, 1);
INSERT INTO mo_messages (channel, account, sender, subscriber, part, parts, raw, data_coding,
    received_at)
SELECT 'SMS', 'a', 's', '7916' || i, 1, 1, '', 0, i FROM generate_series(1, 60000) i;
INSERT INTO nodes SELECT i, NULL, 'n' || i, 'api', '1', 1, 1, 1, 1 FROM generate_series(0, 9) i;
INSERT INTO holdings SELECT 'SMS', 'a' || i, 0, 1, 1 FROM generate_series(1, 20) i;
INSERT INTO tallies SELECT 60000, w, i * 60000, c, 0, d, 1
FROM generate_series(1, 300) i, unnest(ARRAY['accepted', 'failed', 'delivery']) w,
    unnest(ARRAY['SMS', 'WHATSAPP']) c, generate_series(0, 9) d;
INSERT INTO allowances SELECT i, i FROM generate_series(1, 20) i;
ANALYZE
"""
MAY_SCAN = {
    # At an operator's command.
    (reports, "_OF_PARTNER"): {"reports", "chains"},
    (numbering, "_IMPORTS"): {"number_ranges"},
    # Tables of a few rows.
    (short_urls, "_USED"): {"uid_spaces"},
    (numbering, "_REVISION"): {"numbering_imports"},
    # The first row that there is.
    (receipts, "_ANY_PARKED"): {"parked_receipts"},
    # So many at the most, or at an operator's command.
    (queues, "_DEPTHS"): {"parked_receipts"},
    (queues, "_PARKED"): {"parked_receipts"},
}
SMALL = {"allowances", "holdings", "nodes", "numbering_imports", "partners", "uid_spaces"} | {
    "redeliveries",
    "redelivery_lanes",
}


@pytest.fixture(scope="module")
def database() -> Iterator[PostgresDatabase]:
    if postgres.is_excluded():
        pytest.skip(f"{postgres.ENVIRONMENT}=none: PostgreSQL is NOT tested")
    url = postgres.new_database("plans")
    runner().run(upgrade_postgres(url))
    database = PostgresDatabase(url)
    database.script(_STORE)
    database.script("SET plan_cache_mode = force_generic_plan; SET jit = off")
    yield database
    database.close()


def plan_of(database: PostgresDatabase, module: ModuleType, name: str) -> list[str]:
    statement: Statement = getattr(module, name)
    values = f"({', '.join(['NULL'] * len(statement.names))})" if statement.names else ""
    database.script(f"PREPARE one AS {statement.for_postgres()}")
    try:
        return [line for (line,) in database.rows(f"EXPLAIN (COSTS OFF) EXECUTE one{values}")]
    finally:
        database.script("DEALLOCATE one")


@pytest.mark.parametrize(("module", "name"), STATEMENTS)
def test_a_statement_scans_no_table(
    module: ModuleType, name: str, database: PostgresDatabase
) -> None:
    plan = plan_of(database, module, name)
    scanned = {table for line in plan for table in re.findall(r"Seq Scan on (\w+)", line)}
    assert scanned - SMALL - MAY_SCAN.get((module, name), set()) - {"due", "old"} == set(), (
        "\n".join(plan)
    )


@pytest.mark.parametrize(("module", "name"), INDEXES)
def test_a_hot_statement_uses_its_index(
    module: ModuleType, name: str, database: PostgresDatabase
) -> None:
    plan = plan_of(database, module, name)
    assert any(INDEXES[module, name] in line for line in plan), "\n".join(plan)


@pytest.mark.parametrize(("module", "name"), IN_ORDER)
def test_what_is_due_first_is_found_without_sorting(
    module: ModuleType, name: str, database: PostgresDatabase
) -> None:
    plan = plan_of(database, module, name)
    assert not [line for line in plan if re.search(r"\bSort\b", line)], "\n".join(plan)


@pytest.mark.parametrize(
    "wanted",
    [
        *(Criteria(states=(one, one)) for one in (-10, 0, 20, 30, 50)),
        Criteria(states=(-10, 40), sender="S", channel=Channel.SMS),
        Criteria(error_code=7, login="p1", dest_addr="79161", partner_ref="r1", pair=("a", "b")),
    ],
    ids=str,
)
def test_what_is_found_on_a_road_is_judged_by_its_number(
    wanted: Criteria, database: PostgresDatabase
) -> None:
    """Also where PostgreSQL plans for the very values, as it does the first few times."""
    values = [*range(1, search_roads.JUDGED_AT_ONCE + 1), *wanted_params(wanted)]
    given = ", ".join("NULL" if one is None else f"'{one}'" for one in values)
    database.script("SET plan_cache_mode = force_custom_plan")
    database.script(f"PREPARE one AS {search_roads.JUDGED.for_postgres()}")
    try:
        plan = [line for (line,) in database.rows(f"EXPLAIN (COSTS OFF) EXECUTE one({given})")]
    finally:
        database.script("DEALLOCATE one")
        database.script("SET plan_cache_mode = force_generic_plan")
    used = set(re.findall(r"(?:using|Index Scan on) (\w+)", "\n".join(plan)))
    assert used - {"partners_pkey"} == {"chains_pkey", "links_pkey"}, "\n".join(plan)
