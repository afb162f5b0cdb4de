"""Reads one message of a webhook, what a subscriber wrote (page "Messages webhook").

Of whatever type it is, and Meta keeps adding to them: the words that he wrote or tapped are the
text, as far as there are any, and the whole message is kept beside it.
"""

import json
from collections.abc import Callable
from typing import Any, NamedTuple

from whimbrel.channels.whatsapp.members import object_of, text_of
from whimbrel.domain.content import Channel
from whimbrel.domain.receipt import MoMessage

SYSTEM = "system"
"""The type of what Meta writes itself about a subscriber, such as a new number. Nobody's answer."""
_UNKNOWN = "unknown"  # Meta's own word, too
_LONGEST_KIND = 40
# An index of PostgreSQL holds no value of more than 2,700 bytes, and whatever stands in a group
# with one that is longer would not be written. A wamid has some 60 characters and should be given
# 255, a business-scoped user id has 131 at the most.
_LONGEST_ID, _LONGEST_SUBSCRIBER = 500, 200


class OurNumber(NamedTuple):
    """Whose a phone number id is, by our settings."""

    account: str
    sender: str


def read_answer(message: Any, number: OurNumber, received_at: int) -> MoMessage | None:
    """Read a message to one of our numbers; None if nobody can tell who wrote it, or which it is.

    `received_at` is our moment, in milliseconds UTC. Meta's `timestamp` stays in `raw`, the
    message's JSON in ASCII.
    """
    wamid = text_of(message, "id")
    # Without a number, if the subscriber withholds it: then there is the business-scoped user id.
    subscriber = text_of(message, "from").removeprefix("+") or text_of(message, "from_user_id")
    if not (0 < len(wamid) <= _LONGEST_ID and 0 < len(subscriber) <= _LONGEST_SUBSCRIBER):
        return None
    try:
        raw = json.dumps(message, separators=(",", ":")).encode()
    except (RecursionError, ValueError):
        return None
    kind = text_of(message, "type")
    words = _TEXTS.get(kind)
    return MoMessage(
        channel=Channel.WHATSAPP,
        account=number.account,
        sender=number.sender,
        subscriber=subscriber,
        received_at=received_at,
        text=(words(object_of(message, kind)) or None) if words else None,
        raw=raw,
        kind=kind[:_LONGEST_KIND] or _UNKNOWN,
        provider_id=wamid,
    )


def _caption(media: dict[str, Any]) -> str:
    return text_of(media, "caption")


def _chosen(interactive: dict[str, Any]) -> str:
    """Return the title of a button or row that was tapped, or the words under a filled form."""
    reply = object_of(interactive, text_of(interactive, "type"))
    return text_of(reply, "title") or text_of(reply, "body")


_TEXTS: dict[str, Callable[[dict[str, Any]], str]] = {
    "text": lambda text: text_of(text, "body"),
    "button": lambda button: text_of(button, "text"),
    "interactive": _chosen,
    "image": _caption,
    "video": _caption,
    "document": _caption,
    "reaction": lambda reaction: text_of(reaction, "emoji"),  # none: it was taken back
}
"""How to find the words in the member that is called as the type."""
