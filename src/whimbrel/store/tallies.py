"""Sums of what has happened, for the overview: rows can be added up where messages cannot.

Each sum is kept four times: by the minute for some hours, by ten minutes for days, by the hour for
weeks and by the day for years, so that every range is read from some thousand rows. Whoever counts
adds to what is there; several nodes make one sum.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from whimbrel.clock import DAY, HOUR, MINUTE
from whimbrel.domain.tally import What
from whimbrel.store.engine import Ask, Do, Params, Statement, Steps

SPANS: Mapping[int, int] = MappingProxyType(
    {MINUTE: 6 * HOUR, 10 * MINUTE: 3 * DAY, HOUR: 62 * DAY, DAY: 1_100 * DAY}
)
"""For how long sums of each span are kept, both in milliseconds."""
_LAST_POSITION = 15

_ADD = Statement("""
INSERT INTO tallies (span, what, begins_at, channel, position, detail, number)
VALUES (:span, :what, :begins_at, :channel, :position, :detail, :number)
ON CONFLICT (span, what, begins_at, channel, position, detail)
DO UPDATE SET number = tallies.number + excluded.number
""")
_SERIES = Statement("""
SELECT begins_at, CAST(sum(number) AS bigint) FROM tallies
WHERE span = :span AND what = :what AND begins_at >= :since AND begins_at < :before
    AND position <= :last_position
GROUP BY begins_at ORDER BY begins_at
""")
_TOTALS = Statement("""
SELECT channel, position, detail, CAST(sum(number) AS bigint) FROM tallies
WHERE span = :span AND what = :what AND begins_at >= :since AND begins_at < :before
GROUP BY channel, position, detail ORDER BY channel, position, detail
""")
_OLD = Statement("""
SELECT span, what, begins_at, channel, position, detail FROM tallies
WHERE span = :span AND what = :what AND begins_at < :before
ORDER BY begins_at, channel, position, detail LIMIT :room
""")
_REMOVE = Statement("""
DELETE FROM tallies WHERE span = :span AND what = :what AND begins_at = :begins_at
    AND channel = :channel AND position = :position AND detail = :detail
""")


class Kind(NamedTuple):
    """What was counted, and of which links."""

    what: What
    channel: str
    position: int
    """The link's place in its chain, 0 for the first."""
    detail: int = 0
    """An errorCode, or the bucket of a time (`domain/tally.py`)."""


class Tally(NamedTuple):
    """So many of a kind at a moment."""

    at: int
    kind: Kind
    number: int


def add_tallies(batches: list[list[Tally]]) -> Steps[list[None]]:
    """Add to the sums."""
    sums: Counter[Params] = Counter()
    for tallies in batches:
        for at, kind, number in tallies:
            for span in SPANS:
                what, *of_link = kind
                sums[span, what.value, at - at % span, *of_link] += number
    yield Do(_ADD, [(*key, sums[key]) for key in sorted(sums)])  # in an order of all writers
    return [None] * len(batches)


class TallyRange(NamedTuple):
    """Which sums: of a span, from a moment on and before another, of some kinds."""

    span: int
    since: int
    before: int
    whats: tuple[What, ...]


def read_series(ranges: list[TallyRange]) -> Steps[list[dict[What, dict[int, int]]]]:
    """Return for each kind its sums by the moment at which each begins; what is none is left out.

    Of what was accepted only the first link of each chain counts: so many messages were asked for.
    """
    series: list[dict[What, dict[int, int]]] = []
    for span, since, before, whats in ranges:
        answers = yield Ask(
            _SERIES,
            [
                (span, what, since, before, 0 if what is What.ACCEPTED else _LAST_POSITION)
                for what in whats
            ],
        )
        series.append({what: dict(rows) for what, rows in zip(whats, answers, strict=True)})
    return series


def read_totals(ranges: list[TallyRange]) -> Steps[list[dict[Kind, int]]]:
    """Return the sums over each whole range."""
    totals: list[dict[Kind, int]] = []
    for span, since, before, whats in ranges:
        answers = yield Ask(_TOTALS, [(span, what, since, before) for what in whats])
        totals.append(
            {
                Kind(what, channel, position, detail): number
                for what, rows in zip(whats, answers, strict=True)
                for channel, position, detail, number in rows
            }
        )
    return totals


class OldTallies(NamedTuple):
    """Sums of a span that begin before a moment, and how many of a kind may go at once."""

    span: int
    before: int
    room: int


def remove_tallies(batches: list[OldTallies]) -> Steps[list[int]]:
    """Remove sums, the oldest first; return how many."""
    counts: list[int] = []
    for span, before, room in batches:
        answers = yield Ask(_OLD, [(span, what, before, room) for what in What])
        keys = [row for rows in answers for row in rows]
        yield Do(_REMOVE, keys)
        counts.append(len(keys))
    return counts


def too_old(now: int, room: int) -> Iterable[OldTallies]:
    """Return what is to be removed at a moment."""
    return [OldTallies(span, now - age, room) for span, age in SPANS.items()]
