"""Writing what has happened already: again until the store takes it."""

import asyncio
from typing import Any

import pytest

from whimbrel.flow import until_written as module
from whimbrel.flow.until_written import until_written
from whimbrel.store.engine import OutcomeUnknown, StoreClosed, StoreUnavailable


class Scripted:
    """A store whose writes come to what it is told, then to `done`."""

    def __init__(self, *faults: Exception) -> None:
        self.faults = list(faults)
        self.writes: list[Any] = []

    async def write(self, operation: Any, item: Any) -> str:
        self.writes.append(item)
        if self.faults:
            raise self.faults.pop(0)
        return "done"


def an_operation(items: list[Any]) -> Any:
    raise AssertionError("it only has a name here")


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that are made, which take no time."""
    made: list[float] = []

    async def sleep(seconds: float) -> None:
        made.append(seconds)
        await asyncio.sleep(0)

    monkeypatch.setattr(module, "sleep", sleep)
    return made


async def test_what_the_store_takes_is_written_once(pauses: list[float]) -> None:
    store = Scripted()
    assert await until_written(store, an_operation, "item") == "done"  # type: ignore[arg-type]
    assert (store.writes, pauses) == (["item"], [])


async def test_while_it_is_away_it_is_asked_again_after_growing_pauses(
    pauses: list[float],
) -> None:
    store = Scripted(*[StoreUnavailable("away")] * 7, OutcomeUnknown("in its COMMIT"))
    assert await until_written(store, an_operation, "item") == "done"  # type: ignore[arg-type]
    assert store.writes == ["item"] * 9
    assert pauses == [0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0, 2.0]


@pytest.mark.parametrize("fault", [StoreClosed("closed"), ValueError("a bug")], ids=str)
async def test_what_will_never_be_written_is_not_tried_again(
    pauses: list[float], fault: Exception
) -> None:
    store = Scripted(fault)
    with pytest.raises(type(fault)):
        await until_written(store, an_operation, "item")  # type: ignore[arg-type]
    assert (len(store.writes), pauses) == (1, [])
