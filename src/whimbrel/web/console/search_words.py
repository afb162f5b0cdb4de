"""How the fields of the search are named; the template shows the texts by `_`."""

from collections.abc import Mapping
from types import MappingProxyType

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
