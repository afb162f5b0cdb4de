"""What each submit came to: the history of attempts, and the moves that they cause."""

from typing import NamedTuple

from whimbrel.domain.chain import Again, Event, NoAnswer, PutBack, Refused, Taken
from whimbrel.store.engine import Do, Statement, Steps
from whimbrel.store.links import LinkEvent, Moved, move_links
from whimbrel.store.receipts import match_parked

_INSERT = Statement("""
INSERT INTO submits (link_id, attempt, started_at, ended_at, outcome, provider_id, code, detail)
VALUES (:link_id, :attempt, :started_at, :ended_at, :outcome, :provider_id, :code, :detail)
ON CONFLICT (link_id, attempt) DO UPDATE SET ended_at = excluded.ended_at,
    outcome = excluded.outcome, provider_id = excluded.provider_id, code = excluded.code,
    detail = excluded.detail
""")


class SubmitRecord(NamedTuple):
    """One finished attempt."""

    link_id: int
    event: Taken | Refused | Again | PutBack | NoAnswer
    started_at: int
    code: str = ""
    detail: str = ""

    @property
    def provider_id(self) -> str | None:
        """The channel's number, where the submit was taken."""
        return self.event.provider_id if isinstance(self.event, Taken) else None


def record_submits(records: list[SubmitRecord]) -> Steps[list[Moved | None]]:
    """Keep each attempt, move its link, and match the receipts that were here before it.

    An answer that comes after its lease was given up replaces what was noted then.
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
    yield from match_parked([r.provider_id for r in records if r.provider_id])
    return moved


def outcome_of(event: Event) -> str:
    """Name what an attempt came to, as `whimbrel message show` tells it."""
    match event:
        case Taken():
            return "submitted"
        case Refused():
            return "refused"
        case Again():
            return "not sent"
        case _:
            return "no answer"
