"""How a writer finds out what became of a COMMIT that had no answer.

Each writing transaction leaves its mark: a row of `commits` that is its writer's own, with a number
that no other transaction has. Whoever lost the connection within his COMMIT looks whether the mark
is there. (`pg_xact_status` is no answer: after a crash the number of a transaction that did not
reach the disk is given to another one, which may be committed.)
"""

import itertools
import secrets
from typing import Any, NamedTuple

from whimbrel.store.postgres_faults import TOO_LONG

_LEAVE = """
INSERT INTO commits (writer, mark, left_at)
SELECT $1, $2, (extract(epoch FROM now()) * 1000)::bigint
WHERE pg_current_xact_id_if_assigned() IS NOT NULL
ON CONFLICT (writer) DO UPDATE SET mark = excluded.mark, left_at = excluded.left_at
RETURNING pg_current_xact_id()::text
"""
# It waits for a transaction that is still at the row, and then sees what that one has made of it.
_LOOK = """
INSERT INTO commits (writer, mark, left_at)
VALUES ($1, 0, (extract(epoch FROM now()) * 1000)::bigint)
ON CONFLICT (writer) DO UPDATE SET mark = commits.mark RETURNING mark
"""
# The server may not have noticed that the connection is gone. Then it holds what we wait for.
_END = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE backend_xid = $1::text::xid8::xid AND pid <> pg_backend_pid()
"""
_FORGET = """
DELETE FROM commits
WHERE left_at < (extract(epoch FROM now()) * 1000)::bigint - 86400000 OR writer LIKE $1 || '/%'
"""


class Mark(NamedTuple):
    """What one transaction leaves behind, and its number on the server, if it has written."""

    writer: str
    number: int
    transaction: str | None = None


class Marks:
    """The marks of one store. Only one transaction of an operation may be under way at a time."""

    def __init__(self) -> None:
        self._name = secrets.token_hex(8)
        self._writers: dict[Any, str] = {}
        self._numbers = itertools.count(1)

    async def leave(self, connection: Any, operation: Any) -> Mark:
        """Leave a mark as a transaction's last statement; there is none if it wrote nothing."""
        writer = self._writers.setdefault(operation, f"{self._name}/{len(self._writers)}")
        number = next(self._numbers)
        return Mark(writer, number, await connection.fetchval(_LEAVE, writer, number))

    async def forget(self, connection: Any) -> None:
        """Remove this store's marks, and those of stores that ended without doing so."""
        await connection.execute(_FORGET, self._name)


async def is_there(connection: Any, mark: Mark) -> bool | None:
    """Tell whether a transaction was committed; None: it is still under way."""
    await connection.fetch(_END, mark.transaction)
    try:
        return bool(await connection.fetchval(_LOOK, mark.writer) == mark.number)
    except TOO_LONG:
        return None
