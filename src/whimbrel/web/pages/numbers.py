"""How numbers are written on a page."""

_MARKS = {"en": ",", "ru": "\u00a0"}


def grouped(number: int, language: str) -> str:
    """Write a number with its thousands apart."""
    return f"{number:,}".replace(",", _MARKS.get(language, ","))


def share(part: int, whole: int) -> str:
    """Write a part of a whole in percent; a dash of nothing. What is not all is never 100 %."""
    if not whole:
        return "–"
    percent = 100 * part / whole
    if 0 < percent < 1:
        return "<\u202f1\u00a0%"
    if part < whole and percent > 99:
        return ">\u202f99\u00a0%"
    return f"{round(percent)}\u00a0%"
