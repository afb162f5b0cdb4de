"""Who is to hear that something happened on a phone.

Carries no more than the fact: whoever hears it looks for himself. So nothing is queued, and nobody
who listens slowly holds up the others.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


class News:
    """Events to be set, by the phone that they are about."""

    def __init__(self) -> None:
        self._listeners: dict[str | None, list[asyncio.Event]] = {}

    def tell(self, number: str) -> None:
        """Set the events of those who listen to this phone, and of those who listen to all."""
        if self._listeners:
            for key in (number, None):
                for event in self._listeners.get(key, ()):
                    event.set()

    def tell_all(self) -> None:
        """Set everybody's events."""
        for events in self._listeners.values():
            for event in events:
                event.set()

    @contextmanager
    def listening(self, number: str | None = None) -> Iterator[asyncio.Event]:
        """Return an event for the length of the block; without a number it is about all phones."""
        event = asyncio.Event()
        events = self._listeners.setdefault(number, [])
        events.append(event)
        try:
            yield event
        finally:
            events.remove(event)
            if not events:
                del self._listeners[number]
