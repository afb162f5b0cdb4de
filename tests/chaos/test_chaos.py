"""A short run in every suite; `make chaos` is the long one."""

import pytest

from tests.chaos.options import Options
from tests.chaos.run import run

FIRST = {
    "postgres": ("kill", "cut", "kill", "crash", "report 500", "kill", "restart"),
    "sqlite": ("kill", "report 500", "kill", "doze", "smsc drop", "kill"),
}


# Most of it is waiting: for the lease of a node that was killed last, then for receipts.
@pytest.mark.timeout(300)
@pytest.mark.parametrize("engine", ["postgres", "sqlite"])
async def test_what_dies_loses_nothing_and_doubles_nothing(engine: str) -> None:
    options = Options(
        engine=engine, seed=5, seconds=15.0, messages=300, every=2.0, first=FIRST[engine],
        clients=16, grace=4.0, settle=180.0,
    )  # fmt: skip

    outcome = await run(options)

    assert outcome.kept
    assert outcome.harm["kill"] >= 2
    assert outcome.counts["accepted"] > options.messages / 2
    assert outcome.counts["reports"] > 2 * outcome.counts["accepted"]
