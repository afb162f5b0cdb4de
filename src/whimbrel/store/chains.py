"""Chains as they are accepted, and links as they are claimed for submitting."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from whimbrel.domain.chain import Chain, NewLink
from whimbrel.domain.content import Channel, Content, Image, Text
from whimbrel.domain.short_url import Draft
from whimbrel.domain.status import NOTHING_TOLD, ErrorCode
from whimbrel.store.engine import Ask, Do, HoldKeys, Params, Statement, Steps, ask_one
from whimbrel.store.extra_pairs import keep_pairs
from whimbrel.store.lanes import by_lanes
from whimbrel.store.parts import taken_parts
from whimbrel.store.short_urls import FilledDraft, fill_drafts

_INSERT_CHAIN = Statement("""
INSERT INTO chains (chain_id, partner_id, partner_ref, dedupe_ref, content_key, dest_addr,
    registered_delivery, notify_url, extra_param, schedule, accepted_at, request_id)
VALUES (:chain_id, :partner_id, :partner_ref, :dedupe_ref, :content_key, :dest_addr,
    :registered_delivery, :notify_url, :extra_param, :schedule, :accepted_at, :request_id)
ON CONFLICT DO NOTHING
""")
# Once a group, not RETURNING once a chain: SQLite makes a table for its rows each time.
_KEPT = Statement("SELECT chain_id FROM chains WHERE chain_id >= :first AND chain_id <= :last")
_INSERT_LINK = Statement("""
INSERT INTO links (link_id, chain_id, lane, channel, sender, text, image_url, ttl, state, told,
    attempt, due_at, closes_at, expires_at, error_code, satisfied_by, short_uids, named)
VALUES (:link_id, :chain_id, :lane, :channel, :sender, :text, :image_url, :ttl, :state, :told,
    0, :due_at, :closes_at, :expires_at, :error_code, :satisfied_by, :short_uids, :named)
""")
_BY_REF = Statement(
    "SELECT chain_id FROM chains WHERE partner_id = :partner_id AND dedupe_ref = :dedupe_ref"
)
_BY_CONTENT = Statement("""
SELECT chain_id FROM chains WHERE content_key = :content_key AND accepted_at > :since LIMIT 1
""")
_LAST_ID = Statement("SELECT coalesce(max(chain_id), 0) FROM chains")


class Accepted(NamedTuple):
    """What became of a chain: its own number, or the number of the one that it repeats."""

    chain_id: int
    repeats_ref: bool = False
    repeats_content: bool = False


def accept_chains(chains: list[Chain]) -> Steps[list[Accepted]]:
    """Store each chain unless it repeats another (`protocol.md`, section 4).

    Short URLs are made for those that are kept, and for no other.
    """
    repeated = yield from _insert(chains)
    inserted = [chain for chain in chains if chain.chain_id not in repeated]
    outcomes = repeated | (yield from _judged(inserted))
    accepted = [outcomes[chain.chain_id] for chain in chains]
    kept = [
        chain
        for chain, outcome in zip(chains, accepted, strict=True)
        if outcome.chain_id == chain.chain_id
    ]
    links = [(chain, link) for chain in kept for link in chain.links]
    filled = yield from fill_drafts(links)
    yield Do(_INSERT_LINK, [_link_params(*one, filled.get(one[1].link_id)) for one in links])
    yield from keep_pairs(
        (chain.chain_id, chain.extra_param) for chain in kept if chain.extra_param
    )
    return accepted


def _insert(chains: list[Chain]) -> Steps[dict[int, Accepted]]:
    """Insert all but those that repeat another's content; return what these repeat, by number.

    Most groups have none that could, and go in at once; the others are looked at one by one.
    """
    if all(chain.content_key is None for chain in chains):
        yield Do(_INSERT_CHAIN, [_chain_params(chain) for chain in chains])
        return {}
    yield HoldKeys(chain.content_key for chain in chains if chain.content_key is not None)
    repeated: dict[int, Accepted] = {}
    for chain in chains:
        # A repeated `id` is looked for first: a repeat by both repeats the request.
        repeat = (yield from _repeated(chain)) if chain.content_key is not None else None
        if repeat:
            repeated[chain.chain_id] = repeat
        else:
            yield Do(_INSERT_CHAIN, [_chain_params(chain)])
    return repeated


def _judged(chains: list[Chain]) -> Steps[dict[int, Accepted]]:
    """Find out which chains are there that were inserted, and whose `id` the others repeat."""
    if not chains:
        return {}
    numbers = [chain.chain_id for chain in chains]
    rows = yield from ask_one(_KEPT, min(numbers), max(numbers))
    outcomes = {number: Accepted(number) for (number,) in rows}
    missing = [chain for chain in chains if chain.chain_id not in outcomes]
    keepers = yield Ask(_BY_REF, [(chain.partner_id, chain.dedupe_ref) for chain in missing])
    for chain, found in zip(missing, keepers, strict=True):
        for (keeper,) in found:
            outcomes[chain.chain_id] = Accepted(keeper, repeats_ref=True)
    # Another process may have removed what was in their way, since they were to be inserted.
    in_nobodys_way = [chain for chain in missing if chain.chain_id not in outcomes]
    if in_nobodys_way:
        yield Do(_INSERT_CHAIN, [_chain_params(chain) for chain in in_nobodys_way])
        outcomes |= yield from _judged(in_nobodys_way)
    return outcomes


def find_repeats(chains: list[Chain]) -> Steps[list[Accepted]]:
    """Return what would become of each chain if it were accepted now; nothing is written."""
    foreseen = []
    for chain in chains:
        repeated = yield from _repeated(chain)
        foreseen.append(repeated or Accepted(chain.chain_id))
    return foreseen


def _repeated(chain: Chain) -> Steps[Accepted | None]:
    if chain.dedupe_ref is not None:
        rows = yield from ask_one(_BY_REF, chain.partner_id, chain.dedupe_ref)
        if rows:
            return Accepted(rows[0][0], repeats_ref=True)
    if chain.content_key is None:
        return None
    since = chain.accepted_at - chain.content_window
    rows = yield from ask_one(_BY_CONTENT, chain.content_key, since)
    return Accepted(rows[0][0], repeats_content=True) if rows else None


def _chain_params(chain: Chain) -> Params:
    return (
        chain.chain_id,
        chain.partner_id,
        chain.partner_ref,
        chain.dedupe_ref,
        chain.content_key,
        chain.dest_addr,
        chain.registered_delivery,
        chain.notify_url,
        chain.extra_param,
        chain.schedule,
        chain.accepted_at,
        chain.request_id,
    )


def _link_params(chain: Chain, link: NewLink, filled: FilledDraft | None) -> Params:
    text, image_url = (filled.text, None) if filled else _columns_of(link.content)
    return (
        link.link_id,
        chain.chain_id,
        lane_of(link.channel, link.sender, chain.partner_id),
        link.channel,
        link.sender,
        text,
        image_url,
        link.ttl,
        link.state,
        NOTHING_TOLD,
        link.due_at,
        link.closes_at,
        link.expires_at,
        ErrorCode.NONE,
        link.satisfied_by,
        " ".join(filled.uids) if filled else None,
        link.named,
    )


def _columns_of(content: Content | Draft) -> tuple[str | None, str | None]:
    match content:
        case Text(text):
            return text, None
        case Image(url):
            return None, url
        case Draft():
            raise TypeError("a draft is filled before it is kept")


def content_of(text: str | None, image_url: str | None) -> Content:
    """Return the content that a link's columns hold."""
    return Image(image_url) if text is None else Text(text)  # type: ignore[arg-type]


def last_chain_id(items: list[None]) -> Steps[list[int]]:
    """Return the greatest chain number there is, or 0."""
    rows = yield from ask_one(_LAST_ID)
    return [rows[0][0]] * len(items)


def lane_of(channel: Channel, sender: str, partner_id: int) -> str:
    """Name the queue of one Partner before one sender; fairness is between lanes."""
    return f"{channel}/{partner_id}/{sender}"


def sender_of(lane: str) -> tuple[Channel, str]:
    """Return the sender that a lane waits for."""
    channel, _, sender = lane.split("/", 2)
    return Channel(channel), sender


_LANES = Statement(
    by_lanes(
        "links",
        0,
        """
SELECT lane, (SELECT min(due_at) FROM links WHERE state = 0 AND lane = busy.lane)
FROM busy WHERE lane IS NOT NULL
""",
    )
)
# The literal LIMIT tells a planner that does not know the other one how few links there are.
_CLAIM = Statement("""
WITH due AS MATERIALIZED (
    SELECT link_id FROM links
    WHERE state = 0 AND lane = :lane AND due_at <= :now AND expires_at > :now
    ORDER BY due_at LIMIT :room /*postgres FOR NO KEY UPDATE SKIP LOCKED*/
)
UPDATE links SET state = 10, attempt = attempt + 1, attempted_at = :now, due_at = :lease_until,
    node_id = :node_id
WHERE link_id IN (SELECT link_id FROM due LIMIT 1000)
RETURNING link_id, channel, sender, text, image_url, attempt, ttl, closes_at, expires_at,
    (SELECT dest_addr FROM chains c WHERE c.chain_id = links.chain_id),
    (SELECT schedule FROM chains c WHERE c.chain_id = links.chain_id),
    attempted_at, satisfied_by
""")


class Claim(NamedTuple):
    """How many links of a lane may go now, and until when whoever claims them holds them."""

    lane: str
    room: int
    now: int
    lease_until: int
    node_id: int = 0


class ClaimedLink(NamedTuple):
    """A link whose next attempt is on disk and may start."""

    link_id: int
    channel: Channel
    sender: str
    content: Content
    attempt: int
    ttl: int
    closes_at: int | None
    expires_at: int
    dest_addr: str
    schedule: str | None
    claimed_at: int
    satisfied_by: int | None = None
    """None: no other link stands behind it."""
    taken: Mapping[int, str] = MappingProxyType({})
    """The parts of a long message that the channel took in earlier attempts."""


def due_lanes(items: list[None]) -> Steps[list[list[tuple[str, int]]]]:
    """Return the lanes in which links wait, each with the moment when its first one is due."""
    rows = yield from ask_one(_LANES)
    return [[(lane, due_at) for lane, due_at in rows]] * len(items)


def claim_links(claims: list[Claim]) -> Steps[list[list[ClaimedLink]]]:
    """Write the next attempt of the links that are due, and hand them out (design: leases)."""
    answers = yield Ask(_CLAIM, [(c.lane, c.now, c.room, c.lease_until, c.node_id) for c in claims])
    claimed = [[_claimed(*row) for row in rows] for rows in answers]
    resumed = [link.link_id for links in claimed for link in links if _may_be_resumed(link)]
    if resumed:
        taken = dict(zip(resumed, (yield from taken_parts(resumed)), strict=True))
        claimed = [
            [link._replace(taken=taken.get(link.link_id, {})) for link in links]
            for links in claimed
        ]
    return claimed


def _may_be_resumed(link: ClaimedLink) -> bool:
    """Tell whether some of its parts may be across: a WhatsApp message has no parts."""
    return link.attempt > 1 and link.channel is Channel.SMS


def _claimed(
    link_id: int, channel: str, sender: str, text: str | None, image_url: str | None, *rest: Any
) -> ClaimedLink:
    return ClaimedLink(link_id, Channel(channel), sender, content_of(text, image_url), *rest)
