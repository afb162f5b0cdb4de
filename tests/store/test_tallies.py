"""Sums of what has happened: added to by anybody, read by range, removed when they are old."""

import asyncio

from tests.support.clock import START
from whimbrel.clock import DAY, HOUR, MINUTE
from whimbrel.domain.tally import What
from whimbrel.store.engine import Store
from whimbrel.store.tallies import (
    SPANS,
    Kind,
    OldTallies,
    Tally,
    TallyRange,
    add_tallies,
    read_series,
    read_totals,
    remove_tallies,
    too_old,
)

HOUR_START = START - START % HOUR
SENT = Kind(What.SUBMITTED, "WHATSAPP", 0)
REFUSED = Kind(What.FAILED, "SMS", 1, 7)
EVER = TallyRange(HOUR, 0, START + DAY, tuple(What))


async def test_what_several_add_is_one_sum(store: Store) -> None:
    await asyncio.gather(
        *(
            store.write(add_tallies, [Tally(START, SENT, 2), Tally(START, REFUSED, 1)])
            for _ in range(5)
        )
    )
    await store.write(add_tallies, [Tally(START + 1, SENT, 1)])
    assert await store.read(read_totals, EVER) == {SENT: 11, REFUSED: 5}


async def test_each_span_has_its_own_sums(store: Store) -> None:
    moments = [HOUR_START, HOUR_START + 59_999, HOUR_START + MINUTE, HOUR_START + HOUR - 1]
    await store.write(add_tallies, [Tally(at, SENT, 1) for at in moments])
    found = {}
    for span in SPANS:
        wish = TallyRange(span, HOUR_START, HOUR_START + HOUR, (What.SUBMITTED,))
        found[span] = (await store.read(read_series, wish))[What.SUBMITTED]
    assert found[MINUTE] == {
        HOUR_START: 2,
        HOUR_START + MINUTE: 1,
        HOUR_START + 59 * MINUTE: 1,
    }
    assert found[10 * MINUTE] == {HOUR_START: 3, HOUR_START + 50 * MINUTE: 1}
    assert found[HOUR] == {HOUR_START: 4}
    assert found[DAY] == {}  # the day began before


async def test_a_range_has_its_begin_and_not_its_end(store: Store) -> None:
    moments = [HOUR_START + minute * MINUTE for minute in range(4)]
    await store.write(add_tallies, [Tally(at, SENT, 1) for at in moments])
    wish = TallyRange(MINUTE, moments[1], moments[3], (What.SUBMITTED, What.READ))
    assert await store.read(read_series, wish) == {
        What.SUBMITTED: {moments[1]: 1, moments[2]: 1},
        What.READ: {},
    }
    assert await store.read(read_totals, wish) == {SENT: 2}


async def test_a_series_of_what_was_accepted_counts_each_chain_once(store: Store) -> None:
    links = [Tally(START, Kind(What.ACCEPTED, "SMS", position), 1) for position in range(3)]
    await store.write(add_tallies, links)
    wish = TallyRange(HOUR, HOUR_START, HOUR_START + HOUR, (What.ACCEPTED,))
    assert await store.read(read_series, wish) == {What.ACCEPTED: {HOUR_START: 1}}
    assert len(await store.read(read_totals, wish)) == 3


async def test_what_is_old_is_removed_a_little_at_a_time(store: Store) -> None:
    old = START - 3 * DAY
    kinds = [Kind(What.FAILED, "SMS", 0, code) for code in range(1, 6)]
    await store.write(add_tallies, [Tally(old, kind, 1) for kind in kinds])
    await store.write(add_tallies, [Tally(START, SENT, 1), Tally(old, SENT, 1)])
    wish = OldTallies(MINUTE, START - 2 * DAY, 4)
    assert await store.write(remove_tallies, wish) == 4 + 1  # of each kind
    assert await store.write(remove_tallies, wish) == 1
    assert await store.write(remove_tallies, wish) == 0
    minutes = TallyRange(MINUTE, 0, START + DAY, tuple(What))
    assert await store.read(read_totals, minutes) == {SENT: 1}
    assert sum((await store.read(read_totals, EVER)).values()) == 7  # the hours are kept longer


async def test_each_span_is_kept_as_long_as_somebody_may_ask_for_it(store: Store) -> None:
    await store.write(add_tallies, [Tally(START, SENT, 3)])
    kept = []
    for age in (5 * HOUR, 2 * DAY, 40 * DAY, 1_000 * DAY, 1_101 * DAY):
        for old in too_old(START + age, 250):
            await store.write(remove_tallies, old)
        ranges = [TallyRange(span, 0, START + DAY, (What.SUBMITTED,)) for span in SPANS]
        kept.append([bool(await store.read(read_totals, one)) for one in ranges])
    assert kept == [
        [True, True, True, True],
        [False, True, True, True],
        [False, False, True, True],
        [False, False, False, True],
        [False, False, False, False],
    ]
