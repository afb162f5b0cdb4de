"""How the fields of the search and the states of messages are named.

The texts are the catalogue's: the template shows them by `_`.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from whimbrel.domain.status import LinkState


class Name(NamedTuple):
    """A state's name, and the colour of its badge."""

    text: str
    kind: str


_NAMES = {
    "HELD": Name("waits for its turn", "quiet"),
    "QUEUED": Name("waits to be sent", "busy"),
    "SUBMITTING": Name("being sent", "busy"),
    "UNSURE": Name("may have gone", "warn"),
    "SUBMITTED": Name("handed over", "busy"),
    "SENT": Name("sent", "busy"),
    "FAILED": Name("failed", "bad"),
    "SPARED": Name("not needed", "quiet"),
    "CANCELLED": Name("cancelled", "warn"),
    "EXPIRED": Name("expired", "bad"),
    "DELIVERED": Name("delivered", "good"),
    "READ": Name("read", "good"),
}
STATES: Mapping[LinkState, Name] = MappingProxyType(
    {state: _NAMES[state.name] for state in LinkState}
)
FIELD_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "number": "Message number",
        "phone": "Phone",
        "provider": "Provider's id",
        "ref": "Partner's id",
        "extra": "extraParam",
        "partner": "Partner",
        "sender": "Sender",
        "type": "Type",
        "state": "State",
        "error": "Error code",
        "from": "Accepted from",
        "to": "Accepted before",
    }
)
