"""Partners in the store."""

from collections.abc import Awaitable, Callable

import pytest
from msgspec.structs import replace

from tests.support.builders import a_chain, a_partner, accept
from tests.support.clock import START
from whimbrel.clock import SECOND
from whimbrel.domain.partner import Partner
from whimbrel.store.partners import (
    PartnerChange,
    StoredPartner,
    add_partners,
    all_partners,
    change_partners,
    find_partners,
    partners_revision,
    remove_partners,
    unsettled_of,
)
from whimbrel.store.sqlite import SqliteStore

NOW = START + SECOND


async def test_a_partner_comes_back_as_it_was_written(store: SqliteStore) -> None:
    partner = a_partner(3, zone="Asia/Vladivostok", rate=2.5, ttl_minutes={"WHATSAPP": 1_440})
    assert await store.write(add_partners, PartnerChange(partner, NOW)) == 3
    stored = await store.read(all_partners, None)
    assert StoredPartner(partner, removed=False, changed_at=NOW) in stored


async def test_a_login_is_taken_once(store: SqliteStore) -> None:
    assert await store.write(add_partners, PartnerChange(a_partner(1), NOW)) is None


async def test_a_removed_partner_frees_its_login_and_keeps_its_history(
    store: SqliteStore,
) -> None:
    await accept(store, a_chain())
    await store.write(remove_partners, PartnerChange(a_partner(1), NOW))
    assert await store.write(add_partners, PartnerChange(a_partner(1), NOW)) == 3
    stored = await store.read(all_partners, None)
    assert sorted((one.partner.partner_id, one.removed) for one in stored) == [
        (1, True),
        (2, False),
        (3, False),
    ]
    assert await store.read(unsettled_of, 1) == 1


async def _add(store: SqliteStore, partner: Partner) -> None:
    await store.write(add_partners, PartnerChange(replace(partner, login="another"), NOW))


async def _change(store: SqliteStore, partner: Partner) -> None:
    await store.write(change_partners, PartnerChange(replace(partner, disabled=True), NOW))


async def _remove(store: SqliteStore, partner: Partner) -> None:
    await store.write(remove_partners, PartnerChange(partner, NOW))


@pytest.mark.parametrize("change", [_add, _change, _remove])
async def test_the_revision_tells_of_every_change(
    store: SqliteStore, change: Callable[[SqliteStore, Partner], Awaitable[None]]
) -> None:
    before = await store.read(partners_revision, None)
    assert await store.read(partners_revision, None) == before
    await change(store, a_partner(1))
    assert await store.read(partners_revision, None) != before


@pytest.mark.parametrize("moment", [NOW, START - SECOND], ids=["same", "went back"])
async def test_whatever_the_clock_says(store: SqliteStore, moment: int) -> None:
    await store.write(change_partners, PartnerChange(a_partner(1), NOW))
    before = await store.read(partners_revision, None)
    await store.write(change_partners, PartnerChange(a_partner(1), moment))
    assert await store.read(partners_revision, None) != before


async def test_a_partner_is_found_by_its_login(store: SqliteStore) -> None:
    found = await store.read(find_partners, a_partner(2).login)
    assert found == StoredPartner(a_partner(2), removed=False, changed_at=START)
    assert await store.read(find_partners, "nobody") is None
    await store.write(remove_partners, PartnerChange(a_partner(2), NOW))
    assert await store.read(find_partners, a_partner(2).login) is None


async def test_what_somebody_else_has_changed_meanwhile_is_not_overwritten(
    store: SqliteStore,
) -> None:
    disabled = replace(a_partner(1), disabled=True)
    assert await store.write(change_partners, PartnerChange(disabled, NOW, seen=START))
    assert not await store.write(change_partners, PartnerChange(a_partner(1), NOW, seen=START))
    found = await store.read(find_partners, disabled.login)
    assert found is not None
    assert found.partner.disabled
    assert await store.write(
        change_partners, PartnerChange(a_partner(1), NOW, seen=found.changed_at)
    )
