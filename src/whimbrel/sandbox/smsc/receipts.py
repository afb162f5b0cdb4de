"""The form of delivery receipts, and of texts that subscribers write.

Owns what a deliver_sm says (SMPP 3.4, Appendix B and section 5.3.2). Knows nothing about when or
how it is delivered.
"""

from collections.abc import Iterator
from datetime import datetime, tzinfo
from functools import lru_cache

from whimbrel.clock import MINUTE, SECOND
from whimbrel.sandbox.smsc.ledger import SubmittedSms
from whimbrel.sandbox.smsc.postman import Delivery
from whimbrel.sandbox.smsc.scripts import SmsStep
from whimbrel.sandbox.smsc.texts import encoded

# Tags of optional parameters (SMPP 3.4, section 5.3.2).
RECEIPTED_MESSAGE_ID = 0x001E
NETWORK_ERROR_CODE = 0x0423
MESSAGE_STATE = 0x0427

RECEIPT = 0x04  # esm_class: an SMSC delivery receipt
INTERMEDIATE = 0x20  # esm_class: an intermediate notification
INTERMEDIATE_WANTED = 0x10  # registered_delivery
NO_RECEIPT, FAILURES_ONLY = 0, 2  # registered_delivery, its two lowest bits

STATES = {"ENROUTE": 1, "DELIVRD": 2, "EXPIRED": 3, "UNDELIV": 5}
_GSM_NETWORK = 3
_SHOWN_CHARACTERS = 20


def receipts_of(
    sms: SubmittedSms, *, zone: tzinfo, speed: float
) -> Iterator[tuple[float, Delivery]]:
    """Yield the receipts that the submit's script gives and its sender wants.

    Each comes with the seconds of real life from `sms.started_at`, which must be known, to it.
    `zone` is that of its dates.
    """
    for step in sms.steps:
        if _is_wanted(step, sms.registered_delivery):
            yield step.after, _receipt(sms, step, zone, speed)


def due_at(sms: SubmittedSms, step: SmsStep, speed: float) -> int:
    """Return when a step of an SMS that has started falls due, in milliseconds UTC."""
    start = sms.accepted_at if sms.started_at is None else sms.started_at
    return start + round(step.after / speed * SECOND)


def inbound_sms(*, message_id: str, subscriber: str, to: str, text: str, at: int) -> Delivery:
    """Return a text that a subscriber writes to a sender at `at`, in milliseconds UTC.

    Raises `ValueError` if it needs more than one part.
    """
    data_coding, body = encoded(text)
    to_ton, to_npi = (1, 1) if to.isdecimal() else (5, 0)
    return Delivery(
        message_id=message_id,
        stat="",
        at=at,
        source=(subscriber, 1, 1),
        destination=(to, to_ton, to_npi),
        esm_class=0,
        data_coding=data_coding,
        short_message=body,
    )


def _is_wanted(step: SmsStep, registered_delivery: int) -> bool:
    wish = registered_delivery & 0b11
    if wish == FAILURES_ONLY:
        return step.stat in {"UNDELIV", "EXPIRED"}
    return wish != NO_RECEIPT


def _receipt(sms: SubmittedSms, step: SmsStep, zone: tzinfo, speed: float) -> Delivery:
    at = due_at(sms, step, speed)
    unasked = step.stat != "ENROUTE" or not sms.registered_delivery & INTERMEDIATE_WANTED
    bare = sms.script.bare_receipt
    return Delivery(
        message_id=sms.message_id,
        stat=step.stat,
        at=at,
        source=sms.destination,
        destination=sms.source,
        # Many SMSCs tell ENROUTE by a plain receipt, and without having been asked.
        esm_class=RECEIPT if unasked else INTERMEDIATE,
        short_message=b"" if bare else _text(sms, step, zone, at),
        tlvs=_parameters(sms.message_id, step),
    )


def _text(sms: SubmittedSms, step: SmsStep, zone: tzinfo, at: int) -> bytes:
    shown = (sms.text or "")[:_SHOWN_CHARACTERS]
    return (
        f"id:{sms.message_id} sub:001 dlvrd:{'001' if step.stat == 'DELIVRD' else '000'} "
        f"submit date:{_date(sms.accepted_at, zone)} done date:{_date(at, zone)} "
        f"stat:{step.stat} err:{step.err} text:{shown if shown.isascii() else ''}"
    ).encode("ascii")


def _parameters(message_id: str, step: SmsStep) -> list[tuple[int, bytes]]:
    parameters = [
        (RECEIPTED_MESSAGE_ID, message_id.encode("ascii") + b"\0"),
        (MESSAGE_STATE, bytes([STATES[step.stat]])),
    ]
    if code := int(step.err):
        parameters.append((NETWORK_ERROR_CODE, bytes([_GSM_NETWORK, *code.to_bytes(2, "big")])))
    return parameters


def _date(at: int, zone: tzinfo) -> str:
    return _minute(at // MINUTE, zone)


@lru_cache(maxsize=128)
def _minute(minute: int, zone: tzinfo) -> str:
    """Cached, since many receipts name the same minute."""
    return datetime.fromtimestamp(minute * 60, zone).strftime("%y%m%d%H%M")
