"""What outlives a clean stop: statuses that are still to come or were not acknowledged.

Owns the form of the state file. The record of messages does not outlive a stop, only what their
senders are still waiting for.
"""

import logging
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec
from msgspec import Struct

from whimbrel.sandbox.courier import Parcel
from whimbrel.sandbox.ledger import Message
from whimbrel.sandbox.numbers import SandboxNumber
from whimbrel.sandbox.scripts import Step, script_for

log = logging.getLogger(__name__)


class SavedMessage(Struct):
    """As much of a message as its statuses need."""

    wamid: str
    phone_number_id: str
    to: str
    type: str
    callback_data: str | None
    accepted_at: int


class SavedStep(Struct):
    """A status that had not fallen due; `due_in` is in seconds of the world's own time."""

    wamid: str
    status: str
    code: int | None
    due_in: float


class SavedWebhook(Struct):
    """A webhook that was not acknowledged: its exact body, and the messages that it is about."""

    phone_number_id: str
    body: str
    attempts: int
    wamids: list[str]


class Saved(Struct):
    """The whole file."""

    messages: list[SavedMessage] = []
    steps: list[SavedStep] = []
    webhooks: list[SavedWebhook] = []


def save(
    path: Path,
    steps: Iterable[tuple[float, Message, Step]],
    parcels: Mapping[str, Iterable[Parcel]],
) -> None:
    """Write the file, whole or not at all. `parcels` are by phone number id."""
    messages: dict[str, Message] = {}
    saved = Saved()
    for due_in, message, step in steps:
        messages[message.wamid] = message
        saved.steps.append(SavedStep(message.wamid, step.status, step.code, due_in))
    for phone_number_id, unfinished in parcels.items():
        for parcel in unfinished:
            messages |= {message.wamid: message for message in parcel.messages}
            wamids = [message.wamid for message in parcel.messages]
            body = parcel.body.decode("ascii")
            saved.webhooks.append(SavedWebhook(phone_number_id, body, parcel.attempts, wamids))
            # Due already, but behind this webhook: due again as soon as there is time.
            saved.steps += [
                SavedStep(message.wamid, status.status, status.code, due_in=0.0)
                for message in parcel.messages
                for status in message.outbox
            ]
    saved.messages = [_saved_message(message) for message in messages.values()]
    half = path.with_name(path.name + ".part")
    half.write_bytes(msgspec.json.encode(saved))
    half.replace(path)


def load(path: Path) -> Saved:
    """Read the file. Without one, or with one that cannot be read, nothing is pending."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Saved)
    except FileNotFoundError:
        return Saved()
    except msgspec.DecodeError as error:
        log.warning("%s is not a state file, nothing is taken up: %s", path, error)
        return Saved()


def messages_of(saved: Saved, numbers: Mapping[str, SandboxNumber]) -> dict[str, Message]:
    """Return the saved messages by wamid, less those of numbers that are gone."""
    return {
        entry.wamid: Message(
            wamid=entry.wamid,
            number=numbers[entry.phone_number_id],
            to=entry.to,
            type=entry.type,
            content=None,
            callback_data=entry.callback_data,
            accepted_at=entry.accepted_at,
            script=script_for(entry.to),
        )
        for entry in saved.messages
        if entry.phone_number_id in numbers
    }


def _saved_message(message: Message) -> SavedMessage:
    return SavedMessage(
        wamid=message.wamid,
        phone_number_id=message.number.phone_number_id,
        to=message.to,
        type=message.type,
        callback_data=message.callback_data,
        accepted_at=message.accepted_at,
    )
