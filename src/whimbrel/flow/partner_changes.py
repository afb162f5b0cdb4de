"""What an operator's change of a Partner is, in words that everybody may read: without secrets."""

from typing import Any
from urllib.parse import urlsplit

import msgspec

from whimbrel.domain.partner import Profile
from whimbrel.http_urls import redact

_URLS = frozenset({"report_url", "click_url"})
_MASK = "***"


def changes_between(old: Profile, new: Profile) -> dict[str, Any]:
    """Return the new values of the members that differ, for the audit log.

    Of the signing secret it only says what became of it, of URLs what may be logged.
    """
    before, after = msgspec.to_builtins(old), msgspec.to_builtins(new)
    changed = {name: value for name, value in after.items() if before[name] != value}
    if "signing_secret" in changed:
        changed["signing_secret"] = _fate(old.signing_secret, new.signing_secret)
    return changed | {name: redact(changed[name]) for name in _URLS & set(changed) if changed[name]}


def _fate(old: str, new: str) -> str:
    if not new:
        return "removed"
    return "replaced" if old else "made"


def masked(url: str) -> str:
    """Return a URL with its userinfo masked, if it has some: that is a password."""
    try:
        split = urlsplit(url)
    except ValueError:
        return url
    user, at, host = split.netloc.rpartition("@")
    return split._replace(netloc=f"{_MASK}@{host}").geturl() if at and user else url


def unmasked(typed: str, stored: str) -> str:
    """Return a URL as it was meant: what was shown masked, and was not changed, stays as it is."""
    return stored if typed == masked(stored) else typed
