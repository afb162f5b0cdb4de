"""How senders and nodes stand now, for operators: the CLI and the console tell it alike."""

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from whimbrel.clock import SECOND
from whimbrel.domain.content import Channel
from whimbrel.flow.membership import LEASE_SECONDS
from whimbrel.settings import ROLES, Settings
from whimbrel.store.holdings import Holding
from whimbrel.store.nodes import StoredNode
from whimbrel.store.senders import SenderPause


class Condition(StrEnum):
    """What a sender does."""

    WORKING = "working"
    PAUSED = "paused"
    """It is broken, and tried again now and then."""
    DISCONNECTED = "no connection"
    """It is looked for all the time."""


class SenderState(NamedTuple):
    """One account of the settings, and why it rests if it does."""

    channel: Channel
    account: str
    """Its name in the settings."""
    senders: tuple[str, ...]
    pause: SenderPause | None
    nodes: tuple[int, ...]
    """The nodes that send through it."""

    @property
    def condition(self) -> Condition:
        """What it does."""
        if self.pause is None:
            return Condition.WORKING
        return Condition.PAUSED if self.pause.holds else Condition.DISCONNECTED


def sender_states(
    settings: Settings, pauses: Iterable[SenderPause], holdings: Iterable[Holding]
) -> list[SenderState]:
    """Return the senders of the settings, WhatsApp's first."""
    resting = {(one.channel, one.sender): one for one in pauses}
    holders: dict[tuple[str, str], list[int]] = {}
    for one in holdings:
        holders.setdefault((one.channel, one.account), []).append(one.node_id)

    def state(channel: Channel, account: str, line: str, *senders: str) -> SenderState:
        nodes = tuple(sorted(set(holders.get((channel, line), ()))))
        return SenderState(channel, account, senders, resting.get((channel, line)), nodes)

    return [
        *(
            state(Channel.WHATSAPP, name, one.sender, one.sender)
            for name, one in settings.whatsapp.items()
        ),
        *(state(Channel.SMS, name, name, *one.senders) for name, one in settings.smpp.items()),
    ]


class NodeState(NamedTuple):
    """A node at work."""

    node: StoredNode
    is_late: bool
    """It shows no sign of life: another one will soon take over from it."""
    accounts: tuple[str, ...]
    """What it sends through."""


def nodes_at_work(
    nodes: Iterable[StoredNode], holdings: Iterable[Holding], now: int
) -> list[NodeState]:
    """Return the nodes that are there."""
    held = list(holdings)
    return [
        NodeState(
            node,
            now - node.seen_at > LEASE_SECONDS * SECOND,
            tuple(one.account for one in held if one.node_id == node.node_id),
        )
        for node in nodes
        if node.token is not None
    ]


def missing_roles(nodes: Iterable[NodeState]) -> list[str]:
    """Return the roles that no node has."""
    roles = {role for one in nodes for role in one.node.roles.split()}
    return [role for role in ROLES if role not in roles]
