"""Receipts: matched to their links however they come, or parked until their link is known.

A receipt is found by our own number, which the channel echoes, else by the channel's number. It may
come before the submit's answer, doubled, out of order, or for nobody (design: rules that keep
promises); the key of `receipts` makes a double harmless, and `parked_receipts` loses none.
"""

from typing import NamedTuple

import msgspec

from whimbrel.domain.chain import Seen
from whimbrel.domain.receipt import Receipt
from whimbrel.store.engine import Ask, Do, Statement, Steps, ask_one
from whimbrel.store.links import LinkEvent, Moved, move_links

_SENDER_OF = Statement("SELECT sender, attempt FROM links WHERE link_id = :link_id")
_BY_PROVIDER_ID = Statement("""
SELECT s.link_id, s.attempt, l.sender FROM submits s JOIN links l ON l.link_id = s.link_id
WHERE s.provider_id = :provider_id
""")
_INSERT = Statement("""
INSERT INTO receipts (link_id, attempt, state, happened_at, received_at, code, detail)
VALUES (:link_id, :attempt, :state, :happened_at, :received_at, :code, :detail)
ON CONFLICT DO NOTHING
RETURNING :state >= (
    SELECT coalesce(max(r.state), 0) FROM receipts r
    WHERE r.link_id = :link_id AND r.attempt = :attempt
)
""")
_PARK = Statement("""
INSERT INTO parked_receipts (provider_id, state, sender, receipt, received_at)
VALUES (:provider_id, :state, :sender, :receipt, :received_at) ON CONFLICT DO NOTHING
""")
_PARKED_FOR = Statement(
    "SELECT receipt, received_at FROM parked_receipts WHERE provider_id = :provider_id"
)
_ANY_PARKED = Statement("SELECT 1 FROM parked_receipts LIMIT 1")
_UNPARK = Statement("DELETE FROM parked_receipts WHERE provider_id = :provider_id")
_MATCHABLE = Statement("""
SELECT p.provider_id FROM parked_receipts p
WHERE p.received_at >= :since
  AND EXISTS (SELECT 1 FROM submits s WHERE s.provider_id = p.provider_id)
LIMIT 1000
""")
_FORGET_PARKED = Statement("""
DELETE FROM parked_receipts WHERE (provider_id, state) IN (
    SELECT provider_id, state FROM parked_receipts WHERE received_at < :before LIMIT 1000)
""")

_Owner = tuple[int, int]
"""A link and one of its attempts."""


class ReceivedReceipt(NamedTuple):
    """A receipt and the moment when it reached us."""

    receipt: Receipt
    received_at: int


class Filed(NamedTuple):
    """What became of a receipt: `matched`, `repeated` or `parked`, and the move that it caused."""

    verdict: str
    moved: Moved | None = None


def record_receipts(received: list[ReceivedReceipt]) -> Steps[list[Filed]]:
    """File receipts, move their links, and park those that nobody knows yet."""
    owners = yield from _owners(received)
    fresh = yield from _keep(received, owners)
    leading = [(index, owner) for index, owner, overtaken in fresh if not overtaken]
    moves = yield from move_links(
        [
            LinkEvent(link_id, _event(received[index], attempt), received[index].received_at)
            for index, (link_id, attempt) in leading
        ]
    )
    filed = [Filed("repeated") if owner else Filed("parked") for owner in owners]
    for index, _, _ in fresh:
        filed[index] = Filed("matched")
    for (index, _), moved in zip(leading, moves, strict=True):
        filed[index] = Filed("matched", moved)
    yield from _park([one for one, owner in zip(received, owners, strict=True) if not owner])
    return filed


def _owners(received: list[ReceivedReceipt]) -> Steps[list[_Owner | None]]:
    """Find the link and the attempt of each receipt."""
    owners: list[_Owner | None] = [None] * len(received)
    echoed = [i for i, (receipt, _) in enumerate(received) if receipt.link_id is not None]
    answers = yield Ask(_SENDER_OF, [(received[i].receipt.link_id,) for i in echoed])
    for index, rows in zip(echoed, answers, strict=True):
        receipt = received[index].receipt
        for sender, attempt in rows:
            if sender == receipt.sender and 0 < receipt.attempt <= attempt:
                owners[index] = (receipt.link_id or 0, receipt.attempt)
    rest = [index for index, owner in enumerate(owners) if owner is None]
    answers = yield Ask(_BY_PROVIDER_ID, [(received[i].receipt.provider_id,) for i in rest])
    for index, rows in zip(rest, answers, strict=True):
        for link_id, attempt, sender in rows:
            if sender == received[index].receipt.sender:
                owners[index] = (link_id, attempt)
    return owners


def _keep(
    received: list[ReceivedReceipt], owners: list[_Owner | None]
) -> Steps[list[tuple[int, _Owner, bool]]]:
    """Write the receipts that have an owner; return the new ones by index, with their owners.

    The last member tells whether a later word of the same attempt has overtaken it: a `sent` after
    the `failed` for which the link was queued again must not stop the other attempt.
    """
    owned = [(index, owner) for index, owner in enumerate(owners) if owner]
    answers = yield Ask(
        _INSERT,
        [
            (
                link_id,
                attempt,
                receipt.state,
                receipt.at,
                received_at,
                receipt.code or None,
                receipt.detail or None,
            )
            for index, (link_id, attempt) in owned
            for receipt, received_at in (received[index],)
        ],
    )
    return [(*one, not rows[0][0]) for one, rows in zip(owned, answers, strict=True) if rows]


def _event(received: ReceivedReceipt, attempt: int) -> Seen:
    receipt = received.receipt
    again = receipt.retry_pause is not None and (receipt.tries is None or attempt < receipt.tries)
    retry_at = received.received_at + (receipt.retry_pause or 0) if again else None
    return Seen(attempt, receipt.state, receipt.at, receipt.error_code, retry_at)


def _park(received: list[ReceivedReceipt]) -> Steps[None]:
    yield Do(
        _PARK,
        [
            (
                receipt.provider_id,
                receipt.state,
                receipt.sender,
                msgspec.json.encode(receipt).decode(),
                received_at,
            )
            for receipt, received_at in received
        ],
    )


def match_parked(provider_ids: list[str]) -> Steps[None]:
    """File the receipts that waited for these numbers of the channel."""
    parked = yield from ask_one(_ANY_PARKED)
    if not parked:
        return
    answers = yield Ask(_PARKED_FOR, [(provider_id,) for provider_id in provider_ids])
    waiting = [
        ReceivedReceipt(msgspec.json.decode(text, type=Receipt), received_at)
        for rows in answers
        for text, received_at in rows
    ]
    if not waiting:
        return
    waiting.sort(key=lambda one: (one.received_at, one.receipt.state))
    yield Do(_UNPARK, [(one.receipt.provider_id,) for one in waiting])
    yield from record_receipts(waiting)


class ParkedSweep(NamedTuple):
    """Match what was parked since a moment; forget some of what came before another."""

    since: int
    forget_before: int


def sweep_parked(sweeps: list[ParkedSweep]) -> Steps[list[None]]:
    """Match receipts that were parked while their submit was being recorded.

    Looks at the last ones only, for a webhook shared with another system parks all of its receipts.
    """
    answers = yield Ask(_MATCHABLE, [(sweep.since,) for sweep in sweeps])
    matchable = dict.fromkeys(provider_id for rows in answers for (provider_id,) in rows)
    yield from match_parked(list(matchable))
    yield Do(_FORGET_PARKED, [(sweep.forget_before,) for sweep in sweeps])
    return [None] * len(sweeps)
