"""Each Partner's ages are kept to, a batch at a time, and the store's others go first."""

from typing import Any

import pytest

from tests.store.test_clicks import a_click, record
from tests.store.test_short_urls import uids_of, with_draft
from tests.support.builders import (
    SENDER,
    Database,
    a_chain,
    a_lane,
    a_partner,
    accept,
    answer,
    claim,
)
from tests.support.clock import START, FakeClock
from whimbrel.clock import DAY, SECOND
from whimbrel.domain.chain import Refused
from whimbrel.domain.chain_id import accepted_since
from whimbrel.domain.content import Channel
from whimbrel.domain.receipt import MoMessage
from whimbrel.domain.status import ErrorCode
from whimbrel.flow import retention as retention_module
from whimbrel.flow.partner_directory import PartnerDirectory
from whimbrel.flow.retention import Retention
from whimbrel.metrics import Metrics
from whimbrel.store.chains import accept_chains
from whimbrel.store.mo_messages import keep_mo_messages
from whimbrel.store.partners import PartnerChange, change_partners, remove_partners
from whimbrel.store.sqlite import SqliteStore

ROUND = 60 * SECOND
IDLE = 1.0  # seconds until the next look, when nothing is left to do


class Keeper:
    """Retention on a store, stepped by hand, and the Partners whose profiles it follows."""

    def __init__(self, store: SqliteStore, clock: FakeClock, inbound_days: int = 0) -> None:
        self.store, self.clock, self.metrics = store, clock, Metrics()
        self.partners = PartnerDirectory(store)
        self.retention = Retention(
            store, clock, self.partners, self.metrics, inbound_days=inbound_days
        )

    async def agree(self, partner_id: int = 1, **profile: Any) -> None:
        """Change a Partner's profile."""
        self.clock.advance(1)
        change = PartnerChange(a_partner(partner_id, **profile), self.clock.now())
        await self.store.write(change_partners, change)
        await self.partners.refresh()

    async def round(self) -> int:
        """Let the next round come and go; return in how many steps."""
        self.clock.advance(ROUND)
        steps = 1
        while await self.retention.step() < IDLE:
            steps += 1
        return steps

    def removed(self, kind: str) -> float:
        return self._value("retention_removed_total", kind)

    def behind(self, kind: str) -> float:
        return self._value("retention_behind_seconds", kind)

    def _value(self, name: str, kind: str) -> float:
        value = self.metrics.registry.get_sample_value(f"whimbrel_{name}", {"kind": kind})
        assert value is not None
        return value


@pytest.fixture
def keeper(store: SqliteStore, clock: FakeClock) -> Keeper:
    return Keeper(store, clock)


def numbered(age: int, running: int = 0) -> int:
    """Return a number of a chain that was accepted so long before `START`."""
    return accepted_since(START - age) + running


async def ended(store: SqliteStore, *chain_ids: int, partner_id: int = 1, **chain: Any) -> None:
    """Accept chains, let them fail, and owe nobody a report."""
    changes = {"partner_id": partner_id, "registered_delivery": 0, **chain}
    await accept(store, *(a_chain(chain_id, **changes) for chain_id in chain_ids))
    await claim(store, lane=a_lane(partner_id))
    for chain_id in chain_ids:
        await answer(store, Refused(1, START, ErrorCode.FILTERED), chain_id)


def chains(database: Database) -> list[int]:
    return [chain_id for (chain_id,) in database.rows("SELECT chain_id FROM chains ORDER BY 1")]


def with_text(database: Database) -> list[int]:
    rows = database.rows("SELECT chain_id FROM links WHERE text IS NOT NULL ORDER BY 1")
    return [chain_id for (chain_id,) in rows]


# Ages


async def test_each_partner_has_ages_of_its_own(
    keeper: Keeper, store: SqliteStore, database: Database
) -> None:
    ages = (9 * DAY, 19 * DAY, 40 * DAY)
    mine = [numbered(age) for age in ages]
    others = [numbered(age, 1) for age in ages]
    await ended(store, *mine)
    await ended(store, *others, partner_id=2)
    await keeper.agree(1, content_days=10, history_days=20)
    await keeper.agree(2, content_days=30)
    await keeper.round()
    assert chains(database) == sorted([*mine[:2], *others])
    assert with_text(database) == sorted([mine[0], *others[:2]])
    assert (keeper.removed("chains"), keeper.removed("content")) == (1, 3)


@pytest.mark.parametrize("kind", ["content_days", "history_days"])
async def test_a_chain_stays_to_the_last_second(
    kind: str, keeper: Keeper, store: SqliteStore, database: Database, clock: FakeClock
) -> None:
    chain_id = numbered(0)
    await ended(store, chain_id)
    await keeper.agree(**{kind: 10})
    clock.moment = START + 10 * DAY - ROUND
    await keeper.round()
    assert with_text(database) == [chain_id]
    await keeper.round()
    assert with_text(database) == []
    assert chains(database) == ([] if kind == "history_days" else [chain_id])


async def test_nothing_is_removed_unless_somebody_said_so(
    keeper: Keeper, store: SqliteStore, database: Database, clock: FakeClock
) -> None:
    await ended(store, numbered(300 * DAY))
    await keeper.partners.refresh()
    clock.advance(3_000 * DAY)
    assert await keeper.round() == 1
    assert with_text(database) == [numbered(300 * DAY)]


@pytest.mark.parametrize("kind", ["content_days", "history_days"])
async def test_what_tells_duplicates_is_kept_for_as_long(
    kind: str, keeper: Keeper, store: SqliteStore, database: Database
) -> None:
    await ended(store, numbered(19 * DAY), numbered(21 * DAY))
    window = 20 * DAY // SECOND
    await keeper.agree(**{kind: 10}, content_window_seconds=window)
    await keeper.round()
    assert with_text(database) == [numbered(19 * DAY)]


async def test_a_removed_partners_ages_hold(
    keeper: Keeper, store: SqliteStore, database: Database, clock: FakeClock
) -> None:
    await ended(store, numbered(9 * DAY))
    await keeper.agree(history_days=8)
    gone = PartnerChange(a_partner(1, history_days=8), clock.advance(1))
    await store.write(remove_partners, gone)
    await keeper.partners.refresh()
    await keeper.round()
    assert chains(database) == []


async def test_visits_and_what_subscribers_wrote_have_ages_too(
    store: SqliteStore, database: Database, clock: FakeClock
) -> None:
    keeper = Keeper(store, clock, inbound_days=5)
    await accept(store, with_draft(numbered(0)), with_draft(numbered(0, 1), partner_id=2))
    [uid], [other] = uids_of(database, numbered(0)), uids_of(database, numbered(0, 1))
    await record(store, a_click(uid, START - 4 * DAY), a_click(uid), a_click(other, START - DAY))
    for age in (6 * DAY, 4 * DAY):
        one = MoMessage(
            channel=Channel.SMS, account="main", sender=SENDER, subscriber="79160000001",
            received_at=START - age, text="STOP", raw=b"STOP", data_coding=0,
        )  # fmt: skip
        await store.write(keep_mo_messages, one)
    await keeper.agree(visit_days=3)
    await keeper.round()
    assert sorted(database.rows("SELECT uid, at FROM clicks")) == sorted(
        [(uid, START), (other, START - DAY)]
    )
    assert database.rows("SELECT received_at FROM mo_messages") == [(START - 4 * DAY,)]
    assert (keeper.removed("visits"), keeper.removed("inbound")) == (1, 1)


# Batches and turns


async def test_a_step_is_a_small_batch_and_partners_take_turns(
    keeper: Keeper, store: SqliteStore, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention_module, "CHAINS_AT_ONCE", 2)
    mine = [numbered(40 * DAY, running) for running in range(5)]
    others = [numbered(40 * DAY, 10 + running) for running in range(2)]
    await ended(store, *mine)
    await ended(store, *others, partner_id=2)
    for partner_id in (1, 2):
        await keeper.agree(partner_id, history_days=8)
    keeper.clock.advance(ROUND)
    await keeper.retention.step()
    assert chains(database) == [*mine[2:], *others]
    await keeper.retention.step()
    assert chains(database) == mine[2:]
    await keeper.round()
    assert chains(database) == []


async def test_what_is_still_open_holds_up_none_behind_it(
    keeper: Keeper, store: SqliteStore, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention_module, "CHAINS_AT_ONCE", 2)
    numbers = [numbered(40 * DAY, running) for running in range(6)]
    await ended(store, *numbers)
    database.rows("UPDATE links SET state = 30 WHERE chain_id < ?", numbers[3])
    await keeper.agree(history_days=8)
    assert await keeper.round() < 10
    assert chains(database) == numbers[:3]
    database.rows("UPDATE links SET state = 50 WHERE chain_id = ?", numbers[1])
    await keeper.round()
    assert chains(database) == [numbers[0], numbers[2]]


async def test_a_changed_profile_is_followed_at_once(
    keeper: Keeper, store: SqliteStore, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention_module, "CHAINS_AT_ONCE", 1)
    await ended(store, *(numbered(40 * DAY, running) for running in range(3)))
    await keeper.agree(history_days=8)
    await keeper.retention.step()
    assert len(chains(database)) == 2
    await keeper.agree(history_days=0)
    for _ in range(5):
        await keeper.retention.step()
    assert len(chains(database)) == 2
    await keeper.agree(history_days=8)
    await keeper.retention.step()
    assert len(chains(database)) == 1


async def test_how_far_behind_it_is_can_be_seen(
    keeper: Keeper, store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention_module, "CHAINS_AT_ONCE", 1)
    await ended(store, numbered(40 * DAY), numbered(11 * DAY))
    assert keeper.behind("chains") == 0
    await keeper.agree(history_days=10)
    seen = []
    for _ in range(3):
        await keeper.retention.step()
        seen.append(round(keeper.behind("chains") * SECOND / DAY))
    assert seen == [30, 1, 0]


# Manners


class SlowClock(FakeClock):
    """Passes a hundredth of a second whenever it is asked how much has passed."""

    def elapsed(self) -> float:
        self.advance(10)
        return super().elapsed()


async def test_it_rests_nine_times_as_long_as_it_works(store: SqliteStore) -> None:
    keeper = Keeper(store, SlowClock())
    await ended(store, numbered(40 * DAY))
    await keeper.agree(history_days=8)
    assert await keeper.retention.step() == pytest.approx(0.09)


async def test_it_waits_while_the_store_has_work_but_not_for_ever(
    keeper: Keeper,
    store: SqliteStore,
    database: Database,
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(retention_module, "CHAINS_AT_ONCE", 1)
    await ended(store, numbered(40 * DAY), numbered(39 * DAY))
    await keeper.agree(history_days=8)
    await keeper.retention.step()
    began = clock.now()

    other = store.write(
        accept_chains, a_chain(numbered(0))
    )  # waits until this test lets the loop go
    while (pause := await keeper.retention.step()) == pytest.approx(0.02):
        assert store.waiting == 1
        clock.advance(20)
    assert clock.now() - began == pytest.approx(SECOND, abs=20)
    assert pause == 0
    await other
    assert chains(database) == [numbered(0)]


async def test_it_goes_on_as_soon_as_the_store_is_free(
    keeper: Keeper, store: SqliteStore, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention_module, "CHAINS_AT_ONCE", 1)
    await ended(store, numbered(40 * DAY), numbered(39 * DAY))
    await keeper.agree(history_days=8)
    await keeper.retention.step()
    other = store.write(accept_chains, a_chain(numbered(0)))
    assert await keeper.retention.step() == pytest.approx(0.02)
    await other
    await keeper.retention.step()
    assert chains(database) == [numbered(0)]


async def test_whoever_has_nothing_old_keeps_a_busy_store_from_nothing(
    keeper: Keeper, store: SqliteStore, database: Database, clock: FakeClock
) -> None:
    await ended(store, numbered(40 * DAY), partner_id=2)
    await keeper.agree(1, content_days=8, history_days=8, visit_days=8)
    await keeper.agree(2, history_days=8)
    clock.advance(ROUND)
    other = store.write(accept_chains, a_chain(numbered(0)))
    for _ in range(4):
        assert store.waiting
        assert await keeper.retention.step() == 0
    await other
    assert chains(database) == [numbered(0)]
