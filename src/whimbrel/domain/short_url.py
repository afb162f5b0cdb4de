"""Short URLs: how a Partner has them, their UIDs, and a text that waits for them.

What is a URL in a text is `url_search.py`'s business. A link of a chain is something else
(glossary).
"""

import hashlib
import re
import secrets
from collections.abc import Mapping
from enum import StrEnum
from functools import lru_cache
from itertools import accumulate, chain, zip_longest
from urllib.parse import urlsplit

from msgspec import Struct

from whimbrel.domain.url_search import find_urls

SHORTEST_UID, LONGEST_UID = 3, 8
"""Characters of a UID (`protocol.md`, section 5)."""
CROWDED_SHARE = 0.01
"""How much of a length's UIDs may be in use before longer ones are given out."""
_BITS_A_CHARACTER = 6  # A-Z a-z 0-9 - _
_LONGEST_UID_BYTES = LONGEST_UID * _BITS_A_CHARACTER // 8
_UNSEEN_AT_THE_END = "-_"
_LONGEST_TARGET = 4_096  # longer ones would not pass as a Location; no text may hold one either
_LONGEST_BASE = 100
_MOST_PREFIXES = 3  # segments of a path before the UID
_PREFIX = re.compile(rf"(?:/[A-Za-z0-9._~-]+){{0,{_MOST_PREFIXES}}}")
_DEFAULT_PORTS = {"http": 80, "https": 443}


class ShortUrlMode(StrEnum):
    """Whether a Partner's long URLs are shortened, and for whom (`protocol.md`, section 5)."""

    OFF = "off"
    SHARED = "shared"
    """One short URL for all subscribers: clicks are counted for all of them together."""
    PER_SUBSCRIBER = "per-subscriber"
    """One for each message: a click tells who it was."""


class ShortUrlRules(Struct, frozen=True, kw_only=True):
    """How the URLs of one Partner are shortened at one moment."""

    base: str
    """What stands before a UID: scheme, domain and path prefix, without a slash at the end."""
    ours: frozenset[str] = frozenset()
    """All our short domains, as `domain_of` writes them; URLs there are never shortened again."""
    threshold: int
    """URLs of more characters than this are replaced."""
    uid_length: int
    shared: bool
    idle: int | None
    """Milliseconds after which a short URL that nobody follows is removed; None: never."""
    lifetime: int | None
    """Milliseconds after which it is removed, even if it is followed; None: never."""

    @property
    def length(self) -> int:
        """How many characters a short URL has."""
        return len(self.base) + 1 + self.uid_length


class Draft(Struct, frozen=True):
    """A text whose long URLs will be replaced when the store has found UIDs for them."""

    pieces: tuple[str, ...]
    """What stands before, between and after the URLs: one more than there are targets."""
    targets: tuple[str, ...]
    """The long URLs in their order, as they were written; one that comes twice is here twice."""
    rules: ShortUrlRules

    def __len__(self) -> int:
        """Return the length of the text as it will be sent, in code points."""
        return sum(map(len, self.pieces)) + len(self.targets) * self.rules.length

    @property
    def original(self) -> str:
        """The text as the Partner wrote it."""
        return _woven(self.pieces, self.targets)

    def sent(self, uids: Mapping[str, str]) -> str:
        """Return the text with short URLs, given the UID of each target."""
        short = tuple(f"{self.rules.base}/{uids[target]}" for target in self.targets)
        return _woven(self.pieces, short)


def _woven(pieces: tuple[str, ...], urls: tuple[str, ...]) -> str:
    return "".join(chain.from_iterable(zip_longest(pieces, urls, fillvalue="")))


def new_uid(length: int) -> str:
    """Return a UID of `length` (3 to 8) characters out of 64 that nobody can foresee.

    None ends in `-` or `_`: programs that make links of URLs may leave such an end out, and
    WhatsApp takes it for markup.
    """
    while True:
        uid = secrets.token_urlsafe(_LONGEST_UID_BYTES)[:length]
        if uid[-1] not in _UNSEEN_AT_THE_END:
            return uid


def uid_space(length: int) -> int:
    """Return how many UIDs of `length` characters there are."""
    last = (1 << _BITS_A_CHARACTER) - len(_UNSEEN_AT_THE_END)
    return last << _BITS_A_CHARACTER * (length - 1)


def is_crowded(length: int, used: int) -> bool:
    """Tell whether so many UIDs of `length` are in use that longer ones should be given out."""
    return used > CROWDED_SHARE * uid_space(length)


def shared_key(partner_id: int, target: str, uid_length: int) -> bytes:
    """Return what all messages of a Partner with this URL have in common.

    A digest, since a URL may be too long for an index. The UID's length is in it, so that a text
    has the length that it was checked with, whatever the settings were when it was shared first.
    """
    whole = f"{partner_id}\0{uid_length}\0{target}"
    return hashlib.blake2b(whole.encode(), digest_size=16).digest()


class BadBase(ValueError):
    """A short domain that cannot be one; the text tells the rule."""

    def __init__(self, rule: str, **values: object) -> None:
        super().__init__(rule.format(**values))
        self.rule = rule
        """The text before the values were put into it."""
        self.values = values


def base_of(url: str) -> str:
    """Return what stands before a UID, given an operator's short domain. Raises `BadBase`.

    That is an absolute http or https URL, with a path of up to three segments if need be.
    """
    place = _place_of(url)
    split = urlsplit(url) if place else None
    if split is None or split.scheme not in _DEFAULT_PORTS:
        raise BadBase("'{url}' is not an absolute http or https URL", url=url)
    base = f"{split.scheme}://{split.netloc}{split.path.rstrip('/')}"
    if "@" in split.netloc or base != url.rstrip("/"):
        raise BadBase("'{url}' has more than a domain and a path", url=url)
    if not _PREFIX.fullmatch(split.path.rstrip("/")):
        rule = "the path of '{url}' is not up to {most} segments of letters, digits, ._~-"
        raise BadBase(rule, url=url, most=_MOST_PREFIXES)
    if len(base) > _LONGEST_BASE:
        raise BadBase("'{url}' is longer than {most} characters", url=url, most=_LONGEST_BASE)
    return base


def domain_of(base: str) -> str:
    """Return host, port and path prefix of a base, in the form that `ShortUrlRules.ours` has."""
    return _place_of(base) or ""


def _place_of(url: str) -> str | None:
    """Return a URL's host in ASCII, its port unless it is the usual one, and its path.

    Whether it begins with http or https, and who is named as its user, make no other place of it.
    None: it is not a URL after all.
    """
    try:
        split = urlsplit(url)
        host, port = split.hostname or "", split.port
        host = host if host.isascii() else _in_ascii(host)
    except ValueError:
        return None
    usual = port is None or port == _DEFAULT_PORTS.get(split.scheme)
    return (host if usual else f"{host}:{port}") + split.path.rstrip("/") if host else None


@lru_cache(maxsize=1_024)
def _in_ascii(host: str) -> str:
    """Return an international host as DNS knows it. Slow, and the same few come again and again."""
    return host.encode("idna").decode()


def drafted(text: str, rules: ShortUrlRules) -> Draft | None:
    """Return `text` with its long URLs taken out; None where there is none (section 5)."""
    pieces: list[str] = []
    targets: list[str] = []
    position = 0
    for begin, end in find_urls(text):
        if rules.threshold < end - begin <= _LONGEST_TARGET:
            target = text[begin:end]
            if _may_be_replaced(target, rules.ours):
                pieces.append(text[position:begin])
                targets.append(target)
                position = end
    return Draft((*pieces, text[position:]), tuple(targets), rules) if targets else None


def _may_be_replaced(target: str, ours: frozenset[str]) -> bool:
    """Tell whether this is a URL that leads anywhere but to one of our short domains."""
    place = _place_of(target)
    if place is None:
        return False
    segments = place.split("/", _MOST_PREFIXES + 1)[: _MOST_PREFIXES + 1]
    return ours.isdisjoint(accumulate(segments, "{}/{}".format))
