"""Operators, their sessions and the audit log in the store."""

from msgspec.structs import replace

from tests.support.clock import START
from whimbrel.clock import HOUR
from whimbrel.domain.operator import Operator, Role
from whimbrel.store.audit import Audited, AuditEntry, AuditWish, list_deeds
from whimbrel.store.operators import (
    NewSession,
    Visit,
    add_operators,
    all_operators,
    change_operators,
    close_sessions,
    find_sessions,
    note_visits,
    open_sessions,
    operators_by_login,
    remove_operators,
)
from whimbrel.store.sqlite import SqliteStore

ANN = Operator(1, "ann", "no hash", Role.SUPPORT, True, False, START)
TOKEN, OTHER = b"t" * 32, b"o" * 32
ALL = AuditWish(1 << 60, "", 10)


def _noted(operator: Operator, action: str, by: str = "ann") -> Audited:
    return Audited(operator, AuditEntry(START, by, "::1", action, operator.login, {"a": [1, "é"]}))


def _session(token: bytes, now: int = START) -> NewSession:
    return NewSession(token, 1, "::1", now, now - 12 * HOUR, now - 2 * HOUR)


async def test_an_operator_comes_back_as_it_was_written(store: SqliteStore) -> None:
    assert await store.write(add_operators, _noted(ANN, "operator.add")) == 1
    assert await store.read(all_operators, None) == [ANN]
    assert await store.read(operators_by_login, "ann") == ANN
    assert await store.read(operators_by_login, "Ann") is None


async def test_what_was_not_done_is_not_in_the_audit_log(store: SqliteStore) -> None:
    await store.write(add_operators, _noted(ANN, "operator.add"))
    assert await store.write(add_operators, _noted(ANN, "operator.add")) is None
    rows = await store.read(list_deeds, ALL)
    assert rows == [(1, START, "ann", "::1", "operator.add", "ann", '{"a":[1,"é"]}')]


async def test_the_audit_log_goes_on_where_it_ended(store: SqliteStore) -> None:
    for number in range(5):
        operator = replace(ANN, login=f"ann{number}")
        await store.write(add_operators, _noted(operator, "operator.add", by=f"o{number % 2}"))
    first = await store.read(list_deeds, AuditWish(1 << 60, "", 3))
    rest = await store.read(list_deeds, AuditWish(first[-1][0], "", 3))
    assert [row[5] for row in first + rest] == ["ann4", "ann3", "ann2", "ann1", "ann0"]
    assert [row[5] for row in await store.read(list_deeds, AuditWish(1 << 60, "o1", 9))] == [
        "ann3",
        "ann1",
    ]


async def test_a_session_is_found_until_it_is_closed(store: SqliteStore) -> None:
    await store.write(add_operators, _noted(ANN, "operator.add"))
    await store.write(open_sessions, _session(TOKEN))
    assert await store.read(find_sessions, TOKEN) == (ANN, START, START)
    assert await store.read(find_sessions, OTHER) is None
    await store.write(note_visits, Visit(START + 5, TOKEN))
    assert await store.read(find_sessions, TOKEN) == (ANN, START, START + 5)
    await store.write(close_sessions, TOKEN)
    assert await store.read(find_sessions, TOKEN) is None


async def test_who_is_changed_or_removed_is_signed_out(store: SqliteStore) -> None:
    await store.write(add_operators, _noted(ANN, "operator.add"))
    await store.write(open_sessions, _session(TOKEN))
    await store.write(change_operators, _noted(replace(ANN, role=Role.ADMIN), "operator.change"))
    assert await store.read(find_sessions, TOKEN) is None
    await store.write(open_sessions, _session(TOKEN))
    await store.write(remove_operators, _noted(ANN, "operator.remove"))
    assert await store.read(find_sessions, TOKEN) is None
    assert await store.read(all_operators, None) == []


async def test_sessions_that_have_ended_are_removed_by_the_next(store: SqliteStore) -> None:
    await store.write(add_operators, _noted(ANN, "operator.add"))
    await store.write(open_sessions, _session(TOKEN))
    await store.write(open_sessions, _session(OTHER, START + 2 * HOUR + 1))
    assert await store.read(find_sessions, TOKEN) is None
    assert await store.read(find_sessions, OTHER) is not None
