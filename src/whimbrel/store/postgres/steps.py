"""Runs an operation's steps on a connection to PostgreSQL.

A step of many parameters is pipelined: one journey to the server, however many there are.
"""

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from whimbrel.store.engine import Ask, Do, Hold, HoldKeys, Params, Row, Statement, Step, Steps

T = TypeVar("T")
Connection = Any
"""A connection of asyncpg's pool: a proxy with the methods of `asyncpg.Connection`."""

_HOLD = "SELECT 1 FROM chains WHERE chain_id = ANY($1) ORDER BY chain_id FOR NO KEY UPDATE"
_HOLD_KEYS = "SELECT pg_advisory_xact_lock(k) FROM unnest($1::bigint[]) AS k"


class Stepper:
    """Knows the statements as PostgreSQL reads them."""

    def __init__(self) -> None:
        self._texts: dict[Statement, tuple[str, str]] = {}

    async def run(self, connection: Connection, steps: Steps[T]) -> T:
        """Run an operation to its end and return its results."""
        answer: list[list[Row]] = []
        held: set[int] = set()
        try:
            step = next(steps)
            while True:
                if isinstance(step, Hold | HoldKeys):
                    await _hold(connection, step, held)
                elif isinstance(step, Do):
                    await self._do(connection, step)
                else:
                    answer = await self._ask(connection, step)
                step = steps.send(answer)
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]

    async def _do(self, connection: Connection, step: Do) -> None:
        text, _ = self._text(step.statement)
        if len(step.params) == 1:
            await connection.execute(text, *step.params[0])
        elif step.params:
            await connection.executemany(text, step.params)

    async def _ask(self, connection: Connection, step: Ask) -> list[list[Row]]:
        text, text_for_many = self._text(step.statement)
        if len(step.params) == 1:
            rows = await connection.fetch(text, *step.params[0])
            return [[tuple(row) for row in rows]]
        answers: list[list[Row]] = [[] for _ in step.params]
        if answers:
            numbered = [(*one, index) for index, one in enumerate(step.params)]
            for record in await connection.fetchmany(text_for_many, numbered):
                *row, index = record
                answers[index].append(tuple(row))
        return answers

    def _text(self, statement: Statement) -> tuple[str, str]:
        """Return a statement's text, and the one that tells which parameters a row answers."""
        texts = self._texts.get(statement)
        if texts is None:
            text = statement.for_postgres()
            texts = self._texts[statement] = (text, _with_ordinal(text, len(statement.names) + 1))
        return texts


async def _hold(connection: Connection, step: Hold | HoldKeys, held: set[int]) -> None:
    """Hold what is not held yet, in an order that all processes share."""
    if isinstance(step, HoldKeys):
        await connection.fetch(_HOLD_KEYS, sorted(map(_lock_number, step.keys)))
    elif not held.issuperset(step.chain_ids):
        await connection.fetch(_HOLD, list(step.chain_ids - held))
        held |= step.chain_ids


def _lock_number(key: bytes) -> int:
    return int.from_bytes(key[:8], "big", signed=True)


def _with_ordinal(text: str, place: int) -> str:
    """Add a last column that repeats one more parameter."""
    if "RETURNING" in text:
        return f"{text}, ${place}::integer"
    return f"SELECT answer.*, ${place}::integer FROM ({text}) AS answer"  # noqa: S608 - our own


def without_nuls(operation: Any) -> Any:
    """Return the operation with U+FFFD for each NUL in a text: PostgreSQL holds none."""

    def cleaned(items: Sequence[Any]) -> Steps[list[Any]]:
        steps = operation(items)
        answer = None
        while True:
            try:
                step: Step = steps.send(answer)
            except StopIteration as stop:
                return stop.value  # type: ignore[no-any-return]
            if isinstance(step, Ask | Do):
                step = type(step)(step.statement, [_clean(one) for one in step.params])
            answer = yield step

    return cleaned


def _clean(params: Iterable[Any]) -> Params:
    return tuple(one.replace("\0", "\ufffd") if isinstance(one, str) else one for one in params)
