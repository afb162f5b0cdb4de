"""The migrations make what `schema.py` says."""

import sqlite3
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

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


def test_a_file_of_a_newer_version_is_not_touched(database: Database) -> None:
    database.rows("UPDATE alembic_version SET version_num = 'r9999'")
    with pytest.raises(StoreUnavailable, match="r9999"):
        upgrade(database.path)
    assert database.rows("SELECT version_num FROM alembic_version") == [("r9999",)]
