"""Reads the gateway's store beside it, as an auditor would: what is committed, and nothing else."""

import sqlite3
from pathlib import Path
from typing import Any

# The moments at which a look at the store may find something to do, of those that are still ahead.
_AHEAD = """
SELECT min(moment) FROM (
    SELECT min(due_at) AS moment FROM links WHERE state = 0 AND due_at > :now
    UNION ALL SELECT min(due_at) FROM links WHERE state IN (10, 20) AND due_at > :now
    UNION ALL SELECT min(due_at) FROM links WHERE state = -10 AND due_at > :now
    UNION ALL SELECT min(due_at) + :patience FROM links
        WHERE state = 0 AND satisfied_by IS NOT NULL AND due_at > :now - :patience
    UNION ALL SELECT min(expires_at) FROM links WHERE state < 50 AND expires_at > :now
    UNION ALL SELECT min(next_at) FROM reports WHERE state = 1 AND next_at > :now
    UNION ALL SELECT min(paused_until) FROM senders WHERE paused_until > :now
    UNION ALL SELECT min(paused_since) + :patience FROM senders
        WHERE paused_since > :now - :patience
)
"""


class Books:
    """The store's file."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)

    def rows(self, sql: str, *params: Any) -> list[tuple[Any, ...]]:
        """Return what a question finds."""
        return self._connection.execute(sql, params).fetchall()

    def one(self, sql: str, *params: Any) -> Any:
        """Return the one value that a question finds; None: no row."""
        row = self._connection.execute(sql, params).fetchone()
        return row[0] if row else None

    def next_moment(self, now: int, patience: int) -> int | None:
        """Return the next moment that a row tells of; `patience` is that with blocked senders."""
        moment: int | None = self._connection.execute(
            _AHEAD, {"now": now, "patience": patience}
        ).fetchone()[0]
        return moment

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()
