"""Reads what an SMSC delivers: receipts of our submits, and messages from subscribers.

Both come as `deliver_sm` (SMPP 3.4, section 4.6). Nothing in it makes the reader fail: what it
cannot make sense of it calls unreadable, and says why, without the text. A receipt's TLVs win over
its text where they are there and sound.
"""

from collections.abc import Mapping
from typing import NamedTuple, Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from whimbrel.channels.sms.errors import network_error, own_codes, spelled
from whimbrel.channels.sms.message_ids import canonical, spellings
from whimbrel.channels.sms.message_states import (
    OUTCOMES,
    MessageState,
    state_of_number,
    state_of_word,
)
from whimbrel.channels.sms.receipt_text import ReceiptText, moment, read_text
from whimbrel.domain.alphabet import decode
from whimbrel.domain.content import Channel
from whimbrel.domain.receipt import MoMessage, Receipt
from whimbrel.domain.segments import Place, sound_place, split_header
from whimbrel.domain.status import ErrorCode, LinkState
from whimbrel.domain.zones import MOSCOW
from whimbrel.settings import SettingsError, SmppAccount

# TLVs (SMPP 3.4, section 5.3.2)
RECEIPTED_MESSAGE_ID, MESSAGE_STATE, NETWORK_ERROR_CODE = 0x001E, 0x0427, 0x0423
MESSAGE_PAYLOAD = 0x0424
SAR_REFERENCE, SAR_PARTS, SAR_PART = 0x020C, 0x020E, 0x020F

# esm_class (SMPP 3.4, section 5.2.12)
_KIND = 0b0011_1100
_PLAIN, _RECEIPT, _INTERMEDIATE = 0x00, 0x04, 0x20
_HAS_HEADER = 0x40

_GSM_NETWORKS = {0, 3}  # 0 is not defined; SMSCs that leave it so are GSM's
_LONGEST_WORD = 20


class Delivered(Protocol):
    """The fields of a `deliver_sm` that matter here."""

    @property
    def source_addr(self) -> str:
        """Where it comes from: the subscriber."""
        ...

    @property
    def dest_addr(self) -> str:
        """Where it goes: one of our senders."""
        ...

    @property
    def esm_class(self) -> int:
        """What kind of message it is."""
        ...

    @property
    def data_coding(self) -> int:
        """The alphabet."""
        ...

    @property
    def short_message(self) -> bytes:
        """The text."""
        ...

    @property
    def tlvs(self) -> Mapping[int, bytes]:
        """The optional parameters, by tag."""
        ...


class Unreadable(NamedTuple):
    """A delivery that means nothing here, and why."""

    reason: str


class _NetworkError(NamedTuple):
    code: str
    """As it is written; "" where there is none."""
    gsm: bool


class Reader:
    """Reads the deliveries of one account."""

    def __init__(self, account: str, settings: SmppAccount) -> None:
        """`account` is the name of its section. Raises `SettingsError`."""
        self._account = account
        self._senders = tuple(settings.senders)
        self._form = settings.receipt_ids
        try:
            self._own_codes = own_codes(settings.error_codes)
        except ValueError as error:
            raise SettingsError(f"smpp.{account}.error_codes: {error}") from error
        try:
            self._zone = ZoneInfo(settings.receipt_zone) if settings.receipt_zone else MOSCOW
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise SettingsError(
                f"smpp.{account}.receipt_zone: no zone {settings.receipt_zone!r}"
            ) from error

    def read(self, delivered: Delivered, received_at: int) -> Receipt | MoMessage | Unreadable:
        """Read a delivery that came at `received_at` (milliseconds UTC). Never raises."""
        place, octets = _content(delivered)
        kind = delivered.esm_class & _KIND
        if kind == _PLAIN:
            text = read_text(_plain(octets))
            if not _is_receipt(text, delivered.tlvs):
                return self._mo_message(delivered, place, octets, received_at)
        elif kind == _INTERMEDIATE or kind & _RECEIPT:
            text = read_text(_plain(octets))
        else:
            return Unreadable(f"an acknowledgement that nobody asked for (esm_class {kind:#04x})")
        return self._receipt(delivered, text, received_at, final=kind != _INTERMEDIATE)

    def _receipt(
        self, delivered: Delivered, text: ReceiptText, received_at: int, *, final: bool
    ) -> Receipt | Unreadable:
        ids = self._ids(text, delivered.tlvs)
        if not ids:
            return Unreadable("a receipt without a message id")
        state = _state(text, delivered.tlvs)
        if state is None:
            return Unreadable(f"a receipt without a state (stat {text.stat[:_LONGEST_WORD]!r})")
        error = _network_error(text, delivered.tlvs)
        link_state, error_code = self._outcome(state, error, final=final)
        sender, subscriber = self._ends(delivered)
        return Receipt(
            sender=sender,
            provider_id=ids[0],
            state=link_state,
            at=moment(text.done, received_at, self._zone),
            error_code=error_code,
            code=error.code[:_LONGEST_WORD] if spelled(error.code) != "0" else "",
            detail=text.stat[:_LONGEST_WORD] if state_of_word(text.stat) is state else state.name,
            senders=self._senders,
            aliases=ids[1:],
            subscriber=_digits(subscriber),
        )

    def _ids(self, text: ReceiptText, tlvs: Mapping[int, bytes]) -> tuple[str, ...]:
        """Return every spelling of the id: first as the TLV has it, last as the text's turns out.

        SMSCs are known that write hex in the one and decimal in the other.
        """
        written = (_plain(tlvs.get(RECEIPTED_MESSAGE_ID, b"")), text.id)
        sound = [one for one in written if canonical(one)]
        plain = [canonical(one) for one in sound]
        converted = [other for one in sound for other in spellings(one, self._form, answered=False)]
        return tuple(dict.fromkeys([*plain, *converted]))

    def _outcome(
        self, state: MessageState, error: _NetworkError, *, final: bool
    ) -> tuple[LinkState, ErrorCode]:
        """Judge a state with the network's error.

        An intermediate notification tells that the SMSC is still trying, whatever went wrong.
        """
        outcome = OUTCOMES[state]
        if outcome.state is not LinkState.FAILED:
            return outcome.state, ErrorCode.NONE
        if not final:
            return LinkState.SENT, ErrorCode.NONE
        known = self._own_codes.get(spelled(error.code))
        if known is None and outcome.by_network and error.gsm:
            known = network_error(error.code)
        return outcome.state, known or outcome.error_code

    def _ends(self, delivered: Delivered) -> tuple[str, str]:
        """Return our sender and the subscriber.

        A receipt takes the way back, from the subscriber to the sender. Some SMSCs leave the ends
        as they were in the submit, which shows where the source is a sender of ours.
        """
        ends = delivered.dest_addr, delivered.source_addr
        forgotten = delivered.source_addr in self._senders
        if forgotten and delivered.dest_addr not in self._senders:
            return ends[1], ends[0]
        return ends

    def _mo_message(
        self, delivered: Delivered, place: Place | None, octets: bytes, received_at: int
    ) -> MoMessage | Unreadable:
        subscriber = delivered.source_addr.strip().removeprefix("+")
        if not subscriber:
            return Unreadable("a message from nobody")
        reference, parts, part = place or (None, 1, 1)
        return MoMessage(
            channel=Channel.SMS,
            account=self._account,
            sender=delivered.dest_addr,
            subscriber=subscriber,
            received_at=received_at,
            text=decode(delivered.data_coding, octets),
            raw=octets,
            data_coding=delivered.data_coding,
            part=part,
            parts=parts,
            reference=reference,
        )


def _content(delivered: Delivered) -> tuple[Place | None, bytes]:
    """Return a message's place among its parts, and its text: a long one may be in a TLV."""
    octets = delivered.short_message or delivered.tlvs.get(MESSAGE_PAYLOAD, b"")
    if delivered.esm_class & _HAS_HEADER:
        return split_header(octets)
    tlvs = delivered.tlvs
    reference, parts, part = (
        int.from_bytes(tlvs.get(tag, b"")[:2], "big")
        for tag in (SAR_REFERENCE, SAR_PARTS, SAR_PART)
    )
    return sound_place(reference, parts, part), octets


def _plain(octets: bytes) -> str:
    """Read the ASCII of a receipt, whatever its `data_coding` says.

    Without NULs, UCS-2 is ASCII too. 0x11 is the underscore of GSM 7-bit, which ids have; what else
    the alphabets do not have in common is of no meaning here.
    """
    return octets.decode("latin-1").replace("\0", "").replace("\x11", "_")


def _is_receipt(text: ReceiptText, tlvs: Mapping[int, bytes]) -> bool:
    """Tell a receipt that its SMSC forgot to mark from what a subscriber may write."""
    if RECEIPTED_MESSAGE_ID in tlvs and MESSAGE_STATE in tlvs:
        return True
    return bool(text.id and state_of_word(text.stat) is not None and text.others)


def _state(text: ReceiptText, tlvs: Mapping[int, bytes]) -> MessageState | None:
    """Return the state. 0 in the TLV is an empty one as a rule, so a word wins over it."""
    number = state_of_number(tlvs.get(MESSAGE_STATE, b""))
    if number:
        return number
    word = state_of_word(text.stat)
    return number if word is None else word


def _network_error(text: ReceiptText, tlvs: Mapping[int, bytes]) -> _NetworkError:
    """Return the network's error: type of network and a code of two octets, or `err:`.

    A code of a network that is not GSM gives way to the text, which is GSM's by custom.
    """
    value = tlvs.get(NETWORK_ERROR_CODE, b"")
    code = int.from_bytes(value[1:], "big")
    if len(value) != 3 or not code:
        return _NetworkError(text.err, gsm=True)
    gsm = value[0] in _GSM_NETWORKS
    if not gsm and spelled(text.err) != "0":
        return _NetworkError(text.err, gsm=True)
    return _NetworkError(str(code), gsm)


def _digits(address: str) -> str | None:
    digits = address.strip().removeprefix("+")
    return digits if digits.isascii() and digits.isdigit() else None
