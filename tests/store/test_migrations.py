"""The migrations make what `schema.py` says, on both engines."""

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic.script import ScriptDirectory

from tests.store.empty import EmptyFile, EmptyPostgres
from tests.support import postgres
from tests.support.builders import SENDER, SUBSCRIBER, a_lane, answer, claim
from tests.support.clock import START
from whimbrel.clock import DAY
from whimbrel.domain.chain import Taken
from whimbrel.domain.chain_id import link_id
from whimbrel.settings import StoreSettings
from whimbrel.store.engine import StoreUnavailable
from whimbrel.store.extra_pairs import pair_key
from whimbrel.store.history import tell_stories
from whimbrel.store.migrations import run
from whimbrel.store.numbering import numbering_imports
from whimbrel.store.opening import open_store
from whimbrel.store.revisions import revisions
from whimbrel.store.schema import metadata
from whimbrel.store.senders import paused_senders

Empty = EmptyFile | EmptyPostgres


@pytest.fixture(params=["sqlite", "postgres"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Empty]:
    """A database with nothing in it, of each engine."""
    if request.param == "postgres" and postgres.is_excluded():
        pytest.skip(f"{postgres.ENVIRONMENT}=none: PostgreSQL is NOT tested")
    made = EmptyFile(tmp_path / "new.db") if request.param == "sqlite" else EmptyPostgres()
    yield made
    made.close()


def test_an_empty_database_becomes_the_schema_of_this_version(empty: Empty) -> None:
    empty.upgrade()
    assert empty.differences() == []


def test_the_indexes_are_partial_where_the_schema_says_so(empty: Empty, tmp_path: Path) -> None:
    """alembic does not compare their conditions; so they are held against tables made at once."""
    empty.upgrade()
    other = type(empty)(tmp_path / "other.db") if empty.engine == "sqlite" else type(empty)()
    try:
        other.create_all()
        made, wanted = empty.indexes(), other.indexes()
    finally:
        other.close()
    names = {index.name for table in metadata.tables.values() for index in table.indexes}
    assert names <= set(wanted)
    assert {name: made.get(name) for name in names} == {name: wanted[name] for name in names}


def test_the_files_are_named_after_their_revisions() -> None:
    """What `upgrade` reads of them is what Alembic would make of them."""
    script = ScriptDirectory(str(Path(run.__file__).parent))
    assert revisions() == [one.revision for one in script.walk_revisions()][::-1]
    assert script.get_heads() == revisions()[-1:]


def test_a_migration_that_fails_leaves_the_database_as_it_was(empty: Empty) -> None:
    empty.upgrade("r0001")
    empty.script("CREATE TABLE numbering_imports (one INTEGER)")  # stands in the way of r0002
    before = empty.description()
    with pytest.raises(Exception, match="already exists"):
        empty.upgrade()
    assert empty.description() == before
    assert empty.rows("SELECT version_num FROM alembic_version") == [("r0001",)]


def test_another_upgrade_is_harmless(empty: Empty) -> None:
    empty.upgrade()
    before = empty.description()
    empty.upgrade()
    assert empty.description() == before


async def test_of_two_that_upgrade_at_once_one_does(empty: Empty) -> None:
    """As processes: Alembic is of one at a time."""
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", empty.program, stderr=asyncio.subprocess.PIPE
        )
        for _ in range(2)
    ]
    outputs = await asyncio.gather(*(process.communicate() for process in processes))
    assert [errors.decode() for _, errors in outputs] == [""] * 2
    assert [process.returncode for process in processes] == [0] * 2
    assert empty.differences() == []


PARKED = f'{{"sender": "{SENDER}", "provider_id": "wamid.1", "state": 70, "at": {START}}}'
FILLED = {
    "r0001": f"""
INSERT INTO partners VALUES (1, 'shop', 'no hash', '{{}}', 0, NULL, 1, 1);
INSERT INTO chains VALUES
    (1, 1, NULL, NULL, NULL, '{SUBSCRIBER}', 1, NULL, NULL, '{{"begins":36000000}}', 1, 'r-1');
INSERT INTO links VALUES
    ({link_id(1, 0)}, 1, '{a_lane()}', 'WHATSAPP', '{SENDER}', 'Hello', NULL, 1000, 0, -1, 0, NULL,
     1, NULL, {START + DAY}, NULL, NULL, NULL, 0);
INSERT INTO senders VALUES ('{SENDER}', 'WHATSAPP', 9, 1, '190 expired', 5);
INSERT INTO parked_receipts VALUES ('wamid.1', 70, '{SENDER}', '{PARKED}', {START});
INSERT INTO reports VALUES (5, 1, {link_id(1, 0)}, 0, '1/', 2, 1, 1, 0, 1, NULL, 1, 0);
INSERT INTO report_attempts VALUES (5, 1, 2, 3, 200, 'ok');
INSERT INTO submits VALUES ({link_id(1, 0)}, 1, 1, 2, 'submitted', 'wamid.0', NULL, NULL);
INSERT INTO receipts VALUES ({link_id(1, 0)}, 1, 30, 2, 2, NULL, NULL);
""",
    "r0002": """
INSERT INTO number_ranges VALUES (9160000000, 9169999999, 'X', '77', 'Moscow', 'Europe/Moscow');
INSERT INTO numbering_imports VALUES (9, 'DEF-9xx.csv', 1, 1, 1);
""",
    "r0003": f"""
INSERT INTO parts VALUES ({link_id(1, 0)}, 1, 2, 'ab', 30, NULL, 0, NULL, NULL);
INSERT INTO mo_messages VALUES (1, 'SMS', 'a', 's', '{SUBSCRIBER}', 'hi', 1, 1, 7, '', 0, 5);
""",
    "r0004": f"""
INSERT INTO short_urls VALUES
    ('abc', 1, 'https://x', NULL, '{SUBSCRIBER}', 1, {link_id(1, 0)}, 1, 2, 3, 1, 1, 1, 1);
INSERT INTO clicks VALUES (1, 'abc', 1, 'mobile', 1), (2, 'gone', 1, 'bot', 0);
INSERT INTO uid_spaces VALUES (3, 1);
""",
    "r0005": "INSERT INTO click_reports VALUES (5, 'https://s/abc', 'https://x');",
    "r0008": "INSERT INTO commits VALUES ('w', 1, 2);",
    "r0011": "INSERT INTO tallies VALUES (60000, 'failed', 60000, 'SMS', 1, 7, 3);",
    "r0007": """
INSERT INTO nodes VALUES (1, 'token', 'one', 'api', '1', 1, 2, 3, 4);
INSERT INTO holdings VALUES ('SMS', 'main', 0, 1, 5);
INSERT INTO allowances VALUES (1, 6);
""",
    "r0014": f"""
INSERT INTO redeliveries VALUES (1, 0, 0, 'ann', {START}, NULL);
INSERT INTO redelivery_lanes VALUES (1, '1/', 10, 5, {START}, 7, NULL);
""",
    "r0015": f"""
INSERT INTO mo_messages VALUES
    (2, 'WHATSAPP', 'a', 's', '{SUBSCRIBER}', NULL, 1, 1, NULL, '', NULL, 5, 'image', 'wamid.9');
""",
    "r0010": f"""
INSERT INTO operators VALUES (1, 'ann', 'no hash', 'admin', 1, 0, {START});
INSERT INTO operator_sessions VALUES ('token', 1, '127.0.0.1', 1, 2);
INSERT INTO audit VALUES (1, 2, 'ann', '127.0.0.1', 'partner.disable', 'shop', '{{}}');
""",
    "r0012": "INSERT INTO extra_pairs VALUES (-5, 1);",
}


@pytest.mark.parametrize("earlier", revisions()[:-1])
def test_an_upgrade_keeps_every_row_of_each_earlier_version(empty: Empty, earlier: str) -> None:
    for revision in revisions()[: revisions().index(earlier) + 1]:
        empty.upgrade(revision)
        empty.script(FILLED.get(revision, "SELECT 1"))
    before = empty.contents()
    assert all(before.values()), f"a table of {earlier} has no rows in this test"
    empty.upgrade()
    after = empty.contents()
    for table, rows in before.items():
        assert [_without_new(one, rows[0]) for one in after[table]] == rows
    assert empty.differences() == []


def _without_new(row: dict[str, Any], old: dict[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in old}


async def test_a_database_of_the_first_release_goes_on_with_its_work(empty: Empty) -> None:
    empty.upgrade("r0001")
    empty.script(FILLED["r0001"])
    empty.upgrade()
    store = await empty.open()
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
        # its receipt had been parked before
        assert empty.rows("SELECT status FROM reports ORDER BY status") == [(0,), (2,)]
    finally:
        await store.close()


def test_the_chains_of_an_earlier_version_are_found_by_their_pairs(empty: Empty) -> None:
    empty.upgrade("r0010")
    empty.script(FILLED["r0001"].partition("INSERT INTO chains")[0])
    chains = ", ".join(
        f"({n}, 1, '{SUBSCRIBER}', 1, {text}, 1, 'r')"
        for n, text in enumerate(("NULL", "'a=1,b=2,a=1'", "'no pair'", "'b=2'"))
    )
    columns = "chain_id, partner_id, dest_addr, registered_delivery, extra_param, accepted_at"
    empty.script(f"INSERT INTO chains ({columns}, request_id) VALUES {chains}")
    empty.upgrade()
    assert sorted(empty.rows("SELECT chain_id, pair FROM extra_pairs")) == sorted(
        [(1, pair_key("a", "1")), (1, pair_key("b", "2")), (3, pair_key("b", "2"))]
    )


def test_a_database_of_a_newer_version_is_not_touched(empty: Empty) -> None:
    empty.upgrade()
    empty.script("UPDATE alembic_version SET version_num = 'r9999'")
    before = empty.description()
    with pytest.raises(StoreUnavailable, match=r"r9999.*newer Whimbrel"):
        empty.upgrade()
    assert empty.description() == before
    assert empty.rows("SELECT version_num FROM alembic_version") == [("r9999",)]


@pytest.mark.parametrize(
    ("revision", "words"),
    [
        (None, "no tables yet: run whimbrel db upgrade"),
        ("r0001", f"revision r0001, and {revisions()[-1]} is needed: run whimbrel db upgrade"),
        ("r9999", f"revision r9999, this Whimbrel knows {revisions()[-1]} at most"),
    ],
)
@pytest.mark.parametrize("empty", ["postgres"], indirect=True)
async def test_nobody_opens_postgresql_before_its_upgrade(
    empty: EmptyPostgres, revision: str | None, words: str
) -> None:
    if revision:
        empty.upgrade("r0001")
        empty.script(f"UPDATE alembic_version SET version_num = '{revision}'")
    with pytest.raises(StoreUnavailable, match=words):
        await open_store(StoreSettings(url=empty.url))
