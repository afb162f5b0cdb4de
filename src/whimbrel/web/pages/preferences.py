"""How a visitor wants pages to be: language, theme and time zone, kept in cookies of a year.

They say nothing of anybody, so that they need no session; a page of another site cannot set them,
since requests from other sites are refused.
"""

from datetime import tzinfo
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple
from zoneinfo import ZoneInfo, available_timezones

from starlette.requests import Request
from starlette.responses import Response

from whimbrel.web.pages.words import LANGUAGES
from whimbrel.web.short_pages import language_of

THEMES = MappingProxyType({"auto": "As the system", "light": "Light", "dark": "Dark"})
_DEFAULT_ZONE = "UTC"
_YEAR = 365 * 24 * 3_600
COOKIES = MappingProxyType(
    {"language": "whimbrel_language", "theme": "whimbrel_theme", "zone": "whimbrel_zone"}
)


class Preferences(NamedTuple):
    """What a visitor has chosen, or what his browser says."""

    language: str
    theme: str
    zone: str

    @property
    def tz(self) -> tzinfo:
        """The time zone."""
        return ZoneInfo(self.zone)


def preferences_of(request: Request) -> Preferences:
    """Read a request's preferences; what is wrong counts as not chosen."""
    cookies = {name: request.cookies.get(cookie, "") for name, cookie in COOKIES.items()}
    accepted = request.headers.get("accept-language", "").encode("latin-1", "replace")
    return Preferences(
        cookies["language"] if cookies["language"] in LANGUAGES else language_of(accepted),
        cookies["theme"] if cookies["theme"] in THEMES else "auto",
        cookies["zone"] if cookies["zone"] in zones() else _DEFAULT_ZONE,
    )


def keep_preferences(response: Response, chosen: dict[str, str], *, secure: bool) -> None:
    """Write what was chosen into cookies. Raises `ValueError` with the member that is wrong."""
    known = {"language": LANGUAGES, "theme": THEMES, "zone": zones()}
    for name, value in chosen.items():
        if value not in known[name]:
            raise ValueError(f"{name}: {value!r} is none that there is")
        response.set_cookie(
            COOKIES[name], value, max_age=_YEAR, samesite="lax", httponly=True, secure=secure
        )


@lru_cache(maxsize=1)
def zones() -> frozenset[str]:
    """Return the names of all time zones (IANA)."""
    return frozenset(available_timezones())
