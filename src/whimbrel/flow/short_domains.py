"""Whose short URLs are where: by the host that is asked, and by the path.

A base without a path has its host for itself: nothing else is served there. One with a path has
what lies below it. The gateway's own base leads to every Partner's short URLs, since a Partner may
have got a domain of its own later; a Partner's domain leads to its own alone, so that nobody can
borrow its good name.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

import structlog

from whimbrel.domain.partner import Partner
from whimbrel.domain.short_url import LONGEST_UID, SHORTEST_UID
from whimbrel.flow.partner_directory import PartnerDirectory

_log = structlog.get_logger(__name__)
_UID = re.compile(rf"[A-Za-z0-9_-]{{{SHORTEST_UID},{LONGEST_UID}}}")
_NOT_AT_THE_END = "-_*~"  # of no UID, but the mark that closes WhatsApp's markup may get there
_MOST_HOSTS = 1_000  # spellings that are remembered; anybody may send any


class ShortPlace(NamedTuple):
    """A request for a short URL."""

    base: str
    """What stands before the UID there."""
    uid: str
    """Empty: the path cannot be a short URL's."""
    owners: frozenset[int] | None
    """The Partners whose short URLs are there; None: everybody's."""


class _Base(NamedTuple):
    base: str
    prefix: str
    """The path before the UID, with a slash at its end."""
    owners: frozenset[int] | None


class ShortDomains:
    """All short domains at present."""

    def __init__(self, partners: PartnerDirectory, gateway_base: str, public_url: str = "") -> None:
        """`gateway_base` is the gateway's own, as `gateway_base` of `own_domain.py` tells it.

        The host of `public_url` is the API's and Meta's: no base has it for itself.
        """
        self._partners = partners
        self._gateway_base = gateway_base
        self._public_host = urlsplit(public_url).hostname
        self._seen: Mapping[int, Partner] | None = None
        self._by_host: dict[str, list[_Base]] = {}
        self._anywhere: list[_Base] = []
        self._spellings: dict[bytes, list[_Base]] = {}

    def find(self, host: bytes, path: str) -> ShortPlace | None:
        """Return the place that a request asks for; None if it is for the rest of the site.

        `host` is the header as it came, `path` is decoded. The port makes no difference: proxies
        leave it out, or put their own there.
        """
        if self._seen is not self._partners.everybody:
            self._read()
        bases = self._spellings.get(host)
        if bases is None:
            bases = self._remember(host)
        for base, prefix, owners in bases:
            if prefix == "/" or path.startswith(prefix):  # "/" is all, the path "*" too (RFC 9112)
                rest = path[len(prefix) :].rstrip(_NOT_AT_THE_END)
                return ShortPlace(base, rest if _UID.fullmatch(rest) else "", owners)
        return None

    def _remember(self, host: bytes) -> list[_Base]:
        if len(self._spellings) >= _MOST_HOSTS:
            self._spellings.clear()
        bases = self._by_host.get(_name_of(host), self._anywhere)
        self._spellings[host] = bases
        return bases

    def _read(self) -> None:
        """Read the Partners' domains anew. The longest path comes first, so that "/" is the last.

        The gateway's own prefix is served on every host but the Partners', for a proxy may pass on
        another name than the gateway is known by.
        """
        self._seen = self._partners.everybody
        owners: dict[str, frozenset[int] | None] = {}
        for partner_id, partner in self._seen.items():
            url = partner.profile.short_domain
            if url:
                owners[url] = (owners.get(url) or frozenset()) | {partner_id}
        if self._gateway_base:
            owners[self._gateway_base] = None
        bases = [_Base(url, _prefix(url), ids) for url, ids in owners.items() if self._may_be(url)]
        self._anywhere = [one for one in bases if one.owners is None and one.prefix != "/"]
        self._by_host = {}
        for base in sorted(bases, key=lambda one: len(one.prefix), reverse=True):
            self._by_host.setdefault(_host(base.base), []).append(base)
        self._spellings = {}

    def _may_be(self, url: str) -> bool:
        if _prefix(url) != "/" or _host(url) != self._public_host:
            return True
        _log.warning(
            "short_domain_ignored", base=url, hint="server.public_url has this host: give it a path"
        )
        return False


def _prefix(base: str) -> str:
    return f"{urlsplit(base).path}/"


def _name_of(host: bytes) -> str:
    """Return the name in a Host header, without port and final dot (RFC 9110, section 7.2)."""
    name = host.decode("latin-1").strip().lower()
    if name.startswith("["):
        return name[1:].partition("]")[0]
    return name.partition(":")[0].rstrip(".")


def _host(base: str) -> str:
    name = urlsplit(base).hostname or ""
    try:
        return name if name.isascii() else name.encode("idna").decode("ascii")
    except UnicodeError:
        return name
