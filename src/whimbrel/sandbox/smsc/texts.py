"""The text inside a short message: alphabets, and the header that makes parts of long ones.

Read the way a handset would, to show what arrived; written for what a subscriber sends. Knows
nothing about PDUs.
"""

from typing import NamedTuple

# Short messages with a header have this bit of esm_class (SMPP 3.4, section 5.2.12).
UDH_INDICATOR = 0x40
GSM, ASCII, LATIN_1, UCS_2 = 0x00, 0x01, 0x03, 0x08  # data_coding (SMPP 3.4, section 5.2.19)
LARGEST_GSM, LARGEST_UCS_2 = 160, 70  # characters of a message in one part

_ESCAPE = "\x1b"
# The default alphabet and its extension (3GPP TS 23.038, section 6.2.1), by the value of a septet.
_BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ" + _ESCAPE + "ÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENDED = {
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
_SEPTETS = {character: bytes([septet]) for septet, character in enumerate(_BASIC)}
_SEPTETS |= {character: bytes([0x1B, septet]) for septet, character in _EXTENDED.items()}
del _SEPTETS[_ESCAPE]
_BY_OCTET = _BASIC + "\N{REPLACEMENT CHARACTER}" * 128  # indexed by the octet's value


class Part(NamedTuple):
    """Which part of a long message this is, counted from 1."""

    ref: int
    part: int
    total: int


def split_header(esm_class: int, content: bytes) -> tuple[Part | None, bytes]:
    """Take the user data header off (3GPP TS 23.040, section 9.2.3.24).

    Returns the part that it names, if any, and what follows it. A broken header counts as none.
    """
    if not esm_class & UDH_INDICATOR or not content or content[0] >= len(content):
        return None, content
    header, body = content[1 : content[0] + 1], content[content[0] + 1 :]
    part = None
    while len(header) >= 2:
        kind, length = header[:2]
        value, header = header[2 : length + 2], header[length + 2 :]
        if len(value) < length:
            break
        if kind == 0x00 and length == 3:
            part = Part(ref=value[0], total=value[1], part=value[2])
        elif kind == 0x08 and length == 4:
            part = Part(ref=int.from_bytes(value[:2], "big"), total=value[2], part=value[3])
    return part, body


def decoded(data_coding: int, body: bytes) -> str | None:
    """Return the text, None for what is not text. What does not decode is shown as U+FFFD."""
    match data_coding:
        case 0x00:
            return _from_gsm(body)
        case 0x01:
            return body.decode("ascii", "replace")
        case 0x03:
            return body.decode("latin-1")
        case 0x08:
            return body.decode("utf-16-be", "replace")
    return None


def encoded(text: str) -> tuple[int, bytes]:
    """Return data_coding and bytes of a text that fits into one part.

    Raises `ValueError` if it does not fit.
    """
    septets = [_SEPTETS.get(character) for character in text]
    body = b"".join(septet for septet in septets if septet)
    if None not in septets:
        if len(body) > LARGEST_GSM:
            raise ValueError(f"text is longer than one part of {LARGEST_GSM} characters")
        return GSM, body
    body = text.encode("utf-16-be")
    if len(body) > 2 * LARGEST_UCS_2:
        raise ValueError(f"text is longer than one part of {LARGEST_UCS_2} characters")
    return UCS_2, body


def _from_gsm(body: bytes) -> str:
    """Read one septet an octet, as SMSCs take the default alphabet."""
    if 0x1B not in body:
        return body.decode("latin-1").translate(_BY_OCTET)
    text: list[str] = []
    escaped = False
    for septet in body:
        if septet == 0x1B and not escaped:
            escaped = True
            continue
        usual = _BY_OCTET[septet]
        text.append(_EXTENDED.get(septet, usual) if escaped else usual)
        escaped = False
    return "".join(text)
