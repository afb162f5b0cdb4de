"""Plans of statements as they run: a connection that explains whatever is asked of it.

It stands between an operation's steps and PostgreSQL, so the statements and their parameters are
the operation's own. Each is prepared and planned for any parameters, as a connection does that has
run it a few times.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple


class Plan(NamedTuple):
    """A statement and how PostgreSQL ran it."""

    operation: str
    statement: str
    lines: list[str]

    def shown(self) -> str:
        """Return it for a page."""
        statement = "\n".join(line.rstrip() for line in self.statement.strip().splitlines())
        plan = "\n".join(self.lines)
        return f"```sql\n{statement}\n```\n```\n{plan}\n```\n"


class Explaining:
    """What a `Stepper` needs of a connection; it explains each statement once, then runs it."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self.operation = ""
        self.plans: list[Plan] = []

    async def execute(self, text: str, *params: Any) -> Any:
        await self._explain(text, params)
        return await self._connection.execute(text, *params)

    async def executemany(self, text: str, params: Sequence[Any]) -> Any:
        await self._explain(text, params[0])
        return await self._connection.executemany(text, params)

    async def fetch(self, text: str, *params: Any) -> Any:
        await self._explain(text, params)
        return await self._connection.fetch(text, *params)

    async def fetchmany(self, text: str, params: Sequence[Any]) -> Any:
        await self._explain(text, params[0])
        return await self._connection.fetchmany(text, params)

    async def _explain(self, text: str, params: Iterable[Any]) -> None:
        """Run it, look at the plan, and undo it."""
        if any(plan.statement == text for plan in self.plans):
            return
        values = ", ".join(map(_literal, params))
        ask = f"EXPLAIN (ANALYZE, BUFFERS) EXECUTE explained({values})"
        await self._connection.execute("SAVEPOINT explained")
        await self._connection.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        await self._connection.execute(f"PREPARE explained AS {text}")
        rows = await self._connection.fetch(ask if values else ask.removesuffix("()"))
        await self._connection.execute("DEALLOCATE explained")
        await self._connection.execute("ROLLBACK TO SAVEPOINT explained")
        self.plans.append(Plan(self.operation, text, [row[0] for row in rows]))


def _literal(value: Any) -> str:
    match value:
        case None:
            return "NULL"
        case bool():
            return str(value).lower()
        case int():
            return str(int(value))
        case bytes():
            return f"'\\x{value.hex()}'"
        case list():
            return f"ARRAY[{', '.join(map(_literal, value))}]::bigint[]"
        case _:
            quoted = str(value).replace("'", "''")
            return f"'{quoted}'"
