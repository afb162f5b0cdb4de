"""The PDUs of SMPP 3.4 that a client (ESME) needs, from and to bytes.

Knows their form and nothing of when they are sent. What real SMSCs send is read as far as it makes
sense: strings without their final NUL, error responses without a body, statuses and parameters
that only their vendor knows, optional parameters cut short. Bytes of a message stay bytes. The
strings of the protocol are ASCII by the book; they are read and written as Latin-1, so that no
byte is lost on the way.

Source: SMPP 3.4, section 3 (formats), 4 (PDUs), 5 (parameters).
"""

import struct
from collections.abc import Iterator
from enum import IntEnum
from typing import NamedTuple

from msgspec import Struct

HEADER_LENGTH = 16
MAX_LENGTH = 68 * 1024
"""Bytes of the longest PDU that is read: message_payload's 64 KiB and room for the rest."""
LAST_SEQUENCE = 0x7FFF_FFFF  # 3.2

GENERIC_NACK = 0x8000_0000
SUBMIT_SM, SUBMIT_SM_RESP = 0x0000_0004, 0x8000_0004
DELIVER_SM, DELIVER_SM_RESP = 0x0000_0005, 0x8000_0005
UNBIND, UNBIND_RESP = 0x0000_0006, 0x8000_0006
BIND_TRANSCEIVER, BIND_TRANSCEIVER_RESP = 0x0000_0009, 0x8000_0009
ENQUIRE_LINK, ENQUIRE_LINK_RESP = 0x0000_0015, 0x8000_0015
ALERT_NOTIFICATION = 0x0000_0102
"""The one request that has no response (4.12)."""
RESPONSE_BIT = 0x8000_0000

MESSAGE_PAYLOAD = 0x0424
"""The tag of a message that is not in short_message (5.3.2.32)."""
INTERFACE_VERSION = 0x34
_LONGEST_SHORT_MESSAGE = 254  # 5.2.21
_LONGEST_ADDRESS = 20  # 5.2.8, 5.2.9, without the NUL
_ABSOLUTE_TIME = 16  # 7.1.1, without the NUL

_header = struct.Struct("!4I")
_tlv_head = struct.Struct("!2H")


class PduError(Exception):
    """Bytes that are not a PDU, or a PDU that cannot be bytes; the text names member and rule."""


class CommandStatus(IntEnum):
    """command_status by its name (5.1.3). Vendors add their own: on the wire it is a number."""

    ESME_ROK = 0x00
    ESME_RINVMSGLEN = 0x01
    ESME_RINVCMDLEN = 0x02
    ESME_RINVCMDID = 0x03
    ESME_RINVBNDSTS = 0x04
    ESME_RALYBND = 0x05
    ESME_RINVPRTFLG = 0x06
    ESME_RINVREGDLVFLG = 0x07
    ESME_RSYSERR = 0x08
    ESME_RINVSRCADR = 0x0A
    ESME_RINVDSTADR = 0x0B
    ESME_RINVMSGID = 0x0C
    ESME_RBINDFAIL = 0x0D
    ESME_RINVPASWD = 0x0E
    ESME_RINVSYSID = 0x0F
    ESME_RCANCELFAIL = 0x11
    ESME_RREPLACEFAIL = 0x13
    ESME_RMSGQFUL = 0x14
    ESME_RINVSERTYP = 0x15
    ESME_RINVNUMDESTS = 0x33
    ESME_RINVDLNAME = 0x34
    ESME_RINVDESTFLAG = 0x40
    ESME_RINVSUBREP = 0x42
    ESME_RINVESMCLASS = 0x43
    ESME_RCNTSUBDL = 0x44
    ESME_RSUBMITFAIL = 0x45
    ESME_RINVSRCTON = 0x48
    ESME_RINVSRCNPI = 0x49
    ESME_RINVDSTTON = 0x50
    ESME_RINVDSTNPI = 0x51
    ESME_RINVSYSTYP = 0x53
    ESME_RINVREPFLAG = 0x54
    ESME_RINVNUMMSGS = 0x55
    ESME_RTHROTTLED = 0x58
    ESME_RINVSCHED = 0x61
    ESME_RINVEXPIRY = 0x62
    ESME_RINVDFTMSGID = 0x63
    ESME_RX_T_APPN = 0x64
    ESME_RX_P_APPN = 0x65
    ESME_RX_R_APPN = 0x66
    ESME_RQUERYFAIL = 0x67
    ESME_RINVOPTPARSTREAM = 0xC0
    ESME_ROPTPARNOTALLWD = 0xC1
    ESME_RINVPARLEN = 0xC2
    ESME_RMISSINGOPTPARAM = 0xC3
    ESME_RINVOPTPARAMVAL = 0xC4
    ESME_RDELIVERYFAILURE = 0xFE
    ESME_RUNKNOWNERR = 0xFF


_STATUS_NAMES = {int(status): status.name for status in CommandStatus}


def status_name(code: int) -> str:
    """Return a command_status for operators: its name, or `0x00000401` if a vendor made it."""
    return _STATUS_NAMES.get(code) or f"0x{code:08X}"


class Pdu(NamedTuple):
    """Any PDU, its body not read yet."""

    command_id: int
    command_status: int
    sequence: int
    body: bytes


class SubmitSm(Struct, frozen=True, kw_only=True):
    """A message for the SMSC (4.4.1), or one part of a longer one.

    `dest_addr` is digits. `validity_period` is empty or in the form of 7.1.1. TLVs may hold the
    message (`MESSAGE_PAYLOAD`), with an empty `short_message`.
    """

    source_addr: str
    dest_addr: str
    short_message: bytes
    source_ton: int = 0
    source_npi: int = 0
    dest_ton: int = 0
    dest_npi: int = 0
    esm_class: int = 0
    data_coding: int = 0
    validity_period: str = ""
    registered_delivery: int = 0
    tlvs: dict[int, bytes] = {}


class DeliverSm(Struct, frozen=True, kw_only=True):
    """A subscriber's message or a receipt from the SMSC (4.6.1).

    `short_message` is what message_payload holds, where that is used; `tlvs` has the optional
    parameters by tag, of a repeated one the last.
    """

    sequence: int
    source_addr: str
    dest_addr: str
    esm_class: int
    data_coding: int
    short_message: bytes
    tlvs: dict[int, bytes]


class Framer:
    """Cuts a stream of bytes into PDUs."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[Pdu]:
        """Yield the PDUs that `data` completes.

        Raises `PduError`, after what was whole, for a command_length that cannot be one: the stream
        is lost then, for nobody knows where the next PDU begins.
        """
        data = self._rest + data if self._rest else data
        at, end = 0, len(data)
        while end - at >= HEADER_LENGTH:
            length, command_id, status, sequence = _header.unpack_from(data, at)
            if not HEADER_LENGTH <= length <= MAX_LENGTH:
                raise PduError(f"command_length: {length} is not in {HEADER_LENGTH}..{MAX_LENGTH}")
            if at + length > end:
                break
            body = data[at + HEADER_LENGTH : at + length]
            yield Pdu(command_id, status, sequence, body)
            at += length
        self._rest = data[at:]


def pdu_bytes(command_id: int, status: int, sequence: int, body: bytes = b"") -> bytes:
    """Return a whole PDU."""
    return _header.pack(HEADER_LENGTH + len(body), command_id, status, sequence) + body


def bind_body(system_id: str, password: str, system_type: str) -> bytes:
    """Return the body of a bind_transceiver for all addresses of the account (4.1.5).

    Raises `PduError`; it never shows the password.
    """
    strings = b"".join(
        (
            _c_string("system_id", system_id, 15),
            _c_string("password", password, 8),
            _c_string("system_type", system_type, 12),
        )
    )
    return strings + bytes((INTERFACE_VERSION, 0, 0, 0))  # addr_ton, addr_npi, address_range


def submit_body(pdu: SubmitSm) -> bytes:
    """Return the body of a submit_sm. Raises `PduError` with the member and the rule."""
    message = pdu.short_message
    if len(message) > _LONGEST_SHORT_MESSAGE:
        raise PduError(f"short_message: at most {_LONGEST_SHORT_MESSAGE} bytes")
    try:
        return b"".join(
            (
                b"\0",  # service_type: the SMSC's default
                bytes((pdu.source_ton, pdu.source_npi)),
                _c_string("source_addr", pdu.source_addr, _LONGEST_ADDRESS),
                bytes((pdu.dest_ton, pdu.dest_npi)),
                _c_string("dest_addr", pdu.dest_addr, _LONGEST_ADDRESS),
                # protocol_id, priority_flag and schedule_delivery_time: none
                bytes((pdu.esm_class, 0, 0, 0)),
                _c_string("validity_period", pdu.validity_period, _ABSOLUTE_TIME),
                # replace_if_present_flag and sm_default_msg_id: none
                bytes((pdu.registered_delivery, 0, pdu.data_coding, 0, len(message))),
                message,
                tlv_bytes(pdu.tlvs),
            )
        )
    except ValueError as error:
        raise PduError(f"a member of one byte: {error}") from error


def read_message_id(body: bytes) -> str:
    """Return the message_id of a submit_sm_resp (4.4.2); empty where there is none."""
    return body.partition(b"\0")[0].decode("latin-1")


def read_system_id(body: bytes) -> str:
    """Return who the SMSC says it is in its bind_transceiver_resp (4.1.6)."""
    return body.partition(b"\0")[0].decode("latin-1")


def read_deliver_sm(pdu: Pdu) -> DeliverSm:
    """Read the body of a deliver_sm. Raises `PduError` where mandatory members are missing."""
    body = pdu.body
    try:
        source_at = body.index(0) + 3  # behind service_type, ton and npi
        dest_at = (source_end := body.index(0, source_at)) + 3
        esm_class = body[(dest_end := body.index(0, dest_at)) + 1]
        validity_at = body.index(0, dest_end + 4) + 1  # behind schedule_delivery_time
        fixed_at = body.index(0, validity_at) + 1
        data_coding, length = body[fixed_at + 2], body[fixed_at + 4]
    except (ValueError, IndexError) as error:
        raise PduError("deliver_sm: a mandatory member is missing or has no end") from error
    message_at = fixed_at + 5
    message = body[message_at : message_at + length]
    tlvs = read_tlvs(body, message_at + length)
    return DeliverSm(
        sequence=pdu.sequence,
        source_addr=body[source_at:source_end].decode("latin-1"),
        dest_addr=body[dest_at:dest_end].decode("latin-1"),
        esm_class=esm_class,
        data_coding=data_coding,
        short_message=message or tlvs.get(MESSAGE_PAYLOAD, b""),
        tlvs=tlvs,
    )


def read_tlvs(body: bytes, at: int) -> dict[int, bytes]:
    """Read the optional parameters from `at` on (3.2.4.1); one that is cut short ends them."""
    tlvs = {}
    end = len(body)
    while at + 4 <= end:
        tag, length = _tlv_head.unpack_from(body, at)
        at += 4 + length
        if at > end:
            break
        tlvs[tag] = body[at - length : at]
    return tlvs


def tlv_bytes(tlvs: dict[int, bytes]) -> bytes:
    """Return optional parameters as bytes. Raises `PduError` for one that is too long."""
    try:
        return b"".join(_tlv_head.pack(tag, len(value)) + value for tag, value in tlvs.items())
    except struct.error as error:
        raise PduError("tlvs: tag and length are two bytes each") from error


def _c_string(member: str, text: str, longest: int) -> bytes:
    """Return a C-Octet String (3.1) of `longest` bytes at most, without counting its NUL."""
    try:
        value = text.encode("latin-1")
    except UnicodeEncodeError:
        raise PduError(f"{member}: Latin-1 only") from None  # the cause would show a password
    if len(value) > longest or 0 in value:
        raise PduError(f"{member}: at most {longest} characters, none of them NUL")
    return value + b"\0"
