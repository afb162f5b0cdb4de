"""What a phone's screen is made of.

Owns the form that the pages draw and the JSON endpoints answer. Knows nothing of where it comes
from.
"""

from typing import Literal

from msgspec import Struct

Fate = Literal["pending", "sent", "delivered", "read", "failed"]
Kind = Literal["text", "image", "template", "bytes"]


class Failure(Struct, frozen=True, kw_only=True):
    """Why a message did not get through, in the words of its channel."""

    code: str
    reason: str


class Parts(Struct, frozen=True, kw_only=True):
    """How many parts of a long SMS have come, of how many."""

    came: int
    total: int


class Parameter(Struct, frozen=True, kw_only=True):
    """What fills one place of a template, for instance `1` or `name`."""

    place: str
    value: str


class TemplateCard(Struct, frozen=True, kw_only=True):
    """As much of a template as its sender tells: Meta alone knows the words around it."""

    name: str
    language: str
    header: list[Parameter] = []
    body: list[Parameter] = []
    buttons: list[Parameter] = []


class Bubble(Struct, frozen=True, kw_only=True):
    """One message on a phone's screen.

    `business` is who wrote it, or to whom it was written if `is_answer`; `address` is where answers
    to it go: a phone number id, or an SMS sender. `image` is the URL, or empty for an image that
    only Meta has. `at` is in milliseconds UTC. `fate` is what the business
    has been told of it; `next_at` is when that changes next, as far as is known.
    """

    id: str
    channel: Literal["WHATSAPP", "SMS"]
    business: str
    address: str
    at: int
    kind: Kind = "text"
    text: str = ""
    image: str = ""
    template: TemplateCard | None = None
    parts: Parts | None = None
    is_answer: bool = False
    fate: Fate = "pending"
    failure: Failure | None = None
    next_at: int | None = None

    @property
    def is_on_phone(self) -> bool:
        """Whether the phone has got it."""
        return self.is_answer or self.fate in {"delivered", "read"}
