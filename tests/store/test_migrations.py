"""The migrations make what `schema.py` says."""

import contextlib
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Column, LargeBinary, MetaData, Text, create_engine

from tests.support.builders import (
    SENDER,
    SUBSCRIBER,
    Database,
    a_chain,
    a_lane,
    accept,
    answer,
    claim,
)
from tests.support.clock import START
from whimbrel.clock import DAY
from whimbrel.domain.chain import Taken
from whimbrel.domain.chain_id import link_id
from whimbrel.store.engine import StoreUnavailable
from whimbrel.store.history import tell_stories
from whimbrel.store.migrate import revisions, upgrade
from whimbrel.store.migrations import run
from whimbrel.store.numbering import numbering_imports
from whimbrel.store.schema import metadata
from whimbrel.store.senders import paused_senders
from whimbrel.store.sqlite import SqliteStore


def test_an_empty_file_becomes_the_schema_of_this_version(tmp_path: Path) -> None:
    path = tmp_path / "new.db"
    upgrade(path)
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()


def test_the_indexes_are_partial_where_the_schema_says_so(database: Database) -> None:
    """alembic does not compare their conditions."""
    made = dict(database.rows("SELECT name, sql FROM sqlite_schema"))
    for table in metadata.tables.values():
        for index in table.indexes:
            condition = index.dialect_options["sqlite"]["where"]
            assert made[index.name].partition(" WHERE ")[2] == str(
                "" if condition is None else condition
            )


def test_the_files_are_named_after_their_revisions() -> None:
    """What `upgrade` reads of them is what Alembic would make of them."""
    script = ScriptDirectory(str(Path(run.__file__).parent))
    assert revisions() == [one.revision for one in script.walk_revisions()][::-1]
    assert script.get_heads() == revisions()[-1:]


def test_a_migration_that_fails_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    upgrade(path, "r0001")
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE numbering_imports (one INTEGER)")  # stands in the way of r0002
    before = other.execute("SELECT name, sql FROM sqlite_schema ORDER BY name").fetchall()
    with pytest.raises(sqlite3.OperationalError, match="already exists"):
        upgrade(path)
    assert other.execute("SELECT name, sql FROM sqlite_schema ORDER BY name").fetchall() == before
    assert other.execute("SELECT version_num FROM alembic_version").fetchall() == [("r0001",)]
    other.close()


def test_another_upgrade_is_harmless(database: Database) -> None:
    before = database.rows("SELECT name, sql FROM sqlite_schema ORDER BY name")
    upgrade(database.path)
    assert database.rows("SELECT name, sql FROM sqlite_schema ORDER BY name") == before


async def test_it_keeps_what_is_there(store: SqliteStore, database: Database) -> None:
    await accept(store, a_chain())
    await store.close()
    upgrade(database.path)
    assert database.rows("SELECT chain_id FROM chains") == [(1,)]


PARKED = f'{{"sender": "{SENDER}", "provider_id": "wamid.1", "state": 70, "at": {START}}}'
OF_THE_FIRST_RELEASE = f"""
INSERT INTO partners VALUES (1, 'shop', 'no hash', '{{}}', 0, NULL, 1, 1);
INSERT INTO chains VALUES
    (1, 1, NULL, NULL, NULL, '{SUBSCRIBER}', 1, NULL, NULL, '{{"begins":36000000}}', 1, 'r-1');
INSERT INTO links VALUES
    ({link_id(1, 0)}, 1, '{a_lane()}', 'WHATSAPP', '{SENDER}', 'Hello', NULL, 1000, 0, -1, 0, NULL,
     1, NULL, {START + DAY}, NULL, NULL, NULL, 0);
INSERT INTO senders VALUES ('{SENDER}', 'WHATSAPP', 9, 1, '190 expired', 5);
INSERT INTO parked_receipts VALUES ('wamid.1', 70, '{SENDER}', '{PARKED}', {START});
"""


async def test_a_file_of_the_first_release_is_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    upgrade(path, "r0001")
    connection = sqlite3.connect(path)
    connection.executescript(OF_THE_FIRST_RELEASE)
    connection.close()
    upgrade(path)
    store = SqliteStore(path)
    try:
        story = await store.read(tell_stories, 1)
        assert story is not None
        assert story.chain["schedule"] == '{"begins":36000000}'
        assert await store.read(numbering_imports, None) == []
        [pause] = await store.read(paused_senders, None)
        assert pause.paused_since == 5
        [claimed] = await claim(store)
        assert claimed.dest_addr == SUBSCRIBER
        await answer(store, Taken(1, START, "wamid.1"))
        assert Database(path).told() == [0, 2]  # its receipt had been parked before
    finally:
        await store.close()


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


def test_a_file_of_a_newer_version_is_not_touched(database: Database) -> None:
    database.rows("UPDATE alembic_version SET version_num = 'r9999'")
    with pytest.raises(StoreUnavailable, match="r9999"):
        upgrade(database.path)
    assert database.rows("SELECT version_num FROM alembic_version") == [("r9999",)]
