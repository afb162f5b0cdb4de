"""The numbers that an SMSC gives to messages, and the ways in which it spells one number.

SMPP 3.4 says only that a `message_id` is a text of up to 64 characters (section 5.2.23), and an
answer and a receipt often disagree about it: one of them pads it with zeros, writes it in capitals,
or in another base.
"""

import re

SAME, HEX, DECIMAL, AUTO = "same", "hex", "decimal", "auto"
"""How receipts spell an id (setting `receipt_ids`)."""

_NUMBER = re.compile("[0-9a-f]+")
_MOST = 1 << 64  # an id beyond it is no counter of an SMSC but an invention, such as a UUID


def canonical(message_id: str) -> str:
    """Return an id in the spelling in which ids are compared and kept.

    NULs, blanks and quotation marks around it go, capitals become small, and of a number, in hex or
    in decimal, `0x` and the zeros in front. "" where nothing is left.
    """
    bare = message_id.replace("\0", "").strip(" \t\r\n\"'").lower()
    number = bare.removeprefix("0x")
    if not _NUMBER.fullmatch(number):
        return bare
    return number.lstrip("0") or "0"


def spellings(message_id: str, form: str, *, answered: bool) -> tuple[str, ...]:
    """Return the ways in which the other side may have spelled an id, the canonical one first.

    `answered` tells whether the id is from the answer to a submit, so that the other side is its
    receipts, or from a receipt, so that the other side is the answer. `form` is how receipts spell:

    - `same`: as the answer does. Only the canonical spelling.
    - `hex`: the answer is decimal and the receipt hex. The id of an answer is also written in hex,
      that of a receipt also in decimal.
    - `decimal`: the answer is hex and the receipt decimal. The other way round.
    - `auto`: any of these. Both conversions, as far as the id has the digits for them.

    So, where a form keeps its promise, the canonical spelling of the answer is among the spellings
    of the receipt, and that of the receipt among the spellings of the answer. A number of digits
    alone can be read both ways, so two spellings can belong to two messages: whoever matches by any
    but the first spelling compares the subscriber as well.

    An id that is no number, or beyond 64 bits, has its canonical spelling alone.
    """
    plain = canonical(message_id)
    found = [plain]
    if form in {AUTO, HEX if answered else DECIMAL} and plain.isdecimal():
        found.append(_converted(plain, 10))
    if form in {AUTO, DECIMAL if answered else HEX}:
        found.append(_converted(plain, 16))
    return tuple(dict.fromkeys(one for one in found if one))


def _converted(number: str, base: int) -> str:
    """Return a number of this base in the other one, "" where it is none that is converted."""
    if not _NUMBER.fullmatch(number) or len(number) > 20:
        return ""
    value = int(number, base)
    if value >= _MOST:
        return ""
    return f"{value:x}" if base == 10 else str(value)
