"""How moments and spans are written on a page."""

from datetime import UTC, datetime, tzinfo

from markupsafe import Markup

from whimbrel.web.pages.words import Translator

_MARK = Markup('<time datetime="{machine}" title="{title}">{shown}</time>')


def moment(at: int | None, tz: tzinfo, *, exact: bool = False) -> Markup:
    """Write a moment (milliseconds UTC) in a zone; its title has the offset; a dash for None."""
    if at is None:
        return Markup("–")
    there = datetime.fromtimestamp(at / 1_000, tz)
    shown = there.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3] if exact else f"{there:%Y-%m-%d %H:%M:%S}"
    machine = datetime.fromtimestamp(at / 1_000, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
    return _MARK.format(machine=machine, title=f"{there:%Y-%m-%d %H:%M:%S %z}", shown=shown)


def span(milliseconds: float, say: Translator) -> str:
    """Write how long something lasts, in the one unit that fits."""
    seconds = milliseconds / 1_000
    if seconds < 1:
        return say("{count} ms", count=round(milliseconds))
    if seconds < 10:
        return say("{count} s", count=f"{seconds:.1f}")
    if seconds < 120:
        return say("{count} s", count=round(seconds))
    if seconds < 7_200:
        return say("{count} min", count=round(seconds / 60))
    if seconds < 172_800:
        return say("{count} h", count=round(seconds / 3_600))
    return say("{count} d", count=round(seconds / 86_400))


def typed_moment(at: int, tz: tzinfo) -> str:
    """Write a moment as a field for moments has it, to the minute."""
    return f"{datetime.fromtimestamp(at / 1_000, tz):%Y-%m-%dT%H:%M}"


def moment_in(text: str, tz: tzinfo) -> int | None:
    """Read a moment (milliseconds UTC) out of a field, in a zone unless it names an offset.

    None: it is no moment.
    """
    try:
        at = datetime.fromisoformat(text)
        moment = int((at if at.tzinfo else at.replace(tzinfo=tz)).timestamp() * 1_000)
    except (ValueError, OverflowError):
        return None
    return max(moment, 0)
