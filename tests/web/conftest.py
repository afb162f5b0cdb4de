"""One gateway a module, for tests that leave each other alone."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from pytest_asyncio import is_async_test

from tests.support.clock import FakeClock
from tests.support.gateway import LOGIN, RunningGateway, a_profile, running_gateway
from whimbrel.domain.partner import Profile
from whimbrel.settings import Settings

FOLDER = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the tests of a module in one loop, the one of its gateway.

    And give Schemathesis's tests, one an operation, ids of their own, which they lack.
    """
    for item in items:
        if operation := getattr(item, "operation_label", None):
            item._id = item.id.with_params(operation)
        if item.path.parent == FOLDER and is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="module"), append=False)


@pytest.fixture(scope="module")
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(scope="module")
def partners() -> dict[str, Profile]:
    """Who may send to `shop`; a module with other Partners has a fixture of its own."""
    return {LOGIN: a_profile()}


@pytest.fixture(scope="module")
def settings() -> Settings | None:
    return None


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shop(
    tmp_path_factory: pytest.TempPathFactory,
    clock: FakeClock,
    partners: dict[str, Profile],
    settings: Settings | None,
) -> AsyncIterator[RunningGateway]:
    folder = tmp_path_factory.mktemp("shop")
    async with running_gateway(
        folder, partners=partners, clock=clock, settings=settings
    ) as gateway:
        yield gateway
