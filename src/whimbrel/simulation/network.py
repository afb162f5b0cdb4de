"""The scripted network: what HTTP would carry out of the gateway, host by host.

Stands where `HttpOut` does, and keeps its one distinction: did the request surely not go out, or
may it have arrived?
"""

import asyncio
from typing import Any, NamedTuple, Protocol
from urllib.parse import urlsplit

from whimbrel.http_out import AddressRule, Answer, Headers, Http, NotSent, Unanswered
from whimbrel.simulation.world import World


class Reply(NamedTuple):
    """What a host does with a request, and after how many seconds; None: nothing, ever."""

    after: float
    outcome: Answer | NotSent | Unanswered | None


class Host(Protocol):
    """Somebody who can be POSTed to."""

    def take(self, url: str, body: bytes, headers: Headers) -> Reply:
        """Take a request, at once, and say how it will end."""
        ...


def settle(future: "asyncio.Future[Any]", result: object) -> None:
    """Give a future its result, unless it has one."""
    if not future.done():
        future.set_result(result)


def answer(status: int, body: bytes = b"") -> Answer:
    """Return an answer without headers of interest."""
    return Answer(status, body, {}, 0)


REFUSED = NotSent("simulated: connection refused")
BROKEN = Unanswered("simulated: connection lost")


class Network:
    """All hosts, by name."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.hosts: dict[str, Host] = {}

    def http(
        self,
        *,
        address_rule: AddressRule | None,  # noqa: ARG002 - no addresses here
        timeout: float,
        user_agent: str,  # noqa: ARG002
        max_body: int = 64 * 1024,  # noqa: ARG002
    ) -> Http:
        """Make a client, as `HttpOut` is made."""
        return _Client(self._world, self, timeout)


class _Client:
    def __init__(self, world: World, network: Network, timeout: float) -> None:
        self._world = world
        self._network = network
        self._timeout = timeout

    async def post(
        self,
        url: str,
        body: bytes,
        headers: Headers,
        *,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> Answer:
        host = self._network.hosts[urlsplit(url).hostname or ""]
        after, outcome = host.take(url, body, headers)
        limit = self._timeout if timeout is None else timeout
        if outcome is None or after >= limit:
            after, outcome = limit, Unanswered("simulated: no complete answer in time")
        ended = self._world.loop.create_future()
        self._world.after(after, settle, ended, outcome)
        outcome = await ended
        if isinstance(outcome, Answer):
            return outcome
        raise outcome

    async def close(self) -> None:
        """Nothing is kept open."""
