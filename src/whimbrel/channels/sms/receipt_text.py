"""The text of a receipt: a custom that began as an example (SMPP 3.4, appendix B).

    id:IIIIIIIIII sub:SSS dlvrd:DDD submit date:YYMMDDhhmm done date:YYMMDDhhmm stat:DDDDDDD err:E
    text:....................

Every SMSC has its own habits: other orders, fields left out or added, capitals, commas, other
dates. Each field is therefore looked for by its name alone. What stands after `text:` is the
Partner's, may be a one-time code or look like any field, and is not kept.
"""

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import NamedTuple

from whimbrel.clock import DAY, MINUTE, SECOND

_FIELD = re.compile(
    r"\b(?=[demist])(?:"
    r"(?P<id>(?:(?:message|msg)[\s_]*)?id)|(?P<sub>sub)|(?P<dlvrd>dlvrd)|"
    r"(?P<submit>submit[\s_]*date)|(?P<done>done[\s_]*date)|"
    r"(?P<stat>stat(?:us)?)|(?P<err>err(?:or)?(?:[\s_]*code)?)|(?P<text>text)"
    r")\s*[:=]",
    re.ASCII | re.IGNORECASE,
)
_DATES = {"submit", "done"}
_OTHERS = {"sub", "dlvrd", "submit", "done", "err"}
_WORD = re.compile(r"""\s*["']?([^\s,;|&"']*)""")
_DATE = re.compile(r"""\s*["']?(\d{10,15}[+-]?|\d{4}-\d\d-\d\d[ T]\d\d:\d\d(?::\d\d)?)""", re.ASCII)
_BETWEEN_DIGITS = str.maketrans("", "", " T:-")
_WITH_OFFSET = re.compile(r"(\d{12})\d(\d\d)([+-])", re.ASCII)
_EPOCH = datetime.fromtimestamp(0, UTC)
_QUARTER = timedelta(minutes=15)
_MINUTE_AND_CLOCKS = 2 * MINUTE
"""A date without seconds is up to a minute old, and two clocks differ by some seconds."""
_OLDEST = 7 * DAY
"""No SMSC keeps a message longer (`protocol.md`, section 3); an older date is another's mistake."""


class ReceiptText(NamedTuple):
    """The fields of a receipt's text, as they are written; "" where one is missing."""

    id: str
    stat: str
    err: str
    done: str
    others: int
    """How many of the remaining fields there are: what tells the form from a chat."""


def read_text(text: str) -> ReceiptText:
    """Find the fields. Of two of a name the first counts, and any before the message's own text."""
    fields: dict[str, str] = {}
    found = list(_FIELD.finditer(text))
    for index, field in enumerate(found):
        name = field.lastgroup or ""
        if name == "text" and "id" in fields and "stat" in fields:
            break  # what follows is the Partner's; else the text stood first, and fields follow
        end = found[index + 1].start() if index + 1 < len(found) else len(text)
        value = (_DATE if name in _DATES else _WORD).match(text[field.end() : end])
        fields.setdefault(name, value[1] if value else "")
    return ReceiptText(
        fields.get("id", ""),
        fields.get("stat", ""),
        fields.get("err", ""),
        fields.get("done", ""),
        len(fields.keys() & _OTHERS),
    )


def moment(done: str, received_at: int, zone: tzinfo) -> int:
    """Return when it happened, in milliseconds UTC: the `done date` if it tells more, else arrival.

    `done` is in the SMSC's own zone, unless it bears an offset, and often of whole minutes. So the
    arrival is more exact where the two are within 2 minutes; and a date that lies beyond them in
    the future, or 7 days back, is no date of this receipt.
    """
    for at in _moments(done, zone):
        if received_at - _OLDEST <= at < received_at - _MINUTE_AND_CLOCKS:
            return at
    return received_at


def _moments(written: str, zone: tzinfo) -> list[int]:
    """Return the moments that a date can mean, in milliseconds UTC."""
    moments = []
    with_offset = _WITH_OFFSET.fullmatch(written)
    digits = with_offset[1] if with_offset else written.translate(_BETWEEN_DIGITS)
    for whole in _with_century_and_seconds(digits):
        try:
            if with_offset:  # tenths, quarters of an hour, sign (SMPP 3.4, section 7.1.1)
                zone = timezone(int(with_offset[3] + with_offset[2]) * _QUARTER)
            year = int(whole[:4])
            month, day, hour, minute, second = (int(whole[at : at + 2]) for at in range(4, 14, 2))
            date = datetime(year, month, day, hour, minute, second, tzinfo=zone)
            passed = date - _EPOCH
        except (ValueError, OverflowError):
            continue
        moments.append(round(passed.total_seconds()) * SECOND)
    return moments


def _with_century_and_seconds(digits: str) -> tuple[str, ...]:
    match len(digits):
        case 10:
            return (f"20{digits}00",)
        case 12:  # with seconds, or with a year of four digits
            return (f"20{digits}", f"{digits}00")
        case 14:
            return (digits,)
    return ()
