"""Takes members out of decoded JSON that may have any shape. What is not as asked for is empty."""

from typing import Any


def list_of(holder: Any, member: str) -> list[Any]:
    """Return a member that is a list, else an empty one."""
    value = holder.get(member) if isinstance(holder, dict) else None
    return value if isinstance(value, list) else []


def object_of(holder: Any, member: str) -> dict[str, Any]:
    """Return a member that is an object, else an empty one."""
    value = holder.get(member) if isinstance(holder, dict) else None
    return value if isinstance(value, dict) else {}


def text_of(holder: Any, member: str) -> str:
    """Return a member that is a text, else an empty one.

    Halves of surrogate pairs, which no UTF-8 can hold, are replaced.
    """
    value = holder.get(member) if isinstance(holder, dict) else None
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else ""
