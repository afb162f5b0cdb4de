"""What was claimed is started, whatever became of other claims."""

import pytest

from whimbrel.flow.claiming import start_claimed
from whimbrel.store.engine import StoreUnavailable


async def test_a_claim_that_fails_keeps_no_other_from_starting() -> None:
    started: list[tuple[str, int]] = []

    async def write(claim: str) -> list[int]:
        if claim == "bad":
            raise StoreUnavailable("away")
        return [1, 2]

    with pytest.raises(StoreUnavailable, match="away"):
        await start_claimed(
            ["one", "bad", "two"], write, lambda claim, got: started.append((claim, got))
        )
    assert started == [("one", 1), ("one", 2), ("two", 1), ("two", 2)]
