"""Starts what was claimed, whatever became of other claims."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

Claim = TypeVar("Claim")
Claimed = TypeVar("Claimed")


async def start_claimed(
    claims: Sequence[Claim],
    write: Callable[[Claim], Awaitable[list[Claimed]]],
    start: Callable[[Claim, Claimed], None],
) -> list[int]:
    """Write claims and start what each got; return how much that was.

    What one has claimed must not wait for its lease's end because another could not be written:
    that is raised when all the others have been started.
    """
    answers = await asyncio.gather(*map(write, claims), return_exceptions=True)
    failures = []
    for claim, answer in zip(claims, answers, strict=True):
        if isinstance(answer, BaseException):
            failures.append(answer)
            continue
        for one in answer:
            start(claim, one)
    if failures:
        raise failures[0]
    return [len(answer) for answer in answers if not isinstance(answer, BaseException)]
