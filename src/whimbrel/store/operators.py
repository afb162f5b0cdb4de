"""Operators, and the sessions in which they are signed in.

Of a session's token the store has a hash alone: who reads the tables can sign in as nobody.
"""

from typing import NamedTuple

from whimbrel.domain.operator import Operator, Role
from whimbrel.store.audit import audited
from whimbrel.store.engine import Ask, Do, Row, Statement, Steps, ask_one

_OPERATOR = """o.operator_id, o.login, o.password_hash, o.role, o.sees_texts, o.disabled,
    o.created_at"""
_INSERT = Statement("""
INSERT INTO operators (login, password_hash, role, sees_texts, disabled, created_at)
VALUES (:login, :password_hash, :role, :sees_texts, :disabled, :created_at)
ON CONFLICT DO NOTHING RETURNING operator_id
""")
_UPDATE = Statement("""
UPDATE operators SET password_hash = :password_hash, role = :role, sees_texts = :sees_texts,
    disabled = :disabled WHERE operator_id = :operator_id
""")
_DELETE = Statement("DELETE FROM operators WHERE operator_id = :operator_id")
_ALL = Statement(f"SELECT {_OPERATOR} FROM operators o ORDER BY o.login")  # noqa: S608 - a constant
_BY_LOGIN = Statement(f"SELECT {_OPERATOR} FROM operators o WHERE o.login = :login")  # noqa: S608
_OPEN = Statement("""
INSERT INTO operator_sessions (token_hash, operator_id, address, created_at, seen_at)
VALUES (:token_hash, :operator_id, :address, :now, :now)
""")
_FIND = Statement(
    f"SELECT {_OPERATOR}, s.created_at, s.seen_at"  # noqa: S608
    """ FROM operator_sessions s
JOIN operators o ON o.operator_id = s.operator_id
WHERE s.token_hash = :token_hash AND o.disabled = 0
"""
)
_SEEN = Statement("UPDATE operator_sessions SET seen_at = :now WHERE token_hash = :token_hash")
_CLOSE = Statement("DELETE FROM operator_sessions WHERE token_hash = :token_hash")
_CLOSE_ALL = Statement("DELETE FROM operator_sessions WHERE operator_id = :operator_id")
_CLOSE_OLD = Statement("""
DELETE FROM operator_sessions WHERE created_at < :created_before OR seen_at < :seen_before
""")


class StoredSession(NamedTuple):
    """A session, and whose it is."""

    operator: Operator
    created_at: int
    seen_at: int


class NewSession(NamedTuple):
    """A session to open. What is older than the two moments is closed on the way."""

    token_hash: bytes
    operator_id: int
    address: str
    now: int
    created_before: int
    seen_before: int


class Visit(NamedTuple):
    """A session that was used, and when."""

    now: int
    token_hash: bytes


def _add(operators: list[Operator]) -> Steps[list[int | None]]:
    """Write new operators; None where the login is taken."""
    answers = yield Ask(
        _INSERT,
        [
            (o.login, o.password_hash, o.role, int(o.sees_texts), int(o.disabled), o.created_at)
            for o in operators
        ],
    )
    return [rows[0][0] if rows else None for rows in answers]


def _change(operators: list[Operator]) -> Steps[list[None]]:
    """Overwrite operators, and sign them out everywhere: their rights are not what they were."""
    yield Do(
        _UPDATE,
        [
            (o.password_hash, o.role, int(o.sees_texts), int(o.disabled), o.operator_id)
            for o in operators
        ],
    )
    yield Do(_CLOSE_ALL, [(one.operator_id,) for one in operators])
    return [None] * len(operators)


def _remove(operators: list[Operator]) -> Steps[list[None]]:
    """Remove operators. What they did stays in the audit log, by their login."""
    yield Do(_CLOSE_ALL, [(one.operator_id,) for one in operators])
    yield Do(_DELETE, [(one.operator_id,) for one in operators])
    return [None] * len(operators)


add_operators = audited(_add, done=lambda number: number is not None)
change_operators = audited(_change)
remove_operators = audited(_remove)
"""Nobody's rights change without an entry in the audit log."""


def all_operators(items: list[None]) -> Steps[list[list[Operator]]]:
    """Return every operator, by login."""
    rows = yield from ask_one(_ALL)
    return [[_operator(row) for row in rows]] * len(items)


def operators_by_login(logins: list[str]) -> Steps[list[Operator | None]]:
    """Return the operator of each login."""
    answers = yield Ask(_BY_LOGIN, [(login,) for login in logins])
    return [_operator(rows[0]) if rows else None for rows in answers]


def open_sessions(sessions: list[NewSession]) -> Steps[list[None]]:
    """Open sessions."""
    yield Do(_CLOSE_OLD, [one[-2:] for one in sessions])
    yield Do(_OPEN, [one[:-2] for one in sessions])
    return [None] * len(sessions)


def find_sessions(token_hashes: list[bytes]) -> Steps[list[StoredSession | None]]:
    """Return the session of each token's hash, unless its operator is disabled."""
    answers = yield Ask(_FIND, [(token_hash,) for token_hash in token_hashes])
    return [StoredSession(_operator(rows[0]), *rows[0][7:]) if rows else None for rows in answers]


def note_visits(visits: list[Visit]) -> Steps[list[None]]:
    """Note that sessions are in use."""
    yield Do(_SEEN, visits)
    return [None] * len(visits)


def close_sessions(token_hashes: list[bytes]) -> Steps[list[None]]:
    """Close sessions."""
    yield Do(_CLOSE, [(token_hash,) for token_hash in token_hashes])
    return [None] * len(token_hashes)


def _operator(row: Row) -> Operator:
    operator_id, login, password_hash, role, sees_texts, disabled, created_at = row[:7]
    return Operator(
        operator_id, login, password_hash, Role(role), bool(sees_texts), bool(disabled), created_at
    )
