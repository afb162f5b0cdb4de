"""Who is calling: the peer, or whom a trusted proxy names (RFC 7239; the older X-Forwarded-For).

A header that anybody can write is believed only when the peer is one of the operator's proxies, and
then from its end backwards: the last hop that is no proxy of ours is the caller.
"""

import ipaddress
import re
from collections.abc import Sequence
from functools import lru_cache

from starlette.types import Scope

_FOR = re.compile(r'(?:^|[;,\s])for="?(\[[^\]]+\]|[^";,\s:]+)', re.IGNORECASE)


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
        for hop in reversed(_hops(scope)):
            if not self._is_proxy(hop):
                return hop
        return peer

    def _is_inside(self, address: str) -> bool:
        try:
            ip = ipaddress.ip_address(address)
        except ValueError:
            return False
        mapped = getattr(ip, "ipv4_mapped", None)
        return any((mapped or ip) in subnet for subnet in self._proxies)


def _hops(scope: Scope) -> list[str]:
    """Return the addresses that proxies have added, in their order, without ports."""
    forwarded = b",".join(value for name, value in scope["headers"] if name == b"forwarded")
    if forwarded:
        return [hop.strip("[]") for hop in _FOR.findall(forwarded.decode("latin-1"))]
    listed = b",".join(value for name, value in scope["headers"] if name == b"x-forwarded-for")
    hops = [hop.strip() for hop in listed.decode("latin-1").split(",")]
    return [_without_port(hop) for hop in hops if hop]


def _without_port(hop: str) -> str:
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop
