"""Receipts: matched to their links however they come, or parked until their link is known.

A receipt is found by our own number, which the channel echoes, else by the channel's number. It may
come before the submit's answer, doubled, out of order, or for nobody (design: rules that keep
promises); the key of `receipts` makes a double harmless, and `parked_receipts` loses none.
"""

from typing import NamedTuple

import msgspec

from whimbrel.clock import DAY, MINUTE
from whimbrel.domain.chain import Seen
from whimbrel.domain.chain_id import chain_of
from whimbrel.domain.receipt import Receipt
from whimbrel.domain.segments import part_count
from whimbrel.domain.status import LinkState
from whimbrel.store.engine import Ask, Do, Hold, Row, Statement, Steps, ask_one
from whimbrel.store.links import LinkEvent, Moved, move_links
from whimbrel.store.parts import PartReceipt, move_parts

_SENDER_OF = Statement("SELECT sender, attempt FROM links WHERE link_id = :link_id")
_BY_PROVIDER_ID = Statement("""
SELECT s.link_id, s.attempt, 0, l.sender, c.dest_addr
FROM submits s JOIN links l ON l.link_id = s.link_id JOIN chains c ON c.chain_id = l.chain_id
WHERE s.provider_id = :provider_id
UNION ALL
SELECT p.link_id, l.attempt, p.part, l.sender, c.dest_addr
FROM parts p JOIN links l ON l.link_id = p.link_id JOIN chains c ON c.chain_id = l.chain_id
WHERE p.provider_id = :provider_id
""")
_IN_FLIGHT = Statement("""
SELECT l.link_id, l.attempt, l.state, l.text, l.sender
FROM links l JOIN chains c ON c.chain_id = l.chain_id
WHERE l.state IN (10, 20) AND c.dest_addr = :subscriber AND l.channel = 'SMS'
""")
_UNEXPLAINED = Statement("""
SELECT l.sender FROM submits s
JOIN links l ON l.link_id = s.link_id JOIN chains c ON c.chain_id = l.chain_id
WHERE s.outcome = 'no answer' AND s.provider_id IS NULL AND s.ended_at >= :since
  AND s.link_id <> :link_id AND l.channel = 'SMS' AND c.dest_addr = :subscriber
""")
_ADOPT = Statement("""
UPDATE submits SET provider_id = :provider_id
WHERE link_id = :link_id AND attempt = :attempt AND provider_id IS NULL
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
VALUES (:provider_id, :state, :sender, :receipt, :received_at)
ON CONFLICT (provider_id, state, sender) DO UPDATE
SET receipt = excluded.receipt, received_at = excluded.received_at
""")
_PARKED_FOR = Statement("""
SELECT receipt, received_at FROM parked_receipts
WHERE provider_id = :provider_id AND received_at >= :since
""")
# One statement: what is parked between a look and a removal would be removed without a look.
_UNPARK = Statement("""
DELETE FROM parked_receipts WHERE provider_id = :provider_id AND received_at >= :since
RETURNING receipt, received_at
""")
_ANY_PARKED = Statement("SELECT 1 FROM parked_receipts LIMIT 1")
_PARKED_MEANWHILE = Statement("""
SELECT p.provider_id, l.attempted_at
FROM links l JOIN chains c ON c.chain_id = l.chain_id
JOIN parked_receipts p ON p.received_at >= l.attempted_at
WHERE l.link_id = :link_id AND l.channel = 'SMS'
  AND p.receipt LIKE '%"subscriber":"' || c.dest_addr || '"%'
""")
# Not EXISTS: PostgreSQL would rather read all submits and all parts than ask for each of many.
_MATCHABLE = Statement("""
SELECT p.provider_id FROM parked_receipts p
WHERE p.received_at >= :since
  AND coalesce((SELECT 1 FROM submits s WHERE s.provider_id = p.provider_id LIMIT 1),
               (SELECT 1 FROM parts q WHERE q.provider_id = p.provider_id LIMIT 1)) = 1
LIMIT 1000
""")
_FORGETTABLE = Statement("""
SELECT provider_id, state, sender FROM parked_receipts
WHERE received_at < :before ORDER BY received_at LIMIT 1000 /*postgres FOR UPDATE SKIP LOCKED*/
""")
_FORGET_PARKED = Statement("""
DELETE FROM parked_receipts
WHERE provider_id = :provider_id AND state = :state AND sender = :sender
""")

_SAME_END = 9  # digits: an SMSC may write a number with another prefix
_LONGEST_LIFETIME = 2 * DAY  # of an SMS; nothing is heard of it after that
_CLOCK_SET_BACK = 1 * MINUTE  # by how much our clock may have been, between a receipt and an answer


class _Owner(NamedTuple):
    """A link, one of its attempts, and the part that the receipt is about; 0: the whole."""

    link_id: int
    attempt: int
    part: int = 0


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
    yield Hold(chain_of(owner.link_id) for owner in owners if owner)
    told, news = yield from _whole_links(received, owners)
    fresh = yield from _keep(told, owners)
    leading = [(index, owner) for index, owner, overtaken in fresh if not overtaken]
    moves = yield from move_links(
        [
            LinkEvent(owner.link_id, _event(one, owner.attempt), one.received_at)
            for index, owner in leading
            if (one := told[index])
        ]
    )
    filed = [Filed("repeated") if owner else Filed("parked") for owner in owners]
    for index in (*news, *(index for index, _, _ in fresh)):
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
                owners[index] = _Owner(receipt.link_id or 0, receipt.attempt)
    for index, owner in enumerate(owners):
        if owner is None:
            owners[index] = yield from _by_number(received[index])
    return owners


def _by_number(received: ReceivedReceipt) -> Steps[_Owner | None]:
    """Find the submit that got this number, in any spelling.

    A number may have been given out before, or mean another message in another spelling: the
    subscriber decides where the receipt names one, then the newest. An alias is believed only if
    the subscriber is the right one.
    """
    receipt = received.receipt
    for number in (receipt.provider_id, *receipt.aliases):
        rows = yield from ask_one(_BY_PROVIDER_ID, number)
        ours = sorted(row for row in rows if row[3] in {receipt.sender, *receipt.senders})
        same = [row for row in ours if _is_same(row[4], receipt.subscriber)]
        if number == receipt.provider_id:
            same = same or ours
        if same:
            link_id, attempt, part, *_ = same[-1]
            return _Owner(link_id, attempt, part)
    return (yield from _adopted(received)) if receipt.subscriber else None


def _adopted(received: ReceivedReceipt) -> Steps[_Owner | None]:
    """Take a number that nobody knows for that of the one submit that had no answer.

    Where the channel has no echo, this alone saves a message whose answer was lost with the
    connection from going twice. Only a message of one part, to this subscriber, from this account;
    and none while another's answer may still come, for the number may be in that
    (`adopt_parked` looks again). None either while the receipt may be about another one that never
    had an answer, though that has ended or is queued again: a message that was never sent would be
    told delivered.
    """
    receipt = received.receipt
    rows = yield from ask_one(_IN_FLIGHT, receipt.subscriber)
    in_flight = [row for row in rows if row[4] in {receipt.sender, *receipt.senders}]
    if len(in_flight) != 1:
        return None
    link_id, attempt, state, text, _ = in_flight[0]
    if state != LinkState.UNSURE or part_count(text) > 1:
        return None
    since = received.received_at - _LONGEST_LIFETIME
    others = yield from ask_one(_UNEXPLAINED, since, link_id, receipt.subscriber)
    if any(sender in {receipt.sender, *receipt.senders} for (sender,) in others):
        return None
    yield Do(_ADOPT, [(receipt.provider_id, link_id, attempt)])
    return _Owner(link_id, attempt)


def _is_same(dest_addr: str, subscriber: str | None) -> bool:
    return bool(subscriber) and dest_addr[-_SAME_END:] == (subscriber or "")[-_SAME_END:]


def _whole_links(
    received: list[ReceivedReceipt], owners: list[_Owner | None]
) -> Steps[tuple[list[ReceivedReceipt | None], list[int]]]:
    """Return what each receipt says of its link, and which are news of a part, by index.

    None where a receipt is about a part and says nothing of the whole.
    """
    told: list[ReceivedReceipt | None] = list(received)
    partial = [(index, owner) for index, owner in enumerate(owners) if owner and owner.part]
    moved = yield from move_parts(
        [PartReceipt(own.link_id, own.part, received[index].receipt) for index, own in partial]
    )
    for (index, _), (_, whole) in zip(partial, moved, strict=True):
        at = received[index].received_at
        told[index] = None if whole is None else ReceivedReceipt(whole, at)
    return told, [index for (index, _), one in zip(partial, moved, strict=True) if one.is_news]


def _keep(
    received: list[ReceivedReceipt | None], owners: list[_Owner | None]
) -> Steps[list[tuple[int, _Owner, bool]]]:
    """Write the receipts that have an owner; return the new ones by index, with their owners.

    The last member tells whether a later word of the same attempt has overtaken it: a `sent` after
    the `failed` for which the link was queued again must not stop the other attempt.
    """
    owned = [
        (index, owner, one)
        for index, (one, owner) in enumerate(zip(received, owners, strict=True))
        if one and owner
    ]
    answers = yield Ask(
        _INSERT,
        [
            (
                owner.link_id,
                owner.attempt,
                one.receipt.state,
                one.receipt.at,
                one.received_at,
                one.receipt.code or None,
                one.receipt.detail or None,
            )
            for _, owner, one in owned
        ],
    )
    return [
        (index, owner, not rows[0][0])
        for (index, owner, _), rows in zip(owned, answers, strict=True)
        if rows
    ]


def _event(received: ReceivedReceipt, attempt: int) -> Seen:
    receipt = received.receipt
    again = receipt.retry_pause is not None and (receipt.tries is None or attempt < receipt.tries)
    retry_at = received.received_at + (receipt.retry_pause or 0) if again else None
    return Seen(attempt, receipt.state, receipt.at, receipt.error_code, retry_at)


def _park(received: list[ReceivedReceipt]) -> Steps[None]:
    parked = [
        (
            receipt.provider_id,
            receipt.state,
            receipt.sender,
            msgspec.json.encode(receipt).decode(),
            received_at,
        )
        for receipt, received_at in received
    ]
    yield Do(_PARK, sorted(parked, key=lambda row: row[:3]))  # the order of all writers


class Early(NamedTuple):
    """A number of the channel, and when the submit began that got it.

    What came before that is about another message, which the channel gave the same number.
    """

    provider_id: str
    began_at: int


def match_parked(numbers: list[Early]) -> Steps[list[Moved]]:
    """File the receipts that waited for these numbers of the channel; return what they moved."""
    parked = yield from ask_one(_ANY_PARKED)
    if not parked:
        return []
    spans = [(number, began_at - _CLOCK_SET_BACK) for number, began_at in sorted(numbers)]
    answers = yield Ask(_PARKED_FOR, spans)
    waiting = _parked(answers)
    if not waiting:
        return []
    # Who parks holds chains by then; so do we, before we touch what is parked.
    owners = yield from _owners(waiting)
    yield Hold(chain_of(owner.link_id) for owner in owners if owner)
    answers = yield Ask(_UNPARK, spans)
    filed = yield from record_receipts(_parked(answers))
    return [one.moved for one in filed if one.moved]


def _parked(answers: list[list[Row]]) -> list[ReceivedReceipt]:
    """Return receipts as they were parked, in the order in which they are to be filed."""
    waiting = [
        ReceivedReceipt(msgspec.json.decode(text, type=Receipt), received_at)
        for rows in answers
        for text, received_at in rows
    ]
    return sorted(waiting, key=lambda one: (one.received_at, one.receipt.state))


def adopt_parked(link_ids: list[int]) -> Steps[list[Moved]]:
    """File again what came from these links' subscribers since they were submitted.

    For submits that turn out to have no answer: while one may come, a number that nobody knows is
    parked and not adopted. Returns what moved.
    """
    parked = yield from ask_one(_ANY_PARKED)
    if not parked or not link_ids:
        return []
    answers = yield Ask(_PARKED_MEANWHILE, [(link_id,) for link_id in link_ids])
    numbers = dict.fromkeys(Early(*row) for rows in answers for row in rows)
    return (yield from match_parked(list(numbers)))


class ParkedSweep(NamedTuple):
    """Match what was parked since a moment; forget some of what came before another."""

    since: int
    forget_before: int


def sweep_parked(sweeps: list[ParkedSweep]) -> Steps[list[list[Moved]]]:
    """Match receipts that were parked while their submit was being recorded.

    Returns what they moved. Looks at the last ones only, for a webhook shared with another system
    parks all of its receipts.
    """
    moved: list[list[Moved]] = []
    for since, forget_before in sweeps:
        rows = yield from ask_one(_MATCHABLE, since)
        numbers = dict.fromkeys(Early(provider_id, since) for (provider_id,) in rows)
        moved.append((yield from match_parked(list(numbers))))
        yield Do(_FORGET_PARKED, (yield from ask_one(_FORGETTABLE, forget_before)))
    return moved
