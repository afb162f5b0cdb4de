"""A stored URL as the `Location` of a redirect.

A Partner's URL may hold what HTTP does not carry: letters of any alphabet, blanks, control
characters. What RFC 3986 allows stays as it was written, percent signs too, so that a URL that was
right before is the same after.
"""

import contextlib
from urllib.parse import quote

import idna

_AS_WRITTEN = "%!$&'()*+,;=:@/?#[]~"
"""Beside letters, digits and `-._`: the reserved characters, and what is encoded already."""
_SCHEMES = ("http://", "https://")


def location_of(target: str) -> str | None:
    """Return `target` in ASCII; None if it is no absolute http or https URL with a host.

    A host in letters of another alphabet is written in punycode, as browsers do it (UTS #46), since
    not every program that follows a redirect can.
    """
    scheme, mark, rest = target.partition("://")
    if not mark or f"{scheme.lower()}://" not in _SCHEMES:
        return None
    end = min((at for at in map(rest.find, "/?#\\") if at >= 0), default=len(rest))
    user, at, host = rest[:end].rpartition("@")
    if not host or host.startswith(":"):
        return None
    tail = _encoded(rest[end:])
    if rest[end : end + 1] == "\\":  # a slash to browsers; encoded, it would make the host a user
        tail = "/" + tail.removeprefix("%5C")
    return f"{scheme.lower()}://{_encoded(user)}{at}{_host(host)}{tail}"


def _host(host: str) -> str:
    """Write a host, and the port behind it, in ASCII."""
    return _encoded(host if host.isascii() else ".".join(map(_label, host.split("."))))


def _label(label: str) -> str:
    if label.isascii():
        return label
    name, colon, port = label.partition(":")
    # Where that fails it is percent-encoded, as browsers read it all the same (URL Standard).
    with contextlib.suppress(idna.IDNAError):
        name = idna.encode(name, uts46=True).decode("ascii")
    return f"{name}{colon}{port}"


def _encoded(text: str) -> str:
    return quote(text, safe=_AS_WRITTEN, errors="replace")
