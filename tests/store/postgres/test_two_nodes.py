"""Two nodes at one database at the same moment: one stops in its transaction, the other comes."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.support.builders import (
    SMS_LANE,
    SUBSCRIBER,
    a_cascade,
    a_chain,
    a_lane,
    a_receipt,
    accept,
    an_echo,
    answer,
    claim,
    receive,
    submit,
)
from tests.support.clock import START
from tests.support.meeting import meeting, stopping_after
from tests.support.postgres import PostgresDatabase
from whimbrel.clock import DAY, HOUR, MINUTE
from whimbrel.domain.chain import PartsTaken, Taken
from whimbrel.domain.chain_id import link_id
from whimbrel.domain.content import Channel
from whimbrel.domain.receipt import ClickedUrl, MoMessage
from whimbrel.domain.status import LinkState
from whimbrel.domain.visitor import AgentClass
from whimbrel.store import (
    chains,
    click_reports,
    clicks,
    links,
    mo_messages,
    parts,
    receipts,
    redelivery,
    reports,
    timers,
)
from whimbrel.store.chains import Claim, accept_chains, claim_links
from whimbrel.store.clicks import NewClick, record_clicks, remove_ended
from whimbrel.store.engine import Operation, Statement
from whimbrel.store.mo_messages import keep_mo_messages
from whimbrel.store.postgres.store import PostgresStore
from whimbrel.store.receipts import ParkedSweep, ReceivedReceipt, record_receipts, sweep_parked
from whimbrel.store.reports import (
    Redelivery,
    ReportAttempt,
    ReportClaim,
    ReportState,
    claim_reports,
    record_report_attempts,
    redeliver_reports,
)
from whimbrel.store.submits import SubmitRecord, record_submits
from whimbrel.store.timers import (
    Blockade,
    Tick,
    bypass_links,
    expire_links,
    release_links,
    settle_limbo,
)

S = LinkState
HELD, DUE, ACKNOWLEDGED = ReportState.HELD, ReportState.DUE, ReportState.ACKNOWLEDGED


@pytest.fixture
async def other(database: PostgresDatabase) -> AsyncIterator[PostgresStore]:
    store = await database.open()
    yield store
    await store.close()


class Pair:
    """Two nodes: what one has begun, the other meets."""

    def __init__(self, one: PostgresStore, two: PostgresStore, database: PostgresDatabase) -> None:
        self._one, self._two, self._database = one, two, database

    async def meet(
        self,
        first: tuple[Operation[Any, Any], Any],
        stops_after: Statement,
        second: tuple[Operation[Any, Any], Any],
        *,
        waits: bool,
    ) -> tuple[Any, Any]:
        """Run both; `waits` is whether the second may not be done before the first is."""
        async with meeting(self._database) as held:
            one = self._one.write(stopping_after(first[0], stops_after), first[1])
            await held.holds(one)
            two = self._two.write(*second)
            await held.after(two)
            waited = not two.done()
        outcome = await asyncio.gather(one, two)
        assert waited == waits
        return outcome[0], outcome[1]


@pytest.fixture
def pair(store: PostgresStore, other: PostgresStore, database: PostgresDatabase) -> Pair:
    return Pair(store, other, database)


def states_of_reports(database: PostgresDatabase) -> list[tuple[int, int]]:
    return database.rows("SELECT status, state FROM reports ORDER BY report_id")


# What is claimed


async def test_links_are_claimed_once_and_nobody_waits(
    store: PostgresStore, pair: Pair, database: PostgresDatabase
) -> None:
    await accept(store, *(a_chain(number) for number in range(1, 11)))
    wish = Claim(a_lane(), 6, START, START + MINUTE)
    mine, theirs = await pair.meet(
        (claim_links, wish), chains._CLAIM, (claim_links, wish), waits=False
    )
    assert (len(mine), len(theirs)) == (6, 4)
    assert len({one.link_id for one in (*mine, *theirs)}) == 10
    assert database.rows("SELECT count(*) FROM links WHERE attempt = 1") == [(10,)]


async def test_so_are_reports(store: PostgresStore, pair: Pair) -> None:
    for number in range(1, 6):
        await submit(store, number, f"wamid.{number}")
        await receive(store, a_receipt(S.DELIVERED, provider_id=f"wamid.{number}"))
    wish = ReportClaim("1/", 3, START, START + MINUTE)
    mine, theirs = await pair.meet(
        (claim_reports, wish), reports._CLAIM, (claim_reports, wish), waits=False
    )
    assert (len(mine), len(theirs)) == (3, 2)
    assert len({one.report_id for one in (*mine, *theirs)}) == 5


async def test_many_claims_of_both_take_each_link_once(
    store: PostgresStore, other: PostgresStore, database: PostgresDatabase
) -> None:
    await accept(store, *(a_chain(number) for number in range(1, 201)))
    wish = Claim(a_lane(), 7, START, START + MINUTE)

    async def all_of(node: PostgresStore) -> list[int]:
        taken: list[int] = []
        while claimed := await node.write(claim_links, wish):
            assert len(claimed) <= 7
            taken += [one.link_id for one in claimed]
        return taken

    mine, theirs = await asyncio.gather(all_of(store), all_of(other))
    assert sorted(mine + theirs) == [link_id(number, 0) for number in range(1, 201)]


# What one node is at, the other leaves alone


async def test_links_end_once(store: PostgresStore, pair: Pair, database: PostgresDatabase) -> None:
    await accept(store, *(a_chain(number) for number in range(1, 4)))
    now = START + DAY
    mine, theirs = await pair.meet(
        (expire_links, now), timers._EXPIRED, (expire_links, now), waits=False
    )
    assert (len(mine), len(theirs)) == (3, 0)
    assert database.rows("SELECT count(*), max(status) FROM reports") == [(3, 5)]


async def test_limbo_is_settled_once(
    store: PostgresStore, pair: Pair, database: PostgresDatabase
) -> None:
    await accept(store, a_chain(1), a_chain(2))
    await claim(store)
    tick = Tick(START + HOUR, START + 2 * HOUR)  # by which both claims are anybody's
    mine, theirs = await pair.meet(
        (settle_limbo, tick), timers._LIMBO, (settle_limbo, tick), waits=False
    )
    assert (mine.found, theirs.found) == (2, 0)
    assert database.rows("SELECT count(*) FROM submits") == [(2,)]


async def test_blocked_links_are_passed_over_once(store: PostgresStore, pair: Pair) -> None:
    await accept(store, a_cascade())
    blockade = Blockade(a_lane(), START, START + MINUTE)
    mine, theirs = await pair.meet(
        (bypass_links, blockade), timers._BLOCKED, (bypass_links, blockade), waits=False
    )
    assert (len(mine), len(theirs)) == (1, 0)


async def test_a_held_link_has_its_turn_once(
    store: PostgresStore, pair: Pair, database: PostgresDatabase
) -> None:
    await accept(store, a_cascade(goal=S.READ))
    await claim(store)
    await answer(store, Taken(1, START, "wamid.1"))
    await receive(store, an_echo(S.DELIVERED))
    now = START + DAY
    mine, theirs = await pair.meet(
        (release_links, now), timers._FALLING, (release_links, now), waits=False
    )
    assert ([len(news) for news in mine], theirs) == ([1], [])
    assert database.states() == [S.DELIVERED, S.QUEUED]


async def test_ended_short_urls_are_removed_and_given_back_once(
    store: PostgresStore, pair: Pair, database: PostgresDatabase
) -> None:
    database.script(
        "INSERT INTO short_urls (uid, partner_id, target, created_at, expires_at, visits, clicks)"
        " SELECT 'u' || i, 1, 'x', 0, 1, 0, 0 FROM generate_series(100, 149) i;"
        " INSERT INTO uid_spaces VALUES (4, 60)"
    )
    mine, theirs = await pair.meet(
        (remove_ended, START), clicks._ENDED, (remove_ended, START), waits=False
    )
    assert (len(mine.uids), len(theirs.uids)) == (50, 0)
    assert database.rows("SELECT used FROM uid_spaces") == [(10,)]


# What belongs together, though two write it


def acknowledgement(report_id: int) -> tuple[Operation[Any, Any], ReportAttempt]:
    attempt = ReportAttempt(
        report_id, 1, 1, 0, START + MINUTE, 5, 200, "", ReportState.ACKNOWLEDGED, START
    )
    return record_report_attempts, attempt


def receipt(state: LinkState, **changes: Any) -> tuple[Operation[Any, Any], ReceivedReceipt]:
    return record_receipts, ReceivedReceipt(an_echo(state, **changes), START)


@pytest.mark.parametrize("receipt_first", [False, True])
async def test_a_report_is_not_left_behind_one_that_is_acknowledged_meanwhile(
    store: PostgresStore, pair: Pair, database: PostgresDatabase, *, receipt_first: bool
) -> None:
    await submit(store)
    await receive(store, an_echo(S.DELIVERED))
    await store.write(*acknowledgement(1))
    assert states_of_reports(database) == [(0, ACKNOWLEDGED), (2, DUE)]
    read = receipt(S.READ)
    acknowledged = acknowledgement(2)
    if receipt_first:
        await pair.meet(read, reports._INSERT, acknowledged, waits=True)
    else:
        await pair.meet(acknowledged, reports._PROMOTE, read, waits=True)
    assert states_of_reports(database) == [(0, ACKNOWLEDGED), (2, ACKNOWLEDGED), (9, DUE)]


async def test_a_new_report_goes_behind_one_that_is_sent_again(
    store: PostgresStore, pair: Pair, database: PostgresDatabase
) -> None:
    await submit(store)
    await receive(store, an_echo(S.DELIVERED))
    database.script("UPDATE reports SET state = 2")
    await pair.meet(
        (redeliver_reports, Redelivery(START, chain_id=1, acknowledged=True)),
        reports._PROMOTE,
        receipt(S.READ),
        waits=True,
    )
    assert states_of_reports(database) == [(0, DUE), (2, HELD), (9, HELD)]


async def test_a_lane_that_is_sent_again_is_one_nodes_at_a_time_and_nobody_waits(
    store: PostgresStore, pair: Pair, database: PostgresDatabase
) -> None:
    for number in range(1, 4):
        await submit(store, number, f"wamid.{number}")
    database.script("UPDATE reports SET state = 3")
    wish = redelivery.NewRedelivery(START + MINUTE, "ann", redelivery.ANYBODY, START)
    number = await store.write(redelivery.start_redeliveries, wish)
    assert number is not None
    step = redelivery.LaneStep(number, "1/", START + MINUTE)
    counts = await pair.meet(
        (redelivery.step_redeliveries, step),
        redelivery._TAKE,
        (redelivery.step_redeliveries, step),
        waits=False,
    )
    assert counts == (3, 0)
    progress = await store.read(redelivery.redelivery_progress, number)
    assert progress is not None
    assert (progress.done, progress.is_open) == (3, False)


async def test_both_halves_of_a_long_message_make_it_whole(
    store: PostgresStore, pair: Pair, database: PostgresDatabase
) -> None:
    sms = {"channel": Channel.SMS}
    await accept(store, a_chain(link=sms))
    await claim(store, lane=SMS_LANE)
    await answer(store, Taken(1, START, "one"), parts=PartsTaken({1: "one", 2: "two"}, 2))
    halves = [
        ReceivedReceipt(a_receipt(S.DELIVERED, provider_id=name, subscriber=SUBSCRIBER), START)
        for name in ("one", "two")
    ]
    await pair.meet(
        (record_receipts, halves[0]), parts._STATES, (record_receipts, halves[1]), waits=True
    )
    assert database.state() is S.DELIVERED


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"content_key": b"the same content", "content_window": MINUTE}, "repeats_content"),
        ({"dedupe_ref": "the same id", "partner_ref": "the same id"}, "repeats_ref"),
    ],
)
async def test_what_both_accept_is_kept_once(
    pair: Pair, database: PostgresDatabase, changes: dict[str, Any], told: str
) -> None:
    mine, theirs = await pair.meet(
        (accept_chains, a_chain(1, **changes)),
        chains._INSERT_CHAIN,
        (accept_chains, a_chain(2, **changes)),
        waits=True,
    )
    assert (mine.chain_id, theirs.chain_id) == (1, 1)
    assert getattr(theirs, told)
    assert database.rows("SELECT chain_id FROM chains") == [(1,)]
    assert database.rows("SELECT count(*) FROM links") == [(1,)]


async def test_a_move_is_not_written_over_by_an_older_one(
    store: PostgresStore, pair: Pair, database: PostgresDatabase
) -> None:
    """The answer and the receipt of one submit, on two nodes."""
    await accept(store, a_chain())
    await claim(store)
    record = SubmitRecord(link_id(1, 0), Taken(1, START, "wamid.1"), START)
    await pair.meet(receipt(S.READ), links._LOAD, (record_submits, record), waits=True)
    assert database.state() is S.READ
    assert database.told() == [0, 2, 9]


async def test_the_first_click_of_a_chain_is_told_once(
    store: PostgresStore, pair: Pair, database: PostgresDatabase
) -> None:
    """Two short URLs of one chain, in two of its links: no unique index is about both."""
    await accept(store, a_cascade())
    database.script(
        "INSERT INTO short_urls (uid, partner_id, target, chain_id, created_at, visits, clicks)"
        " VALUES ('one', 1, 'x', 1, 0, 0, 0), ('two', 1, 'x', 1, 0, 0, 0)"
    )
    visits = [
        NewClick(
            *(uid, START, AgentClass.MOBILE, True, None, 1, link_id(1, position)),
            ClickedUrl(f"https://s/{uid}", "x"),
        )
        for position, uid in enumerate(("one", "two"))
    ]
    told = await pair.meet(
        (record_clicks, visits[:1]), click_reports._INSERT, (record_clicks, visits[1:]), waits=True
    )
    assert told == (1, 0)
    assert database.rows("SELECT status FROM reports") == [(100,)]


async def test_a_receipt_that_is_parked_while_its_submit_is_recorded_is_found_by_the_sweep(
    store: PostgresStore, pair: Pair, database: PostgresDatabase
) -> None:
    await accept(store, a_chain())
    await claim(store)
    record = SubmitRecord(link_id(1, 0), Taken(1, START, "wamid.1"), START)
    unknown = ReceivedReceipt(a_receipt(S.DELIVERED), START)
    await pair.meet(
        (record_receipts, unknown), receipts._PARK, (record_submits, record), waits=False
    )
    assert database.state() is S.SUBMITTED
    await store.write(sweep_parked, ParkedSweep(START - MINUTE, START - DAY))
    assert database.state() is S.DELIVERED


async def test_an_answer_that_both_are_given_is_kept_once(
    pair: Pair, database: PostgresDatabase
) -> None:
    """Meta may repeat a webhook before the first one was answered."""
    answer = MoMessage(
        channel=Channel.WHATSAPP, account="main", sender="WHIMBREL", subscriber=SUBSCRIBER,
        received_at=START, text="Yes", raw=b"{}", kind="text", provider_id="wamid.1",
    )  # fmt: skip
    await pair.meet(
        (keep_mo_messages, answer), mo_messages._INSERT, (keep_mo_messages, answer), waits=True
    )
    assert database.rows("SELECT text FROM mo_messages") == [("Yes",)]
