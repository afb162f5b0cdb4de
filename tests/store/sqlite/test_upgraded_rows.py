"""An upgrade keeps every row, or does nothing."""

import contextlib
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Column, LargeBinary, MetaData, Text, create_engine

from tests.support.builders import Database
from whimbrel.domain.chain_id import link_id
from whimbrel.store.migrate import upgrade
from whimbrel.store.schema import metadata


def fill(path: Path) -> dict[str, list[dict[str, Any]]]:
    """Put three rows into each table of a file, whatever its revision; return them by column."""
    engine = create_engine(f"sqlite:///{path}")
    tables = MetaData()
    tables.reflect(engine)
    filled: dict[str, list[dict[str, Any]]] = {}
    with engine.begin() as connection:
        for table in tables.sorted_tables:
            if table.name != "alembic_version":
                rows = [
                    {c.name: a_value(table.name, c, n) for c in table.columns} for n in (1, 2, 3)
                ]
                connection.execute(table.insert(), rows)
                filled[table.name] = rows
    engine.dispose()
    return filled


def a_value(table: str, column: Column[Any], number: int) -> Any:
    """Return what makes a row, unlike the others of its table, that its neighbours know."""
    if column.name in {"chain_id", "partner_id"}:
        return number
    if column.name == "link_id":
        return link_id(number, 0)
    if column.name == "state" and table == "links":
        return (-10, 0, 100)[number - 1]
    if column.name == "uid":
        return f"abcdefg{4 - number if table == 'clicks' else number}"
    if isinstance(column.type, LargeBinary):
        return f"{column.name} {number}".encode()
    return f"{column.name} {number}" if isinstance(column.type, Text) else number


def content(path: Path, filled: dict[str, list[dict[str, Any]]]) -> dict[str, list[Any]]:
    """Read what `fill` has put into a file."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return {
            table: connection.execute(
                f"SELECT {', '.join(rows[0])} FROM {table} ORDER BY 1, 2"
            ).fetchall()
            for table, rows in filled.items()
        }


REVISIONS = [f"r{number:04}" for number in range(1, 6)]


@pytest.mark.parametrize("revision", REVISIONS)
def test_a_file_of_any_revision_keeps_every_row(tmp_path: Path, revision: str) -> None:
    path = tmp_path / "old.db"
    upgrade(path, revision)
    filled = fill(path)
    before = content(path, filled)
    assert all(len(rows) == 3 for rows in before.values())

    upgrade(path)

    assert content(path, filled) == before
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        assert connection.exec_driver_sql("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall() == []
        parents = {
            (table, row[2])
            for table in metadata.tables
            for row in connection.exec_driver_sql(f"PRAGMA foreign_key_list({table})")
        }
        assert parents == {("chains", "partners"), ("short_urls", "partners")}
    engine.dispose()


def test_old_visits_learn_whose_they_are(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    upgrade(path, "r0005")
    fill(path)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("INSERT INTO clicks VALUES (9, 'nobody77', 1, 'bot', 0)")
        connection.commit()
    upgrade(path)
    rows = Database(path).rows("SELECT uid, partner_id FROM clicks ORDER BY uid")
    assert rows == [("abcdefg1", 1), ("abcdefg2", 2), ("abcdefg3", 3), ("nobody77", 0)]


@pytest.mark.parametrize("revision", REVISIONS)
def test_an_upgrade_that_fails_has_done_nothing(tmp_path: Path, revision: str) -> None:
    path = tmp_path / "old.db"
    upgrade(path, revision)
    filled = fill(path)
    database = Database(path)
    database.rows(
        "CREATE TABLE clicks_partner (in_the_way INTEGER)"
    )  # its last index has this name
    before = content(path, filled), database.rows("SELECT * FROM sqlite_schema ORDER BY name")
    with pytest.raises(sqlite3.OperationalError, match="clicks_partner"):
        upgrade(path)
    after = content(path, filled), database.rows("SELECT * FROM sqlite_schema ORDER BY name")
    assert after == before
    database.rows("DROP TABLE clicks_partner")
    upgrade(path)
    assert content(path, filled) == before[0]
