"""Passwords of Partners and operators: argon2id, as RFC 9106 has it for little memory."""

import secrets

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

_HASHER = PasswordHasher(time_cost=3, memory_cost=65_536, parallelism=1)
SHORTEST = 8
_GENERATED_BYTES = 18  # 144 bits, in 24 characters


class BadPassword(ValueError):
    """A password that may not be set; the text tells the rule."""


def new_password() -> str:
    """Return a password that nobody guesses."""
    return secrets.token_urlsafe(_GENERATED_BYTES)


def hash_password(password: str) -> str:
    """Return what is stored for `password`. Raises `BadPassword` for one that is too short."""
    if len(password) < SHORTEST:
        raise BadPassword(f"A password has at least {SHORTEST} characters.")
    return _HASHER.hash(password)


def password_is_right(password_hash: str, password: str) -> bool:
    """Compare, in about 50 ms of a core; a damaged hash admits nobody."""
    try:
        return _HASHER.verify(password_hash, password)
    except (VerificationError, InvalidHashError):
        return False
