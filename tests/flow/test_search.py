"""A page ends in time, and says how far it has got."""

from tests.support.builders import a_chain, a_link, accept
from tests.support.clock import START
from whimbrel.clock import SECOND
from whimbrel.domain.chain_id import ChainIds, accepted_about
from whimbrel.flow.search import Cursor, Searcher
from whimbrel.store.criteria import Criteria
from whimbrel.store.search import BUDGET
from whimbrel.store.sqlite import SqliteStore

COUNT = 3 * BUDGET
RARE = Criteria(sender="RARE")


async def a_crowd(store: SqliteStore) -> list[int]:
    """Write chains, of which the oldest alone comes from a rare sender; the newest first."""
    ids = ChainIds(0)
    numbers = [ids.next(START + n * SECOND) for n in range(COUNT)]
    rare, *others = numbers
    await accept(store, a_chain(rare, links=(a_link(rare, sender="RARE"),)))
    await accept(store, *map(a_chain, others))
    return numbers[::-1]


async def test_a_page_without_an_index_ends_in_time(store: SqliteStore) -> None:
    numbers = await a_crowd(store)
    searcher = Searcher(store, most=BUDGET, seconds=60)
    page = await searcher.page(RARE, None, 10)
    assert page.chains == []
    assert page.older is not None
    assert page.looked_until == accepted_about(page.older.number)
    looked = numbers.index(page.older.number) + 1
    assert BUDGET <= looked < COUNT

    pages = 1
    while page.older is not None:
        page, pages = await searcher.page(RARE, page.older, 10), pages + 1
    assert [one.chain_id for one in page.chains] == numbers[-1:]
    assert page.looked_until is None
    assert pages >= 3


async def test_a_page_without_an_index_ends_when_time_is_up(store: SqliteStore) -> None:
    await a_crowd(store)
    page = await Searcher(store, seconds=0).page(RARE, None, 10)
    assert page.looked_until is not None, "one stretch is looked at, whatever the time"


async def test_what_is_newer_is_looked_for_in_time_too(store: SqliteStore) -> None:
    numbers = await a_crowd(store)
    searcher = Searcher(store, most=BUDGET, seconds=60)
    nobody = Criteria(sender="NOBODY")
    page = await searcher.page(nobody, Cursor(numbers[-1], older=False), 10)
    assert page.looked_until is not None
    assert page.newer is not None
    assert page.newer.number > numbers[-1]


async def test_everything_is_found_once(store: SqliteStore) -> None:
    numbers = await a_crowd(store)
    found = [
        one.chain_id async for batch in Searcher(store).everything(Criteria()) for one in batch
    ]
    assert found == numbers
    rare = [one.chain_id async for batch in Searcher(store).everything(RARE) for one in batch]
    assert rare == numbers[-1:]
