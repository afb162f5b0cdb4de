"""How an event reaches a link on disk: load, move, save, and write the reports that it owes.

Every change of a link's state after its acceptance goes through `move_links`, whoever saw the
event: a submit's answer, a receipt or a timer. What it means to the links behind it is written in
the same transaction, so that a cascade can neither stop between two moments nor go on twice.
"""

from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import NamedTuple

from msgspec.structs import replace

from whimbrel.domain.cascade import follow, sent_behind
from whimbrel.domain.chain import Event, Link, move
from whimbrel.domain.chain_id import chain_of, links_of, position_of
from whimbrel.domain.status import LinkState, Status, statuses_to_tell
from whimbrel.domain.tally import What
from whimbrel.store.engine import Ask, Do, Hold, Params, Row, Statement, Steps, ask_one
from whimbrel.store.reports import NewReport, add_reports

_LINK = """
SELECT l.link_id, l.sender, l.state, l.satisfied_by, l.told, l.attempt, l.attempted_at, l.ttl,
    l.due_at, l.closes_at, l.expires_at, l.submitted_at, l.done_at, l.provider_id, l.error_code,
    l.channel
"""
_LOAD = Statement(
    _LINK
    + """, c.partner_id, c.registered_delivery, c.notify_url, c.accepted_at
FROM links l JOIN chains c ON c.chain_id = l.chain_id WHERE l.link_id = :link_id
/*postgres FOR NO KEY UPDATE OF l*/"""
)
_LOAD_CHAIN = Statement(
    _LINK
    + """
FROM links l WHERE l.link_id >= :first AND l.link_id <= :last ORDER BY l.link_id
/*postgres FOR NO KEY UPDATE*/"""
)
_SCHEDULE = Statement("SELECT schedule FROM chains WHERE chain_id = :chain_id")
_SAVE = Statement("""
UPDATE links SET state = :state, told = :told, attempt = :attempt, due_at = :due_at,
    closes_at = :closes_at, expires_at = :expires_at, submitted_at = :submitted_at,
    done_at = :done_at, provider_id = :provider_id, error_code = :error_code
WHERE link_id = :link_id
""")
_LINK_COLUMNS = 16
_WANTED = (frozenset[Status](), frozenset(Status), frozenset({Status.UNDELIVERED}))
"""The statuses that are reported, by `registeredDelivery` (`protocol.md`, section 1)."""


class LinkEvent(NamedTuple):
    """What happened to which link, and when we learnt it."""

    link_id: int
    event: Event
    now: int


class News(NamedTuple):
    """What a link has come to for the first time, and what is needed to count it."""

    what: What
    link_id: int
    channel: str
    at: int
    """When we learnt it."""
    error_code: int = 0
    took: int | None = None
    """How long: SUBMITTED from the acceptance, DELIVERED from the handing over, in milliseconds;
    None: nobody knows."""


class Moved(NamedTuple):
    """A link before and after an event, and what that did to the links behind it."""

    link_id: int
    before: LinkState
    after: LinkState
    told: int
    fell_through: LinkState | None = None
    """FAILED, EXPIRED or DELIVERED (and not read): how the goal was missed of the link whose next
    one has got its turn by this; None: none has."""
    overlaps: int = 0
    """Links behind it that had been sent when it reached its goal."""
    news: tuple[News, ...] = ()
    """What it, and what the links behind it, have come to by this. An event that is told twice, or
    recorded again, is no news."""


def move_links(events: list[LinkEvent]) -> Steps[list[Moved | None]]:
    """Apply events in their order; None for a link that does not exist (any more)."""
    yield Hold(chain_of(event.link_id) for event in events)
    loaded = yield from _load(event.link_id for event in events)
    links = {link_id: link for link_id, (link, _) in loaded.items()}
    reports: list[NewReport] = []
    outcomes: list[Moved | None] = []
    for link_id, event, now in events:
        before = links.get(link_id)
        if before is None:
            outcomes.append(None)
            continue
        chain = loaded[link_id][1]
        moved = move(before, event)
        statuses = statuses_to_tell(moved.state, moved.told)
        after = _tell(moved, statuses, chain, now, reports)
        links[link_id] = after
        news = _news(before, after, statuses, chain[-1], now)
        outcomes.append(Moved(link_id, before.state, after.state, after.told, news=news))
    changed = [link for link_id, link in links.items() if link is not loaded[link_id][0]]
    yield Do(_SAVE, [_saved(link) for link in changed])
    yield from add_reports(reports)
    cascades = dict.fromkeys(chain_of(link.link_id) for link in changed if _in_cascade(link))
    if cascades:
        were = {link_id: link for link_id, (link, _) in loaded.items()}
        yield from _follow_up(cascades, events, outcomes, were)
    return outcomes


def _in_cascade(link: Link) -> bool:
    return link.satisfied_by is not None or position_of(link.link_id) > 0


def _follow_up(
    chain_ids: Iterable[int],
    events: list[LinkEvent],
    outcomes: list[Moved | None],
    were: Mapping[int, Link],
) -> Steps[None]:
    """Let each chain go on once, and note what came of it in the outcome of its last event."""
    last = {
        chain_of(one.link_id): (index, one) for index, one in enumerate(outcomes) if one is not None
    }
    for chain_id in chain_ids:
        index, moved = last[chain_id]
        links, changed = yield from _go_on(chain_id, events[index].now)
        outcomes[index] = moved._replace(
            # It may itself have been behind: queued again, and spared in the same moment.
            after=changed[moved.link_id].state if moved.link_id in changed else moved.after,
            fell_through=_missed(links, changed),
            overlaps=sum(
                sent_behind(links, link.link_id)
                for link in links
                if link.satisfied and link.link_id in were and not were[link.link_id].satisfied
            ),
            news=(*moved.news, *_news_behind(changed.values(), events[index].now)),
        )


def _go_on(chain_id: int, now: int) -> Steps[tuple[list[Link], dict[int, Link]]]:
    """Move the links behind; return all links as they were, and those that have changed."""
    rows = yield from ask_one(_LOAD_CHAIN, *links_of(chain_id))
    links = [_link_of(row) for row in rows]
    schedules = yield from ask_one(_SCHEDULE, chain_id)
    changed = {link.link_id: link for link in follow(links, schedules[0][0], now)}
    yield Do(_SAVE, [_saved(link) for link in changed.values()])
    return links, changed


def _missed(links: list[Link], changed: Mapping[int, Link]) -> LinkState | None:
    """Return the state of the link whose next one has got its turn, if one has."""
    for before, link in pairwise(links):
        if link.link_id in changed and changed[link.link_id].state is LinkState.QUEUED:
            return before.state
    return None


class CascadeTick(NamedTuple):
    """A chain that may go on, and the moment."""

    chain_id: int
    now: int


def let_cascades_go_on(ticks: list[CascadeTick]) -> Steps[list[tuple[News, ...]]]:
    """Let chains go on by time alone; return for each what its links have come to."""
    news: list[tuple[News, ...]] = []
    for chain_id, now in ticks:
        _, changed = yield from _go_on(chain_id, now)
        news.append(_news_behind(changed.values(), now))
    return news


_NEWS = {
    Status.HANDED_OVER: What.SUBMITTED,
    Status.UNDELIVERED: What.FAILED,
    Status.DELIVERED: What.DELIVERED,
    Status.READ: What.READ,
}


def _news(
    before: Link, after: Link, statuses: Iterable[Status], accepted_at: int, now: int
) -> tuple[News, ...]:
    """Return what a move was the first to bring; each status is one's first only once."""
    news = []
    submitted_at, done_at = after.submitted_at, after.done_at
    for status in statuses:
        error_code, took = 0, None
        if status is Status.UNDELIVERED:
            error_code = after.error_code
        elif status is Status.HANDED_OVER and submitted_at is not None:
            took = submitted_at - accepted_at
        elif after.state is LinkState.DELIVERED and submitted_at is not None and done_at:
            took = done_at - submitted_at  # of one that is read already, nobody has told when
        called_off = status is Status.UNDELIVERED and after.state is LinkState.CANCELLED
        what = What.CANCELLED if called_off else _NEWS[status]
        news.append(News(what, after.link_id, after.channel, now, error_code, took))
        if status is Status.DELIVERED and before.told == Status.UNDELIVERED:
            news.append(News(What.LATE, after.link_id, after.channel, now))
    if after.state is LinkState.SPARED is not before.state:
        news.append(News(What.SPARED, after.link_id, after.channel, now))
    return tuple(news)


def _news_behind(changed: Iterable[Link], now: int) -> tuple[News, ...]:
    """Return which links got their turn, and which are not needed any more."""
    meant = {LinkState.QUEUED: What.RELEASED, LinkState.SPARED: What.SPARED}
    return tuple(
        News(meant[link.state], link.link_id, link.channel, now)
        for link in changed
        if link.state in meant
    )


def _load(link_ids: Iterable[int]) -> Steps[dict[int, tuple[Link, Row]]]:
    wanted = list(dict.fromkeys(link_ids))
    answers = yield Ask(_LOAD, [(link_id,) for link_id in wanted])
    return {
        link_id: (_link_of(rows[0]), rows[0][_LINK_COLUMNS:])
        for link_id, rows in zip(wanted, answers, strict=True)
        if rows
    }


def _link_of(row: Row) -> Link:
    link_id, sender, state, satisfied_by, *rest = row[:_LINK_COLUMNS]
    goal = None if satisfied_by is None else LinkState(satisfied_by)
    return Link(link_id, sender, LinkState(state), goal, *rest)


def _tell(
    link: Link, statuses: tuple[Status, ...], chain: Row, now: int, reports: list[NewReport]
) -> Link:
    """Note the reports that a moved link owes; return it with what has been told."""
    if not statuses:
        return link
    partner_id, registered_delivery, notify_url, _ = chain
    wanted = _WANTED[registered_delivery]
    reports += [
        NewReport.of(link, status, partner_id, notify_url, now)
        for status in statuses
        if status in wanted
    ]
    return replace(link, told=statuses[-1])


def _saved(link: Link) -> Params:
    return (
        link.state,
        link.told,
        link.attempt,
        link.due_at,
        link.closes_at,
        link.expires_at,
        link.submitted_at,
        link.done_at,
        link.provider_id,
        link.error_code,
        link.link_id,
    )
