"""What may go wrong in a simulated world, and how often: drawn once for each run from its seed."""

from collections.abc import Iterable
from enum import StrEnum
from random import Random
from typing import NamedTuple


class Fault(StrEnum):
    """A kind of trouble; `--faults` takes these names."""

    TIMEOUTS = "timeouts"
    """Submits whose answer does not come, or comes broken, whether they were taken or not."""
    ERRORS = "errors"
    """Channels that refuse, throttle, break, or give a message back."""
    RECEIPTS = "receipts"
    """Receipts doubled, delayed, out of order, early, late, or none at all."""
    CRASHES = "crashes"
    """The process dies between any two awaits, or is stopped, and is started again."""
    CLOCK = "clock"
    """The machine's clock is set forwards and backwards."""
    RECEIVERS = "receivers"
    """Receivers of reports that are down, hang, or answer 500; for days, too."""
    STORE = "store"
    """The store refuses writes, or fails after the commit: an error is seen, and the write stands.
    """


class UnknownFault(ValueError):
    """A name that is no fault's."""


def parse_faults(text: str) -> frozenset[Fault]:
    """Read a list such as `crashes,store`; `all` and `none` are words too.

    Raises `UnknownFault`.
    """
    if text in {"all", "none"}:
        return frozenset(Fault) if text == "all" else frozenset()
    try:
        return frozenset(Fault(name.strip()) for name in text.split(",") if name.strip())
    except ValueError as error:
        names = ", ".join(Fault)
        raise UnknownFault(f"{error}: one or more of {names}; or all, or none") from None


def spell_faults(faults: Iterable[Fault]) -> str:
    """Write a list as `parse_faults` reads it."""
    chosen = frozenset(faults)
    if chosen == frozenset(Fault):
        return "all"
    return ",".join(fault for fault in Fault if fault in chosen) or "none"


class Odds(NamedTuple):
    """How likely each kind of trouble is in one run, from 0 (never) to 1."""

    timeouts: float
    errors: float
    receipts: float
    crashes: float
    clock: float
    receivers: float
    store: float


def draw_odds(faults: frozenset[Fault], random: Random) -> Odds:
    """Draw how troubled a run is: some are calm, so that rare things are not drowned in others."""
    levels = {fault: random.choice((0.02, 0.1, 0.1, 0.3)) for fault in Fault}
    return Odds(*(levels[fault] if fault in faults else 0.0 for fault in Fault))
