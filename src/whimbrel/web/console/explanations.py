"""What an errorCode means, in words for whoever has to do something about it.

The texts are the catalogue's: a template shows them by `_`. The channel's own words, which say
more, stand in the message's history.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from whimbrel.domain.status import ErrorCode

_E = ErrorCode


class Explanation(NamedTuple):
    """One errorCode in plain words."""

    name: str
    """In a few words, for a row of a table."""
    meaning: str
    """What has happened."""
    advice: str
    """What can be done."""


EXPLANATIONS: Mapping[ErrorCode, Explanation] = MappingProxyType(
    {
        _E.UNKNOWN: Explanation(
            "Unknown reason",
            "The channel gave no reason, or one that is not known here.",
            "Look at the message's history for the channel's own words.",
        ),
        _E.ABSENT_SUBSCRIBER: Explanation(
            "Subscriber not reachable",
            "The phone was switched off or out of coverage.",
            "Send again later, or with a longer lifetime.",
        ),
        _E.CALL_BARRED: Explanation(
            "Subscriber takes no messages",
            "The subscriber has stopped such messages, or is barred from receiving them.",
            "Do not repeat it; reach the subscriber by another channel.",
        ),
        _E.FAILURE: Explanation(
            "Delivery failed",
            "The network gave the message up for a reason that it does not tell more closely.",
            "Send again; if many fail, ask the provider of the channel.",
        ),
        _E.MEMORY_CAPACITY_EXCEEDED: Explanation(
            "Phone memory full",
            "The phone, or the network's queue for it, has no room for messages.",
            "Send again later.",
        ),
        _E.TELESERVICE_NOT_PROVISIONED: Explanation(
            "Not on this channel",
            "The number has no account on this channel, or cannot receive this kind of message.",
            "Use a cascade that falls back to another channel.",
        ),
        _E.TIMEOUT: Explanation(
            "Lifetime or deadline over",
            "The message was not delivered in its lifetime, or not handed over before its "
            "deadline.",
            "If many end so, look whether a sender is paused, or give a longer lifetime.",
        ),
        _E.UNKNOWN_SUBSCRIBER: Explanation(
            "No such number",
            "Nobody has this number, or it is not one of a mobile phone.",
            "Correct the number, or remove it from the list.",
        ),
        _E.DUPLICATED: Explanation(
            "Duplicate",
            "The channel took the message for a repetition of another one.",
            "Nothing, if the first one arrived.",
        ),
        _E.FILTERED: Explanation(
            "Refused by the channel's rules",
            "The channel does not allow this message: its template, the time since the "
            "subscriber's last message, or its quality rules stand against it.",
            "Look at the channel's own words in the message's history; use an approved template.",
        ),
        _E.UNROUTED: Explanation(
            "No way to send it",
            "The sender was not usable: its account, token, template or route is not in order.",
            "Look at the sender's state, and at the channel's own words in the message's history.",
        ),
        _E.OPER_BLACKLISTED: Explanation(
            "On the operator's blacklist",
            "The operator delivers no such messages to this number.",
            "Do not repeat it; reach the subscriber by another channel.",
        ),
        _E.OPER_INVSRCADDR: Explanation(
            "Sender's name not accepted",
            "The number or name that the message comes from is not registered with the operator.",
            "Register the sender, or use another one.",
        ),
        _E.OPER_SPAMFILTERED: Explanation(
            "Taken for spam",
            "The operator's filter took the message for spam.",
            "Change the text, or register it with the operator.",
        ),
        _E.BUSY: Explanation(
            "Subscriber busy",
            "The phone was busy, and the network did not try again.",
            "Send again later.",
        ),
    }
)
"""Of each errorCode but NONE."""

_NEW = Explanation(
    "Unknown code",
    "This code is none of the protocol's.",
    "Look at the message's history for the channel's own words.",
)
_KNOWN = frozenset(int(code) for code in EXPLANATIONS)


def explanation_of(error_code: int) -> Explanation:
    """Explain an errorCode, also one that is none of the protocol's."""
    return EXPLANATIONS[ErrorCode(error_code)] if error_code in _KNOWN else _NEW
