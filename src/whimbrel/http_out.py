"""All outgoing HTTP: submits to the Cloud API and reports to Partners.

Owns connections, time-outs, the guard against server-side request forgery (SSRF), and the one
distinction that callers live by: did the request surely not go out, or may it have arrived? Knows
nothing of what is sent, to whom, or whether to try again.
"""
# ruff: noqa: ASYNC109  (time-outs are parameters: aiohttp's own timer is the cheapest)

import asyncio
import ipaddress
import socket
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from typing import NamedTuple, Protocol

import aiohttp
from aiohappyeyeballs import AddrInfoType
from aiohttp.abc import AbstractResolver, ResolveResult

from whimbrel.http_urls import redact

Headers = Mapping[str, str]

_CONNECT_SECONDS = 5.0  # a host that does not answer a SYN in this time is down
_CONNECTIONS = 2_048

# Servers close idle connections after 5 s (Node, uvicorn, Apache) or more (nginx: 75). A request
# written while its connection is being closed ends as `Unanswered`, so we let go first.
_IDLE_SECONDS = 4.0

# A receiver that moves is followed within this time, and a burst of reports costs one look-up.
# Rebinding gains nothing by it: the rule judges the address of each connection, not the name.
_NAME_SECONDS = 10

# Marks our refusal among the errors of a connect: when all addresses fail alike, aiohappyeyeballs
# makes one plain OSError of them and keeps only the number. No errno is negative; getaddrinfo's
# codes end at -105.
_NOT_ALLOWED = -1000

# Special-purpose space: the IANA registries of RFC 6890, and the RFC that set each aside.
_NOT_PUBLIC = [
    ipaddress.ip_network(subnet)
    for subnet in (
        *("0.0.0.0/8", "127.0.0.0/8"),  # unspecified, loopback: RFC 791, 1122
        *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"),  # private: RFC 1918
        "100.64.0.0/10",  # carrier-grade NAT: RFC 6598
        "168.63.129.16/32",  # Azure's host agent: public by its number only
        "169.254.0.0/16",  # link-local, cloud metadata: RFC 3927
        *("192.0.0.0/24", "192.88.99.0/24"),  # protocols, 6to4 relays: RFC 6890, 7526
        *("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"),  # documentation: RFC 5737
        "198.18.0.0/15",  # benchmarks: RFC 2544
        *("224.0.0.0/4", "240.0.0.0/4"),  # multicast, reserved, broadcast: RFC 5771, 1112, 919
        # All but 2000::/3, the only unicast handed out (RFC 4291): ::, ::1, IPv4-compatible ::/96,
        # 64:ff9b:1::/48 (RFC 8215), fc00::/7 (RFC 4193), fe80::/10, fec0::/10, ff00::/8 and more.
        *("::/3", "4000::/2", "8000::/1"),
        "2001::/23",  # protocols, Teredo and ORCHID among them: RFC 2928, 4380, 7343
        *("2001:db8::/32", "3fff::/20"),  # documentation: RFC 3849, 9637
        "2002::/16",  # 6to4, which carries an IPv4 address of anyone's choice: RFC 7526
    )
]
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # the IPv4 address is its last 32 bits: RFC 6052


class NotSent(Exception):
    """The request surely did not reach the other side; it may be sent again."""


class AddressNotAllowed(NotSent):
    """The address tried last, usually the only one, is refused by the `AddressRule`."""


class Unanswered(Exception):
    """The request may have arrived, but no complete answer came."""


class Answer(NamedTuple):
    """What the other side said, whatever the status; a redirect is an answer like any other.

    `body`: as sent, at most `max_body` bytes of it. `headers`: found by names in any case.
    `latency_ms`: from the call to the last byte taken, the wait for a connection included.
    """

    status: int
    body: bytes
    headers: Headers
    latency_ms: int


class AddressRule:
    """Which addresses may be connected to: public unicast, and what the operator adds."""

    def __init__(self, allowed_private: Iterable[str]) -> None:
        """Take the operator's subnets, like `10.20.0.0/16`; `ValueError` where one is none."""
        self._allowed = [ipaddress.ip_network(subnet) for subnet in allowed_private]

    def allows(self, ip: str) -> bool:
        """Tell whether an address may be connected to; a name or an odd spelling may not.

        An IPv4-mapped address (RFC 4291) is judged as its IPv4. One of NAT64 (RFC 6052) is public
        if its IPv4 is, but a private IPv4 of the operator's list does not open it.
        """
        try:
            address = ipaddress.ip_address(ip)
        except ValueError:
            return False
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
            address = address.ipv4_mapped
        if any(address in subnet for subnet in self._allowed):
            return True
        if address in _NAT64:
            address = ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
        return not any(address in subnet for subnet in _NOT_PUBLIC)


class Http(Protocol):
    """What callers need of `HttpOut`."""

    async def post(
        self, url: str, body: bytes, headers: Headers, *, timeout: float | None = None
    ) -> Answer:
        """POST once. Raises `NotSent`, `Unanswered`."""
        ...

    async def close(self) -> None:
        """Close all connections."""
        ...


class HttpOut:
    """Requests over kept-alive connections, without redirects, cookies or environment proxies.

    Create it inside a running event loop; end it with `close()`.
    """

    def __init__(
        self,
        *,
        address_rule: AddressRule | None,
        timeout: float,
        user_agent: str,
        connect_timeout: float | None = None,
        connections: int = _CONNECTIONS,
        max_body: int = 64 * 1024,
        resolver: AbstractResolver | None = None,
    ) -> None:
        """Prepare; nothing is connected yet.

        `address_rule`: None lets every address pass, for URLs that the operator wrote.
        `connect_timeout`: seconds for a free connection, name, TCP and TLS together. Keep it below
        `timeout`, seconds for the whole, which if it strikes first leaves the outcome open. None
        is 5 seconds, or half of `timeout` where that is less.
        `connections`: how many at once, to all hosts together; callers pace each host.
        `max_body`: bytes of an answer's body to read. `resolver`: None for the system's names.
        """
        if connect_timeout is None:
            connect_timeout = min(_CONNECT_SECONDS, timeout / 2)
        self._timeout = timeout
        self._max_body = max_body
        self._loop = asyncio.get_running_loop()
        # Cached: callers use a few values, and building one would be felt.
        self._limits = lru_cache(16)(partial(aiohttp.ClientTimeout, connect=connect_timeout))
        self._resolver = resolver or _SystemResolver()
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=connections,
                keepalive_timeout=_IDLE_SECONDS,
                ttl_dns_cache=_NAME_SECONDS,
                resolver=self._resolver,
                socket_factory=partial(_open_socket, address_rule) if address_rule else None,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": user_agent, "Accept-Encoding": "identity"},
            auto_decompress=False,  # what comes compressed all the same must not grow in memory
            trust_env=False,
        )

    async def post(
        self, url: str, body: bytes, headers: Headers, *, timeout: float | None = None
    ) -> Answer:
        """POST once, never twice, and return the answer.

        `timeout`: seconds, in place of the usual. Userinfo in the URL is sent as Basic
        authentication (RFC 7617); `headers` may not hold `Authorization` then.

        Raises `NotSent` (or its `AddressNotAllowed`), `Unanswered`; `RuntimeError` once closed.
        """
        return await self._exchange("POST", url, body, headers, timeout)

    async def get(self, url: str, headers: Headers, *, timeout: float | None = None) -> Answer:
        """GET, once more if a kept-alive connection was lost (RFC 9110, 9.2.2); else as `post`."""
        return await self._exchange("GET", url, None, headers, timeout)

    async def close(self) -> None:
        """Close all connections; requests under way end as `NotSent` or `Unanswered`."""
        await self._session.close()
        await self._resolver.close()

    async def _exchange(
        self, method: str, url: str, body: bytes | None, headers: Headers, timeout: float | None
    ) -> Answer:
        started = self._loop.time()
        limits = self._limits(self._timeout if timeout is None else timeout)
        try:
            response = await self._session.request(
                method, url, data=body, headers=headers, timeout=limits, allow_redirects=False
            )
            try:
                received = await self._read(response.content)
            finally:
                if not response.closed:  # not read to its end, so the connection is spoilt
                    response.close()
        except (aiohttp.ClientError, OSError, ValueError) as error:
            failure = _failure(f"{method} {redact(url)}", error)
        else:
            latency_ms = round((self._loop.time() - started) * 1000)
            return Answer(response.status, received, response.headers, latency_ms)
        # Raised out here, it has no context: aiohttp's errors hold the whole URL and the headers.
        raise failure

    async def _read(self, content: aiohttp.StreamReader) -> bytes:
        received = await content.read(self._max_body)
        while len(received) < self._max_body and not content.at_eof():
            received += await content.read(self._max_body - len(received))
        return received


def _failure(request: str, error: Exception) -> NotSent | Unanswered:
    """Sort an error by the only question that matters; nothing of the other side's is quoted."""
    if isinstance(error, aiohttp.ClientConnectorError):  # name, TCP, TLS, certificate
        kind = AddressNotAllowed if error.errno == _NOT_ALLOWED else NotSent
        return kind(f"{request}: {error.strerror or error.os_error}")
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return NotSent(f"{request}: no connection in time")
    if isinstance(error, ValueError | aiohttp.NonHttpUrlClientError):  # before a byte is written
        return NotSent(f"{request}: the URL or a header cannot be used")
    if isinstance(error, TimeoutError):
        return Unanswered(f"{request}: no complete answer in time")
    return Unanswered(f"{request}: connection lost or answer broken ({type(error).__name__})")


def _open_socket(rule: AddressRule, target: AddrInfoType) -> socket.socket:
    """Make the socket for the very address that is connected to next, or raise `OSError`.

    Every connection passes here, whatever spelling, name or look-up led to its address.
    """
    family, kind, protocol, _, (ip, *_) = target
    if not rule.allows(ip):
        raise OSError(_NOT_ALLOWED, f"address {ip} is not allowed")
    return socket.socket(family, kind, protocol)


class _SystemResolver(AbstractResolver):
    """The system's look-ups, on threads of our own.

    The loop's threads are few (uvloop's run two look-ups at once) and everybody's: names whose
    servers hang would hold up the other `HttpOut`.
    """

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(16, thread_name_prefix="resolver")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        loop, kind, flags = asyncio.get_running_loop(), socket.SOCK_STREAM, socket.AI_ADDRCONFIG
        look_up = partial(socket.getaddrinfo, host, port, family, kind, flags=flags)
        return [
            ResolveResult(hostname=host, host=str(ip), port=port, family=kin, proto=proto, flags=0)
            for kin, _, proto, _, (ip, *_) in await loop.run_in_executor(self._threads, look_up)
        ]

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
