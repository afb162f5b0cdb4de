"""The condition of a PostgreSQL database."""

from typing import Any

from whimbrel.store.condition import Fact, Fault, Size, mib, needed_indexes
from whimbrel.store.engine import Row, Statement
from whimbrel.store.postgres.connecting import UNFINISHED_COPY
from whimbrel.store.postgres.server import OLDEST_POSTGRES
from whimbrel.store.revisions import newest_revision, revision_fault, revision_of_database
from whimbrel.store.schema import SERIALS, metadata

_LONG_SECONDS = 60  # ours take milliseconds; what is older keeps the dead from being cleaned up
_MANY_DEAD = 100_000
_DEAD_SHARE = 0.2  # autovacuum begins here
_OLD_XIDS = 1_000_000_000  # of two billion, at which PostgreSQL takes no more writes


class PostgresInspector:
    """A PostgreSQL database."""

    def __init__(self, connection: Any) -> None:
        """Take over a connection."""
        self._connection = connection

    async def rows(self, statement: Statement, **params: int) -> list[Row]:
        """Answer a question."""
        given = [params[name] for name in statement.names]
        found = await self._ask(statement.for_postgres(), *given)
        return [tuple(row) for row in found]

    async def facts(self) -> list[Fact]:
        """Return the version, the schema, the settings that make it durable, the size."""
        [(size,)] = await self._ask("SELECT pg_database_size(current_database())")
        revision = await revision_of_database(self._connection)
        checksums = await self._setting("data_checksums")
        durable = [f"{name} {await self._setting(name)}" for name, _ in _DURABLE]
        return [
            Fact("engine", f"PostgreSQL {await self._setting('server_version')}"),
            Fact("schema", f"{revision}; {newest_revision()} is needed"),
            Fact("durable", f"{', '.join(durable)}, data_checksums {checksums}"),
            Fact("size", mib(size)),
        ]

    async def schema_fault(self) -> str | None:
        """Say what is wrong with the tables."""
        return revision_fault(await revision_of_database(self._connection))

    async def sizes(self) -> list[Size]:
        """Return what PostgreSQL estimates."""
        rows = await self._ask(_SIZES, list(metadata.tables))
        found = {name: Size(name, None if n < 0 else int(n), size) for name, n, size in rows}
        return [found[table] for table in metadata.tables if table in found]

    async def faults(self, *, full: bool) -> list[Fault]:  # noqa: ARG002 - it keeps its own order
        """Look at settings, indexes, sequences and at who keeps vacuum from its work."""
        faults = [*await self.durability_faults(), *await self._index_faults()]
        faults += await self._sequence_faults()
        [(half,)] = await self._ask(f"SELECT to_regclass('{UNFINISHED_COPY}')")
        if half:
            text = "a copy into this database has not ended: run whimbrel db copy again"
            faults.append(Fault("copy-unfinished", text))
        for name, question, text, grave in _WATCHED:
            for row in await self._ask(question):
                faults.append(Fault(name, text.format(*row), grave=grave))
        return faults

    async def durability_faults(self) -> list[Fault]:
        """Say which settings let a crash lose what was answered."""
        faults = [
            Fault("durable", f"{name} is off: {risk}")
            for name, risk in _DURABLE
            if await self._setting(name) == "off"
        ]
        major = self._connection.get_server_version().major
        if major < OLDEST_POSTGRES:
            faults.append(Fault("version", f"{major} is too old: {OLDEST_POSTGRES} is needed"))
        return faults

    async def close(self) -> None:
        """Close it."""
        await self._connection.close()

    async def _index_faults(self) -> list[Fault]:
        rows = await self._ask(_INDEXES, list(metadata.tables))
        faults = [
            Fault("index-missing", f"there is no index {name}")
            for name in sorted(needed_indexes() - {name for name, _ in rows})
        ]
        bad = [name for name, valid in rows if not valid]
        return faults + [Fault("index-invalid", f"{name}: REINDEX it") for name in bad]

    async def _sequence_faults(self) -> list[Fault]:
        faults = []
        for table, column in SERIALS.items():
            [(name,)] = await self._ask("SELECT pg_get_serial_sequence($1, $2)", table, column)
            if name is None:
                faults.append(Fault("sequence-missing", f"{table}.{column} is not numbered"))
                continue
            behind = await self._ask(
                f"SELECT greatest.n, s.last_value"
                f" FROM {name} s, (SELECT max({column}) AS n FROM {table}) AS greatest"
                " WHERE greatest.n > s.last_value"
                " OR (greatest.n = s.last_value AND NOT s.is_called)"
            )
            if behind:
                text = (
                    f"{table}.{column}: {behind[0][0]} is in use, the sequence is at {behind[0][1]}"
                )
                faults.append(Fault("sequence-behind", text))
        return faults

    async def _setting(self, name: str) -> str:
        return str((await self._ask("SELECT current_setting($1)", name))[0][0])

    async def _ask(self, sql: str, *given: Any) -> list[Any]:
        """Ask, with settings that end with the question: PgBouncer gives the connection on."""
        async with self._connection.transaction(readonly=True):
            await self._connection.execute("SET LOCAL statement_timeout = 0; SET LOCAL jit = off")
            return await self._connection.fetch(sql, *given)  # type: ignore[no-any-return]


_DURABLE = (
    ("fsync", "a power cut loses what was answered"),
    ("synchronous_commit", "a crash loses what was answered"),
    ("full_page_writes", "a power cut may tear pages"),
)
_SIZES = """
SELECT relname, reltuples::bigint, pg_total_relation_size(oid) FROM pg_class
WHERE relnamespace = current_schema()::regnamespace AND relname = ANY($1::text[])
"""
_INDEXES = """
SELECT i.relname, x.indisvalid AND x.indisready
FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class t ON t.oid = x.indrelid
WHERE t.relnamespace = current_schema()::regnamespace AND t.relname = ANY($1::text[])
"""
_WATCHED = (
    (
        "vacuum-behind",
        f"""SELECT relname, n_dead_tup, n_live_tup, coalesce(last_autovacuum::text, 'never')
        FROM pg_stat_user_tables
        WHERE n_dead_tup > {_MANY_DEAD} + {_DEAD_SHARE} * n_live_tup""",
        "{0} has {1} dead rows beside {2} live ones; autovacuum was there {3}",
        False,
    ),
    (
        "transaction-long",
        f"""SELECT pid, coalesce(usename, ''), coalesce(application_name, ''),
            round(extract(epoch FROM clock_timestamp() - xact_start))
        FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()
            AND clock_timestamp() - xact_start > interval '{_LONG_SECONDS} s'
            AND backend_type = 'client backend'""",
        "process {0} of {1} ({2}) has been in a transaction for {3} s",
        False,
    ),
    (
        "transaction-prepared",
        "SELECT gid, prepared FROM pg_prepared_xacts WHERE database = current_database()",
        "{0} has been prepared since {1}: it holds its locks until somebody ends it",
        False,
    ),
    (
        "xids-old",
        f"""SELECT age(datfrozenxid) FROM pg_database
        WHERE datname = current_database() AND age(datfrozenxid) > {_OLD_XIDS}""",
        "the oldest transaction number is {0} back; at two billion PostgreSQL stops: vacuum it",
        True,
    ),
)
