"""How the states of messages are named, wherever they are shown.

The texts are the catalogue's: the template shows them by `_`.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from whimbrel.domain.status import LinkState

S = LinkState


class Name(NamedTuple):
    """A state's name, and the colour of its badge."""

    text: str
    kind: str


STATES: Mapping[LinkState, Name] = MappingProxyType(
    {
        S.HELD: Name("waits for its turn", "quiet"),
        S.QUEUED: Name("waits to be sent", "busy"),
        S.SUBMITTING: Name("being sent", "busy"),
        S.UNSURE: Name("may have gone", "warn"),
        S.SUBMITTED: Name("handed over", "busy"),
        S.SENT: Name("sent", "busy"),
        S.FAILED: Name("failed", "bad"),
        S.SPARED: Name("not needed", "quiet"),
        S.CANCELLED: Name("cancelled", "warn"),
        S.EXPIRED: Name("expired", "bad"),
        S.DELIVERED: Name("delivered", "good"),
        S.READ: Name("read", "good"),
    }
)
