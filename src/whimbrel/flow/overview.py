"""The figures that operators see at a glance: what has happened in a range, and how things stand.

Nothing is counted here: the figures are sums that `tallies.py` has kept, and bounded looks at the
queues, so that they cost the same however many messages there are.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from whimbrel.clock import DAY, HOUR, MINUTE, Clock
from whimbrel.domain.tally import TIMES, What, percentile
from whimbrel.flow.partner_directory import PartnerDirectory
from whimbrel.flow.standing import NodeState, SenderState, nodes_at_work, sender_states
from whimbrel.settings import Settings
from whimbrel.store.engine import Store
from whimbrel.store.holdings import all_holdings
from whimbrel.store.nodes import all_nodes
from whimbrel.store.queues import MOST_DEAD, DeadLane, Depths, count_dead_reports, measure_depths
from whimbrel.store.senders import paused_senders
from whimbrel.store.tallies import Kind, TallyRange, read_series, read_totals


class Range(NamedTuple):
    """How far back to look; lengths are in milliseconds."""

    name: str
    length: int
    step: int
    """Of the points of the chart."""
    span: int
    """Of the sums of which the points are made (`store/tallies.py`)."""
    whole: int
    """Of the sums of which the totals are made: the range begins where one of these does."""
    every: float
    """How often it is worth to look again, in seconds."""

    def begin(self, now: int) -> int:
        """Return the first moment; the last sum of the range is still being added to."""
        edge = max(self.step, self.whole)
        return now - now % edge + edge - self.length


RANGES: Mapping[str, Range] = MappingProxyType(
    {
        one.name: one
        for one in (
            Range("1h", HOUR, MINUTE, MINUTE, MINUTE, 2.0),
            Range("24h", DAY, 10 * MINUTE, 10 * MINUTE, 10 * MINUTE, 10.0),
            Range("7d", 7 * DAY, HOUR, HOUR, HOUR, 30.0),
            Range("30d", 30 * DAY, 6 * HOUR, HOUR, DAY, 60.0),  # days in UTC
        )
    }
)
SERIES = (What.ACCEPTED, What.SUBMITTED, What.DELIVERED, What.READ, What.FAILED)
"""What is shown over time, in the order of a message's journey."""
PERCENTS = (50, 95, 99)


class Funnel(NamedTuple):
    """What became of the links of one channel at one place of their chains, in a range.

    Events of the range are counted: what was accepted before it may be delivered in it.
    """

    channel: str
    position: int
    begun: int
    """Links whose turn has come: the first ones of chains, and those that were let go."""
    submitted: int
    delivered: int
    read: int
    failed: int
    late: int
    spared: int
    cancelled: int


class Percentiles(NamedTuple):
    """How long something took, in milliseconds; None: it has not happened."""

    what: What
    channel: str
    number: int
    times: tuple[float | None, ...]
    """As `PERCENTS` says."""


class Failures(NamedTuple):
    """How many links of a channel failed for one reason."""

    error_code: int
    channel: str
    number: int


class Figures(NamedTuple):
    """What has happened in a range."""

    range: Range
    at: int
    times: list[int]
    """When each step of the series begins."""
    series: Mapping[What, list[int]]
    totals: Mapping[What, int]
    """Over the whole range; of what was accepted the first links alone, as in the series."""
    funnels: list[Funnel]
    percentiles: list[Percentiles]
    failures: list[Failures]
    """The most frequent first."""


class DeadReports(NamedTuple):
    """Reports of one Partner that were given up."""

    login: str
    number: int
    oldest_at: int


class Standing(NamedTuple):
    """How things stand."""

    at: int
    depths: Depths
    dead: list[DeadReports]
    """The Partner with most of them first."""
    dead_is_all: bool
    """Whether there are no more than were counted."""
    senders: list[SenderState]
    nodes: list[NodeState]


class Overview:
    """Reads the figures."""

    def __init__(
        self, store: Store, clock: Clock, settings: Settings, partners: PartnerDirectory
    ) -> None:
        self._store = store
        self._clock = clock
        self._settings = settings
        self._partners = partners

    async def figures(self, wanted: Range) -> Figures:
        """Tell what has happened in a range. Raises `StoreUnavailable`."""
        now = self._clock.now()
        since = wanted.begin(now)
        before = since + wanted.length
        series = await self._store.read(read_series, TallyRange(wanted.span, since, before, SERIES))
        totals: dict[Kind, int] = {}
        for what in What:  # one by one: others have their turn in between
            wish = TallyRange(wanted.whole, since, before, (what,))
            found: dict[Kind, int] = await self._store.read(read_totals, wish)
            totals |= found
        times = list(range(since, min(before, now + 1), wanted.step))
        points = {what: _points(series[what], times, wanted.step) for what in SERIES}
        return Figures(
            wanted,
            now,
            times,
            points,
            _sums(totals),
            _funnels(totals),
            _percentiles(totals),
            _failures(totals),
        )

    async def standing(self) -> Standing:
        """Tell how things stand. Raises `StoreUnavailable`."""
        now = self._clock.now()
        depths = await self._store.read(measure_depths, now)
        dead = await self._store.read(count_dead_reports, None)
        holdings = await self._store.read(all_holdings, None)
        pauses = await self._store.read(paused_senders, None)
        nodes = await self._store.read(all_nodes, None)
        return Standing(
            now,
            depths,
            self._dead(dead),
            sum(one.number for one in dead) < MOST_DEAD,
            sender_states(self._settings, pauses, holdings),
            nodes_at_work(nodes, holdings, now),
        )

    def _dead(self, lanes: Iterable[DeadLane]) -> list[DeadReports]:
        """Add up the lanes of each Partner."""
        by_login: dict[str, DeadReports] = {}
        for lane, number, oldest_at in lanes:
            partner_id = lane.partition("/")[0]
            partner = self._partners.by_id(int(partner_id))
            login = partner.login if partner else partner_id
            before = by_login.get(login, DeadReports(login, 0, oldest_at))
            by_login[login] = DeadReports(
                login, before.number + number, min(before.oldest_at, oldest_at)
            )
        return sorted(by_login.values(), key=lambda one: (-one.number, one.login))


def _points(sums: Mapping[int, int], times: list[int], step: int) -> list[int]:
    """Put sums of a finer span into steps."""
    points: Counter[int] = Counter()
    for begins_at, number in sums.items():
        points[begins_at - begins_at % step] += number
    return [points[time] for time in times]


def _sums(totals: Mapping[Kind, int]) -> dict[What, int]:
    sums: Counter[What] = Counter()
    for kind, number in totals.items():
        if kind.what is not What.ACCEPTED or kind.position == 0:
            sums[kind.what] += number
    return {what: sums[what] for what in What if what not in TIMES} | {
        What.REPORT_AGE: sums[What.REPORT_AGE]
    }


def _funnels(totals: Mapping[Kind, int]) -> list[Funnel]:
    sums: Counter[tuple[What, str, int]] = Counter()
    for (what, channel, position, _), number in totals.items():
        sums[what, channel, position] += number
    places = sorted(
        {
            (position, channel)
            for what, channel, position in sums
            if what is What.ACCEPTED or what in SERIES
        },
        key=lambda place: (place[0], -sums[What.ACCEPTED, place[1], place[0]], place[1]),
    )
    return [
        Funnel(
            channel,
            position,
            sums[What.RELEASED if position else What.ACCEPTED, channel, position],
            *(
                sums[what, channel, position]
                for what in (*SERIES[1:], What.LATE, What.SPARED, What.CANCELLED)
            ),
        )
        for position, channel in places
    ]


def _percentiles(totals: Mapping[Kind, int]) -> list[Percentiles]:
    buckets: dict[tuple[What, str], Counter[int]] = {}
    for (what, channel, _, bucket), number in totals.items():
        if what in TIMES:
            buckets.setdefault((what, channel), Counter())[bucket] += number
    order = list(What)
    return [
        Percentiles(
            what,
            channel,
            times.total(),
            tuple(percentile(times, percent) for percent in PERCENTS),
        )
        for (what, channel), times in sorted(
            buckets.items(), key=lambda one: (order.index(one[0][0]), one[0][1])
        )
    ]


def _failures(totals: Mapping[Kind, int]) -> list[Failures]:
    sums: Counter[tuple[int, str]] = Counter()
    for (what, channel, _, error_code), number in totals.items():
        if what is What.FAILED:
            sums[error_code, channel] += number
    found = [Failures(*key, number) for key, number in sums.items()]
    return sorted(found, key=lambda one: (-one.number, one.error_code, one.channel))
