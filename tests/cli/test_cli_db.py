"""`whimbrel db upgrade` and `whimbrel db check`, on both engines."""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
import pytest

from tests.cli.conftest import ACCOUNT, Cli, Outcome
from tests.support import postgres
from tests.support.builders import (
    Database,
    a_cascade,
    a_chain,
    accept,
    add_partners_to,
    an_echo,
    claim,
    receive,
)
from tests.support.clock import START
from tests.support.own_postgres import GUARDED, OwnPostgres
from tests.support.postgres import PostgresDatabase, on
from tests.support.processes import free_ports
from tests.support.runner import runner
from whimbrel.app import locked
from whimbrel.domain.chain import Taken
from whimbrel.domain.chain_id import link_id
from whimbrel.domain.status import LinkState
from whimbrel.store.migrate import upgrade, upgrade_postgres
from whimbrel.store.postgres.connecting import revision_at
from whimbrel.store.revisions import newest_revision
from whimbrel.store.submits import SubmitRecord, record_submits

NEWEST = newest_revision()
SECRET = "wr0ng-secret"


# Upgrade


def test_a_file_is_made_and_brought_up_to_date(cli: Cli) -> None:
    assert f"made, of revision {NEWEST}" in cli.good("db", "upgrade").output
    assert "nothing to do" in cli.good("db", "upgrade").output
    (cli.folder / "whimbrel.db").unlink()
    upgrade(cli.folder / "whimbrel.db", "r0001")

    told = cli.good("db", "upgrade").output

    assert f"whimbrel.db: the tables were brought from revision r0001 to {NEWEST}" in told
    assert "nothing to do" in cli.good("db", "upgrade").output


def test_a_database_is_made_and_brought_up_to_date(cli: Cli) -> None:
    url = postgres.new_database("upgrade")
    cli.configure({"store": {"url": url}})
    assert "run whimbrel db upgrade" in cli.refused("status")
    runner().run(upgrade_postgres(url, "r0003"))
    assert "are of revision r0003" in cli.refused("status")

    assert f"from revision r0003 to {NEWEST}" in cli.good("db", "upgrade").output

    assert "nothing to do" in cli.good("db", "upgrade").output
    cli.good("status")


def test_several_upgrades_at_once_do_no_harm() -> None:
    url = postgres.new_database("at_once")

    async def all_at_once() -> None:
        await asyncio.gather(*(upgrade_postgres(url) for _ in range(4)))

    runner().run(all_at_once())

    assert runner().run(revision_at(url)) == NEWEST


def test_tables_of_a_newer_version_are_not_touched(cli: Cli) -> None:
    path = cli.folder / "whimbrel.db"
    Database(path).rows("UPDATE alembic_version SET version_num = 'r9999'")
    assert "r9999" in cli.refused("db", "upgrade")
    url = postgres.new_database("newer")
    runner().run(upgrade_postgres(url))
    database = PostgresDatabase(url)
    database.rows("UPDATE alembic_version SET version_num = 'r9999'")
    cli.configure({"store": {"url": url}})

    error = cli.refused("db", "upgrade")

    assert "store.url" in error
    assert "r9999" in error
    assert "newer Whimbrel" in error
    assert database.rows("SELECT version_num FROM alembic_version") == [("r9999",)]
    assert cli("db", "check").code == 1
    database.close()


def test_a_file_that_a_gateway_has_open_is_not_changed_under_it(cli: Cli) -> None:
    path = cli.folder / "whimbrel.db"
    upgrade(path, "r0003")
    with locked(path):
        assert "in use by a gateway" in cli.refused("db", "upgrade")
    cli.good("db", "upgrade")


class Own(NamedTuple):
    """A server that asks one user for a password, and gives another no rights."""

    url: str
    guarded: str
    weak: str


@pytest.fixture(scope="module")
def own() -> Iterator[Own]:
    async def make(url: str) -> None:
        connection = await asyncpg.connect(url)
        await connection.execute(f"CREATE ROLE {GUARDED} LOGIN PASSWORD 'right-secret'")
        await connection.execute("CREATE ROLE weak LOGIN")
        await connection.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
        await connection.close()

    with OwnPostgres(durable=False) as server:
        runner().run(make(server.url))
        yield Own(
            server.url,
            server.url.replace("whimbrel@", f"{GUARDED}:{SECRET}@"),
            server.url.replace("whimbrel@", "weak@"),
        )


@pytest.mark.parametrize("command", ["upgrade", "check", "copy"])
@pytest.mark.parametrize(
    ("url", "told"),
    [
        (lambda own: own.guarded, "password authentication failed"),
        (lambda own: on(own.url, "nowhere"), 'database "nowhere" does not exist'),
        (lambda _: f"postgresql://u:{SECRET}@127.0.0.1:{free_ports(1)}/x", "cannot be reached"),
        (lambda _: f"postgresql://u:{SECRET}/x@127.0.0.1/x", "special characters"),
        (lambda _: f"postgresql://u:{SECRET}@nowhere.invalid/x", "cannot be reached"),
    ],
)
def test_what_is_wrong_with_the_url_is_told_without_the_password(
    cli: Cli, own: Own, command: str, url: Callable[[Own], str], told: str
) -> None:
    upgrade(cli.folder / "whimbrel.db")
    cli.configure({"store": {"url": url(own)}})

    error = cli.refused("db", command)

    assert "store.url: " in error
    assert told in error
    assert SECRET not in error
    assert SECRET not in cli.refused("status")


def test_a_user_without_rights_is_told(cli: Cli, own: Own) -> None:
    cli.configure({"store": {"url": own.weak}})

    error = cli.refused("db", "upgrade")

    assert "permission denied for schema public" in error
    assert "lacks a right" in error


def test_a_server_that_does_not_sync_is_told(cli: Cli, own: Own) -> None:
    cli.configure({"server": {"port": 9}, "whatsapp.main": ACCOUNT, "store": {"url": own.url}})
    cli.good("db", "upgrade")

    assert failures(cli("db", "check")) == ["durable", "durable"]
    examined = cli("doctor")

    assert "fsync is off" in examined.row("FAIL store: ")


# Check


class Place(NamedTuple):
    """A store of either engine that holds something of everything, and commands upon it."""

    cli: Cli
    database: Database | PostgresDatabase

    def check(self, *options: str) -> list[str]:
        """Return the names of what is broken, without what the tests' own server may lack."""
        outcome = self.cli("db", "check", *options)
        assert outcome.errors == ""
        broken = failures(outcome)
        return [name for name in broken if name != "durable"]


def failures(outcome: Outcome) -> list[str]:
    """Return the names behind FAIL; whether there are any must be told by the exit code, too."""
    lines = [line for line in outcome.output.splitlines() if line.startswith("FAIL")]
    assert outcome.code == (1 if lines else 0)
    return [line.split()[1].rstrip(":") for line in lines]


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, cli: Cli) -> Place:
    database: Any = Database(cli.folder / "whimbrel.db")
    if request.param == "postgres":
        database = postgres.migrated()
        database.clear()
        cli.configure({"store": {"url": database.url}})
    work = _fill(database)
    if request.param == "postgres":
        runner().run(work)
    else:
        asyncio.run(work)
    return Place(cli, database)


async def _fill(database: Database | PostgresDatabase) -> None:
    """Chain 1 is read, its reports are not acknowledged; 2 and 3 are cascades; 4 waits."""
    store = await database.open()
    await add_partners_to(store)
    await accept(store, a_chain(1))
    await claim(store)
    taken = SubmitRecord(link_id(1, 0), Taken(1, START, "wamid.1"), START)
    await store.write(record_submits, taken)
    await receive(store, an_echo(LinkState.READ))
    await accept(store, a_cascade(chain_id=2), a_cascade(chain_id=3), a_chain(4))
    await store.close()


def test_a_good_store_is_good(place: Place) -> None:
    assert place.check("--full") == []

    told = place.cli("db", "check").output

    assert f"{NEWEST}; {NEWEST} is needed" in told
    assert "late 5 messages to be sent" not in told
    assert "messages to be sent, the oldest since" in told
    assert "uids-counted" in told, "what is left out is said"


REPORT = (
    "INSERT INTO reports (report_id, chain_id, link_id, status, lane, state, next_at, attempts,"
    " failures, created_at, error_code)"
    " VALUES (90, {chain}, {link}, {status}, 'x', 2, 0, 1, 0, 0, 0)"
)
VISIT = "INSERT INTO clicks (click_id, uid, at, agent, counted) VALUES (0, 'nobodys', 0, 'bot', 0)"
SUBMIT = "INSERT INTO submits (link_id, attempt, ended_at, outcome) VALUES ({link}, 1, 0, 'x')"


@pytest.mark.parametrize(
    ("broken", "name"),
    [
        ("DELETE FROM links WHERE chain_id = 4", "chain-has-links"),
        ("DELETE FROM links WHERE link_id = 33", "links-in-a-row"),
        ("UPDATE links SET satisfied_by = NULL WHERE link_id = 32", "links-in-a-row"),
        ("UPDATE links SET chain_id = 3 WHERE link_id = 64", "link-of-its-chain"),
        ("UPDATE links SET state = 50, told = 5 WHERE link_id = 32", "held-link-waits"),
        ("UPDATE links SET state = 70, told = 2 WHERE link_id = 32", "held-link-waits"),
        ("UPDATE links SET state = 55 WHERE link_id = 32", "held-link-waits"),
        ("UPDATE links SET told = 2 WHERE link_id = 16", "settled-link-told"),
        ("DELETE FROM reports WHERE link_id = 16 AND status = 9", "report-written"),
        ("DELETE FROM reports WHERE link_id = 16 AND status = 2", "report-written"),
        (REPORT.format(chain=4, link=65, status=2), "report-of-a-link"),
        ("UPDATE reports SET state = 0 WHERE status = 0", "held-report-waits"),
        ("UPDATE reports SET state = 1", "one-report-due"),
        (REPORT.format(chain=1, link=16, status=100), "click-report-tells"),
        (SUBMIT.format(link=64), "submit-of-a-link"),
    ],
)
def test_a_broken_promise_is_named(place: Place, broken: str, name: str) -> None:
    place.database.rows(broken)

    assert name in place.check()


@pytest.mark.parametrize(
    ("broken", "name"),
    [
        ("INSERT INTO uid_spaces VALUES (5, 1)", "uids-counted"),
        (VISIT, "visit-of-a-short-url"),
    ],
)
def test_what_reads_whole_tables_is_looked_at_if_asked(
    place: Place, broken: str, name: str
) -> None:
    place.database.rows(broken)

    assert place.check() == []
    assert place.check("--full")[0] == name


def test_many_breaches_are_not_all_named(place: Place) -> None:
    for number in range(100, 120):
        place.database.rows(SUBMIT.format(link=number * 16))

    told = place.cli("db", "check").row("submit-of-a-link")

    assert told.count(" link ") < 13
    assert told.endswith(" and more")


def test_a_store_of_another_version_is_not_looked_into(cli: Cli) -> None:
    upgrade(cli.folder / "whimbrel.db", "r0003")

    assert failures(cli("db", "check")) == ["schema"]


def test_no_file_is_told(cli: Cli) -> None:
    assert "there is no file" in cli.refused("db", "check")


def test_a_damaged_file_is_told(cli: Cli) -> None:
    path = cli.folder / "whimbrel.db"
    database = Database(path)
    asyncio.run(_fill(database))
    database.rows("PRAGMA wal_checkpoint(TRUNCATE)")
    [(root,)] = database.rows("SELECT rootpage FROM sqlite_schema WHERE name = 'links_held'")
    with sqlite3.connect(path) as connection:
        size = connection.execute("PRAGMA page_size").fetchone()[0]
    connection.close()
    content = bytearray(path.read_bytes())
    content[(root - 1) * size + 8 : root * size] = bytes(size - 8)
    path.write_bytes(content)

    assert "quick_check" in failures(cli("db", "check"))


@pytest.mark.parametrize(
    ("broken", "mended", "name"),
    [
        (
            "SELECT setval(pg_get_serial_sequence('reports', 'report_id'), 2)",
            "SELECT 1",
            "sequence-behind",
        ),
        (
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'links_held'::regclass",
            "REINDEX INDEX links_held",
            "index-invalid",
        ),
        (
            "ALTER INDEX links_held RENAME TO links_was_held",
            "ALTER INDEX links_was_held RENAME TO links_held",
            "index-missing",
        ),
        (
            "CREATE TABLE unfinished_copy (source text)",
            "DROP TABLE unfinished_copy",
            "copy-unfinished",
        ),
    ],
)
def test_what_is_wrong_with_a_database_is_named(
    cli: Cli, broken: str, mended: str, name: str
) -> None:
    database = postgres.migrated()
    database.clear()
    runner().run(_fill(database))
    cli.configure({"store": {"url": database.url}})
    place = Place(cli, database)
    assert place.check() == []
    database.rows(broken)
    try:
        assert place.check() == [name]
    finally:
        database.rows(mended)


def test_a_missing_index_of_a_file_is_named(cli: Cli) -> None:
    database = Database(cli.folder / "whimbrel.db")
    database.rows("DROP INDEX links_held")

    assert failures(cli("db", "check")) == ["index-missing"]


# Doctor


def test_the_doctor_looks_at_the_database(cli: Cli) -> None:
    url = postgres.new_database("doctor")
    cli.configure({"server": {"port": 9}, "store": {"url": url}})
    assert "run whimbrel db upgrade" in cli("doctor").row("FAIL store")
    cli.good("db", "upgrade")

    row = cli("doctor").row("store: ")

    assert "PostgreSQL" in row or "fsync is off" in row
    assert not (cli.folder / "whimbrel.db").exists()


def test_the_doctor_tells_of_a_database_that_is_not_there(cli: Cli) -> None:
    url = f"postgresql://u:{SECRET}@127.0.0.1:{free_ports(1)}/x"
    cli.configure({"server": {"port": 9}, "store": {"url": url}})

    row = cli("doctor").row("FAIL store")

    assert "cannot be reached" in row
    assert SECRET not in row


def test_the_folder_of_the_file_must_be_there(cli: Cli, tmp_path: Path) -> None:
    cli.configure({"store": {"path": str(tmp_path / "nowhere" / "whimbrel.db")}})

    assert "there is no folder" in cli.refused("db", "upgrade")
