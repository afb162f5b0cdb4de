"""How an event reaches a link on disk: load, move, save, and write the reports that it owes.

Every change of a link's state after its acceptance goes through `move_links`, whoever saw the
event: a submit's answer, a receipt or a timer.
"""

from collections.abc import Iterable
from typing import NamedTuple

from msgspec.structs import replace

from whimbrel.domain.chain import Again, Event, Link, PutBack, move
from whimbrel.domain.status import LinkState, Status, statuses_to_tell
from whimbrel.store.engine import Ask, Do, Params, Row, Statement, Steps
from whimbrel.store.reports import NewReport, add_reports

_LOAD = Statement("""
SELECT l.link_id, l.sender, l.state, l.told, l.attempt, l.attempted_at, l.ttl, l.due_at,
    l.expires_at, l.submitted_at, l.done_at, l.provider_id, l.error_code,
    c.partner_id, c.registered_delivery, c.notify_url
FROM links l JOIN chains c ON c.chain_id = l.chain_id WHERE l.link_id = :link_id
""")
_SAVE = Statement("""
UPDATE links SET state = :state, told = :told, attempt = :attempt, due_at = :due_at,
    expires_at = :expires_at, submitted_at = :submitted_at, done_at = :done_at,
    provider_id = :provider_id, error_code = :error_code
WHERE link_id = :link_id
""")
_SAVE_HOURS = Statement("UPDATE links SET closes_at = :closes_at WHERE link_id = :link_id")
_LINK_COLUMNS = 13
_WANTED = (frozenset[Status](), frozenset(Status), frozenset({Status.UNDELIVERED}))
"""The statuses that are reported, by `registeredDelivery` (`protocol.md`, section 1)."""


class LinkEvent(NamedTuple):
    """What happened to which link, and when we learnt it."""

    link_id: int
    event: Event
    now: int


class Moved(NamedTuple):
    """A link before and after an event."""

    before: LinkState
    after: LinkState
    told: int


def move_links(events: list[LinkEvent]) -> Steps[list[Moved | None]]:
    """Apply events in their order; None for a link that does not exist (any more)."""
    loaded = yield from _load(event.link_id for event in events)
    links = {link_id: link for link_id, (link, _) in loaded.items()}
    reports: list[NewReport] = []
    outcomes: list[Moved | None] = []
    for link_id, event, now in events:
        before = links.get(link_id)
        if before is None:
            outcomes.append(None)
            continue
        after = _tell(move(before, event), loaded[link_id][1], now, reports)
        links[link_id] = after
        outcomes.append(Moved(before.state, after.state, after.told))
    yield Do(
        _SAVE,
        [_saved(link) for link_id, link in links.items() if link is not loaded[link_id][0]],
    )
    yield Do(
        _SAVE_HOURS, [(e.closes_at, id_) for id_, e, _ in events if isinstance(e, Again | PutBack)]
    )
    yield from add_reports(reports)
    return outcomes


def _load(link_ids: Iterable[int]) -> Steps[dict[int, tuple[Link, Row]]]:
    wanted = list(dict.fromkeys(link_ids))
    answers = yield Ask(_LOAD, [(link_id,) for link_id in wanted])
    return {
        link_id: (_link_of(rows[0]), rows[0][_LINK_COLUMNS:])
        for link_id, rows in zip(wanted, answers, strict=True)
        if rows
    }


def _link_of(row: Row) -> Link:
    link_id, sender, state, *rest = row[:_LINK_COLUMNS]
    return Link(link_id, sender, LinkState(state), *rest)


def _tell(link: Link, chain: Row, now: int, reports: list[NewReport]) -> Link:
    """Note the reports that a moved link owes; return it with what has been told."""
    statuses = statuses_to_tell(link.state, link.told)
    if not statuses:
        return link
    partner_id, registered_delivery, notify_url = chain
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
        link.expires_at,
        link.submitted_at,
        link.done_at,
        link.provider_id,
        link.error_code,
        link.link_id,
    )
