"""What a submit_sm says (SMPP 3.4, section 4.4.1), as the ledger keeps it.

Knows nothing about what becomes of it.
"""

import smpp34

from whimbrel.sandbox.smsc.ledger import Address, SubmittedSms
from whimbrel.sandbox.smsc.scripts import sms_script_for
from whimbrel.sandbox.smsc.texts import Part

# Tags of optional parameters (SMPP 3.4, section 5.3.2).
MESSAGE_PAYLOAD = 0x0424
SAR_REF, SAR_TOTAL, SAR_PART = 0x020C, 0x020E, 0x020F


def submitted_sms(
    event: smpp34.SubmitSmEvent, *, account: str, message_id: str, at: int
) -> SubmittedSms:
    """Return the SMS of a submit that came at `at`, in milliseconds UTC."""
    parameters = {tlv.tag: tlv.value for tlv in event.tlvs}
    destination = event.destination_addr
    return SubmittedSms(
        account=account,
        session_id=event.session_id,
        source=Address(event.source_addr, event.source_addr_ton, event.source_addr_npi),
        destination=Address(destination, event.dest_addr_ton, event.dest_addr_npi),
        esm_class=event.esm_class,
        data_coding=event.data_coding,
        registered_delivery=event.registered_delivery,
        content=event.short_message or parameters.get(MESSAGE_PAYLOAD, b""),
        sar_part=_sar_part(parameters),
        script=sms_script_for(destination.removeprefix("+")),
        message_id=message_id,
        accepted_at=at,
    )


def _sar_part(parameters: dict[int, bytes]) -> Part | None:
    if not parameters.keys() >= {SAR_REF, SAR_TOTAL, SAR_PART}:
        return None
    ref, part, total = (
        int.from_bytes(parameters[tag], "big") for tag in (SAR_REF, SAR_PART, SAR_TOTAL)
    )
    return Part(ref, part, total)
