"""The operator: somebody who looks after the gateway through the console."""

from enum import Enum, StrEnum
from types import MappingProxyType

from msgspec import Struct


class Role(StrEnum):
    """What an operator is here for."""

    ADMIN = "admin"
    """Everything."""
    SUPPORT = "support"
    """Looks, and helps a message or a report along; sees no secret and changes nobody."""
    READER = "reader"
    """Looks."""


class Right(Enum):
    """What a page, or a button on it, asks of an operator."""

    SEE = "see"
    ACT = "act"
    """Redeliver reports, cancel messages, send them again."""
    MANAGE = "manage"
    """Change Partners, senders and operators, and read the audit log."""


_RIGHTS = MappingProxyType(
    {
        Role.ADMIN: frozenset(Right),
        Role.SUPPORT: frozenset({Right.SEE, Right.ACT}),
        Role.READER: frozenset({Right.SEE}),
    }
)


ROLE_NAMES = MappingProxyType(
    {Role.ADMIN: "Administrator", Role.SUPPORT: "Support", Role.READER: "Reader"}
)


class Operator(Struct, frozen=True):
    """Somebody with a login to the console."""

    operator_id: int
    login: str
    password_hash: str
    role: Role
    sees_texts: bool
    """Whether texts, images and extraParam are shown, which may hold one-time codes."""
    disabled: bool
    created_at: int

    def may(self, right: Right) -> bool:
        """Tell whether the operator's role has a right."""
        return right in _RIGHTS[self.role]
