"""PostgreSQL tells its clients that it shuts down, and closes their connections a moment later."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.chaos.network import Stretch
from tests.support.builders import a_chain, opened
from tests.support.postgres import PostgresDatabase, migrated
from tests.support.processes import free_ports
from whimbrel.store.chains import accept_chains
from whimbrel.store.postgres import PostgresStore

_FIELDS = b"SFATAL\0VFATAL\0C57P01\0Mterminating connection due to administrator command\0\0"
LAST_WORD = b"E" + (len(_FIELDS) + 4).to_bytes(4, "big") + _FIELDS


class Place:
    """A store whose connections hear the last word, and are not closed after it."""

    def __init__(self, database: PostgresDatabase) -> None:
        host, _, port = database.url.rpartition("@")[2].partition("/")[0].partition(":")
        self.stretch = Stretch(free_ports(1), lambda: int(port or 5432))
        near = f"127.0.0.1:{self.stretch.port}"
        self.url = database.url.replace(f"{host}:{port}" if port else host, near, 1)
        self.limits = database.limits

    async def open(self) -> PostgresStore:
        await self.stretch.open()
        return await PostgresStore.open(self.url, self.limits)


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    database = migrated()
    database.clear()
    database.rows("SELECT 1")
    place = Place(database)
    yield place
    place.stretch.close()


@pytest.mark.parametrize("count", [1, 30])
async def test_a_write_that_meets_it_goes_another_way(place: Place, count: int) -> None:
    async with opened(place) as store:  # with a connection that is idle
        assert place.stretch.say(LAST_WORD)
        for _ in range(10):
            await asyncio.sleep(0)  # until it is read; who meets it later is served as well
        chains = [a_chain(number) for number in range(1, count + 1)]
        accepted = await asyncio.gather(*(store.write(accept_chains, chain) for chain in chains))
        assert [one.chain_id for one in accepted] == [chain.chain_id for chain in chains]
