"""Who is calling: the peer, or whom a trusted proxy names (RFC 7239; the older X-Forwarded-For).

A header that anybody can write is believed only when the peer is one of the operator's proxies, and
then from its end backwards: the last hop that is no proxy of ours is the caller. A proxy writes one
of the two headers and lets the other one through, so where both are there they must agree.
"""

import ipaddress
import re
from collections.abc import Sequence
from functools import lru_cache

from starlette.types import Scope

UNKNOWN = "unknown"
"""RFC 7239's word. No subnet admits it."""
_PAIR = re.compile(r"""\s*([\w!#$%&'*+.^`|~-]+)=("(?:[^"\\]|\\.)*"|[^\s";,]*)\s*([;,]|$)""")


class CallerAddress:
    """Finds the address of a request's caller."""

    def __init__(self, trusted_proxies: Sequence[str]) -> None:
        """`trusted_proxies` are subnets."""
        self._proxies = [ipaddress.ip_network(subnet) for subnet in trusted_proxies]
        self._is_proxy = lru_cache(maxsize=4_096)(self._is_inside)

    def of(self, scope: Scope) -> str:
        """Return the caller's address; empty if the server does not know it."""
        peer = scope["client"][0] if scope.get("client") else ""
        if not self._proxies or not self._is_proxy(peer):
            return peer
        hops = (
            _forwarded(_joined(scope, b"forwarded")),
            _listed(_joined(scope, b"x-forwarded-for")),
        )
        named = {self._last_stranger(addresses, peer) for addresses in hops if addresses}
        return UNKNOWN if len(named) > 1 else named.pop() if named else peer

    def _last_stranger(self, hops: list[str], peer: str) -> str:
        return next((hop for hop in reversed(hops) if not self._is_proxy(hop)), peer)

    def _is_inside(self, address: str) -> bool:
        try:
            ip = ipaddress.ip_address(address)
        except ValueError:
            return False
        mapped = getattr(ip, "ipv4_mapped", None)
        return any((mapped or ip) in subnet for subnet in self._proxies)


def _joined(scope: Scope, name: bytes) -> str:
    return b",".join(value for key, value in scope["headers"] if key == name).decode("latin-1")


def _forwarded(value: str) -> list[str]:
    """Return the address of each hop of `Forwarded`.

    It is read with its quotes, since a quoted host is the client's own words. What cannot be read
    may hide a hop, so then nobody is known.
    """
    hops, hop, at = [], UNKNOWN, 0
    while at < len(value):
        pair = _PAIR.match(value, at)
        if pair is None:
            return [UNKNOWN]
        name, text, end = pair.groups()
        if name.lower() == "for":
            hop = _without_port(text.strip('"'))
        at = pair.end()
        if end == "," or at == len(value):
            hops.append(hop)
            hop = UNKNOWN
    return hops


def _listed(value: str) -> list[str]:
    """Return the address of each hop of `X-Forwarded-For`."""
    hops = [hop.strip() for hop in value.split(",")]
    return [_without_port(hop) for hop in hops if hop]


def _without_port(hop: str) -> str:
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop
