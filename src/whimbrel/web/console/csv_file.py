"""How the console writes CSV (RFC 4180), for spreadsheets as they are.

A byte order mark, by which Excel knows UTF-8; a semicolon between the cells where Excel's language
wants one; and no cell that a spreadsheet would run as a formula (`domain/spreadsheet.py`).
"""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from whimbrel.domain.spreadsheet import harmless

BYTE_ORDER_MARK = "\ufeff"
"""What a file begins with."""
SEPARATORS = MappingProxyType({"comma": ",", "semicolon": ";"})
"""What may stand between cells, by its name in forms."""


def separator_in(form: Mapping[str, str]) -> str | None:
    """Return the separator that a form names, a comma if it names none; None: it is not one."""
    return SEPARATORS.get(form.get("separator", "comma"))


def csv_lines(rows: Iterable[Sequence[object]], separator: str) -> str:
    """Return rows as lines; a cell of None is empty."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=separator, lineterminator="\r\n")
    writer.writerows([harmless(cell) for cell in row] for row in rows)
    return text.getvalue()
