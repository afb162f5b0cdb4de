"""What the store asks of a PostgreSQL server, and what it tells it at each connection."""

from typing import Any

from whimbrel.store.engine import PoolLimits, StoreUnavailable

OLDEST_POSTGRES = 14  # what is older is not maintained any more


async def check_server(connection: Any) -> str | None:
    """Raise `StoreUnavailable` if the server is too old, or loses what it has answered.

    Returns what an operator should know of it all the same; None: nothing.
    """
    version = connection.get_server_version()
    if version.major < OLDEST_POSTGRES:
        raise StoreUnavailable(
            f"PostgreSQL {version.major} is too old: {OLDEST_POSTGRES} is needed"
        )
    if await _setting(connection, "synchronous_commit") == "off":
        raise StoreUnavailable(
            "PostgreSQL: synchronous_commit is off, so that a crash loses what was answered; "
            "set it to on for this database or user"
        )
    if await _setting(connection, "fsync") == "off":
        return "PostgreSQL: fsync is off, so that a power cut loses what was answered"
    return None


async def _setting(connection: Any, name: str) -> str:
    return str(await connection.fetchval("SELECT current_setting($1)", name))


def session_settings(limits: PoolLimits) -> dict[str, str]:
    """Return what each connection is set to; PgBouncer lets nothing but the name through."""
    named = {"application_name": "whimbrel"}
    return named if limits.pooled else named | _limits(limits)


def transaction_start(limits: PoolLimits) -> str:
    """Return how a transaction begins: every statement is to see what is committed by then.

    It does not ask for READ WRITE: whoever makes a database read-only by its default (providers do,
    whose disk is nearly full) means us too.
    """
    begin = ["BEGIN ISOLATION LEVEL READ COMMITTED"]
    if limits.pooled:
        begin += [f"SET LOCAL {name} = '{value}'" for name, value in _limits(limits).items()]
    return "; ".join(begin)


def _limits(limits: PoolLimits) -> dict[str, str]:
    """Return the server's own limits: what is beyond them is undone there, whatever we do.

    A transaction that stays idle belongs to a process that hangs, and holds rows that others need.
    Compiling a statement (JIT) costs more than any of ours takes.
    """
    return {
        "statement_timeout": f"{round(limits.statement * 1_000)}",
        "lock_timeout": f"{round(limits.lock * 1_000)}",
        "idle_in_transaction_session_timeout": f"{round(limits.statement * 1_000)}",
        "jit": "off",
    }
