"""SMS as a phone shows them: the parts of a long one together, in their order."""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field

from whimbrel.sandbox.handset.bubbles import Bubble, Failure, Fate, Kind, Parts
from whimbrel.sandbox.smsc.ledger import SubmittedSms
from whimbrel.sandbox.smsc.receipts import due_at
from whimbrel.sandbox.smsc.scripts import SmsStep

_FATES: dict[str, Fate] = {"ENROUTE": "sent", "DELIVRD": "delivered"}  # all others: failed
_REASONS = {"UNDELIV": "undeliverable", "EXPIRED": "expired"}


@dataclass(slots=True)
class _Long:
    """The parts of one message that have come, by their number."""

    first: SubmittedSms
    total: int
    parts: dict[int, SubmittedSms] = field(default_factory=dict)


def sms_bubbles(submits: Iterable[SubmittedSms], *, now: int, speed: float) -> list[Bubble]:
    """Return the bubbles of submits, given and returned in order of time."""
    messages: list[_Long] = []
    open_ones: dict[Hashable, _Long] = {}
    for sms in submits:
        part = sms.part
        if part is None:
            messages.append(_Long(sms, 1, {1: sms}))
            continue
        key = (sms.account, sms.source.address, sms.to, part.ref, part.total)
        long = open_ones.get(key)
        if long is None or not _takes(long, sms, part.part):
            long = open_ones[key] = _Long(sms, part.total)
            messages.append(long)
        long.parts[part.part] = sms
    return [_bubble(long, now, speed) for long in messages]


def _takes(long: _Long, sms: SubmittedSms, part: int) -> bool:
    """Tell a part that is new, or comes again, from one of the next message with this reference."""
    known = long.parts.get(part)
    return known is None or (known.body == sms.body and len(long.parts) < long.total)


def _bubble(long: _Long, now: int, speed: float) -> Bubble:
    parts = [long.parts[number] for number in sorted(long.parts)]
    texts = [sms.text for sms in parts]
    kind: Kind = "bytes" if None in texts else "text"
    fates = [_fate(sms, now, speed) for sms in parts]
    failed = next((step for step in fates if step and step.stat in _REASONS), None)
    return Bubble(
        id=long.first.message_id,
        channel="SMS",
        business=long.first.source.address,
        address=long.first.source.address,
        at=long.first.accepted_at,
        kind=kind,
        text="".join(text or "" for text in texts) if kind == "text" else _hex(parts),
        parts=Parts(came=len(parts), total=long.total) if long.total > 1 else None,
        fate="failed" if failed else _together(fates, long),
        failure=Failure(code=failed.err, reason=_REASONS[failed.stat]) if failed else None,
        next_at=_next_at(parts, now, speed),
    )


def _fate(sms: SubmittedSms, now: int, speed: float) -> SmsStep | None:
    """Return the last of its steps that has fallen due."""
    if sms.started_at is None:
        return None
    due = [step for step in sms.steps if due_at(sms, step, speed) <= now]
    return due[-1] if due else None


def _together(steps: list[SmsStep | None], long: _Long) -> Fate:
    """Return the fate of a message none of whose parts has failed: all of them make it."""
    fates = [_FATES.get(step.stat, "sent") if step else "sent" for step in steps]
    whole = len(fates) == long.total and set(fates) == {"delivered"}
    return "delivered" if whole else "sent"


def _next_at(parts: list[SubmittedSms], now: int, speed: float) -> int | None:
    coming = [
        at
        for sms in parts
        if sms.started_at is not None
        for step in sms.steps
        if (at := due_at(sms, step, speed)) > now
    ]
    return min(coming, default=None)


def _hex(parts: list[SubmittedSms]) -> str:
    return " ".join(sms.body.hex(" ") for sms in parts)
