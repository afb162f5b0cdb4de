"""Cells of CSV files that people open with a spreadsheet: no cell may be run as a formula.

Rule: OWASP, CSV Injection.
"""

_RISKY = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def harmless(cell: object) -> str:
    """Return a cell's text, with an apostrophe before what a spreadsheet might calculate."""
    text = "" if cell is None else str(cell)
    return f"'{text}" if text.lstrip(" ").startswith(_RISKY) else text
