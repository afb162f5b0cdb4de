"""`whimbrel db copy`: all of a file reaches the database, whatever happens on the way."""

import asyncio
import signal
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Cli
from tests.support import postgres
from tests.support.builders import Database
from tests.support.postgres import PostgresDatabase
from tests.support.processes import finished, running, write_settings
from tests.support.runner import runner
from whimbrel.app import locked
from whimbrel.store.copy import source as copy_source
from whimbrel.store.copy.source import COPIED, key_of
from whimbrel.store.migrate import upgrade, upgrade_postgres
from whimbrel.store.revisions import newest_revision
from whimbrel.store.schema import SERIALS, metadata

GREATEST = (1 << 53) - 1
ODD = "Заказ \x1f 'готов' \"\\ \n\t👍 \u2028"
VALUES = {
    "BIGINT": (GREATEST, 0, -GREATEST),
    "INTEGER": (2**31 - 1, 0, -(2**31)),
    "SMALLINT": (2**15 - 1, 0, -(2**15)),
    "TEXT": (ODD, "", "n"),
    "BLOB": (bytes(range(256)), b"", b"n"),
}
READABLE = {"profile": "{}", "lane": "SMS/10/X", "state": 80, "started_at": 1}
"""What `whimbrel status` reads."""


def fill_with_oddities(path: Path) -> None:
    """Put rows into every table: the extremes of its types, and NULL wherever there may be one."""
    Database(path)
    connection = sqlite3.connect(path)
    for table in metadata.tables.values():
        names = ", ".join(f'"{one.name}"' for one in table.columns)
        marks = ", ".join("?" * len(table.columns))
        for n in range(4):
            row = [_value(table.name, one, n) for one in table.columns]
            connection.execute(f"INSERT INTO {table.name} ({names}) VALUES ({marks})", row)
    connection.commit()
    connection.close()


def _value(table: str, column: Any, n: int) -> Any:
    referred = [one.target_fullname for one in column.foreign_keys]
    if column.primary_key or referred:
        at = list(metadata.tables[table].primary_key.columns).index(column) if not referred else 0
        number = 10 + (n if at == 0 else n // 2)
        if column.type.python_type is bytes:
            return bytes([number])
        return f"{ODD}{number}" if isinstance(column.type.python_type(), str) else number
    if column.nullable and n == 3:
        return None
    kind = "BLOB" if column.type.python_type is bytes else str(column.type).upper()
    value = VALUES[kind][n % 3]
    if column.name in {"dedupe_ref", "login", "shared_key", "content_key"}:
        return value + (str(n) if isinstance(value, str) else bytes([n]))  # unique
    if (table, column.name) == ("reports", "status"):
        return n
    return READABLE.get(column.name, value)


@pytest.fixture
def target(request: pytest.FixtureRequest) -> Iterator[PostgresDatabase]:
    """A database with tables and nothing in them; an unfinished copy does not outlive the test."""
    database = postgres.migrated()
    database.clear()
    yield database
    database.rows("DROP TABLE IF EXISTS unfinished_copy")


@pytest.fixture
def copier(cli: Cli, target: PostgresDatabase) -> Cli:
    """Commands over a full file and an empty database."""
    cli.configure({"store": {"path": "whimbrel.db", "url": target.url}})
    fill_with_oddities(cli.folder / "whimbrel.db")
    return cli


def contents(database: Database | PostgresDatabase) -> dict[str, list[tuple[Any, ...]]]:
    """Return all rows of what is copied, in an order that both engines share."""
    found = {}
    for table in COPIED:
        names = ", ".join(f'"{one.name}"' for one in table.columns)
        rows = [tuple(row) for row in database.rows(f"SELECT {names} FROM {table.name}")]
        found[table.name] = sorted(rows, key=repr)
    return found


def test_everything_is_copied(copier: Cli, target: PostgresDatabase) -> None:
    told = copier.good("db", "copy").output

    here = contents(Database(copier.folder / "whimbrel.db"))
    assert all(here.values()), "a table that holds nothing shows nothing"
    assert contents(target) == here
    assert "the same on both sides" in told
    assert f"{sum(map(len, here.values()))} rows copied" in told
    assert "NUL" not in told.split("both sides")[1]
    copier.good("status")


def test_new_rows_are_numbered_beyond_the_copied_ones(
    copier: Cli, target: PostgresDatabase
) -> None:
    copier.good("db", "copy")

    for table, column in SERIALS.items():
        [(greatest,)] = target.rows(f"SELECT max({column}) FROM {table}")
        [(following,)] = target.rows(
            f"SELECT nextval(pg_get_serial_sequence('{table}', '{column}'))"
        )
        assert following == greatest + 1


def test_another_file_may_be_named(copier: Cli, target: PostgresDatabase) -> None:
    (copier.folder / "whimbrel.db").rename(copier.folder / "other.db")

    assert "no such file" in copier.refused("db", "copy")
    copier.good("db", "copy", "--from", "other.db")

    assert target.rows("SELECT count(*) FROM chains") == [(4,)]


def test_nul_becomes_what_the_engine_writes_and_is_counted(
    copier: Cli, target: PostgresDatabase
) -> None:
    here = Database(copier.folder / "whimbrel.db")
    here.rows("UPDATE links SET text = 'a' || char(0) || 'b', lane = char(0) WHERE link_id = 10")
    here.rows("UPDATE chains SET request_id = char(0) || char(0)")

    told = copier.good("db", "copy")

    assert target.rows("SELECT text, lane FROM links WHERE link_id = 10") == [
        ("a\ufffdb", "\ufffd")
    ]
    assert [one.strip() for one in told.row("│ links ").split("│")[2:4]] == ["4", "2"]
    assert told.row("│ chains ").split("│")[3].strip() == "4"
    assert "each became U+FFFD" in told.output


def test_an_old_file_is_brought_up_to_date_and_a_current_one_only_read(
    copier: Cli, target: PostgresDatabase
) -> None:
    path = copier.folder / "whimbrel.db"
    path.unlink()
    upgrade(path, "r0003")
    Database(path).rows("INSERT INTO partners VALUES (1, 'shop', '', '{}', 0, NULL, 1, 1)")

    copier.good("db", "copy")

    assert target.rows("SELECT login FROM partners") == [("shop",)]
    assert Database(path).rows("SELECT version_num FROM alembic_version") == [(newest_revision(),)]


# What is refused


def test_it_needs_a_database(cli: Cli) -> None:
    fill_with_oddities(cli.folder / "whimbrel.db")

    assert "store.url: it is empty" in cli.refused("db", "copy")


def test_it_needs_postgres_itself(copier: Cli, target: PostgresDatabase) -> None:
    copier.configure({"store": {"path": "whimbrel.db", "url": target.url, "pgbouncer": True}})

    assert "store.pgbouncer" in copier.refused("db", "copy")


def test_it_needs_tables(copier: Cli) -> None:
    url = postgres.new_database("bare")
    copier.configure({"store": {"path": "whimbrel.db", "url": url}})

    assert "run whimbrel db upgrade" in copier.refused("db", "copy")


def test_a_file_that_a_gateway_has_open_is_refused(copier: Cli, target: PostgresDatabase) -> None:
    with locked(copier.folder / "whimbrel.db"):
        assert "in use by a gateway" in copier.refused("db", "copy")
    assert target.rows("SELECT count(*) FROM chains") == [(0,)]


def test_a_file_that_a_command_writes_to_is_refused(
    copier: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copy_source, "_BUSY_SECONDS", 0.0)
    other = sqlite3.connect(copier.folder / "whimbrel.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    assert "locked" in copier.refused("db", "copy")
    other.close()


def test_a_database_with_rows_of_its_own_is_refused(copier: Cli, target: PostgresDatabase) -> None:
    target.rows("INSERT INTO uid_spaces VALUES (3, 3)")

    assert "not empty (table uid_spaces)" in copier.refused("db", "copy")
    copier.good("status")
    target.clear()
    copier.good("db", "copy")
    assert "that has ended, or others use it" in copier.refused("db", "copy")


def test_a_database_with_nodes_at_work_is_refused(copier: Cli, target: PostgresDatabase) -> None:
    store = runner().run(target.open())
    try:
        assert "stop its nodes" in copier.refused("db", "copy")
        assert target.rows("SELECT to_regclass('unfinished_copy')") == [(None,)]
    finally:
        runner().run(store.close())
    copier.good("db", "copy")


def test_another_copy_at_the_same_time_is_refused(
    copier: Cli, target: PostgresDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("whimbrel.store.copy.target._LOCK_TRIES", 2)
    [(number,)] = target.rows(
        f"SELECT pg_advisory_lock({0x57_48_49_43}) IS NULL"  # by the test's own connection
    )
    assert number is False
    try:
        assert "another copy into this database" in copier.refused("db", "copy")
    finally:
        target.rows(f"SELECT pg_advisory_unlock({0x57_48_49_43})")


def test_no_gateway_starts_on_half_of_a_copy(copier: Cli, target: PostgresDatabase) -> None:
    half_copied(target)

    assert "a copy into this database has not ended" in copier.refused("status")
    assert "Going on" in copier.good("db", "copy").output
    copier.good("status")


def half_copied(target: PostgresDatabase) -> None:
    """Leave the mark that a copy has begun."""
    target.rows("CREATE TABLE unfinished_copy (source text)")


@pytest.mark.parametrize("table", ["receipts", "partners", "parked_receipts"])
def test_a_copy_of_another_file_does_not_go_on(
    copier: Cli, target: PostgresDatabase, table: str
) -> None:
    copier.good("db", "copy")
    half_copied(target)
    key = key_of(metadata.tables[table])[0]
    column = next(one.name for one in metadata.tables[table].columns if not one.primary_key)
    here = Database(copier.folder / "whimbrel.db")
    here.rows(f"UPDATE {table} SET {column} = 7 WHERE {key} = (SELECT max({key}) FROM {table})")

    strange = f"table {table} there has rows that are not of this file"
    assert strange in copier("db", "copy").errors
    if table != "partners":  # others refer to it
        here.rows(f"DELETE FROM {table}")
        assert strange in copier("db", "copy").errors
    assert "has not ended" in copier.refused("status")


# What is found in the end


TAMPERED = [
    ("UPDATE links SET text = text || ' ' WHERE link_id = 11", "links", "link_id 11 differs"),
    ("UPDATE links SET text = NULL WHERE link_id = 11", "links", "link_id 11 differs"),
    ("UPDATE chains SET content_key = '' WHERE chain_id = 12", "chains", "chain_id 12 differs"),
    ("UPDATE submits SET ended_at = 1 WHERE link_id = 13", "submits",
     "link_id 13, attempt 11 differs"),
    ("DELETE FROM clicks WHERE click_id = 10", "clicks", "click_id 10 is missing"),
    ("INSERT INTO uid_spaces VALUES (3, 3)", "uid_spaces", "1 rows more than in the file"),
]  # fmt: skip


@pytest.mark.parametrize(("tampered", "table", "told"), TAMPERED)
def test_a_row_that_is_not_as_it_was_is_found(
    copier: Cli, target: PostgresDatabase, tampered: str, table: str, told: str
) -> None:
    copier.good("db", "copy")
    target.rows(tampered)

    outcome = copier("db", "copy", "--verify-only")

    assert outcome.code == 1
    assert told in outcome.row(f"differs {table}")
    assert outcome.errors.count("\n") == 1
    assert "both sides" not in outcome.output


def test_a_copy_that_differs_does_not_end(copier: Cli, target: PostgresDatabase) -> None:
    copier.good("db", "copy")
    half_copied(target)
    target.rows("UPDATE reports SET lane = 'x' WHERE report_id = 11")

    outcome = copier("db", "copy")

    assert outcome.code == 1
    assert "report_id 11 differs" in outcome.output
    assert "has not ended" in copier.refused("status")


def test_what_is_the_same_verifies_again(copier: Cli, target: PostgresDatabase) -> None:
    copier.good("db", "copy")

    assert "the same on both sides" in copier.good("db", "copy", "--verify-only").output


# Killed on the way

CHAINS = 12_000
BULK = f"""
CREATE TEMP TABLE n AS WITH RECURSIVE n(i) AS (
    SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < {CHAINS - 1}) SELECT i FROM n;
INSERT INTO partners (partner_id, login, password_hash, profile, disabled, created_at, changed_at)
    VALUES (1, 'shop', 'no hash', '{{}}', 0, 1, 1);
INSERT INTO chains (chain_id, partner_id, dest_addr, registered_delivery, accepted_at, request_id)
    SELECT i + 100, 1, '7916' || i, 1, i, 'r-' || i FROM n;
INSERT INTO links (link_id, chain_id, lane, channel, sender, text, ttl, state, told, attempt,
    due_at, expires_at, error_code)
    SELECT (i + 100) * 16, i + 100, 'lane', 'SMS', 'X', 'Text ' || i, 1, 80, 9, 1, 1, 1, 0 FROM n;
INSERT INTO receipts (link_id, attempt, state, happened_at, received_at)
    SELECT (i + 100) * 16, 1, state, i, i
    FROM n, (SELECT 70 AS state UNION ALL SELECT 80);
INSERT INTO report_attempts (report_id, attempt, ended_at, latency, http_status, answer)
    SELECT i + 1, attempt, i, 1, 200, 'OK'
    FROM n, (SELECT 1 AS attempt UNION ALL SELECT 2);
INSERT INTO parked_receipts (provider_id, state, sender, receipt, received_at)
    SELECT 'wamid.' || (i * 7919 % {CHAINS}), 70, 'X' || (i % 3), '', i
    FROM n;
INSERT INTO reports (report_id, chain_id, link_id, status, lane, state, next_at, attempts,
    failures, created_at, error_code)
    SELECT i + 1, i + 100, (i + 100) * 16, 9, 'x', 2, 1, 1, 0, 1, 0 FROM n;
"""
KILLED_AT = (1, 15_000, 61_000)
"""Rows that are there at least when the copy is killed: in the middle of several tables."""


async def test_a_copy_that_is_killed_again_and_again_ends_right(tmp_path: Path) -> None:
    here = Database(tmp_path / "whimbrel.db")
    connection = sqlite3.connect(here.path)
    connection.executescript(BULK)
    connection.close()
    url = postgres.new_database("killed")
    runner().run(upgrade_postgres(url))
    there = PostgresDatabase(url)
    write_settings(tmp_path / "whimbrel.toml", {"store": {"path": "whimbrel.db", "url": url}})
    count = " + ".join(f"(SELECT count(*) FROM {one.name})" for one in COPIED)
    seen = []
    for enough in KILLED_AT:
        async with running("db", "copy", ready="", folder=tmp_path) as copying:
            async with asyncio.timeout(60):
                while (rows := await asyncio.to_thread(there.rows, f"SELECT {count}"))[0][
                    0
                ] < enough:
                    pass
            copying.send(signal.SIGKILL)
            assert await copying.ended() == -signal.SIGKILL, "it had ended before"
        seen.append(rows[0][0])
    assert "has not ended" in (await finished("status", folder=tmp_path)).errors

    done = await finished("db", "copy", folder=tmp_path)

    assert done.code == 0, done.errors
    assert "Going on with the copy that was begun before" in done.output
    copied = int(done.output.split(" rows copied")[0].split()[-1].replace(",", ""))
    total = sum(len(rows) for rows in contents(here).values())
    assert copied <= total - seen[-1] < total, "what was there is not copied again"
    assert contents(there) == contents(here)
    assert (await finished("status", folder=tmp_path)).code == 0
    there.close()
