"""The alphabets of an SMS: GSM 7-bit with its extension table, and UCS-2 (3GPP TS 23.038).

Owns how text becomes octets and back. Septets travel one to an octet, as SMPP carries them; packing
them is the SMSC's work. Where a text is cut into parts is `segments.py`'s.

Texts are encoded by the interpreter's own character map, since every message and every report asks
for it. That map is quick only if its first character is U+0000, so the GSM table goes into it a
little rearranged: `@`, which the specification puts first, sits in the place of the escape, and an
extension character at 128 above its code.
"""

import codecs
import re
from types import MappingProxyType

GSM, ASCII, LATIN_1, UCS_2 = 0, 1, 3, 8
"""Values of `data_coding` (SMPP 3.4, section 5.2.19)."""
ESCAPE = 0x1B
"""The septet that makes the next one a character of the extension table."""

_ESCAPE_STANDS_AT = "\x1b"
_BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅå"
    f"Δ_ΦΓΛΩΠΨΣΘΞ{_ESCAPE_STANDS_AT}ÆæßÉ"
    " !\"#¤%&'()*+,-./"
    "0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNO"
    "PQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmno"
    "pqrstuvwxyzäöñüà"
)
"""TS 23.038, section 6.2.1; 16 characters a row."""
_EXTENSION = MappingProxyType(
    {
        0x0A: "\f",
        0x14: "^",
        0x28: "{",
        0x29: "}",
        0x2F: "\\",
        0x3C: "[",
        0x3D: "~",
        0x3E: "]",
        0x40: "|",
        0x65: "€",
    }
)
"""TS 23.038, section 6.2.1.1. Page break is a form feed; each costs two septets."""

_UNUSED = "\ufffe"  # what the character map takes for an empty place
_REARRANGED = codecs.charmap_build(
    "\0"
    + _BASIC[1:].replace(_ESCAPE_STANDS_AT, _BASIC[0])
    + "".join(_EXTENSION.get(code, _UNUSED) for code in range(128))
)
_TO_SEPTETS = bytes.maketrans(bytes([ESCAPE]), b"\0")
_PAIRS = tuple((bytes([0x80 | code]), bytes([ESCAPE, code])) for code in _EXTENSION)

_ESCAPED = re.compile(rb"\x1b(.?)", re.DOTALL)
_SHOWN_AS_SPACE = _BASIC.replace(_ESCAPE_STANDS_AT, " ")  # an escape that means nothing
_CHARSETS = MappingProxyType(
    {
        ASCII: "ascii",
        LATIN_1: "latin-1",
        6: "iso8859-5",
        7: "iso8859-8",
        UCS_2: "utf-16-be",
    }
)


def gsm_encode(text: str) -> bytes | None:
    """Return a text as septets, one to an octet, or None if GSM 7-bit cannot write it."""
    # "ignore" drops what has no place, which the length then tells without the cost of an error.
    rearranged, _ = codecs.charmap_encode(text, "ignore", _REARRANGED)
    if len(rearranged) != len(text) or 0 in rearranged:
        return None
    septets = rearranged.translate(_TO_SEPTETS)
    if not septets.isascii():
        for extended, pair in _PAIRS:
            septets = septets.replace(extended, pair)
    return septets


def ucs2_encode(text: str) -> bytes:
    """Return a text as big-endian UTF-16. Half of a surrogate pair is passed on as it is."""
    return text.encode("utf-16-be", "surrogatepass")


def decode(data_coding: int, octets: bytes) -> str | None:
    """Return the text of an SMS, None where it is no text or in no alphabet that is known here.

    What its alphabet does not have becomes U+FFFD. Besides the values of SMPP 3.4, section 5.2.19,
    the groups of TS 23.038, section 4, that name a message class are read (0x10 to 0x1F and 0xF0 to
    0xFF).
    """
    coding = _without_class(data_coding)
    if coding == GSM:
        return _gsm_decode(octets)
    charset = _CHARSETS.get(coding)
    return octets.decode(charset, "replace") if charset else None


def _without_class(data_coding: int) -> int:
    """Return the plain `data_coding` that a coding with a message class amounts to."""
    if 0x10 <= data_coding <= 0x1F:
        return data_coding & 0x0C
    if 0xF0 <= data_coding <= 0xFF:
        return data_coding & 0x04
    return data_coding


def _gsm_decode(octets: bytes) -> str:
    pieces = _ESCAPED.split(octets)  # what stands between escapes, and what was escaped, in turn
    return "".join(
        (_escaped(piece) if index % 2 else _basic(piece)) for index, piece in enumerate(pieces)
    )


def _escaped(octet: bytes) -> str:
    """Read what follows an escape, nothing at the end of a text (TS 23.038, section 6.2.1.1).

    A code that the extension table lacks is read in the basic one, where the escape is a space.
    """
    extended = _EXTENSION.get(octet[0]) if octet else " "
    return extended or _basic(octet)


def _basic(octets: bytes) -> str:
    return codecs.charmap_decode(octets, "replace", _SHOWN_AS_SPACE)[0]
