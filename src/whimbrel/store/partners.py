"""Partners, as the CLI writes them and as a running gateway reads them."""

from typing import NamedTuple

import msgspec

from whimbrel.domain.partner import Partner, Profile
from whimbrel.store.audit import audited
from whimbrel.store.engine import Ask, Do, Row, Statement, Steps, ask_one

_INSERT = Statement("""
INSERT INTO partners (login, password_hash, profile, disabled, created_at, changed_at)
VALUES (:login, :password_hash, :profile, 0, :now, :now)
ON CONFLICT DO NOTHING RETURNING partner_id
""")
_UPDATE = Statement("""
UPDATE partners SET password_hash = :password_hash, profile = :profile, disabled = :disabled,
    changed_at = CASE WHEN :now > changed_at THEN :now ELSE changed_at + 1 END
WHERE partner_id = :partner_id AND (CAST(:seen AS bigint) IS NULL OR changed_at = :seen)
RETURNING partner_id
""")
_REMOVE = Statement("""
UPDATE partners SET removed_at = :now, disabled = 1,
    changed_at = CASE WHEN :now > changed_at THEN :now ELSE changed_at + 1 END
WHERE partner_id = :partner_id
""")
_ALL = Statement("""
SELECT partner_id, login, password_hash, disabled, profile, removed_at, changed_at FROM partners
ORDER BY login
""")
_BY_LOGIN = Statement("""
SELECT partner_id, login, password_hash, disabled, profile, removed_at, changed_at FROM partners
WHERE login = :login AND removed_at IS NULL
""")
_REVISION = Statement(
    "SELECT count(*), coalesce(max(changed_at), 0), sum(changed_at) FROM partners"
)
_UNSETTLED = Statement("""
SELECT count(*) FROM (
    SELECT 1 FROM links l JOIN chains c ON c.chain_id = l.chain_id
    WHERE l.state < 50 AND c.partner_id = :partner_id LIMIT 10000) AS unsettled
""")


class PartnerChange(NamedTuple):
    """A Partner to be written, and when."""

    partner: Partner
    now: int
    seen: int | None = None
    """The `changed_at` that it was read with: if somebody has changed it since, nothing is written.
    None: whatever it is by now."""


class StoredPartner(NamedTuple):
    """A Partner; `removed` ones keep their history but not their login."""

    partner: Partner
    removed: bool
    changed_at: int


def add_partners(changes: list[PartnerChange]) -> Steps[list[int | None]]:
    """Write new Partners; None where the login is taken."""
    answers = yield Ask(
        _INSERT, [(p.login, p.password_hash, _document(p.profile), now) for p, now, _ in changes]
    )
    return [rows[0][0] if rows else None for rows in answers]


def change_partners(changes: list[PartnerChange]) -> Steps[list[bool]]:
    """Overwrite Partners; tell of each whether it was as it had been seen."""
    answers = yield Ask(
        _UPDATE,
        [
            (p.password_hash, _document(p.profile), int(p.disabled), now, p.partner_id, seen)
            for p, now, seen in changes
        ],
    )
    return [bool(rows) for rows in answers]


def remove_partners(changes: list[PartnerChange]) -> Steps[list[None]]:
    """Free a Partner's login. Its chains stay, and their reports still go out."""
    yield Do(_REMOVE, [(now, partner.partner_id) for partner, now, _ in changes])
    return [None] * len(changes)


add_partners_audited = audited(add_partners, done=lambda number: number is not None)
change_partners_audited = audited(change_partners, done=bool)
remove_partners_audited = audited(remove_partners)
"""The same with who did it: what commands and pages write."""


def all_partners(items: list[None]) -> Steps[list[list[StoredPartner]]]:
    """Return every Partner, the removed ones included."""
    rows = yield from ask_one(_ALL)
    return [[_stored(row) for row in rows]] * len(items)


def find_partners(logins: list[str]) -> Steps[list[StoredPartner | None]]:
    """Return the Partner of each login; None where there is none, or no more."""
    answers = yield Ask(_BY_LOGIN, [(login,) for login in logins])
    return [_stored(rows[0]) if rows else None for rows in answers]


def partners_by_id(items: list[None]) -> Steps[list[dict[int, Partner]]]:
    """Return every Partner by its number, the removed ones too, whose reports still go."""
    stored = yield from all_partners([None])
    return [{one.partner.partner_id: one.partner for one in stored[0]}] * len(items)


def partners_revision(items: list[None]) -> Steps[list[tuple[int, ...]]]:
    """Return a value that changes whenever any Partner does, for `changed_at` always rises."""
    rows = yield from ask_one(_REVISION)
    return [rows[0]] * len(items)


MOST_UNSETTLED = 10_000
"""Where the count of links on their way ends: there are so many, or more."""


def unsettled_of(partner_ids: list[int]) -> Steps[list[int]]:
    """Count the links of each Partner that are still on their way, up to `MOST_UNSETTLED`."""
    answers = yield Ask(_UNSETTLED, [(partner_id,) for partner_id in partner_ids])
    return [rows[0][0] for rows in answers]


def _document(profile: Profile) -> str:
    return msgspec.json.encode(profile).decode()


def _stored(row: Row) -> StoredPartner:
    partner_id, login, password_hash, disabled, profile, removed_at, changed_at = row
    decoded = msgspec.json.decode(profile, type=Profile)
    partner = Partner(partner_id, login, password_hash, bool(disabled), decoded)
    return StoredPartner(partner, removed_at is not None, changed_at)
