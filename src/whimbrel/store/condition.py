"""What an operator wants to know of a store: which it is, how durable, how large, what is amiss.

Each engine has an `Inspector` that answers alike (`sqlite_condition.py`, `postgres_condition.py`).
It changes nothing, and asks beside gateways at work.
"""

from typing import NamedTuple, Protocol

from whimbrel.store.engine import Row, Statement
from whimbrel.store.schema import metadata


class Fact(NamedTuple):
    """One thing that is known of a store."""

    what: str
    value: str


class Fault(NamedTuple):
    """Something amiss. A grave one breaks a promise; another should be looked at."""

    name: str
    text: str
    grave: bool = True


class Size(NamedTuple):
    """A table, its rows (None: not counted; PostgreSQL estimates) and its bytes with indexes."""

    table: str
    rows: int | None
    size: int | None


class Inspector(Protocol):
    """A store, seen from outside."""

    async def rows(self, statement: Statement, **params: int) -> list[Row]:
        """Answer a question. Parameters that it has no use for are left out."""
        ...

    async def facts(self) -> list[Fact]:
        """Return the engine, the schema, what makes it durable."""
        ...

    async def schema_fault(self) -> str | None:
        """Say whether the tables are not what this version needs."""
        ...

    async def sizes(self) -> list[Size]:
        """Return how large the tables are."""
        ...

    async def faults(self, *, full: bool) -> list[Fault]:
        """Return what is wrong with the engine's own things; `full` reads everything."""
        ...

    async def close(self) -> None:
        """End it."""
        ...


def mib(size: int) -> str:
    """Show a number of bytes."""
    return f"{size / 2**20:,.1f} MiB"


def needed_indexes() -> set[str]:
    """Return the names of the indexes that the schema has."""
    return {str(one.name) for table in metadata.tables.values() for one in table.indexes}
