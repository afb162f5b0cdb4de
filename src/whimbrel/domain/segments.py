"""How a text becomes the parts of an SMS, and what tells that parts belong together.

Owns the limits and the header of 3GPP TS 23.040, section 9.2.3.24.1. The characters are
`alphabet.py`'s, and how a part travels is the channel's.
"""

from typing import NamedTuple

from msgspec import Struct

from whimbrel.domain.alphabet import ESCAPE, GSM, UCS_2, gsm_encode, ucs2_encode

MOST_PARTS = 255
"""What the header's one octet can count."""

_GSM_WHOLE, _GSM_PART = 160, 153  # septets in 140 octets, and beside a header of 6 octets
_UCS2_WHOLE, _UCS2_PART = 140, 134  # octets: 70 and 67 units of UTF-16
_ALWAYS_ONE_ASCII = 70  # characters: 140 septets if all are escaped, 70 units if one is not GSM's
_HEADER_LENGTH = 5
_CONCATENATED_8, _CONCATENATED_16 = 0x00, 0x08  # information element identifiers
_HIGH_SURROGATES = range(0xD8, 0xDC)  # their first octet
_SPREAD = 0x9E37_79B9_7F4A_7C15  # 2^64 divided by the golden ratio
_64_BITS = (1 << 64) - 1


class TooManyParts(ValueError):
    """A text that not even 255 parts can hold."""


class Segments(Struct, frozen=True):
    """A text as it is submitted."""

    data_coding: int
    """0 (GSM 7-bit) or 8 (UCS-2)."""
    parts: tuple[bytes, ...]
    """Each ready to be a `short_message`; of several, each begins with its header."""

    @property
    def has_headers(self) -> bool:
        """Whether the parts begin with a user data header (the UDHI bit of `esm_class`)."""
        return len(self.parts) > 1


class Place(NamedTuple):
    """Where a part of a long message belongs."""

    reference: int
    """What the parts of one message have in common: 0 to 65535."""
    parts: int
    part: int
    """1 for the first."""


def segments(text: str, reference: int) -> Segments:
    """Cut a text into as few parts as it takes, in GSM 7-bit if that can write it, else UCS-2.

    A part holds up to 160 septets or 70 UTF-16 units, 153 or 67 if it is one of several; neither an
    escape and its character nor a surrogate pair is split, so a part may be one shorter.
    `reference` (0 to 255) is the same for the parts of one message.

    Raises `TooManyParts`; a text of 2000 code points has 61 parts at most.
    """
    octets, data_coding = _encoded(text)
    cuts = _cuts(octets, data_coding)
    if len(cuts) == 1:
        return Segments(data_coding, (octets,))
    if len(cuts) > MOST_PARTS:
        raise TooManyParts(f"{len(cuts)} parts: a message has at most {MOST_PARTS}")
    header = bytes([_HEADER_LENGTH, _CONCATENATED_8, 3, reference, len(cuts)])
    starts = (0, *cuts)
    return Segments(
        data_coding,
        tuple(
            header + bytes([part]) + octets[start:end]
            for part, (start, end) in enumerate(zip(starts, cuts, strict=False), 1)
        ),
    )


def part_count(text: str) -> int:
    """Return how many parts `segments` makes of a text, without making them."""
    if len(text) <= _ALWAYS_ONE_ASCII and text.isascii():
        return 1
    return len(_cuts(*_encoded(text)))


def _encoded(text: str) -> tuple[bytes, int]:
    septets = gsm_encode(text)
    return (ucs2_encode(text), UCS_2) if septets is None else (septets, GSM)


def _cuts(octets: bytes, data_coding: int) -> list[int]:
    """Return where each part ends."""
    whole, most = (_GSM_WHOLE, _GSM_PART) if data_coding == GSM else (_UCS2_WHOLE, _UCS2_PART)
    if len(octets) <= whole:
        return [len(octets)]
    cuts, end = [], 0
    while len(octets) - end > most:
        end += most
        if data_coding == GSM:
            end -= octets[end - 1] == ESCAPE
        elif octets[end - 2] in _HIGH_SURROGATES:
            end -= 2
        cuts.append(end)
    return [*cuts, len(octets)]


def reference_of(link_id: int) -> int:
    """Return the reference of a link's parts, 0 to 255.

    It is the same for every attempt, so that a handset knows a part that is sent again. Numbers of
    links that follow each other differ in their low bits where a gateway is busy and in the bits
    from 27 up where it is quiet (`chain_id.py`): a product's highest octet hangs on all of them.
    """
    return (link_id * _SPREAD & _64_BITS) >> 56


def split_header(short_message: bytes) -> tuple[Place | None, bytes]:
    """Take the user data header off a part: return its place, if it tells one, and the text.

    Both forms of reference are read, of one octet and of two. An element that breaks its form, or
    counts a part beyond the last, is passed over, as TS 23.040 asks; a header that is longer than
    the message is none, and the message is all text.
    """
    if not short_message or short_message[0] >= len(short_message):
        return None, short_message
    end = 1 + short_message[0]
    place, at = None, 1
    while at + 2 <= end:
        next_at = at + 2 + short_message[at + 1]
        if next_at > end:
            break
        # Of several the last counts (section 9.2.3.24).
        place = _place(short_message[at], short_message[at + 2 : next_at]) or place
        at = next_at
    return place, short_message[end:]


def _place(identifier: int, element: bytes) -> Place | None:
    width = {_CONCATENATED_8: 1, _CONCATENATED_16: 2}.get(identifier)
    if width is None or len(element) != width + 2:
        return None
    return sound_place(int.from_bytes(element[:width], "big"), *element[width:])


def sound_place(reference: int, parts: int, part: int) -> Place | None:
    """Return a place whose part is one of the parts, else None."""
    return Place(reference, parts, part) if 1 <= part <= parts else None
