"""Who changed what, when and from where: written with the change itself, and never again."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec

from whimbrel.store.engine import Ask, Do, Item, Operation, Result, Row, Statement, Steps

_INSERT = Statement("""
INSERT INTO audit (at, operator, address, action, subject, details)
VALUES (:at, :operator, :address, :action, :subject, :details)
""")
_LIST = Statement("""
SELECT audit_id, at, operator, address, action, subject, details FROM audit
WHERE audit_id < :before AND (:operator = '' OR operator = :operator)
ORDER BY audit_id DESC LIMIT :most
""")


class AuditEntry(NamedTuple):
    """One change: who made it (a login), and what was done to what. No secret may be in it."""

    at: int
    operator: str
    address: str
    action: str
    """A noun and a verb, such as `partner.disable`."""
    subject: str
    """The login, number or name of what was changed."""
    details: Mapping[str, Any] = {}


class Audited(NamedTuple):
    """An operation's item, and the entry that is written with it."""

    item: Any
    entry: AuditEntry


class AuditWish(NamedTuple):
    """Which entries: older than an `audit_id`; an empty operator means any."""

    before: int
    operator: str
    most: int


def audited(
    operation: Operation[Item, Result], *, done: Callable[[Result], bool] = lambda _: True
) -> Operation[Audited, Result]:
    """Return the operation that does the same and writes who did it, in one transaction.

    `done` tells from an item's result whether anything was done. Make it once, as a constant of a
    module: the store gathers what waits for the same operation.
    """

    def run(items: list[Audited]) -> Steps[list[Result]]:
        results = yield from operation([one.item for one in items])
        deeds = [one.entry for one, result in zip(items, results, strict=True) if done(result)]
        yield Do(_INSERT, [_params(entry) for entry in deeds])
        return results

    return run


def note_deeds(entries: list[AuditEntry]) -> Steps[list[None]]:
    """Write entries of what changes nothing in the store, such as an export or a sign-in."""
    yield Do(_INSERT, [_params(entry) for entry in entries])
    return [None] * len(entries)


def list_deeds(wishes: list[AuditWish]) -> Steps[list[list[Row]]]:
    """Return entries, the newest first, with their number before them and details as JSON."""
    return (yield Ask(_LIST, wishes))


def _params(entry: AuditEntry) -> tuple[Any, ...]:
    return (*entry[:-1], msgspec.json.encode(entry.details).decode())
