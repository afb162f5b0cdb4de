"""What each submit came to: the history of attempts, and the moves that they cause."""

from typing import NamedTuple

from whimbrel.domain.chain import (
    NOTHING_TAKEN,
    Again,
    Event,
    NoAnswer,
    PartsTaken,
    PutBack,
    Refused,
    Taken,
)
from whimbrel.store.engine import Do, Statement, Steps
from whimbrel.store.links import LinkEvent, Moved, move_links
from whimbrel.store.parts import TakenParts, keep_parts
from whimbrel.store.receipts import Early, adopt_parked, match_parked

_INSERT = Statement("""
INSERT INTO submits (link_id, attempt, started_at, ended_at, outcome, provider_id, code, detail)
VALUES (:link_id, :attempt, :started_at, :ended_at, :outcome, :provider_id, :code, :detail)
ON CONFLICT (link_id, attempt) DO UPDATE SET ended_at = excluded.ended_at,
    outcome = excluded.outcome, provider_id = excluded.provider_id, code = excluded.code,
    detail = coalesce(excluded.detail, submits.detail)
WHERE excluded.outcome <> 'no answer' OR submits.outcome = 'no answer'
""")  # whoever took the attempt for lost may be later than its answer


NO_ANSWER = "no answer"
REFUSED = "refused"
INTERRUPTED = "the gateway stopped, or lost its lease, before the answer came"


class SubmitRecord(NamedTuple):
    """One finished attempt."""

    link_id: int
    event: Taken | Refused | Again | PutBack | NoAnswer
    started_at: int
    code: str = ""
    detail: str = ""
    parts: PartsTaken = NOTHING_TAKEN

    @property
    def provider_id(self) -> str | None:
        """The channel's number, where a submit of one part was taken."""
        whole = isinstance(self.event, Taken) and self.parts.parts == 1
        return self.event.provider_id if whole else None  # type: ignore[union-attr]

    @property
    def known_as(self) -> tuple[str, ...]:
        """Under which numbers receipts may have come already."""
        return self.parts.known_as or ((self.provider_id,) if self.provider_id else ())


def record_submits(records: list[SubmitRecord]) -> Steps[list[Moved | None]]:
    """Keep each attempt, move its link, and match the receipts that were here before it.

    An answer that comes after its lease was given up replaces what was noted then, save that why it
    had been given up, and what was decided about it, stays to be read.
    """
    moved = yield from move_links([LinkEvent(r.link_id, r.event, r.event.at) for r in records])
    yield Do(
        _INSERT,
        [
            (
                r.link_id,
                r.event.attempt,
                r.started_at,
                r.event.at,
                outcome_of(r.event),
                r.provider_id,
                r.code or None,
                r.detail or None,
            )
            for r in records
            if not isinstance(r.event, PutBack)
        ],
    )
    yield from keep_parts([TakenParts(r.link_id, r.parts) for r in records])
    early = yield from match_parked(
        [Early(name, r.started_at) for r in records for name in r.known_as]
    )
    early += yield from adopt_parked([r.link_id for r in records if isinstance(r.event, NoAnswer)])
    return [_with_early(one, early) for one in moved]


def _with_early(moved: Moved | None, early: list[Moved]) -> Moved | None:
    """Add to a submit's own move what the receipts did that had waited for it."""
    for one in early:
        if moved and one.link_id == moved.link_id:
            moved = one._replace(
                before=moved.before,
                fell_through=moved.fell_through or one.fell_through,
                overlaps=moved.overlaps + one.overlaps,
                news=moved.news + one.news,
            )
    return moved


def outcome_of(event: Event) -> str:
    """Name what an attempt came to, as `whimbrel message show` tells it."""
    match event:
        case Taken():
            return "submitted"
        case Refused():
            return REFUSED
        case Again():
            return "not sent"
        case _:
            return NO_ANSWER
