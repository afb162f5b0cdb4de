"""Lifetimes: how long a message may wait for its goal before the chain moves on.

Owns the rules of `protocol.md`, section 3. The words `ttl` and `ttlUnit` end here: behind this
module a lifetime is a number of milliseconds.
"""

from collections.abc import Container
from typing import NamedTuple

from whimbrel.clock import HOUR, MINUTE, SECOND

_UNITS = {"SECONDS": SECOND, "MINUTES": MINUTE, "HOURS": HOUR}


class BadTtl(ValueError):
    """The lifetime is not allowed. The message tells the rule that it breaks."""

    def __init__(self, member: str, text: str) -> None:
        super().__init__(text)
        self.member = member
        """As the Partner spells it: ttl or ttlUnit."""


class _Rule(NamedTuple):
    allowed: Container[int]
    """In milliseconds."""
    text: str


# The provider's own list: one to seven days, and nothing between them.
_WHATSAPP_MINUTES = (1440, 2880, 4320, 5760, 7200, 8640, 10080)
_WHATSAPP_LAST = _Rule(
    frozenset(minutes * MINUTE for minutes in _WHATSAPP_MINUTES),
    "The lifetime of a WHATSAPP message is, in minutes, one of "
    + ", ".join(str(minutes) for minutes in _WHATSAPP_MINUTES)
    + ".",
)
_WHATSAPP_WITH_NEXT = _Rule(
    range(30 * SECOND, 10080 * MINUTE + 1),
    "The lifetime of a WHATSAPP message with another message behind it"
    " is from 30 seconds to 10080 minutes.",
)
_SMS = _Rule(
    range(1 * MINUTE, 2880 * MINUTE + 1),
    "The lifetime of an SMS message is from 1 to 2880 minutes.",
)
_RULES = {
    ("WHATSAPP", False): _WHATSAPP_LAST,
    ("WHATSAPP", True): _WHATSAPP_WITH_NEXT,
    ("SMS", False): _SMS,
    ("SMS", True): _SMS,
}
"""By the channel, and by whether another link stands behind."""


def lifetime(channel: str, ttl: int | None, unit: str | None, *, has_next: bool) -> int | None:
    """Return a link's lifetime in milliseconds, None for the Partner's default of the channel.

    `channel` is `WHATSAPP` or `SMS`; any other is a KeyError, for its rule would have to be
    written here first. `ttl` counts units; None and 0 mean the default. `unit` is SECONDS,
    MINUTES or HOURS in any letter case, None for MINUTES; without a `ttl` it means nothing, but
    it must still be one of the three. `has_next` tells that another link stands behind this one.

    WHATSAPP takes one to seven whole days; with a link behind it, anything from 30 seconds to
    10080 minutes. SMS takes 1 to 2880 minutes, whatever stands behind it. The limits are
    inclusive and hold after conversion, so 24 HOURS is fine (`protocol.md`, section 3).

    Raises `BadTtl`.
    """
    rule = _RULES[channel, has_next]
    unit_length = _UNITS.get("MINUTES" if unit is None else unit.upper())
    if unit_length is None:
        raise BadTtl("ttlUnit", "The unit of a lifetime is SECONDS, MINUTES or HOURS.")
    if not ttl:
        return None
    duration = ttl * unit_length
    if duration not in rule.allowed:
        raise BadTtl("ttl", rule.text)
    return duration
