"""Draws the sandbox's pages: templates, languages, themes, and the headers of each page.

Knows nothing of what is drawn.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from whimbrel.sandbox.handset.words import LANGUAGES, Words, language_of

LANGUAGE_COOKIE, THEME_COOKIE = "sandbox-language", "sandbox-theme"
THEMES = ("auto", "light", "dark")
_A_YEAR = 365 * 24 * 3600  # seconds
_FOLDER = Path(__file__).parent
_ASSET_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}

# Nothing but our own files, save for images, which come from wherever a message says.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' http: https: data:; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    # With no-referrer a browser would send our own forms with an Origin of null.
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}

# As far as a URL goes in a text: to a space, a quote or a bracket, without punctuation behind it.
_URL = re.compile(r"""https?://[^\s<>"'`«»“”„\\^{|}]+""", re.IGNORECASE)
_AFTER_URL = ".,;:!?…)]*_~"


class Run(NamedTuple):
    """A stretch of a text; `is_url` if it can be tapped."""

    text: str
    is_url: bool


class Screen:
    """The pages of one sandbox."""

    def __init__(self) -> None:
        self._templates = Environment(
            loader=FileSystemLoader(_FOLDER / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters |= {"runs": runs, "moment": _moment, "clock_time": _clock_time}

    def answer(self, request: Request, name: str, *, status: int = 200, **values: Any) -> Response:
        """Return a page, or lead to it once more without the visitor's choice of its look."""
        if choice := _choice(request):
            return choice
        return HTMLResponse(self.draw(request, name, **values), status, HEADERS)

    def draw(self, request: Request, name: str, **values: Any) -> str:
        """Return a page, or a piece of one, in the visitor's language."""
        words = words_of(request)
        theme = request.cookies.get(THEME_COOKIE)
        look = {
            "_": words,
            "language": words.language,
            "languages": LANGUAGES,
            "theme": theme if theme in THEMES else "auto",
            "themes": THEMES,
        }
        return self._templates.get_template(name).render(look | values)


def words_of(request: Request) -> Words:
    """Return the visitor's language."""
    return Words(language_of(request, LANGUAGE_COOKIE))


def runs(text: str) -> Iterator[Run]:
    """Yield a text in stretches, each of which is a URL of http or https, or has none in it."""
    position = 0
    for found in _URL.finditer(text):
        url = found[0].rstrip(_AFTER_URL)
        if "://" not in url[:-1] or url.endswith("//"):
            continue
        if found.start() > position:
            yield Run(text[position : found.start()], is_url=False)
        yield Run(url, is_url=True)
        position = found.start() + len(url)
    if position < len(text):
        yield Run(text[position:], is_url=False)


def asset_routes() -> Iterator[Route]:
    """Yield a route for each style sheet, script and picture of the pages."""
    for path in sorted((_FOLDER / "assets").rglob("*")):
        if kind := _ASSET_TYPES.get(path.suffix):
            name = path.relative_to(_FOLDER).as_posix()
            yield Route(f"/handset/{name}", _sender_of(path.read_bytes(), kind), methods=["GET"])


def _sender_of(content: bytes, kind: str) -> Any:
    headers = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-cache"}

    async def send(_request: Request) -> Response:
        return Response(content, headers=headers, media_type=kind)

    return send


def _choice(request: Request) -> Response | None:
    """Remember a language or a theme that the address asks for, and take it out of the address."""
    wanted = {
        cookie: value
        for cookie, name, known in (
            (LANGUAGE_COOKIE, "language", LANGUAGES),
            (THEME_COOKIE, "theme", THEMES),
        )
        if (value := request.query_params.get(name)) in known
    }
    if not wanted:
        return None
    answer = RedirectResponse(request.url.path, 303, HEADERS)
    for cookie, value in wanted.items():
        answer.set_cookie(cookie, str(value), max_age=_A_YEAR, samesite="lax", httponly=True)
    return answer


def _moment(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds")


def _clock_time(at: int) -> str:
    """Return a time of day in this machine's zone; a script puts it into the browser's."""
    return datetime.fromtimestamp(at / 1000, UTC).astimezone().strftime("%H:%M")
