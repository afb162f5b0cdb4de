"""This process's place among the nodes on one store: joining, staying, and burying the dead.

A node that shows no sign of life for `LEASE_SECONDS` is taken for dead, and whoever sees it first
takes over from it. Signs of life are counted, and each node judges by its own steady clock how long
a count has stood still: no two machines need agree on the time. A node that could not renew its
lease for `FENCE_SECONDS` stops claiming and sending by itself before anybody takes over.
"""

import secrets
from collections.abc import Callable
from typing import NamedTuple, Protocol

import structlog

from whimbrel import __version__
from whimbrel.clock import SECOND, Clock
from whimbrel.domain.chain_id import FOREVER, ChainIds, moment_after
from whimbrel.metrics import Metrics
from whimbrel.store.chains import last_chain_id
from whimbrel.store.engine import Store
from whimbrel.store.nodes import (
    Beat,
    Departure,
    Joined,
    NewNode,
    StoredNode,
    all_nodes,
    beat_nodes,
    bury_nodes,
    join_nodes,
)

_log = structlog.get_logger(__name__)
BEAT_SECONDS = 2.0
FENCE_SECONDS = 10.0
"""Some beats may be late, by a slow store; the rest of the lease is for a submit to be begun in."""
LEASE_SECONDS = 15.0
_DEAF_SECONDS = 5.0
"""Silence counts only while somebody listens: whoever has not looked for so long begins anew."""
_NUMBERS_AHEAD = 20 * SECOND  # of the last beat: a node that is fenced makes no more of them


class Seat(Protocol):
    """What the stages need to know of their process's place."""

    @property
    def node_id(self) -> int:
        """The number that its claims bear."""
        ...

    @property
    def is_mine(self) -> bool:
        """Whether the lease holds: what is claimed now is nobody else's."""
        ...


class Alone(NamedTuple):
    """The place of the only process there is."""

    node_id: int = 0
    is_mine: bool = True


ALONE = Alone()


class Member(NamedTuple):
    """Who wants to be a node."""

    name: str
    roles: tuple[str, ...]
    alone: bool
    """Nobody else can be at work on this store: SQLite's file is locked."""
    post: str = ""
    """A name that no other living process has, and the dead one had before whose place this takes:
    there is somebody who knows (`workers.py`). Empty: nobody does."""


class Membership:
    """Keeps this process a node. `join` first; `step` every second or so; `leave` in the end."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        metrics: Metrics,
        member: Member,
        *,
        grace: int,
    ) -> None:
        """`grace` is how long a dead node's submits wait for receipts, in milliseconds."""
        self._store = store
        self._clock = clock
        self._metrics = metrics
        self._member = member
        self._grace = grace
        self._token = ""
        self._beaten_at = float("-inf")
        self._seen: dict[tuple[int, str], tuple[int, float]] = {}
        self._looked_at = float("-inf")
        self._when_given_up: list[Callable[[], None]] = []
        self.node_id = 0
        self.nodes: list[StoredNode] = []
        """Those that are alive, as far as anybody knows."""
        self.chain_ids = ChainIds(0)

    @property
    def is_mine(self) -> bool:
        """Whether the lease holds."""
        return self._member.alone or self._clock.elapsed() - self._beaten_at < FENCE_SECONDS

    def is_eldest(self, *roles: str) -> bool:
        """Tell whether this node does what one node with one of these roles is enough for.

        It has the least number of them, and its lease. While nodes come and go two may think so for
        a moment, so such work must bear being doubled.
        """
        return self.is_mine and self.node_id == min(self.with_roles(*roles), default=None)

    @property
    def token(self) -> str:
        """What tells this process from others that had its number."""
        return self._token

    def alive(self, role: str) -> int:
        """Tell how many nodes have a role, this one included if it has."""
        return len(self.with_roles(role))

    def with_roles(self, *roles: str) -> list[int]:
        """Return the numbers of the nodes that have one of these roles."""
        return [
            node.node_id for node in self.nodes if not set(roles).isdisjoint(node.roles.split())
        ]

    def when_given_up(self, tell: Callable[[], None]) -> None:
        """Have `tell` called when others have taken over from this process; then it joins anew."""
        self._when_given_up.append(tell)

    async def join(self) -> None:
        """Become a node. Raises `StoreUnavailable`."""
        await self._bury(await self._predecessors())
        began, now = self._clock.elapsed(), self._clock.now()
        self._token = f"{self._member.post}.{secrets.token_hex(8)}"
        joined = await self._store.write(
            join_nodes,
            NewNode(
                self._token,
                self._member.name,
                " ".join(self._member.roles),
                __version__,
                now,
                now + _NUMBERS_AHEAD,
            ),
        )
        self.node_id = joined.node_id
        await self._take_numbers(joined, now + _NUMBERS_AHEAD)
        self._beaten_at = began
        self.nodes = await self._alive()
        _log.info("node_joined", node=self.node_id, roles=self._member.roles)

    async def _take_numbers(self, joined: Joined, until: int) -> None:
        """Begin with numbers that nobody has; alone, nobody else comes, whatever the clock does."""
        begin = joined.numbers_from
        if self._member.alone:
            begin = max(begin, moment_after(await self._store.read(last_chain_id, None)))
            until = FOREVER
        self.chain_ids.replace(joined.node_id, begin, until)

    async def step(self) -> None:
        """Show that this node is alive, and take over from those that are not."""
        if self._clock.elapsed() - self._beaten_at >= BEAT_SECONDS and not await self._beat():
            self._give_up()
            await self.join()
        began = self._clock.elapsed()
        self.nodes = await self._alive()
        await self._bury(self._silent(began), certain=False)

    async def leave(self) -> None:
        """Give everything back. What is under way must have ended."""
        if self._member.alone:
            await self._beat()  # which says how far its numbers go
        now = self._clock.now()
        departure = Departure(self.node_id, self._token, now, now + self._grace)
        await self._store.write(bury_nodes, departure)

    async def _beat(self) -> bool:
        began, now = self._clock.elapsed(), self._clock.now()
        # The only process makes numbers whatever its clock does: whoever comes next begins behind.
        numbers_until = max(now + _NUMBERS_AHEAD, self.chain_ids.used_until)
        beat = Beat(now, numbers_until, self.node_id, self._token)
        until = await self._store.write(beat_nodes, beat)
        if until is None:
            return False
        self._beaten_at = began
        if not self._member.alone:
            self.chain_ids.until = until
        return True

    async def _alive(self) -> list[StoredNode]:
        return [one for one in await self._store.read(all_nodes, None) if one.token is not None]

    def _give_up(self) -> None:
        """Know that others have taken over: what this process held is theirs."""
        _log.warning("node_was_given_up", node=self.node_id)
        self._beaten_at = float("-inf")
        for tell in self._when_given_up:
            tell()

    async def _predecessors(self) -> list[StoredNode]:
        """Return the nodes that are dead for certain: this process could not be, were they not."""
        member = self._member
        if not member.alone and not member.post:
            return []
        return [
            one
            for one in await self._alive()
            if member.alone or (one.token or "").startswith(f"{member.post}.")
        ]

    def _silent(self, looked_at: float) -> list[StoredNode]:
        """Return the nodes whose beats have stood still for as long as a lease.

        `looked_at` is when `nodes` began to be read. Whoever has lost its own lease judges nobody.
        """
        now, seen = self._clock.elapsed(), {}
        deaf = looked_at - self._looked_at > _DEAF_SECONDS
        silent = []
        for node in self.nodes:
            key = (node.node_id, node.token or "")
            beat, since = self._seen.get(key, (node.beat, now))
            if deaf or beat != node.beat:
                since = now
            seen[key] = (node.beat, since)
            if looked_at - since >= LEASE_SECONDS and node.token != self._token:
                silent.append(node)
        self._seen, self._looked_at = seen, now
        return silent if self.is_mine else []

    async def _bury(self, nodes: list[StoredNode], *, certain: bool = True) -> None:
        """Take over from nodes; one that is not certain to be dead may have come back just now."""
        for node in nodes:
            now = self._clock.now()
            beat = None if certain else node.beat
            departure = Departure(node.node_id, node.token or "", now, now + self._grace, beat)
            submits = await self._store.write(bury_nodes, departure)
            if submits is not None:
                self._metrics.interrupted.inc(submits)
                _log.warning(
                    "node_is_gone", node=node.node_id, name=node.name, submits_under_way=submits
                )
