"""Chains, links, receipts and reports with nothing in them but what a test is about."""

import asyncio
import contextlib
import functools
import sqlite3
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from tests.support.clock import START
from whimbrel.clock import DAY, HOUR, MINUTE
from whimbrel.domain.cascade import NEVER
from whimbrel.domain.chain import (
    NOTHING_TAKEN,
    Again,
    Chain,
    Link,
    NewLink,
    NoAnswer,
    PartsTaken,
    PutBack,
    Refused,
    Taken,
)
from whimbrel.domain.chain_id import link_id, position_of
from whimbrel.domain.content import Channel, Text
from whimbrel.domain.partner import Partner, Profile
from whimbrel.domain.receipt import Receipt
from whimbrel.domain.status import NOTHING_TOLD, ErrorCode, LinkState
from whimbrel.store.chains import (
    Accepted,
    Claim,
    ClaimedLink,
    accept_chains,
    claim_links,
    lane_of,
)
from whimbrel.store.links import Moved
from whimbrel.store.migrate import upgrade
from whimbrel.store.partners import PartnerChange, add_partners
from whimbrel.store.receipts import Filed, ReceivedReceipt, record_receipts
from whimbrel.store.sqlite import SqliteStore
from whimbrel.store.submits import SubmitRecord, record_submits

SENDER = "WHIMBREL"
PARTNER_ID = 1
SUBSCRIBER = "79161234567"
A_CODE = {"ttl": 10 * MINUTE}
"""What makes a link one that goes again where nothing is heard of its submit."""


def a_link(chain_id: int = 1, **changes: Any) -> NewLink:
    """A link that is due at once and lives a day."""
    members = {
        "link_id": link_id(chain_id, 0),
        "position": 0,
        "channel": Channel.WHATSAPP,
        "sender": SENDER,
        "content": Text("Hello"),
        "ttl": DAY,
        "due_at": START,
        "closes_at": None,
        "expires_at": START + DAY,
    }
    return NewLink(**{**members, **changes})


def a_chain(chain_id: int = 1, *, link: dict[str, Any] | None = None, **changes: Any) -> Chain:
    """A chain of one link; `link` changes that link."""
    members = {
        "chain_id": chain_id,
        "partner_id": PARTNER_ID,
        "partner_ref": None,
        "dedupe_ref": None,
        "content_key": None,
        "content_window": 0,
        "dest_addr": SUBSCRIBER,
        "registered_delivery": 1,
        "notify_url": None,
        "extra_param": None,
        "schedule": None,
        "accepted_at": START,
        "request_id": f"request-{chain_id}",
        "links": (a_link(chain_id, **(link or {})),),
    }
    return Chain(**{**members, **changes})


WHATSAPP_THEN_SMS: tuple[dict[str, Any], ...] = ({"ttl": HOUR}, {"channel": Channel.SMS})


def a_cascade(
    *steps: dict[str, Any],
    chain_id: int = 1,
    goal: LinkState = LinkState.DELIVERED,
    **changes: Any,
) -> Chain:
    """A chain as the checks make it of a cascade; a step changes its link.

    By default WhatsApp for an hour, then an SMS. `goal` is what each link but the last must reach.
    """
    steps = steps or WHATSAPP_THEN_SMS
    first = a_link(chain_id, **steps[0])
    ends_at = first.due_at + first.ttl
    links = [
        a_link(
            chain_id,
            **{
                "link_id": link_id(chain_id, position),
                "position": position,
                "satisfied_by": goal if position < len(steps) - 1 else None,
                "expires_at": NEVER if position else ends_at,
                **({"state": LinkState.HELD} if position else {}),
                **({"due_at": ends_at if position == 1 else NEVER} if position else {}),
                **step,
            },
        )
        for position, step in enumerate(steps)
    ]
    return a_chain(chain_id, links=tuple(links), **changes)


def a_link_on_its_way(state: LinkState = LinkState.QUEUED, **changes: Any) -> Link:
    """A link as the journey sees it, in its first attempt."""
    link = Link(
        link_id=link_id(1, 0),
        sender=SENDER,
        state=state,
        told=NOTHING_TOLD,
        attempt=1,
        attempted_at=START,
        ttl=DAY,
        due_at=START,
        closes_at=None,
        expires_at=START + DAY,
        submitted_at=None,
        done_at=None,
        provider_id=None,
        error_code=ErrorCode.NONE,
        channel=Channel.WHATSAPP,
        satisfied_by=None,
    )
    return replace(link, **changes)


def a_receipt(state: LinkState = LinkState.DELIVERED, **changes: Any) -> Receipt:
    """A receipt that is known by the channel's number alone."""
    members = {"sender": SENDER, "provider_id": "wamid.1", "state": state, "at": START}
    return Receipt(**{**members, **changes})


def an_echo(state: LinkState = LinkState.DELIVERED, **changes: Any) -> Receipt:
    """A receipt that bears our own number of the first chain's first attempt."""
    return a_receipt(state, **{"link_id": link_id(1, 0), "attempt": 1, **changes})


def a_partner(partner_id: int = PARTNER_ID, **profile: Any) -> Partner:
    """A Partner whose password nobody knows; keywords change its profile."""
    members = {"senders": [SENDER], "default_sender": SENDER, **profile}
    return Partner(partner_id, f"partner{partner_id}", "no hash", False, Profile(**members))


def a_lane(
    partner_id: int = PARTNER_ID, sender: str = SENDER, channel: Channel = Channel.WHATSAPP
) -> str:
    return lane_of(channel, sender, partner_id)


SMS_LANE = a_lane(channel=Channel.SMS)


class Questions:
    """What tests ask a database, whichever engine runs it."""

    engine: str

    def rows(self, sql: str, *params: Any) -> list[tuple[Any, ...]]:
        """Return what is committed; `?` stands for a parameter."""
        raise NotImplementedError

    def script(self, sql: str) -> None:
        """Run several statements without parameters."""
        raise NotImplementedError

    def link(self, chain_id: int = 1, position: int = 0) -> dict[str, Any]:
        """Return a link by column name, a chain's first unless told otherwise."""
        raise NotImplementedError

    def state(self, chain_id: int = 1) -> LinkState:
        return LinkState(self.link(chain_id)["state"])

    def states(self, chain_id: int = 1) -> list[LinkState]:
        """Return the states of a chain's links, in their order."""
        sql = "SELECT state FROM links WHERE chain_id = ? ORDER BY link_id"
        return [LinkState(state) for (state,) in self.rows(sql, chain_id)]

    def told_by_link(self, chain_id: int = 1) -> list[tuple[int, int]]:
        """Return a chain's reports in their order: the link's position and the status."""
        sql = "SELECT link_id, status FROM reports WHERE chain_id = ? ORDER BY report_id"
        return [(position_of(number), status) for number, status in self.rows(sql, chain_id)]

    def told(self, chain_id: int = 1) -> list[int]:
        """Return the statuses of a chain's reports, in their order."""
        return [
            status
            for (status,) in self.rows(
                "SELECT status FROM reports WHERE chain_id = ? ORDER BY report_id", chain_id
            )
        ]


class Database(Questions):
    """A store's file, read and written beside the store by a connection of the test's own."""

    engine = "sqlite"

    def __init__(self, path: Path) -> None:
        """Make the file at `path`, with the schema of this version and nothing in it.

        A file that is there already is taken as it is.
        """
        self.path = path
        if not path.exists():
            path.write_bytes(_migrated())

    def rows(self, sql: str, *params: Any) -> list[tuple[Any, ...]]:
        """Return what is committed."""
        connection = sqlite3.connect(self.path, isolation_level=None)
        try:
            return connection.execute(sql, params).fetchall()
        finally:
            connection.close()

    def link(self, chain_id: int = 1, position: int = 0) -> dict[str, Any]:
        """Return a link by column name, a chain's first unless told otherwise."""
        connection = sqlite3.connect(self.path)
        connection.row_factory = sqlite3.Row
        try:
            found = connection.execute(
                "SELECT * FROM links WHERE link_id = ?", (link_id(chain_id, position),)
            )
            return dict(found.fetchone())
        finally:
            connection.close()

    def script(self, sql: str) -> None:
        """Run several statements without parameters."""
        connection = sqlite3.connect(self.path, isolation_level=None)
        try:
            connection.executescript(sql)
        finally:
            connection.close()

    async def open(self) -> SqliteStore:
        """Open a store on it."""
        return SqliteStore(self.path)


@functools.cache
def _migrated() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "template.db"
        upgrade(path)
        return path.read_bytes()


async def add_partners_to(store: SqliteStore) -> None:
    """Make Partners 1 and 2."""
    for partner_id in (1, 2):
        await store.write(add_partners, PartnerChange(a_partner(partner_id), START))


@contextlib.asynccontextmanager
async def opened(database: Database) -> AsyncIterator[SqliteStore]:
    """A store on `database` with Partners 1 and 2."""
    store = await database.open()
    try:
        await add_partners_to(store)
        yield store
    finally:
        await store.close()


@contextlib.asynccontextmanager
async def reopened(store: SqliteStore, database: Database) -> AsyncIterator[SqliteStore]:
    """The same database after a restart."""
    await store.close()
    again = await database.open()
    try:
        yield again
    finally:
        await again.close()


async def accept(store: SqliteStore, *chains: Chain) -> list[Accepted]:
    """Accept chains in one group."""
    return list(await asyncio.gather(*(store.write(accept_chains, chain) for chain in chains)))


async def claim(
    store: SqliteStore, *, lane: str = a_lane(), room: int = 1_000, now: int = START
) -> list[ClaimedLink]:
    """Begin the next attempt of the links of a lane that are due."""
    return await store.write(claim_links, Claim(lane, room, now, now + MINUTE))


async def submit(
    store: SqliteStore,
    chain_id: int = 1,
    provider_id: str = "wamid.1",
    now: int = START,
    **chain: Any,
) -> None:
    """Accept a chain and let its channel take it."""
    await accept(store, a_chain(chain_id, **chain))
    await claim(store, lane=a_lane(chain.get("partner_id", PARTNER_ID)), now=now)
    await answer(store, Taken(1, now, provider_id), chain_id)


async def answer(
    store: SqliteStore,
    event: Taken | Refused | Again | PutBack | NoAnswer,
    chain_id: int = 1,
    position: int = 0,
    parts: PartsTaken = NOTHING_TAKEN,
) -> Moved | None:
    """Record what an attempt came to."""
    record = SubmitRecord(link_id(chain_id, position), event, event.at, parts=parts)
    return await store.write(record_submits, record)


async def receive(store: SqliteStore, *receipts: Receipt, at: int = START) -> list[Filed]:
    """File receipts in one group."""
    writes = (store.write(record_receipts, ReceivedReceipt(one, at)) for one in receipts)
    return list(await asyncio.gather(*writes))
