"""The parts of long messages: which the channel has taken, and what became of each.

A message of one part has no row here: its submit is its part. What the parts' states make of the
whole is `domain/parts.py`'s rule.
"""

from typing import NamedTuple

from msgspec.structs import replace

from whimbrel.domain.chain import PartsTaken
from whimbrel.domain.content import Channel
from whimbrel.domain.parts import whole_state
from whimbrel.domain.receipt import Receipt, Report
from whimbrel.domain.status import ErrorCode, LinkState
from whimbrel.store.engine import Ask, Do, Statement, Steps, ask_one

_INSERT = Statement("""
INSERT INTO parts (link_id, part, parts, provider_id, state, error_code)
VALUES (:link_id, :part, :parts, :provider_id, :state, :error_code) ON CONFLICT DO NOTHING
""")
_TAKEN = Statement("SELECT part, provider_id FROM parts WHERE link_id = :link_id")
_MOVE = Statement("""
UPDATE parts SET state = :state, happened_at = :happened_at, error_code = :error_code,
    code = :code, detail = :detail
WHERE link_id = :link_id AND part = :part AND state < :state
RETURNING part
""")
_COUNT = Statement("SELECT parts FROM parts WHERE link_id = :link_id LIMIT 1")
_STATES = Statement("SELECT state, parts, happened_at FROM parts WHERE link_id = :link_id")


class TakenParts(NamedTuple):
    """What of a link the channel has taken in one attempt."""

    link_id: int
    taken: PartsTaken


def keep_parts(attempts: list[TakenParts]) -> Steps[None]:
    """Note the parts of long messages that the channel has taken."""
    yield Do(
        _INSERT,
        [
            (link_id, part, taken.parts, provider_id, LinkState.SUBMITTED, ErrorCode.NONE)
            for link_id, taken in attempts
            if taken.parts > 1
            for part, provider_id in taken.provider_ids.items()
        ],
    )


def taken_parts(link_ids: list[int]) -> Steps[list[dict[int, str]]]:
    """Return the parts of each link that need not go again, with the channel's numbers."""
    answers = yield Ask(_TAKEN, [(link_id,) for link_id in link_ids])
    return [dict(rows) for rows in answers]


def with_part_counts(reports: list[Report]) -> Steps[list[Report]]:
    """Add to reports on SMS whose text was removed how many parts they had, where it is known."""
    bare = [one.link_id for one in reports if one.text is None and one.channel == Channel.SMS]
    if not bare:
        return reports
    answers = yield Ask(_COUNT, [(link_id,) for link_id in bare])
    counts = {link_id: rows[0][0] for link_id, rows in zip(bare, answers, strict=True) if rows}
    return [replace(one, parts=counts.get(one.link_id, 0)) for one in reports]


class PartReceipt(NamedTuple):
    """A receipt about one part of a link."""

    link_id: int
    part: int
    receipt: Receipt


class PartMoved(NamedTuple):
    """Whether a receipt was news of its part, and what it says of the whole link, if anything."""

    is_news: bool
    whole: Receipt | None = None


def move_parts(received: list[PartReceipt]) -> Steps[list[PartMoved]]:
    """Move parts, one after the other: what the whole is after each is what that one says of it."""
    outcomes: list[PartMoved] = []
    for link_id, part, one in received:
        words = (one.code or None, one.detail or None)
        moved = yield from ask_one(_MOVE, one.state, one.at, one.error_code, *words, link_id, part)
        told = (yield from _of_whole(link_id, part, one)) if moved else None
        outcomes.append(PartMoved(bool(moved), told))
    return outcomes


def _of_whole(link_id: int, part: int, receipt: Receipt) -> Steps[Receipt | None]:
    rows = yield from ask_one(_STATES, link_id)
    parts = rows[0][1]
    state = whole_state([LinkState(state) for state, _, _ in rows], parts)
    if state is None or (state is LinkState.FAILED is not receipt.state):
        return None  # what has failed was told by the part that did, with its reason
    at = receipt.at
    if state is LinkState.DELIVERED:  # when the last part arrived, whichever receipt came last
        at = max(happened_at for _, _, happened_at in rows)
    detail = " ".join(filter(None, (f"part {part} of {parts}", receipt.detail)))
    return replace(receipt, state=state, at=at, detail=detail)
