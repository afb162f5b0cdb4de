"""Short URLs as chains are accepted with them, and as they are looked for.

A UID is drawn blindly; whether it is free is the insert's answer, and another is drawn if not. How
many UIDs of each length are in use is counted in the same transaction (`uid_spaces`): whoever
removes short URLs must `release_uids`.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from whimbrel.domain.chain import Chain, NewLink
from whimbrel.domain.short_url import LONGEST_UID, Draft, new_uid, shared_key
from whimbrel.store.engine import Ask, Do, Params, Statement, Steps, StoreUnavailable, ask_one

_TRIES_A_LENGTH = 8  # at 1 % of a space in use, eight collisions in a row are one in 10**16
_TRIES = 8 * _TRIES_A_LENGTH  # then something else is wrong than a full space

# A shared one lives on from the last message that it was sent in; None is for ever.
_SHARED_AGAIN = Statement("""
UPDATE short_urls SET
    expires_at = CASE WHEN expires_at < :expires_at OR :expires_at IS NULL
        THEN :expires_at ELSE expires_at END,
    idle_until = CASE WHEN idle_until < :idle_until OR :idle_until IS NULL
        THEN :idle_until ELSE idle_until END
WHERE shared_key = :shared_key
RETURNING uid
""")
_INSERT = Statement("""
INSERT INTO short_urls (uid, partner_id, target, shared_key, subscriber, chain_id, link_id,
    created_at, expires_at, idle_until, visits, clicks)
VALUES (:uid, :partner_id, :target, :shared_key, :subscriber, :chain_id, :link_id,
    :created_at, :expires_at, :idle_until, 0, 0)
ON CONFLICT DO NOTHING RETURNING uid
""")
_COUNT_USED = Statement("""
INSERT INTO uid_spaces (uid_length, used) VALUES (:uid_length, :made)
ON CONFLICT (uid_length) DO UPDATE SET used = uid_spaces.used + excluded.used
""")
_USED = Statement("SELECT uid_length, used FROM uid_spaces")
_BY_UID = Statement("""
SELECT uid, partner_id, target, subscriber, chain_id, link_id, created_at, expires_at, idle_until,
    visits, clicks, first_click_at, last_click_at
FROM short_urls WHERE uid = :uid
""")


class ShortUrl(NamedTuple):
    """A short URL as it is kept."""

    uid: str
    partner_id: int
    target: str
    """The long URL, as the Partner wrote it: it may hold characters that HTTP must encode."""
    subscriber: str | None
    """The destAddr of the only one who has it; None: it is shared, and of no chain."""
    chain_id: int | None
    link_id: int | None
    created_at: int
    expires_at: int | None
    """When it ends, even if it is followed; None: never. Another message may move it on."""
    idle_until: int | None
    """When it ends unless somebody follows it; None: never."""
    visits: int
    """All of them, crawlers included."""
    clicks: int
    """Those that count."""
    first_click_at: int | None
    last_click_at: int | None


class WantedShortUrl(NamedTuple):
    """A short URL that a message needs; None in its moments is for ever."""

    partner_id: int
    target: str
    shared_key: bytes | None
    """None: one for this subscriber alone."""
    subscriber: str | None
    chain_id: int | None
    link_id: int | None
    created_at: int
    expires_at: int | None
    idle_until: int | None
    uid_length: int

    @property
    def identity(self) -> Any:
        """What two wishes have in common if one short URL is enough for both."""
        return self.shared_key or (self.link_id, self.target)


class FilledDraft(NamedTuple):
    """A text as it is sent, and the UIDs in it, each once, in their order."""

    text: str
    uids: tuple[str, ...]


def fill_drafts(links: Iterable[tuple[Chain, NewLink]]) -> Steps[dict[int, FilledDraft]]:
    """Make the short URLs of the drafts among these links, which have been accepted.

    Returns the texts by link_id. Raises `StoreUnavailable` if no UIDs could be found.
    """
    drafts = [
        (link.link_id, link.content, _wanted(chain, link.link_id, link.content))
        for chain, link in links
        if isinstance(link.content, Draft)
    ]
    if not drafts:
        return {}
    uids = yield from _uids_of([one for _, _, wanted in drafts for one in wanted])
    return {link_id: _filled(draft, wanted, uids) for link_id, draft, wanted in drafts}


def _wanted(chain: Chain, link_id: int, draft: Draft) -> list[WantedShortUrl]:
    rules, now = draft.rules, chain.accepted_at
    return [
        WantedShortUrl(
            chain.partner_id,
            target,
            shared_key(chain.partner_id, target, rules.uid_length) if rules.shared else None,
            None if rules.shared else chain.dest_addr,
            None if rules.shared else chain.chain_id,
            None if rules.shared else link_id,
            now,
            None if rules.lifetime is None else now + rules.lifetime,
            None if rules.idle is None else now + rules.idle,
            rules.uid_length,
        )
        for target in dict.fromkeys(draft.targets)
    ]


def _filled(draft: Draft, wanted: list[WantedShortUrl], uids: dict[Any, str]) -> FilledDraft:
    by_target = {one.target: uids[one.identity] for one in wanted}
    return FilledDraft(draft.sent(by_target), tuple(by_target.values()))


def _uids_of(wanted: list[WantedShortUrl]) -> Steps[dict[Any, str]]:
    """Return a UID for each identity: of a shared one that is there, else of a new one.

    An insert that changes nothing has met a UID in use, or another process that shares the same
    URL at the same time: both are settled by another round.
    """
    missing = {one.identity: one for one in wanted}
    found: dict[Any, str] = {}
    for tries in range(_TRIES):
        shared = [one for one in missing.values() if one.shared_key is not None]
        answers = yield Ask(
            _SHARED_AGAIN, [(one.expires_at, one.idle_until, one.shared_key) for one in shared]
        )
        _settle(shared, answers, found, missing)
        new = list(missing.values())
        answers = yield Ask(_INSERT, [_params(one, tries) for one in new])
        _settle(new, answers, found, missing)
        yield from _count_uids(Counter(len(rows[0][0]) for rows in answers if rows))
        if not missing:
            return found
    raise StoreUnavailable("no free UID was found for a short URL")


def _settle(
    asked: Sequence[WantedShortUrl],
    answers: Sequence[Sequence[Any]],
    found: dict[Any, str],
    missing: dict[Any, WantedShortUrl],
) -> None:
    """Move those that have a UID now from `missing` to `found`."""
    for one, rows in zip(asked, answers, strict=True):
        if rows:
            found[one.identity] = rows[0][0]
            del missing[one.identity]


def _params(one: WantedShortUrl, tries: int) -> Params:
    """Draw a UID; a longer one where too many of this length were taken."""
    length = min(LONGEST_UID, one.uid_length + tries // _TRIES_A_LENGTH)
    return (new_uid(length), *one[:-1])


def release_uids(removed: Iterable[str]) -> Steps[None]:
    """Note that these UIDs are free again, in the transaction that removes their short URLs."""
    yield from _count_uids(Counter({n: -count for n, count in Counter(map(len, removed)).items()}))


def _count_uids(made: Counter[int]) -> Steps[None]:
    yield Do(_COUNT_USED, list(made.items()))


def used_uids(items: list[None]) -> Steps[list[dict[int, int]]]:
    """Return how many UIDs are in use, by their length."""
    rows = yield from ask_one(_USED)
    return [dict(rows)] * len(items)


def find_short_urls(uids: list[str]) -> Steps[list[ShortUrl | None]]:
    """Return the short URL of each UID, None where there is none.

    One whose time is over is returned until it is removed: whoever asks looks at its moments.
    """
    answers = yield Ask(_BY_UID, [(uid,) for uid in uids])
    return [ShortUrl(*rows[0]) if rows else None for rows in answers]
