"""What the store can tell an operator of the past: a message's whole story, and reports."""

from typing import Any, NamedTuple

import msgspec

from whimbrel.domain.chain_id import links_of
from whimbrel.domain.partner import Profile
from whimbrel.domain.unanswered import Unanswered
from whimbrel.store.engine import Ask, Row, Statement, Steps, ask_one
from whimbrel.store.senders import SenderPause, paused_senders
from whimbrel.store.submits import NO_ANSWER

_CHAIN = Statement("""
SELECT c.chain_id, c.partner_id, p.login, c.partner_ref, c.dest_addr, c.registered_delivery,
    c.notify_url, c.extra_param, c.schedule, c.accepted_at, c.request_id, c.content_removed_at
FROM chains c JOIN partners p ON p.partner_id = c.partner_id WHERE c.chain_id = :chain_id
""")
_PROFILE = Statement("""
SELECT p.profile FROM chains c JOIN partners p ON p.partner_id = c.partner_id
WHERE c.chain_id = :chain_id
""")
_LINKS = Statement("""
SELECT link_id, channel, sender, text, image_url, ttl, state, attempt, attempted_at, due_at,
    closes_at, expires_at, submitted_at, done_at, provider_id, error_code, satisfied_by, named,
    short_uids
FROM links WHERE link_id >= :first AND link_id <= :last ORDER BY link_id
""")
_SUBMITS = Statement("""
SELECT link_id, attempt, started_at, ended_at, outcome, provider_id, code, detail
FROM submits WHERE link_id >= :first AND link_id <= :last ORDER BY link_id, attempt
""")
_PARTS = Statement("""
SELECT link_id, part, parts, provider_id, state, happened_at, code, detail
FROM parts WHERE link_id >= :first AND link_id <= :last ORDER BY link_id, part
""")
_RECEIPTS = Statement("""
SELECT link_id, attempt, state, happened_at, received_at, code, detail
FROM receipts WHERE link_id >= :first AND link_id <= :last ORDER BY received_at, happened_at, state
""")
_REPORTS = Statement("""
SELECT r.report_id, r.link_id, r.status, r.lane, r.state, r.next_at, r.attempts, r.created_at,
    r.error_code, r.failures, r.node_id
FROM reports r WHERE r.link_id >= :first AND r.link_id <= :last ORDER BY r.report_id
""")
_SHORT_URLS = Statement("""
SELECT uid, target, chain_id, visits, clicks, expires_at, idle_until FROM short_urls
WHERE uid = :uid
""")
MOST_CLICKS = 1_000
"""How many visits a story tells at the most."""
# Those of a short URL that is shared are of many messages.
_CLICKS = Statement("""
SELECT c.uid, c.at, c.agent, c.counted
FROM short_urls s JOIN clicks c ON c.uid = s.uid WHERE s.chain_id = :chain_id
ORDER BY c.at, c.click_id LIMIT 1000
""")
_ATTEMPTS = Statement("""
SELECT report_id, attempt, ended_at, latency, http_status, answer
FROM report_attempts WHERE report_id = :report_id ORDER BY attempt
""")


class Story(NamedTuple):
    """Everything that is known of a chain, as rows by column name, oldest first."""

    chain: dict[str, Any]
    links: list[dict[str, Any]]
    submits: list[dict[str, Any]]
    parts: list[dict[str, Any]]
    receipts: list[dict[str, Any]]
    reports: list[dict[str, Any]]
    report_attempts: list[dict[str, Any]]
    short_urls: list[dict[str, Any]]
    """Those in the links' texts that have not been removed."""
    clicks: list[dict[str, Any]]
    """Visits of those among them that nobody else has; the first thousand."""
    unanswered: Unanswered
    """What its Partner wants now of a link that may have gone, and of which nothing is heard."""
    pauses: list[SenderPause]
    """The senders that rest now, of whatever message."""

    def silent(self, link_id: int) -> int:
        """Count the submits of a link that had neither an answer nor a receipt."""
        heard = {(one["link_id"], one["attempt"]) for one in self.receipts}
        return sum(
            one["link_id"] == link_id
            and one["outcome"] == NO_ANSWER
            and (link_id, one["attempt"]) not in heard
            for one in self.submits
        )

    def has_arrived_before(self, link_id: int) -> bool:
        """Tell whether a link before one has reached its goal."""
        return any(
            one["link_id"] < link_id
            and one["satisfied_by"] is not None
            and one["state"] >= one["satisfied_by"]
            for one in self.links
        )


def tell_stories(chain_ids: list[int]) -> Steps[list[Story | None]]:
    """Collect the history of each chain; None where there is no such chain."""
    stories: list[Story | None] = []
    pauses = yield from paused_senders([None])
    for chain_id in chain_ids:
        chains = yield from ask_one(_CHAIN, chain_id)
        if not chains:
            stories.append(None)
            continue
        span = links_of(chain_id)
        links = yield from ask_one(_LINKS, *span)
        submits = yield from ask_one(_SUBMITS, *span)
        parts = yield from ask_one(_PARTS, *span)
        receipts = yield from ask_one(_RECEIPTS, *span)
        reports = yield from ask_one(_REPORTS, *span)
        attempts = yield Ask(_ATTEMPTS, [(row[0],) for row in reports])
        uids = dict.fromkeys(uid for row in links for uid in (row[-1] or "").split())
        short_urls = yield Ask(_SHORT_URLS, [(uid,) for uid in uids])
        clicks = yield from ask_one(_CLICKS, chain_id)
        profiles = yield from ask_one(_PROFILE, chain_id)
        stories.append(
            Story(
                _named(_CHAIN, chains)[0],
                _named(_LINKS, links),
                _named(_SUBMITS, submits),
                _named(_PARTS, parts),
                _named(_RECEIPTS, receipts),
                _named(_REPORTS, reports),
                _named(_ATTEMPTS, [row for rows in attempts for row in rows]),
                _named(_SHORT_URLS, [row for rows in short_urls for row in rows]),
                _named(_CLICKS, clicks),
                msgspec.json.decode(profiles[0][0], type=Profile).unanswered,
                pauses[0],
            )
        )
    return stories


def _named(statement: Statement, rows: list[Row]) -> list[dict[str, Any]]:
    columns = statement.text.split("SELECT", 1)[1].split("FROM", 1)[0].split(",")
    names = [column.strip().rpartition(".")[2] for column in columns]
    return [dict(zip(names, row, strict=True)) for row in rows]


_LISTED = """
SELECT r.report_id, r.chain_id, p.login, r.status, r.state, r.attempts, r.next_at, r.created_at,
    (SELECT a.http_status FROM report_attempts a WHERE a.report_id = r.report_id
     ORDER BY a.attempt DESC LIMIT 1),
    (SELECT a.answer FROM report_attempts a WHERE a.report_id = r.report_id
     ORDER BY a.attempt DESC LIMIT 1)
FROM reports r JOIN chains c ON c.chain_id = r.chain_id
JOIN partners p ON p.partner_id = c.partner_id
"""
_LIST = Statement(
    _LISTED
    + """
WHERE (CAST(:chain_id AS bigint) = 0 OR r.chain_id = :chain_id)
  AND (:login = '' OR p.login = :login)
  AND r.created_at >= :since AND r.created_at < :before AND (:state < 0 OR r.state = :state)
ORDER BY r.report_id DESC LIMIT :most
"""
)


class ReportFilter(NamedTuple):
    """Which reports to list; 0, the empty text and -1 mean any."""

    chain_id: int
    login: str
    since: int
    before: int
    state: int
    most: int


def list_reports(filters: list[ReportFilter]) -> Steps[list[list[Row]]]:
    """List reports, the newest first."""
    return (yield Ask(_LIST, filters))
