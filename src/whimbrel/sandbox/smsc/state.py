"""What outlives a clean stop of the SMSC: deliveries to come, and those not acknowledged.

Owns the form of the state file.
"""

import logging
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec
from msgspec import Struct

from whimbrel.sandbox.smsc.postman import Delivery

log = logging.getLogger(__name__)


class SavedDelivery(Struct):
    """A delivery, and when it is due, in seconds of the sandbox's own time."""

    system_id: str
    due_in: float
    delivery: Delivery


def save(path: Path, unfinished: Mapping[str, Iterable[tuple[float, Delivery]]]) -> None:
    """Write the file, whole or not at all. `unfinished` is by system_id."""
    saved = [
        SavedDelivery(system_id, due_in, delivery)
        for system_id, deliveries in unfinished.items()
        for due_in, delivery in deliveries
    ]
    half = path.with_name(path.name + ".part")
    half.write_bytes(msgspec.json.encode(saved))
    half.replace(path)


def load(path: Path) -> list[SavedDelivery]:
    """Read the file. Without one, or with one that cannot be read, nothing is pending."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=list[SavedDelivery])
    except FileNotFoundError:
        return []
    except msgspec.DecodeError as error:
        log.warning("%s is not a state file, nothing is taken up: %s", path, error)
        return []
