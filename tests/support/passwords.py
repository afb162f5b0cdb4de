"""Stored passwords for tests that are about something else.

A hash of the gateway's own is made to cost 50 ms and 64 MiB with every check. These cost next to
nothing, and are checked by the same code: a hash says itself what it is to cost.
"""

import functools

from argon2 import PasswordHasher

QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


@functools.cache
def quick_hash(password: str) -> str:
    """Return what is stored for `password`, whatever its length."""
    return QUICK.hash(password)
