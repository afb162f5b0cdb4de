"""Who opens a store on PostgreSQL is told what is wrong, and never a password."""

import pytest

from tests.store.test_groups import look, note
from tests.support.own_postgres import OwnPostgres
from tests.support.postgres import LIMITS, PostgresDatabase, on
from whimbrel.store import postgres_server
from whimbrel.store.engine import StoreUnavailable
from whimbrel.store.postgres import PostgresStore


async def refusal(url: str) -> str:
    with pytest.raises(StoreUnavailable) as refused:
        await PostgresStore.open(url, LIMITS)
    error: BaseException | None = refused.value
    said = ""
    while error is not None:
        said += f"{error}\n"
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return said


async def test_nobody_there() -> None:
    said = await refusal("postgresql://user:s3cret@127.0.0.1:1/x")
    assert "Connect" in said
    assert "s3cret" not in said


async def test_no_such_database(database: PostgresDatabase) -> None:
    assert '"nowhere" does not exist' in await refusal(on(database.url, "nowhere"))


async def test_a_wrong_password(own: OwnPostgres) -> None:
    database = PostgresDatabase(own.url)
    database.script("DROP ROLE IF EXISTS guarded; CREATE ROLE guarded LOGIN PASSWORD 'right'")
    database.close()
    said = await refusal(own.url.replace("whimbrel@", "guarded:s3cret-no@"))
    assert 'password authentication failed for user "guarded"' in said
    assert "s3cret" not in said


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://user:s3cret/1@127.0.0.1:1/x",
        "postgresql://user:12#s3cret@127.0.0.1/x",
        "postgresql://user:s3cret@127.0.0.1:99999/x",
        "postgresql://user:s3cret@[::1/x",
        "postgresql://user:s3:cret@host:port/x",
        "mysql://user:s3cret@127.0.0.1/x",
    ],
)
async def test_a_url_that_cannot_be_read_is_not_repeated(url: str) -> None:
    said = await refusal(url)
    assert "s3cret" not in said
    assert "cret" not in said


async def test_a_server_that_does_not_wait_for_its_disk_is_refused(
    database: PostgresDatabase,
) -> None:
    said = await refusal(f"{database.url}?options=-csynchronous_commit%3Doff")
    assert "synchronous_commit is off" in said


async def test_so_is_one_that_is_too_old(
    database: PostgresDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_server, "OLDEST_POSTGRES", 99)
    assert "is too old: 99 is needed" in await refusal(database.url)


async def test_a_database_that_is_read_only_for_a_while_is_unavailable(
    database: PostgresDatabase,
) -> None:
    """As providers make it whose disk is nearly full; nothing of ours overrides that."""
    store = await database.open()
    name = database.url.rpartition("/")[2]
    database.script(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    try:
        await store._pool.expire_connections()
        with pytest.raises(StoreUnavailable, match="read-only"):
            await store.write(note, "refused")
        assert await store.read(look, None) == set()
    finally:
        database.script(f"SET default_transaction_read_only = off; ALTER DATABASE {name} RESET ALL")
    assert await store.write(note, "taken") == "noted taken"
    await store.close()


async def test_of_several_hosts_the_one_that_takes_writes_is_found(
    database: PostgresDatabase,
) -> None:
    scheme, _, rest = database.url.partition("://")
    user, _, place = rest.rpartition("@")
    host, _, name = place.partition("/")
    url = f"{scheme}://{user}@127.0.0.1:1,{host}/{name}?target_session_attrs=read-write"
    store = await PostgresStore.open(url, LIMITS)
    assert await store.write(note, "taken") == "noted taken"
    await store.close()


async def test_and_if_there_is_none_that_is_said(database: PostgresDatabase) -> None:
    said = await refusal(f"{database.url}?target_session_attrs=standby")
    assert "target_session_attrs" in said or "standby" in said


async def test_connections_are_named_and_bounded(database: PostgresDatabase) -> None:
    store = await database.open()
    found = database.rows(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'whimbrel'"
        " AND datname = ?", database.url.rpartition("/")[2],
    )  # fmt: skip
    assert found == [(1,)]
    await store.close()
