"""What an errorCode means, in words for whoever has to do something about it.

The texts are the catalogue's: a template shows them by `_`. The channel's own words, which say
more, stand in the message's history.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from whimbrel.domain.status import ErrorCode
from whimbrel.web.pages.words import phrase

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
            phrase("Unknown reason"),
            phrase("The channel gave no reason, or one that is not known here."),
            phrase("Look at the message's history for the channel's own words."),
        ),
        _E.ABSENT_SUBSCRIBER: Explanation(
            phrase("Subscriber not reachable"),
            phrase("The phone was switched off or out of coverage."),
            phrase("Send again later, or with a longer lifetime."),
        ),
        _E.CALL_BARRED: Explanation(
            phrase("Subscriber takes no messages"),
            phrase("The subscriber has stopped such messages, or is barred from receiving them."),
            phrase("Do not repeat it; reach the subscriber by another channel."),
        ),
        _E.FAILURE: Explanation(
            phrase("Delivery failed"),
            phrase(
                "The network gave the message up for a reason that it does not tell more closely."
            ),
            phrase("Send again; if many fail, ask the provider of the channel."),
        ),
        _E.MEMORY_CAPACITY_EXCEEDED: Explanation(
            phrase("Phone memory full"),
            phrase("The phone, or the network's queue for it, has no room for messages."),
            phrase("Send again later."),
        ),
        _E.TELESERVICE_NOT_PROVISIONED: Explanation(
            phrase("Not on this channel"),
            phrase(
                "The number has no account on this channel, or cannot receive this kind of message."
            ),
            phrase("Use a cascade that falls back to another channel."),
        ),
        _E.TIMEOUT: Explanation(
            phrase("Lifetime or deadline over"),
            phrase(
                "The message was not delivered in its lifetime, or not handed over before its "
                "deadline."
            ),
            phrase("If many end so, look whether a sender is paused, or give a longer lifetime."),
        ),
        _E.UNKNOWN_SUBSCRIBER: Explanation(
            phrase("No such number"),
            phrase("Nobody has this number, or it is not one of a mobile phone."),
            phrase("Correct the number, or remove it from the list."),
        ),
        _E.DUPLICATED: Explanation(
            phrase("Duplicate"),
            phrase("The channel took the message for a repetition of another one."),
            phrase("Nothing, if the first one arrived."),
        ),
        _E.FILTERED: Explanation(
            phrase("Refused by the channel's rules"),
            phrase(
                "The channel does not allow this message: its template, the time since the "
                "subscriber's last message, or its quality rules stand against it. Or an operator "
                "has cancelled it."
            ),
            phrase(
                "Look at the channel's own words in the message's history; use an "
                "approved template."
            ),
        ),
        _E.UNROUTED: Explanation(
            phrase("No way to send it"),
            phrase(
                "The sender was not usable: its account, token, template or route is not in order."
            ),
            phrase(
                "Look at the sender's state, and at the channel's own words in the "
                "message's history."
            ),
        ),
        _E.OPER_BLACKLISTED: Explanation(
            phrase("On the operator's blacklist"),
            phrase("The operator delivers no such messages to this number."),
            phrase("Do not repeat it; reach the subscriber by another channel."),
        ),
        _E.OPER_INVSRCADDR: Explanation(
            phrase("Sender's name not accepted"),
            phrase(
                "The number or name that the message comes from is not registered with "
                "the operator."
            ),
            phrase("Register the sender, or use another one."),
        ),
        _E.OPER_SPAMFILTERED: Explanation(
            phrase("Taken for spam"),
            phrase("The operator's filter took the message for spam."),
            phrase("Change the text, or register it with the operator."),
        ),
        _E.BUSY: Explanation(
            phrase("Subscriber busy"),
            phrase("The phone was busy, and the network did not try again."),
            phrase("Send again later."),
        ),
    }
)
"""Of each errorCode but NONE."""

_NEW = Explanation(
    phrase("Unknown code"),
    phrase("This code is none of the protocol's."),
    phrase("Look at the message's history for the channel's own words."),
)
_KNOWN = frozenset(int(code) for code in EXPLANATIONS)


def explanation_of(error_code: int) -> Explanation:
    """Explain an errorCode, also one that is none of the protocol's."""
    return EXPLANATIONS[ErrorCode(error_code)] if error_code in _KNOWN else _NEW
