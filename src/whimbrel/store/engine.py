"""The seam between what is stored and the engine that stores it.

An *operation* is a generator function: it takes a list of items, yields steps, is sent their rows,
and returns one result an item. It does no I/O itself, so the same text runs on any engine. Whatever
waits when the store comes free is written in one transaction: every caller waits for its group's
commit (design: commit, then answer). An operation may be run again from its beginning, if the
engine had to undo it; so it changes nothing but the store.

Statements are plain SQL that SQLite and PostgreSQL read alike, with `:name` parameters. What only
an engine with several writers needs stands in a comment that is none there: `/*postgres FOR UPDATE
SKIP LOCKED*/`.

Several processes may write to PostgreSQL at once. Whoever changes a chain, its links or its reports
holds it first (`Hold`), so that what he reads of it stays true until he has written; whoever claims
takes what nobody holds, and waits for nobody (docs/decisions/0018-locks.md).
"""

import re
from collections.abc import Awaitable, Callable, Generator, Iterable, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

Row = tuple[Any, ...]
Params = tuple[Any, ...]
Item = TypeVar("Item")
Result = TypeVar("Result")


class Statement:
    """One SQL text. Its parameters come as a tuple, in the order of their first appearance."""

    __slots__ = ("names", "text")

    def __init__(self, text: str) -> None:
        names: list[str] = []
        for name in _PARAMETER.findall(text):
            if name not in names:
                names.append(name)
        self.text = text
        self.names = tuple(names)

    def numbered(self, sign: str) -> str:
        """Return the text with `:name` written as `sign` and its number: `?1` or `$1`."""
        return _PARAMETER.sub(lambda match: f"{sign}{self.names.index(match[1]) + 1}", self.text)

    def for_postgres(self) -> str:
        """Return the text as PostgreSQL runs it: what is meant for it alone is no comment."""
        return _POSTGRES.sub(r"\1", self.numbered("$"))


_PARAMETER = re.compile(r"(?<!:):([a-z_]+)")
_POSTGRES = re.compile(r"/\*postgres (.*?)\*/", re.DOTALL)


class Ask:
    """Run a statement for each of `params`; the answer is a list of rows for each."""

    __slots__ = ("params", "statement")

    def __init__(self, statement: Statement, params: Sequence[Params]) -> None:
        self.statement = statement
        self.params = params


class Do:
    """Run a statement for each of `params`; there is no answer."""

    __slots__ = ("params", "statement")

    def __init__(self, statement: Statement, params: Sequence[Params]) -> None:
        self.statement = statement
        self.params = params


class Hold:
    """Keep other writers away from chains until the operation has ended; there is no answer."""

    __slots__ = ("chain_ids",)

    def __init__(self, chain_ids: Iterable[int]) -> None:
        self.chain_ids = frozenset(chain_ids)


class HoldKeys:
    """Keep other writers away from what has no row yet, by a hash of its key; there is no answer.

    For "unless there is one already", where no unique index can say it.
    """

    __slots__ = ("keys",)

    def __init__(self, keys: Iterable[bytes]) -> None:
        self.keys = frozenset(keys)


Step = Ask | Do | Hold | HoldKeys
Steps = Generator[Step, list[list[Row]], Result]
Operation = Callable[[list[Item]], Steps[list[Result]]]


def ask_one(statement: Statement, *params: Any) -> Steps[list[Row]]:
    """Run a statement once and return its rows."""
    rows = yield Ask(statement, (params,))
    return rows[0]


class StoreUnavailable(Exception):
    """The store cannot take a write now; nothing of the item was written."""


class StoreClosed(StoreUnavailable):
    """The process has closed it, and will not open it again."""


class OutcomeUnknown(StoreUnavailable):
    """The store went away while it committed, and did not come back in time to say whether it did.

    What was to be written may be there.
    """


class PoolLimits(NamedTuple):
    """How many connections a process may have, and how long a statement may take, in seconds."""

    size: int
    statement: float
    lock: float
    pooled: bool = False
    """The URL is that of PgBouncer, which gives each transaction another connection."""


class Store(Protocol):
    """What the flow needs of an engine."""

    @property
    def waiting(self) -> int:
        """Items that wait for the next group."""
        ...

    def write(self, operation: Operation[Item, Result], item: Item) -> Awaitable[Result]:
        """Run an operation; it is on disk when the answer is there. Raises `StoreUnavailable`."""
        ...

    async def read(self, operation: Operation[Item, Result], item: Item) -> Result:
        """Run an operation that changes nothing, beside the writers."""
        ...

    async def close(self) -> None:
        """Finish what waits, then close."""
        ...
