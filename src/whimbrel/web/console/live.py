"""The overview's figures, kept fresh while somebody looks, and shared by everybody who does.

Each range that is watched is read by one task; its viewers are woken by each new sample. A viewer
that is slow misses some, one that takes nothing at all is let go, and there are only so many.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import structlog

from whimbrel.clock import Clock
from whimbrel.flow.overview import Figures, Overview, Range, Standing
from whimbrel.store.engine import StoreUnavailable

_log = structlog.get_logger(__name__)
TICK_SECONDS = 2.0
MOST_VIEWERS = 50
MOST_OF_ONE = 6
"""Viewers of one operator: a browser opens no more connections to one host."""


class Sample(NamedTuple):
    """The figures at a moment, and what has been made of them."""

    figures: Figures
    standing: Standing
    made: dict[tuple[str, ...], bytes]
    """Parts of pages that were rendered from it already, by what they depend on."""

    def render(self, key: tuple[str, ...], make: Callable[[], bytes]) -> bytes:
        """Return a part, made once for all viewers for whom it is the same."""
        part = self.made.get(key)
        if part is None:
            part = self.made[key] = make()
        return part


class Sampler:
    """Reads the figures, and no more often than they are worth it."""

    def __init__(self, overview: Overview, clock: Clock) -> None:
        self._overview = overview
        self._clock = clock
        self._samples: dict[str, Sample] = {}
        self._figures: dict[str, tuple[float, Figures]] = {}
        self._standing: tuple[float, Standing] | None = None
        self._reading = asyncio.Lock()

    async def sample(self, wanted: Range) -> Sample:
        """Return what is known of a range, read a moment ago at most. Raises `StoreUnavailable`."""
        async with self._reading:
            now = self._clock.elapsed()
            figures = self._figures.get(wanted.name)
            if figures is None or now - figures[0] >= wanted.every:
                figures = now, await self._overview.figures(wanted)
                self._figures[wanted.name] = figures
            if self._standing is None or now - self._standing[0] >= TICK_SECONDS:
                self._standing = now, await self._overview.standing()
            sample = self._samples.get(wanted.name)
            standing = self._standing[1]
            if not sample or sample.figures is not figures[1] or sample.standing is not standing:
                sample = self._samples[wanted.name] = Sample(figures[1], standing, {})
            return sample


class TooManyViewers(Exception):
    """Nobody else can look now."""


class _Feed:
    """One range that is being watched."""

    def __init__(self) -> None:
        self.viewers = 0
        self.sample: Sample | None = None
        self.ended = False
        self.told = asyncio.Event()
        self.task: asyncio.Task[None] | None = None

    def tell(self) -> None:
        """Wake those who wait."""
        told, self.told = self.told, asyncio.Event()
        told.set()


class Viewer:
    """Somebody who looks at a range, until he leaves."""

    def __init__(self, feed: _Feed, leave: Callable[[], None]) -> None:
        self._feed = feed
        self._begun = False
        self.leave = leave
        """To be called once."""

    async def next(self) -> Sample | None:
        """Return what is known at once, then whenever it was looked at again.

        None: the process ends. The same sample again: nothing can be read now, or nothing is new.
        """
        if self._begun or self._feed.sample is None:
            await self._feed.told.wait()
        self._begun = True
        return None if self._feed.ended else self._feed.sample


class Live:
    """Who looks at which range."""

    def __init__(
        self, sampler: Sampler, stopping: asyncio.Event, *, tick: float = TICK_SECONDS
    ) -> None:
        """`tick` is how often to look, in seconds."""
        self._sampler = sampler
        self._stopping = stopping
        self._tick = tick
        self._feeds: dict[str, _Feed] = {}
        self._by_login: Counter[str] = Counter()

    @property
    def viewers(self) -> int:
        """How many look."""
        return self._by_login.total()

    def join(self, login: str, wanted: Range) -> Viewer:
        """Let an operator look at a range. Raises `TooManyViewers`."""
        if self.viewers >= MOST_VIEWERS or self._by_login[login] >= MOST_OF_ONE:
            raise TooManyViewers
        feed = self._feeds.setdefault(wanted.name, _Feed())
        feed.viewers += 1
        self._by_login[login] += 1
        if feed.task is None:
            feed.task = asyncio.create_task(self._keep_fresh(feed, wanted))
        return Viewer(feed, partial(self._leave, feed, login, wanted))

    def _leave(self, feed: _Feed, login: str, wanted: Range) -> None:
        feed.viewers -= 1
        self._by_login[login] -= 1
        if not feed.viewers and feed.task is not None:
            del self._feeds[wanted.name]
            feed.task.cancel()

    async def _keep_fresh(self, feed: _Feed, wanted: Range) -> None:
        while not self._stopping.is_set():
            try:
                feed.sample = await self._sampler.sample(wanted)
            except (StoreUnavailable, TimeoutError):
                pass  # the last figures bear their moment
            except Exception:  # noqa: BLE001 - viewers wait for whatever comes of the next look
                _log.exception("overview_failed")
            feed.tell()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._tick):
                    await self._stopping.wait()
        feed.ended = True
        feed.tell()
