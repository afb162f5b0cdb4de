"""Partners, as the CLI writes them and as a running gateway reads them."""

from typing import NamedTuple

import msgspec

from whimbrel.domain.partner import Partner, Profile
from whimbrel.store.engine import Ask, Do, Statement, Steps, ask_one

_INSERT = Statement("""
INSERT INTO partners (login, password_hash, profile, disabled, created_at, changed_at)
VALUES (:login, :password_hash, :profile, 0, :now, :now)
ON CONFLICT DO NOTHING RETURNING partner_id
""")
_UPDATE = Statement("""
UPDATE partners SET password_hash = :password_hash, profile = :profile, disabled = :disabled,
    changed_at = CASE WHEN :now > changed_at THEN :now ELSE changed_at + 1 END
WHERE partner_id = :partner_id
""")
_REMOVE = Statement("""
UPDATE partners SET removed_at = :now, disabled = 1,
    changed_at = CASE WHEN :now > changed_at THEN :now ELSE changed_at + 1 END
WHERE partner_id = :partner_id
""")
_ALL = Statement("""
SELECT partner_id, login, password_hash, disabled, profile, removed_at FROM partners
ORDER BY login
""")
_REVISION = Statement(
    "SELECT count(*), coalesce(max(changed_at), 0), sum(changed_at) FROM partners"
)
_UNSETTLED = Statement("""
SELECT count(*) FROM links l JOIN chains c ON c.chain_id = l.chain_id
WHERE l.state < 50 AND c.partner_id = :partner_id
""")


class PartnerChange(NamedTuple):
    """A Partner to be written, and when."""

    partner: Partner
    now: int


class StoredPartner(NamedTuple):
    """A Partner; `removed` ones keep their history but not their login."""

    partner: Partner
    removed: bool


def add_partners(changes: list[PartnerChange]) -> Steps[list[int | None]]:
    """Write new Partners; None where the login is taken."""
    answers = yield Ask(
        _INSERT, [(p.login, p.password_hash, _document(p.profile), now) for p, now in changes]
    )
    return [rows[0][0] if rows else None for rows in answers]


def change_partners(changes: list[PartnerChange]) -> Steps[list[None]]:
    """Overwrite Partners."""
    yield Do(
        _UPDATE,
        [
            (p.password_hash, _document(p.profile), int(p.disabled), now, p.partner_id)
            for p, now in changes
        ],
    )
    return [None] * len(changes)


def remove_partners(changes: list[PartnerChange]) -> Steps[list[None]]:
    """Free a Partner's login. Its chains stay, and their reports still go out."""
    yield Do(_REMOVE, [(now, partner.partner_id) for partner, now in changes])
    return [None] * len(changes)


def all_partners(items: list[None]) -> Steps[list[list[StoredPartner]]]:
    """Return every Partner, the removed ones included."""
    rows = yield from ask_one(_ALL)
    partners = [
        StoredPartner(
            Partner(
                partner_id, login, password_hash, bool(disabled),
                msgspec.json.decode(profile, type=Profile),
            ),
            removed_at is not None,
        )
        for partner_id, login, password_hash, disabled, profile, removed_at in rows
    ]  # fmt: skip
    return [partners] * len(items)


def partners_revision(items: list[None]) -> Steps[list[tuple[int, ...]]]:
    """Return a value that changes whenever any Partner does, for `changed_at` always rises."""
    rows = yield from ask_one(_REVISION)
    return [rows[0]] * len(items)


def unsettled_of(partner_ids: list[int]) -> Steps[list[int]]:
    """Count the links of each Partner that are still on their way."""
    answers = yield Ask(_UNSETTLED, [(partner_id,) for partner_id in partner_ids])
    return [rows[0][0] for rows in answers]


def _document(profile: Profile) -> str:
    return msgspec.json.encode(profile).decode()
